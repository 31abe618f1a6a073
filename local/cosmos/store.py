"""Containers and items in one SQLite file; a batch is one transaction."""

import json
import sqlite3
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from local.cosmos.documents import UNDEFINED, CosmosError, apply_patch, bad_request, dig

MAX_ITEM_BYTES = 2 * 1024 * 1024
MAX_ID_BYTES = 1023
MAX_TTL = 2**31 - 1
_INDEX_EVERYTHING = {
    "indexingMode": "consistent",
    "automatic": True,
    "includedPaths": [{"path": "/*"}],
    "excludedPaths": [{"path": '/"_etag"/?'}],
}
# One process at a time; survives its crash, not a power cut.
_SCHEMA = """
PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;
CREATE TABLE IF NOT EXISTS databases (id TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS containers (
  key INTEGER PRIMARY KEY, database TEXT NOT NULL, id TEXT NOT NULL, properties TEXT NOT NULL,
  UNIQUE (database, id));
CREATE TABLE IF NOT EXISTS items (
  seq INTEGER PRIMARY KEY, container INTEGER NOT NULL, pk TEXT NOT NULL, id TEXT NOT NULL,
  etag TEXT NOT NULL, ts INTEGER NOT NULL, expires INTEGER, body BLOB NOT NULL,
  UNIQUE (container, pk, id));
CREATE INDEX IF NOT EXISTS items_by_container ON items (container);
CREATE INDEX IF NOT EXISTS items_by_id ON items (container, id);
CREATE INDEX IF NOT EXISTS items_by_expiry ON items (expires) WHERE expires IS NOT NULL;
"""


@dataclass(frozen=True, slots=True)
class Container:
    """A container as provisioned; clients route by `rid`."""

    key: int
    database: str
    id: str
    properties: dict[str, Any]
    rid: str
    partition_key: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation on one item; `body` is the document, or the patch."""

    kind: str
    id: str | None = None
    body: Any = None
    if_match: str | None = None
    if_none_match: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an operation answers; `body` is the item's JSON."""

    status: int
    body: bytes | None = None
    etag: str | None = None


class _Row(NamedTuple):
    seq: int
    etag: str
    body: bytes


