"""Databases, containers and items in one SQLite file; a batch is one transaction."""

import base64
import contextlib
import json
import sqlite3
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from local.cosmos.errors import (
    OWNER_NOT_FOUND,
    PARTITION_KEY_MISMATCH,
    CosmosError,
    bad_request,
)
from local.cosmos.evaluate import compile_node
from local.cosmos.patch import apply_patch
from local.cosmos.sql import parse_predicate
from local.cosmos.values import UNDEFINED, dig, dumps, loads, partition_key_text

MAX_ITEM_BYTES = 2 * 1024 * 1024
MAX_ID_BYTES = 1023
MAX_TTL = 2**31 - 1
SYSTEM_PROPERTIES = ("_rid", "_self", "_etag", "_attachments", "_ts")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS containers (
  key INTEGER PRIMARY KEY, database TEXT NOT NULL, id TEXT NOT NULL, properties TEXT NOT NULL,
  UNIQUE (database, id));
CREATE TABLE IF NOT EXISTS items (
  seq INTEGER PRIMARY KEY, container INTEGER NOT NULL, pk TEXT NOT NULL, id TEXT NOT NULL,
  etag TEXT NOT NULL, ts INTEGER NOT NULL, expires INTEGER, body BLOB NOT NULL,
  UNIQUE (container, pk, id));
CREATE INDEX IF NOT EXISTS items_by_container ON items (container);
CREATE INDEX IF NOT EXISTS items_by_partition ON items (container, pk);
CREATE INDEX IF NOT EXISTS items_by_id ON items (container, id);
CREATE INDEX IF NOT EXISTS items_by_expiry ON items (expires) WHERE expires IS NOT NULL;
"""


@dataclass(frozen=True, slots=True)
class Container:
    """A container as provisioned."""

    key: int
    database: str
    id: str
    properties: dict[str, Any]

    @property
    def rid(self) -> str:
        """The resource id that clients route by; differs after a container is made anew."""
        return str(self.properties["_rid"])

    @property
    def partition_key_paths(self) -> list[list[str]]:
        """The partition key's paths, split."""
        return [path.strip("/").split("/") for path in self.properties["partitionKey"]["paths"]]

    def partition_key_of(self, document: Any) -> str:
        """The logical partition of a document; a missing component is {}."""
        found = (dig(document, tuple(path)) for path in self.partition_key_paths)
        return partition_key_text([{} if value is UNDEFINED else value for value in found])


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
    charge: float
    body: bytes | None = None
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class _Row:
    seq: int
    etag: str
    body: bytes


