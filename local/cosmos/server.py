"""The HTTP face of the stand-in: routes, faults, answers."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import orjson
from aiohttp import web

from local.cosmos import wire
from local.cosmos.documents import CosmosError, bad_request
from local.cosmos.faults import Fault
from local.cosmos.query import Request, needs_merging, query_page, query_plan
from local.cosmos.sql import Query, parse_query
from local.cosmos.store import Container, Operation, Outcome, Store, failed_batch
from local.http_server import Faults, HttpServer


@dataclass(frozen=True, slots=True)
class Served:
    """A data request and the status it was answered with; 0 is a closed connection."""

    operation: str
    container: str
    status: int


class CosmosServer(HttpServer[Store]):
    """One account. Start it, provision containers, point a CosmosClient at `endpoint`."""

    def __init__(
        self,
        path: Path,
        port: int = 0,
        host: str = "127.0.0.1",
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(port, host)
        self.key = wire.EMULATOR_KEY
        self.faults = Faults[Fault]()
        self.requests: deque[Served] = deque(maxlen=100_000)
        self._path = path
        self._clock = clock

    def _open(self) -> Store:
        return Store(self._path, self._clock)

    def provision(self, database: str, containers: Iterable[dict[str, Any]]) -> None:
        """Create what is missing and take over changed settings; may be called before start."""
        self._store.provision(database, containers)

    def counts(self) -> Counter[str]:
        """How many data requests of each operation were served."""
        return Counter(served.operation for served in self.requests)

    async def _serve(self, request: web.Request) -> web.Response:
        segments = [unquote(part) for part in request.rel_url.raw_path.split("/") if part]
        try:
            if segments == ["_local", "faults"]:
                return await self._local(request)
            wire.check_authorization(request.method, segments, request.headers, self.key)
            if request.method != "GET" and segments[4:5] != ["docs"]:
                return await self._change(request, segments)
            return await self._route(request, segments)
        except CosmosError as error:
            return _error(error)
        except ValueError as error:
            return _error(bad_request(f"Malformed: {error}"))

    async def _route(self, request: web.Request, segments: list[str]) -> web.Response:
        match request.method, segments:
            case _, ["dbs", database, "colls", name, "docs", *item] if len(item) <= 1:
                container = self._store.container(database, name)
                return await self._documents(request, container, *item)
            case "GET", []:
                return _json(wire.account(f"http://{request.host}"))
            case "GET", ["dbs", database]:
                self._store.check_database(database)
                return _json({"id": database, "_rid": database})
            case "GET", ["dbs", database, "colls", name]:
                return _json(self._store.container(database, name).properties)
            case "GET", ["dbs", database, "colls", name, "pkranges"]:
                if "if-none-match" in request.headers:
                    return web.Response(status=HTTPStatus.NOT_MODIFIED, headers={"etag": "1"})
                rid = self._store.container(database, name).rid
                ranges = wire.feed("PartitionKeyRanges", rid, [wire.ONE_RANGE])
                return _json(ranges, headers={"etag": "1"})
        raise _unsupported(request.method, segments)

    async def _change(self, request: web.Request, segments: list[str]) -> web.Response:
        """Create or delete a database, or create a container."""
        body = await request.read()
        match request.method, segments:
            case "POST", ["dbs"]:
                name = orjson.loads(body)["id"]
                self._store.create_database(name)
                return _json({"id": name, "_rid": name}, HTTPStatus.CREATED)
            case "POST", ["dbs", database, "colls"]:
                created = self._store.create_container(database, orjson.loads(body))
                return _json(created.properties, HTTPStatus.CREATED)
            case "DELETE", ["dbs", database]:
                self._store.delete_database(database)
                return web.Response(status=HTTPStatus.NO_CONTENT)
        raise _unsupported(request.method, segments)

    async def _local(self, request: web.Request) -> web.Response:
        if request.method == "DELETE":
            self.faults.clear()
        elif request.method == "POST":
            try:
                self.faults.add(Fault(**orjson.loads(await request.read())))
            except TypeError as error:
                raise bad_request(f"Not a fault: {error}") from error
        return _json({"faults": self.faults.as_json()})

    async def _documents(
        self, request: web.Request, container: Container, item: str | None = None
    ) -> web.Response:
        body = await request.read()
        name = wire.operation_name(request.method, item, request.headers)
        if name == "plan":
            return _json(query_plan(*_parsed(body)))
        fault = self.faults.first_hit(lambda each: each.matches(name, container.id))
        if fault is not None:
            await asyncio.sleep(fault.latency_seconds)
        try:
            answer = _faulty(fault, body) if fault else None
            answer = answer or self._answer(request, container, name, item, body)
        except CosmosError as error:
            answer = _error(error)
        lost = fault is not None and (fault.reset or fault.lost_answer)
        self.requests.append(Served(name, container.id, 0 if lost else answer.status))
        if lost and request.transport is not None:
            request.transport.abort()
        return answer

    def _answer(
        self, request: web.Request, container: Container, name: str, item: str | None, body: bytes
    ) -> web.Response:
        self._store.purge()
        if name == "query":
            return self._query(request, container, body)
        pk = wire.partition_key(request.headers)
        if pk is None:
            raise bad_request("The partition key of the item is missing.")
        if name == "batch":
            outcomes = self._store.execute(container, pk, wire.parse_batch(body))
            return _batch(outcomes, minimal="prefer" in request.headers)
        content = orjson.loads(body) if body else None
        if_match, if_none_match = map(request.headers.get, ("if-match", "if-none-match"))
        operation = Operation(name, item, content, if_match, if_none_match)
        (outcome,) = self._store.execute(container, pk, [operation])
        if isinstance(outcome, CosmosError):
            raise outcome
        etag = {"etag": outcome.etag} if outcome.etag else None
        return _json(outcome.body or b"", outcome.status, etag)

    def _query(self, request: web.Request, container: Container, body: bytes) -> web.Response:
        query = _parsed(body)[1] if request.method == "POST" else Query()
        pk = wire.partition_key(request.headers)
        if pk is None and needs_merging(query):
            message = "The cross partition query can not be directly served by the gateway."
            raise bad_request(message, 1004)
        size, token = map(request.headers.get, ("x-ms-max-item-count", "x-ms-continuation"))
        asked = Request(container, query, pk, int(size or 0), token)
        rows, following = query_page(self._store, asked)
        feed = wire.feed("Documents", container.rid, rows)
        return _json(feed, headers={"x-ms-continuation": following} if following else None)


def _faulty(fault: Fault, body: bytes) -> web.Response | None:
    """The answer of a fault that keeps the request from being carried out."""
    status = fault.status or fault.inside
    if status is None:
        return web.Response() if fault.reset else None
    message = f"A fault was asked for: {status}"
    error = CosmosError(status, message, fault.substatus, fault.retry_after_ms)
    if fault.inside is None:
        raise error
    size = len(wire.parse_batch(body))
    return _batch(failed_batch(size, min(fault.inside_index, size - 1), error))


def _parsed(body: bytes) -> tuple[str, Query]:
    request = orjson.loads(body)
    parameters = {one["name"]: one.get("value") for one in request.get("parameters") or []}
    return request["query"], parse_query(request["query"], parameters)


def _batch(outcomes: list[Outcome | CosmosError], *, minimal: bool = False) -> web.Response:
    failed = any(isinstance(outcome, CosmosError) for outcome in outcomes)
    answers = [wire.batch_answer(outcome, minimal=minimal) for outcome in outcomes]
    return _json(answers, HTTPStatus.MULTI_STATUS if failed else HTTPStatus.OK)


def _json(
    content: Any, status: int = HTTPStatus.OK, headers: dict[str, str] | None = None
) -> web.Response:
    body = content if isinstance(content, bytes) else orjson.dumps(content)
    extra = {"x-ms-request-charge": "1", "content-type": "application/json", **(headers or {})}
    return web.Response(status=status, body=body or None, headers=extra)


def _unsupported(method: str, segments: list[str]) -> CosmosError:
    return bad_request(f"{method} /{'/'.join(segments)} is not supported here.")


def _error(error: CosmosError) -> web.Response:
    headers = {"x-ms-substatus": str(error.substatus)}
    if error.retry_after_ms is not None:
        headers["x-ms-retry-after-ms"] = str(error.retry_after_ms)
    return _json({"code": str(error.status), "message": error.message}, error.status, headers)