class Store:
    """All state. Calls are synchronous, so each is atomic towards every other request."""

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._clock = clock
        self._sql = sqlite3.connect(path, isolation_level="IMMEDIATE")
        self._sql.executescript(_SCHEMA)
        (self._last_seq,) = self._sql.execute("SELECT COALESCE(MAX(seq), 0) FROM items").fetchone()

    def close(self) -> None:
        """Release the file."""
        self._sql.close()

    def provision(self, database: str, containers: Iterable[dict[str, Any]]) -> None:
        """Create what is missing and take over settings that may change."""
        with self._sql:
            self._sql.execute("INSERT OR IGNORE INTO databases VALUES (?)", (database,))
            for wanted in containers:
                self._provision(database, wanted)

    def create_database(self, name: str) -> None:
        """Create an empty database; raises 409."""
        with self._sql:
            made = self._sql.execute("INSERT OR IGNORE INTO databases VALUES (?)", (name,))
        if not made.rowcount:
            raise CosmosError(HTTPStatus.CONFLICT, f"The database {name} already exists.")

    def create_container(self, database: str, wanted: dict[str, Any]) -> Container:
        """Create a container as a client asks for it; raises 404 and 409."""
        self.check_database(database)
        name = _checked_id(wanted)
        known = "SELECT 1 FROM containers WHERE database = ? AND id = ?"
        if self._sql.execute(known, (database, name)).fetchone() is not None:
            raise CosmosError(HTTPStatus.CONFLICT, f"The container {name} already exists.")
        with self._sql:
            self._provision(database, {"indexingPolicy": _INDEX_EVERYTHING, **wanted})
        return self.container(database, name)

    def delete_database(self, name: str) -> None:
        """Delete a database with all that it holds; raises 404."""
        self.check_database(name)
        with self._sql:
            self._sql.execute(
                "DELETE FROM items WHERE container IN"
                " (SELECT key FROM containers WHERE database = ?)",
                (name,),
            )
            self._sql.execute("DELETE FROM containers WHERE database = ?", (name,))
            self._sql.execute("DELETE FROM databases WHERE id = ?", (name,))

    def _provision(self, database: str, wanted: dict[str, Any]) -> None:
        name = wanted["id"]
        if len(wanted["partitionKey"]["paths"]) != 1:
            raise ValueError(f"{name}: a hierarchical partition key is not supported here")
        try:
            known = self.container(database, name).properties
        except CosmosError:
            known = {"_rid": uuid.uuid4().hex[:8], "_etag": '"1"', "_ts": int(self._clock())}
            known |= wanted
        for setting in ("partitionKey", "defaultTtl"):
            if known.get(setting) != wanted.get(setting):
                raise ValueError(f"{name}: {setting} cannot be changed here; delete the file")
        self._sql.execute(
            "INSERT INTO containers (database, id, properties) VALUES (?, ?, ?)"
            " ON CONFLICT (database, id) DO UPDATE SET properties = excluded.properties",
            (database, name, json.dumps({**known, **wanted})),
        )

    def check_database(self, name: str) -> None:
        """Raise 404 if there is no such database."""
        select = "SELECT id FROM databases WHERE id = :name UNION SELECT database FROM containers"
        if self._sql.execute(f"{select} WHERE database = :name", {"name": name}).fetchone() is None:
            raise CosmosError(HTTPStatus.NOT_FOUND, f"The database {name} does not exist.", 1003)

    def container(self, database: str, name: str) -> Container:
        """One container; raises 404."""
        columns = "SELECT key, properties FROM containers WHERE database = ? AND id = ?"
        row = self._sql.execute(columns, (database, name)).fetchone()
        if row is None:
            message = f"Owner resource does not exist: dbs/{database}/colls/{name}"
            raise CosmosError(HTTPStatus.NOT_FOUND, message, 1003)
        properties = json.loads(row[1])
        path = tuple(properties["partitionKey"]["paths"][0].strip("/").split("/"))
        return Container(row[0], database, name, properties, properties["_rid"], path)

    def purge(self) -> None:
        """Delete what has expired; called before every request, so nobody sees it."""
        with self._sql:
            self._sql.execute("DELETE FROM items WHERE expires <= ?", (int(self._clock()),))

    def execute(
        self, container: Container, pk: str, operations: list[Operation]
    ) -> list[Outcome | CosmosError]:
        """All or nothing: one failure leaves its error in its place and 424 in the others'."""
        outcomes: list[Outcome | CosmosError] = []
        try:
            with self._sql:
                for operation in operations:
                    outcomes.append(self._apply(container, pk, operation))  # noqa: PERF401
        except CosmosError as error:
            return failed_batch(len(operations), len(outcomes), error)
        return outcomes

    def scan(
        self, container: Container, *, after: int, pks: set[str] | None, ids: set[str] | None
    ) -> Iterator[tuple[int, bytes]]:
        """Items in a fixed order, narrowed to logical partitions and ids where these are known."""
        where = "container = ? AND seq > ?"
        values: list[Any] = [container.key, after]
        narrow = {"id": ids, "pk": None if ids and pks and len(pks) > 1 else pks}
        for column, wanted in narrow.items():
            if wanted is not None:
                where += f" AND {column} IN (SELECT value FROM json_each(?))"
                values.append(json.dumps(sorted(wanted)))
        select = f"SELECT seq, body FROM items WHERE {where} ORDER BY seq"
        yield from self._sql.execute(select, values)

    def _apply(self, container: Container, pk: str, operation: Operation) -> Outcome:
        document = operation.body
        creates = operation.kind in ("create", "upsert")
        name = _checked_id(document) if creates else operation.id
        row = self._find(container, pk, name)
        if operation.kind == "read" and row:
            if operation.if_none_match == row.etag:
                return Outcome(HTTPStatus.NOT_MODIFIED, None, row.etag)
            return Outcome(HTTPStatus.OK, row.body, row.etag)
        _check_conditions(operation, name, row)
        if operation.kind == "delete" and row:
            self._sql.execute("DELETE FROM items WHERE seq = ?", (row.seq,))
            return Outcome(HTTPStatus.NO_CONTENT)
        if operation.kind == "patch" and row:
            if document.get("condition"):
                raise bad_request("A filter_predicate of a patch is not supported here.")
            document, operations = orjson.loads(row.body), document["operations"]
            apply_patch(document, operations, container.partition_key)
        if document.get("id") != name:
            raise bad_request(f"The id of the document is not that of the request: {name}")
        return self._put(container, pk, document, row)

    def _find(self, container: Container, pk: str, name: str | None) -> _Row | None:
        row = self._sql.execute(
            "SELECT seq, etag, body FROM items WHERE container = ? AND pk = ? AND id = ?",
            (container.key, pk, name),
        ).fetchone()
        return _Row(*row) if row else None

    def _put(
        self, container: Container, pk: str, document: dict[str, Any], row: _Row | None
    ) -> Outcome:
        if partition_key_text(dig(document, container.partition_key)) != pk:
            message = "PartitionKey extracted from document doesn't match the one in the header"
            raise bad_request(message, 1001)
        self._last_seq += row is None
        seq = row.seq if row else self._last_seq
        etag, now = f'"{uuid.uuid4()}"', int(self._clock())
        system = {"_rid": f"{container.rid}{seq:08x}", "_etag": etag, "_ts": now}
        body = orjson.dumps({**document, **system})
        if len(body) > MAX_ITEM_BYTES:
            raise CosmosError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Request size is too large")
        expires = _expiry(container, document, now)
        self._sql.execute(
            "INSERT OR REPLACE INTO items VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (seq, container.key, pk, document["id"], etag, now, expires, body),
        )
        return Outcome(HTTPStatus.OK if row else HTTPStatus.CREATED, body, etag)