class Store:
    """All state. Calls are synchronous, so each is atomic towards every other request."""

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._clock = clock
        self._sql = sqlite3.connect(path, isolation_level=None)
        # One process at a time; survives its crash, not a power cut.
        for pragma in ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=NORMAL"):
            self._sql.execute(f"PRAGMA {pragma}")
        self._sql.executescript(_SCHEMA)
        (self._last_seq,) = self._sql.execute("SELECT COALESCE(MAX(seq), 0) FROM items").fetchone()

    def close(self) -> None:
        """Release the file."""
        self._sql.close()

    # --- containers ---

    def provision(self, database: str, containers: Iterable[dict[str, Any]]) -> None:
        """Create what is missing and take over changed settings; a partition key cannot change."""
        with self._transaction():
            for wanted in containers:
                self._provision(database, wanted)

    def _provision(self, database: str, wanted: dict[str, Any]) -> None:
        name = wanted["id"]
        existing = next((c for c in self.containers(database) if c.id == name), None)
        if existing is None:
            rid = _rid(uuid.uuid4().bytes[:8])
            properties = {**wanted, "_rid": rid, "_self": f"dbs/{database}/colls/{rid}/"}
            properties |= {"_etag": _new_etag(), "_ts": int(self._clock())}
            values = (database, name, json.dumps(properties))
            insert = "INSERT INTO containers (database, id, properties) VALUES (?, ?, ?)"
            self._sql.execute(insert, values)
            return
        if existing.properties["partitionKey"]["paths"] != wanted["partitionKey"]["paths"]:
            raise ValueError(f"{name}: the partition key of a container cannot be changed")
        properties = {key: value for key, value in existing.properties.items() if key[0] == "_"}
        self._sql.execute(
            "UPDATE containers SET properties = ? WHERE key = ?",
            (json.dumps({**properties, **wanted}), existing.key),
        )
        ttl = "COALESCE(json_extract(CAST(body AS TEXT), '$.ttl'), :default)"
        self._sql.execute(
            f"UPDATE items SET expires = CASE WHEN :default IS NULL OR {ttl} = -1 THEN NULL"
            f" ELSE ts + {ttl} END WHERE container = :container",
            {"default": wanted.get("defaultTtl"), "container": existing.key},
        )

    def databases(self) -> list[str]:
        """The names of all databases."""
        rows = self._sql.execute("SELECT DISTINCT database FROM containers ORDER BY database")
        return [row[0] for row in rows]

    def containers(self, database: str) -> list[Container]:
        """The containers of a database."""
        columns = "SELECT key, database, id, properties FROM containers WHERE database = ?"
        rows = self._sql.execute(f"{columns} ORDER BY id", (database,))
        return [Container(key, db, name, json.loads(text)) for key, db, name, text in rows]

    def container(self, database: str, name: str) -> Container:
        """One container; raises 404."""
        for container in self.containers(database):
            if container.id == name:
                return container
        raise CosmosError(
            HTTPStatus.NOT_FOUND,
            f"Owner resource does not exist: dbs/{database}/colls/{name}",
            substatus=OWNER_NOT_FOUND,
        )

    # --- items ---

    def purge(self) -> None:
        """Delete what has expired; called before every request, so nobody sees it."""
        self._sql.execute("DELETE FROM items WHERE expires <= ?", (int(self._clock()),))

    def execute(self, container: Container, pk: str, operation: Operation) -> Outcome:
        """Carry out one operation."""
        with self._transaction():
            return self._apply(container, pk, operation)

    def execute_batch(
        self, container: Container, pk: str, operations: list[Operation]
    ) -> list[Outcome | CosmosError]:
        """All or nothing: one failure leaves its error in its place and 424 in the others'."""
        outcomes: list[Outcome | CosmosError] = []
        try:
            with self._transaction():
                for operation in operations:
                    outcomes.append(self._apply(container, pk, operation))  # noqa: PERF401
        except CosmosError as error:
            failed = CosmosError(HTTPStatus.FAILED_DEPENDENCY, "Another operation failed.")
            answers: list[Outcome | CosmosError] = [failed] * len(operations)
            answers[len(outcomes)] = error
            return answers
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
        yield from self._sql.execute(
            f"SELECT seq, body FROM items WHERE {where} ORDER BY seq", values
        )

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._sql.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._sql.execute("ROLLBACK")
            raise
        self._sql.execute("COMMIT")

    def _apply(self, container: Container, pk: str, operation: Operation) -> Outcome:
        if operation.kind in ("create", "upsert"):
            return self._insert(container, pk, operation)
        row = self._find(container, pk, operation.id)
        if row is None:
            message = f"Entity with the specified id does not exist: {operation.id}"
            raise CosmosError(HTTPStatus.NOT_FOUND, message)
        if operation.kind == "read":
            unchanged = operation.if_none_match in ("*", row.etag)
            status = HTTPStatus.NOT_MODIFIED if unchanged else HTTPStatus.OK
            charge = round(1 + len(row.body) / 10_240, 2)
            return Outcome(status, charge, None if unchanged else row.body, row.etag)
        _check_match(operation, row)
        if operation.kind == "delete":
            self._sql.execute("DELETE FROM items WHERE seq = ?", (row.seq,))
            return Outcome(HTTPStatus.NO_CONTENT, _write_charge(row.body))
        document = operation.body
        if operation.kind == "patch":
            document = _patched(container, row, operation.body)
        if not isinstance(document, dict) or document.get("id") != operation.id:
            raise bad_request(f"The id of the document is not that of the request: {operation.id}")
        return self._put(container, pk, document, row)

    def _insert(self, container: Container, pk: str, operation: Operation) -> Outcome:
        name = _checked_id(operation.body)
        row = self._find(container, pk, name)
        if row is None:
            return self._put(container, pk, operation.body, None)
        if operation.kind == "create":
            message = f"Entity with the specified id already exists in the system: {name}"
            raise CosmosError(HTTPStatus.CONFLICT, message)
        _check_match(operation, row)
        return self._put(container, pk, operation.body, row)

    def _find(self, container: Container, pk: str, name: str | None) -> _Row | None:
        row = self._sql.execute(
            "SELECT seq, etag, body FROM items WHERE container = ? AND pk = ? AND id = ?",
            (container.key, pk, name),
        ).fetchone()
        return _Row(*row) if row else None

    def _put(
        self, container: Container, pk: str, document: dict[str, Any], row: _Row | None
    ) -> Outcome:
        if container.partition_key_of(document) != pk:
            raise bad_request(
                "PartitionKey extracted from document doesn't match the one specified in the"
                " header",
                substatus=PARTITION_KEY_MISMATCH,
            )
        text = dumps({key: document[key] for key in document if key not in SYSTEM_PROPERTIES})
        if len(text) > MAX_ITEM_BYTES:
            raise CosmosError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Request size is too large")
        seq, now = row.seq if row else self._last_seq + 1, int(self._clock())
        rid = _rid(base64.b64decode(container.rid.replace("-", "/")) + seq.to_bytes(8, "big"))
        system = {
            "_rid": rid,
            "_self": f"dbs/{container.database}/colls/{container.rid}/docs/{rid}/",
            "_etag": _new_etag(),
            "_attachments": "attachments/",
            "_ts": now,
        }
        body = text[:-1] + b"," + dumps(system)[1:]
        expires = _expiry(container, document, now)
        if row:
            self._sql.execute(
                "UPDATE items SET etag = ?, ts = ?, expires = ?, body = ? WHERE seq = ?",
                (system["_etag"], now, expires, body, seq),
            )
        else:
            self._last_seq = seq
            self._sql.execute(
                "INSERT INTO items VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (seq, container.key, pk, document["id"], system["_etag"], now, expires, body),
            )
        status = HTTPStatus.OK if row else HTTPStatus.CREATED
        return Outcome(status, _write_charge(body), body, str(system["_etag"]))


