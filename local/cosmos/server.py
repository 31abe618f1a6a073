"""The HTTP face of the stand-in: routes, faults, answers."""

import asyncio
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote

from aiohttp import web

from local.cosmos import wire
from local.cosmos.errors import (
    CROSS_PARTITION_NOT_SERVABLE,
    WRONG_CONTAINER_RID,
    CosmosError,
    bad_request,
)
from local.cosmos.faults import Fault, Faults, fault_from_json
from local.cosmos.plan import RANGES, needs_merging, query_plan
from local.cosmos.query import QueryRunner, Request, pinned_partitions
from local.cosmos.sql import parse_query
from local.cosmos.store import Container, Operation, Store
from local.cosmos.tree import Query
from local.cosmos.values import dumps, loads

MAX_BODY_BYTES = 64 * 1024 * 1024
KEPT_REQUESTS = 100_000
_RANGE_ETAG = '"1"'


@dataclass(frozen=True, slots=True)
class Served:
    """A data request and the status it was answered with; 0 is a closed connection."""

    operation: str
    container: str
    status: int


class CosmosServer:
    """One account. Start it, provision containers, point a CosmosClient at `endpoint`."""

    def __init__(
        self,
        path: Path,
        port: int = 0,
        host: str = "127.0.0.1",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.port = port
        self.host = host
        self.key = wire.EMULATOR_KEY
        self.faults = Faults()
        self.requests: deque[Served] = deque(maxlen=KEPT_REQUESTS)
        self._path = path
        self._clock = clock
        self._lsn = time.time_ns() // 1_000_000
        self._runner: web.AppRunner | None = None
        self._opened: tuple[Store, QueryRunner] | None = None

    @property
    def endpoint(self) -> str:
        """What a client connects to; after the first start the port stays the same."""
        return f"http://{self.host}:{self.port}"

    @property
    def _store(self) -> Store:
        return self._open()[0]

    def _open(self) -> tuple[Store, QueryRunner]:
        if self._opened is None:
            store = Store(self._path, self._clock)
            self._opened = store, QueryRunner(store)
        return self._opened

    def provision(self, database: str, containers: Iterable[dict[str, Any]]) -> None:
        """Create what is missing and take over changed settings; may be called before start."""
        self._store.provision(database, containers)

    def counts(self) -> Counter[str]:
        """How many data requests of each operation were served."""
        return Counter(served.operation for served in self.requests)

    async def start(self) -> None:
        """Open the file and listen; raises OSError if the port is in use."""
        self._open()
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, self.port)
        try:
            await site.start()
        except OSError as error:
            await self.stop()
            message = f"cannot listen on {self.host} port {self.port}: is it in use? ({error})"
            raise OSError(error.errno, message) from error
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close connections and the file; the data stays."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._opened is not None:
            self._opened[0].close()
            self._opened = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    # --- routes ---

    async def _serve(self, request: web.Request) -> web.Response:
        segments = [unquote(part) for part in request.rel_url.raw_path.split("/") if part]
        try:
            if segments[:1] == ["_local"]:
                return await self._local(request, segments)
            wire.check_authorization(request.method, segments, request.headers, self.key)
            return await self._route(request, segments)
        except CosmosError as error:
            return _error(error)

    async def _route(self, request: web.Request, segments: list[str]) -> web.Response:
        match segments:
            case ["dbs", database, "colls", name, "docs", *item] if len(item) <= 1:
                container = self._store.container(database, name)
                return await self._documents(request, container, item[0] if item else None)
        if request.method != "GET":
            raise CosmosError(
                HTTPStatus.FORBIDDEN,
                f"{request.method} /{'/'.join(segments)}: only items can be written here, as with"
                " a data-plane identity; databases and containers are provisioned.",
            )
        match segments:
            case []:
                return _json(wire.account(f"http://{request.host}"))
            case ["dbs"]:
                rows = [dumps(_database(name)) for name in self._store.databases()]
                return _json(wire.feed("Databases", "", rows))
            case ["dbs", database] if database in self._store.databases():
                return _json(_database(database))
            case ["dbs", database, "colls", *rest]:
                return self._container(request, database, rest)
        raise CosmosError(HTTPStatus.NOT_FOUND, f"Not found, or not supported here: {segments}")

    def _container(self, request: web.Request, database: str, rest: list[str]) -> web.Response:
        if not rest:
            rows = [dumps(one.properties) for one in self._store.containers(database)]
            return _json(wire.feed("DocumentCollections", database, rows))
        container = self._store.container(database, rest[0])
        if rest[1:] == ["pkranges"]:
            if request.headers.get("if-none-match") == _RANGE_ETAG:
                return web.Response(status=HTTPStatus.NOT_MODIFIED, headers={"etag": _RANGE_ETAG})
            span = {"minInclusive": RANGES["min"], "maxExclusive": RANGES["max"]}
            rows = [dumps({"id": "0", "_rid": container.rid, **span, "parents": []})]
            body = wire.feed("PartitionKeyRanges", container.rid, rows)
            return _json(body, {"etag": _RANGE_ETAG})
        if rest[1:]:
            raise bad_request(f"{rest[1]} of a container are not supported here.")
        return _json(container.properties)

    async def _local(self, request: web.Request, segments: list[str]) -> web.Response:
        if segments != ["_local", "faults"]:
            raise CosmosError(HTTPStatus.NOT_FOUND, "There is only /_local/faults.")
        if request.method == "DELETE":
            self.faults.clear()
        elif request.method == "POST":
            self.faults.add(fault_from_json(loads(await request.read())))
        return _json({"faults": self.faults.as_json()})

    # --- documents ---

    async def _documents(
        self, request: web.Request, container: Container, item: str | None
    ) -> web.Response:
        body = await request.read()
        name = wire.operation_name(request.method, item, request.headers)
        rid = request.headers.get("x-ms-cosmos-intended-collection-rid", container.rid)
        if rid != container.rid:
            message = "The container was made anew since the client read its properties."
            raise bad_request(message, substatus=WRONG_CONTAINER_RID)
        if name == "plan":
            return _json(query_plan(_parsed(body)))
        fault = self.faults.take(name, container.id)
        if fault is not None:
            await asyncio.sleep(fault.latency_seconds)
        answer = self._faulty(fault, body) if fault else None
        if answer is None:
            answer = self._answer(request, container, name, item, body)
        lost = fault is not None and (fault.reset or fault.lost_answer)
        self.requests.append(Served(name, container.id, 0 if lost else answer.status))
        if lost and request.transport is not None:
            request.transport.abort()
        return answer

    def _faulty(self, fault: Fault, body: bytes) -> web.Response | None:
        """The answer of a fault that keeps the request from being carried out."""
        if fault.reset:
            return web.Response()
        status = fault.status or fault.inside
        if status is None:
            return None
        error = CosmosError(
            status,
            f"A fault was asked for: {status}",
            substatus=fault.substatus,
            retry_after_ms=fault.retry_after_ms,
        )
        if fault.inside is None:
            return _error(error)
        failed = CosmosError(HTTPStatus.FAILED_DEPENDENCY, "Another operation failed.")
        answers = [wire.batch_answer(failed) for _ in wire.parse_batch(body)]
        answers[min(fault.inside_index, len(answers) - 1)] = wire.batch_answer(error)
        return _json(answers, status=HTTPStatus.MULTI_STATUS)

    def _answer(
        self, request: web.Request, container: Container, name: str, item: str | None, body: bytes
    ) -> web.Response:
        self._store.purge()
        try:
            if name == "query":
                return self._query(request, container, body)
            pk = wire.partition_key(container, request.headers)
            if pk is None:
                raise bad_request("The partition key of the item is missing.")
            if name == "batch":
                return self._batch(container, pk, wire.parse_batch(body))
            operation = wire.parse_operation(name, item, body, request.headers)
        except CosmosError as error:
            return _error(error)
        return self._item(request, container, pk, operation)

    def _item(
        self, request: web.Request, container: Container, pk: str, operation: Operation
    ) -> web.Response:
        try:
            outcome = self._store.execute(container, pk, operation)
        except CosmosError as error:
            return _error(error, self._headers(container, 1.0))
        headers = self._headers(container, outcome.charge)
        if outcome.etag is not None:
            headers["etag"] = outcome.etag
        minimal = operation.kind != "read" and request.headers.get("prefer") == "return=minimal"
        return _json(b"" if minimal else outcome.body or b"", headers, outcome.status)

    def _batch(self, container: Container, pk: str, operations: list[Operation]) -> web.Response:
        outcomes = self._store.execute_batch(container, pk, operations)
        answers = [wire.batch_answer(outcome) for outcome in outcomes]
        failed = any(isinstance(outcome, CosmosError) for outcome in outcomes)
        headers = self._headers(container, sum(answer["requestCharge"] for answer in answers))
        return _json(answers, headers, HTTPStatus.MULTI_STATUS if failed else HTTPStatus.OK)

    def _query(self, request: web.Request, container: Container, body: bytes) -> web.Response:
        headers = request.headers
        if "a-im" in headers or "x-ms-start-epk" in headers:
            raise bad_request("The change feed and feed ranges are not supported here.")
        query = _parsed(body) if request.method == "POST" else Query()
        pk = wire.partition_key(container, headers)
        if pk is None and "x-ms-documentdb-partitionkeyrangeid" not in headers and body:
            crossing = headers.get("x-ms-documentdb-query-enablecrosspartition", "").lower()
            _check_crossing(query, container, allowed=crossing == "true")
        size, token = wire.page_size(headers), headers.get("x-ms-continuation")
        page = self._open()[1].page(Request(container, query, body, pk, size, token))
        answer = self._headers(container, page.charge)
        answer["x-ms-item-count"] = str(len(page.rows))
        if page.token is not None:
            answer["x-ms-continuation"] = page.token
        return _json(wire.feed("Documents", container.rid, page.rows), answer)

    def _headers(self, container: Container, charge: float) -> dict[str, str]:
        self._lsn += 1
        return {
            "x-ms-request-charge": str(round(charge, 2)),
            "x-ms-session-token": f"0:-1#{self._lsn}",
            "x-ms-documentdb-partitionkeyrangeid": "0",
            "x-ms-alt-content-path": f"dbs/{container.database}/colls/{container.id}",
            "x-ms-content-path": container.rid,
        }


