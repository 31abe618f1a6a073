"""The HTTP face of the stand-in: routes, faults, answers."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import orjson
from aiohttp import web

from local.http_server import Faults, HttpServer
from local.log_analytics import wire
from local.log_analytics.faults import Fault
from local.log_analytics.kql import no_table
from local.log_analytics.store import Store, View, parse_rows
from local.log_analytics.wire import LogsError, bad_request


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Served:
    """A query's target and the status it was answered with; 0 is a closed connection."""

    target: str
    status: int


class LogAnalyticsServer(HttpServer[Store]):
    """Workspaces, and the components whose rows they hold. Point a LogsQueryClient at `endpoint`.

    A query's target is a workspace's GUID or a component's resource id, in any case of letters.
    """

    def __init__(  # noqa: PLR0913 - four have defaults
        self,
        path: Path,
        workspaces: Mapping[str, Sequence[str]],
        port: int = 0,
        host: str = "127.0.0.1",
        *,
        clock: Callable[[], datetime] = _utc_now,
        max_rows: int = 500_000,
    ) -> None:
        super().__init__(port, host)
        self.faults = Faults[Fault]()
        self.requests: deque[Served] = deque(maxlen=100_000)
        self._path = path
        self._clock = clock
        self._max_rows = max_rows
        self._targets = _targets(workspaces)

    def _open(self) -> Store:
        return Store(self._path)

    def add(self, rows: Iterable[Mapping[str, Any]]) -> int:
        """Keep rows, all or none, and return how many; raises ValueError for wrong ones."""
        parsed = parse_rows(rows)
        unknown = {row.component for row in parsed if row.component.lower() not in self._targets}
        if unknown:
            raise ValueError(f"no workspace holds rows of {', '.join(sorted(unknown))}")
        self._store.add(parsed, self._clock())
        return len(parsed)

    def remove_before(self, moment: datetime) -> None:
        """Remove the rows that were generated before a moment, as retention does."""
        self._store.remove_before(moment)

    async def _serve(self, request: web.Request) -> web.Response:
        segments = [unquote(part) for part in request.rel_url.raw_path.split("/") if part]
        try:
            return await self._route(request, segments)
        except LogsError as error:
            return _error(error)
        except ValueError as error:
            return _error(bad_request(f"Malformed: {error}"))

    async def _route(self, request: web.Request, segments: list[str]) -> web.Response:
        match request.method, segments:
            case "POST", ["v1", "workspaces", workspace, "query"]:
                return await self._query(request, workspace)
            case "POST", ["v1", *component, "query"]:
                return await self._query(request, f"/{'/'.join(component)}")
            case "POST", ["_local", "rows"]:
                return _json({"taken": self.add(orjson.loads(await request.read()))})
            case _, ["_local", "faults"]:
                return await self._local(request)
        message = f"{request.method} /{'/'.join(segments)} is not supported here"
        raise LogsError(HTTPStatus.NOT_FOUND, "PathNotFoundError", message)

    async def _local(self, request: web.Request) -> web.Response:
        if request.method == "DELETE":
            self.faults.clear()
        elif request.method == "POST":
            try:
                self.faults.add(Fault(**orjson.loads(await request.read())))
            except TypeError as error:
                raise bad_request(f"Not a fault: {error}") from error
        return _json({"faults": self.faults.as_json()})

    async def _query(self, request: web.Request, target: str) -> web.Response:
        if not request.headers.get("authorization", "").startswith("Bearer "):
            message = "Valid authentication was not provided"
            raise LogsError(HTTPStatus.UNAUTHORIZED, "AuthorizationRequiredError", message)
        asked = orjson.loads(await request.read())
        fault = self.faults.first_hit(lambda each: each.matches(target))
        if fault is not None:
            await asyncio.sleep(fault.latency_seconds)
        try:
            answer = await self._answer(target, asked, fault)
        except LogsError as error:
            answer = _error(error)
        lost = fault is not None and fault.reset
        self.requests.append(Served(target, 0 if lost else answer.status))
        if lost and request.transport is not None:
            request.transport.abort()
        return answer

    async def _answer(self, target: str, asked: Any, fault: Fault | None) -> web.Response:
        if not isinstance(asked, dict) or not isinstance(kql := asked.get("query"), str):
            raise bad_request("The body has no query")
        if fault is not None and fault.status is not None:
            raise LogsError.of_status(fault.status, fault.retry_after_seconds)
        if fault is not None and fault.missing_table:
            raise no_table(kql)
        if fault is not None and fault.reset:
            return web.Response()
        view = self._view([target, *(asked.get("workspaces") or ())], asked.get("timespan"))
        return _json(await asyncio.to_thread(self._run, self._store, kql, view, fault))

    def _view(self, targets: Iterable[str], timespan: str | None) -> View:
        components: list[str] = []
        for target in targets:
            held = self._targets.get(target.lower())
            if held is None:
                kind = "Path" if target.startswith("/") else "Workspace"
                message = f"The {kind.lower()} {target} does not exist"
                raise LogsError(HTTPStatus.NOT_FOUND, f"{kind}NotFoundError", message)
            components += held
        return View(components, self._clock(), *wire.parse_timespan(timespan))

    def _run(self, store: Store, kql: str, view: View, fault: Fault | None) -> bytes:
        page = fault.full_page if fault else None
        result = store.query(kql, view, self._max_rows if page is None else page)
        partial = fault is not None and fault.partial
        rows = result.rows[: len(result.rows) // 2] if partial else result.rows
        answer: dict[str, Any] = {"tables": [wire.table(result.columns, rows)]}
        if partial or (result.more and page is None):
            answer["error"] = wire.partial_error(self._max_rows)
        return orjson.dumps(answer)


def _targets(workspaces: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Return whose rows each target sees, all in lower case."""
    held = {guid.lower(): [each.lower() for each in ids] for guid, ids in workspaces.items()}
    return held | {each: [each] for ids in held.values() for each in ids}


def _json(
    content: Any, status: int = HTTPStatus.OK, headers: dict[str, str] | None = None
) -> web.Response:
    body = content if isinstance(content, bytes) else orjson.dumps(content)
    extra = {"content-type": "application/json", **(headers or {})}
    return web.Response(status=status, body=body, headers=extra)


def _error(error: LogsError) -> web.Response:
    wait = error.retry_after_seconds
    return _json(
        error.as_json(), error.status, None if wait is None else {"retry-after": str(wait)}
    )