def _rid(raw: bytes) -> str:
    return base64.b64encode(raw).decode().replace("/", "-")


def _new_etag() -> str:
    return f'"{uuid.uuid4()}"'


def _write_charge(body: bytes) -> float:
    return round(5 + len(body) / 1024, 2)


def _check_match(operation: Operation, row: _Row) -> None:
    if operation.if_match not in (None, "*", row.etag):
        message = "One of the specified pre-condition is not met"
        raise CosmosError(HTTPStatus.PRECONDITION_FAILED, message)


def _patched(container: Container, row: _Row, patch: Any) -> dict[str, Any]:
    document = loads(row.body)
    condition = patch.get("condition")
    if condition and compile_node(parse_predicate(condition))(document) is not True:
        raise CosmosError(HTTPStatus.PRECONDITION_FAILED, "The filter predicate is not met")
    return apply_patch(document, patch.get("operations"), container.partition_key_paths)


def _checked_id(document: Any) -> str:
    name = document.get("id") if isinstance(document, dict) else None
    if not isinstance(name, str) or not name or len(name.encode()) > MAX_ID_BYTES:
        raise bad_request(f"The id is not a text of 1 to {MAX_ID_BYTES} bytes.")
    if set(name) & set("/\\?#"):
        raise bad_request(f"The id {name!r} contains one of / \\ ? #.")
    return name


def _expiry(container: Container, document: dict[str, Any], now: int) -> int | None:
    default = container.properties.get("defaultTtl")
    ttl = document.get("ttl")
    if ttl is None:
        ttl = -1 if default is None else default
    elif type(ttl) is not int or not (ttl == -1 or 0 < ttl <= MAX_TTL):
        raise bad_request(f"The input ttl '{ttl}' is invalid: a positive integer or -1.")
    return None if default is None or ttl == -1 else now + int(ttl)