def _check_crossing(query: Query, container: Container, *, allowed: bool) -> None:
    if allowed:
        if needs_merging(query):
            raise bad_request(
                "The provided cross partition query can not be directly served by the gateway.",
                substatus=CROSS_PARTITION_NOT_SERVABLE,
            )
    elif len(pinned_partitions(query, container) or ()) != 1:
        raise bad_request(
            "Cross partition query is required but disabled. Please set"
            " x-ms-documentdb-query-enablecrosspartition to true, specify"
            " x-ms-documentdb-partitionkey, or revise your query to avoid this exception."
        )


def _parsed(body: bytes) -> Query:
    request = loads(body)
    if not isinstance(request, dict) or not isinstance(request.get("query"), str):
        raise bad_request("A query is an object with 'query' and 'parameters'.")
    given = request.get("parameters") or []
    return parse_query(request["query"], {one["name"]: one.get("value") for one in given})


def _database(name: str) -> dict[str, Any]:
    return {"id": name, "_rid": name, "_self": f"dbs/{name}/", "_colls": "colls/"}


def _json(
    content: Any, headers: dict[str, str] | None = None, status: int = HTTPStatus.OK
) -> web.Response:
    body = content if isinstance(content, bytes) else dumps(content)
    extra = {"x-ms-activity-id": str(uuid.uuid4()), "x-ms-request-charge": "1", **(headers or {})}
    return web.Response(
        status=status, body=body or None, headers=extra, content_type="application/json"
    )


def _error(error: CosmosError, headers: dict[str, str] | None = None) -> web.Response:
    extra = {**(headers or {}), "x-ms-substatus": str(error.substatus)}
    if error.retry_after_ms is not None:
        extra["x-ms-retry-after-ms"] = str(error.retry_after_ms)
    known = error.status in {status.value for status in HTTPStatus}
    code = HTTPStatus(error.status).phrase.replace(" ", "") if known else str(error.status)
    return _json({"code": code, "message": error.message}, extra, error.status)
