"""A Cosmos DB endpoint that answers at once: a process of its own, so that its CPU is not ours.

It speaks what the SDK needs to write batches and documents and to read them, keeps them by id,
and lists the batches that it was sent. Of a report's query it reads the columns and the days.
Nothing is signed, purged, indexed or kept on disk.
"""

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any, Final

import orjson
from aiohttp import web

_RANGE: Final = {"id": "0", "minInclusive": "", "maxExclusive": "FF", "parents": []}
_HEADERS: Final = {"content-type": "application/json", "x-ms-request-charge": "1"}
_FEED: Final = {"_rid": "r", "_count": 0}
_KEY: Final = {"paths": ["/partitionKey"], "kind": "Hash", "version": 2}
_KEPT_OPEN_SECONDS: Final = 600

Document = dict[str, Any]


class Endpoint:
    """One account whose databases and containers all exist."""

    def __init__(self) -> None:
        self._documents: dict[str, Document] = {}
        self._sent: list[Document] = []
        self._feed: list[Document] = []
        self._chosen: list[Document] = []
        self._etags = count(1)

    def routes(self) -> list[web.RouteDef]:
        """Return what is answered."""
        container = "/dbs/{database}/colls/{container}"
        end = "{_:/?}"  # the SDK writes a slash at the end, or none
        return [
            web.get("/", self._account),
            web.get("/_sent", self._list),
            web.delete("/_sent", self._forget),
            web.post("/_feed", self._take_feed),
            web.get(container + end, self._container),
            web.get(container + "/pkranges" + end, self._ranges),
            web.post(container + "/docs" + end, self._post),
            web.get(container + "/docs/{id}" + end, self._read),
            web.put(container + "/docs/{id}" + end, self._replace),
        ]

    async def _account(self, request: web.Request) -> web.Response:
        region = [{"name": "Local", "databaseAccountEndpoint": f"http://{request.host}/"}]
        policy = {"defaultConsistencyLevel": "Session"}
        locations = {"writableLocations": region, "readableLocations": region}
        return _json({"id": "local", **locations, "userConsistencyPolicy": policy})

    async def _list(self, _: web.Request) -> web.Response:
        return _json(self._sent)

    async def _forget(self, _: web.Request) -> web.Response:
        """List the batches that were sent, and forget them and all that is stored."""
        sent, self._sent, self._documents = self._sent, [], {}
        return _json(sent)

    async def _take_feed(self, request: web.Request) -> web.Response:
        self._feed = orjson.loads(await request.read())
        return _json({})

    async def _container(self, _: web.Request) -> web.Response:
        return _json({"id": "c", "_rid": "r", "partitionKey": _KEY})

    async def _ranges(self, request: web.Request) -> web.Response:
        if "if-none-match" in request.headers:
            return web.Response(status=304, headers={"etag": "1"})
        return _json({**_FEED, "PartitionKeyRanges": [_RANGE]}, etag="1")

    async def _post(self, request: web.Request) -> web.Response:
        headers, body = request.headers, await request.read()
        if "x-ms-documentdb-isquery" in headers:
            return self._query(orjson.loads(body), headers)
        if "x-ms-cosmos-is-batch-request" in headers:
            return self._batch(body, headers)
        return _json(self._kept(orjson.loads(body)), 201)

    async def _read(self, request: web.Request) -> web.Response:
        found = self._documents.get(request.match_info["id"])
        return _json(found or {}, 200 if found else 404)

    async def _replace(self, request: web.Request) -> web.Response:
        return _json(self._kept(orjson.loads(await request.read())))

    def _query(self, asked: Document, headers: Mapping[str, str]) -> web.Response:
        """Answer a report's query with the feed, page by page, and read_items with what is kept."""
        values = [each["value"] for each in asked.get("parameters", ())]
        rows, following = [], None
        if "rollup" in values:
            size, start = int(headers["x-ms-max-item-count"]), int(headers.get(_FROM, 0))
            if not start:
                self._chosen = self._of_days(values)
            columns = _SELECTED.findall(asked["query"])
            page = self._chosen[start : start + size]
            rows = [{name: each[name] for name in columns if name in each} for each in page]
            following = str(start + size) if start + size < len(self._chosen) else None
        elif " IN " in asked["query"]:
            rows = [self._documents[each] for each in values if each in self._documents]
        return _json({**_FEED, "Documents": rows}, following=following)

    def _of_days(self, values: Sequence[Any]) -> list[Document]:
        """Return what of the feed is of the days of a report's query: type, start, end."""
        _, start, end, *_ = values
        return [each for each in self._feed if start <= each["day"] <= end]

    def _batch(self, body: bytes, headers: Mapping[str, str]) -> web.Response:
        operations = orjson.loads(body)
        taken = [at for at, each in enumerate(operations) if self._is_taken(each)]
        key = orjson.loads(headers["x-ms-documentdb-partitionkey"])[0]
        batch = {"key": key, "operations": operations, "bytes": len(body), "written": not taken}
        self._sent.append(batch)
        if taken:
            statuses = [409 if at == taken[0] else 424 for at in range(len(operations))]
            return _json([{"statusCode": status, "requestCharge": 0} for status in statuses], 207)
        minimal = "prefer" in headers
        return _json([self._done(each, minimal=minimal) for each in operations])

    def _is_taken(self, operation: Document) -> bool:
        """Whether it creates a record that is there; rollups may be patched before creation."""
        if operation["operationType"] != "Create":
            return False
        document = operation["resourceBody"]
        return document["type"] == "usage" and document["id"] in self._documents

    def _done(self, operation: Document, *, minimal: bool) -> Document:
        """Answer an operation as the service does: with the document unless told otherwise."""
        kind, body = operation["operationType"], operation["resourceBody"]
        if kind == "Patch":
            document = self._documents.setdefault(operation["id"], {"id": operation["id"]})
            for step in body["operations"]:
                name = step["path"][1:]
                document[name] = document.get(name, 0) + step["value"]
            body = document
        kept = self._kept(body)
        status = 201 if kind == "Create" else 200
        answer = {"statusCode": status, "requestCharge": 1.0, "eTag": kept["_etag"]}
        return answer if minimal else answer | {"resourceBody": kept}

    def _kept(self, document: Document) -> Document:
        system = {"_rid": "r", "_self": "s", "_etag": f'"{next(self._etags)}"', "_ts": 1}
        self._documents[document["id"]] = document | system
        return self._documents[document["id"]]


_FROM: Final = "x-ms-continuation"
_SELECTED: Final = re.compile(r" AS (\w+)")


def _json(
    content: object, status: int = 200, *, etag: str | None = None, following: str | None = None
) -> web.Response:
    extra = {"etag": etag, _FROM: following}
    headers = _HEADERS | {name: value for name, value in extra.items() if value is not None}
    return web.Response(body=orjson.dumps(content), status=status, headers=headers)


@contextmanager
def running() -> Iterator[str]:
    """Run the endpoint in a process of its own; yields its address."""
    command = [sys.executable, "-m", "benchmarks.endpoint"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - ours
        try:
            yield process.stdout.readline().strip() if process.stdout else ""
        finally:
            process.terminate()


async def _main() -> None:
    app = web.Application(client_max_size=256 * 1024 * 1024)
    app.add_routes(Endpoint().routes())
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=_KEPT_OPEN_SECONDS)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main())