def partition_key_text(value: Any) -> str:
    """One text per logical partition: 1 and 1.0 are the same key, a missing one is {}."""
    whole = isinstance(value, float) and value.is_integer()
    return orjson.dumps([{} if value is UNDEFINED else int(value) if whole else value]).decode()


def failed_batch(size: int, index: int, error: CosmosError) -> list[Outcome | CosmosError]:
    """What a batch answers that one operation failed: 424 for all others."""
    other = CosmosError(HTTPStatus.FAILED_DEPENDENCY, "Another operation failed.")
    return [error if at == index else other for at in range(size)]


def _check_conditions(operation: Operation, name: str | None, row: _Row | None) -> None:
    if operation.if_none_match is not None and operation.kind != "read":
        raise bad_request("If-None-Match is supported here for reads only.")
    if row is None:
        if operation.kind not in ("create", "upsert"):
            message = f"Entity with the specified id does not exist: {name}"
            raise CosmosError(HTTPStatus.NOT_FOUND, message)
    elif operation.kind == "create":
        message = f"Entity with the specified id already exists in the system: {name}"
        raise CosmosError(HTTPStatus.CONFLICT, message)
    elif operation.if_match not in (None, "*", row.etag):
        message = "One of the specified pre-condition is not met"
        raise CosmosError(HTTPStatus.PRECONDITION_FAILED, message)


def _checked_id(document: Any) -> str:
    name = document.get("id")
    fits = isinstance(name, str) and 0 < len(name.encode()) <= MAX_ID_BYTES
    if not fits or set(name) & set("/\\?#"):
        raise bad_request(f"The id is not a text of 1 to {MAX_ID_BYTES} bytes without / \\ ? #.")
    return str(name)


def _expiry(container: Container, document: dict[str, Any], now: int) -> int | None:
    default = container.properties.get("defaultTtl")
    ttl = document.get("ttl")
    if ttl is None:
        ttl = -1 if default is None else default
    elif type(ttl) is not int or not (ttl == -1 or 0 < ttl <= MAX_TTL):
        raise bad_request(f"The input ttl '{ttl}' is invalid: a positive integer or -1.")
    return None if default is None or ttl == -1 else now + int(ttl)
