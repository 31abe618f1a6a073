"""The events of every hub and partition, in one SQLite file."""

import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS partitions (
    hub TEXT, partition_id TEXT, created_ms INTEGER,
    last_sequence_number INTEGER DEFAULT -1, last_enqueued_ms INTEGER DEFAULT 0,
    PRIMARY KEY (hub, partition_id)
);
CREATE TABLE IF NOT EXISTS events (
    hub TEXT, partition_id TEXT, sequence_number INTEGER,
    enqueued_ms INTEGER, partition_key TEXT, message BLOB,
    PRIMARY KEY (hub, partition_id, sequence_number)
);
"""
OF_PARTITION = "WHERE hub = :hub AND partition_id = :partition_id"
OFFSET_STEP = 64  # an event's offset is its sequence number times this
NewEvent = tuple[str | None, bytes]  # its partition key and its bare message, still encoded


class StoredEvent(NamedTuple):
    """An event as a partition keeps it."""

    sequence_number: int
    enqueued_ms: int
    partition_key: str | None
    message: bytes


class PartitionState(NamedTuple):
    """Where a partition ends and where it begins, or would if it is empty."""

    created_ms: int
    last_sequence_number: int  # the last that was given out; -1 when none was
    last_offset: int
    last_enqueued_ms: int
    begin_sequence_number: int


class EventStore:
    """Appends, reads and removes events; every change is one transaction."""

    def __init__(self, path: Path) -> None:
        self.clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000
        self._path = path

    def open(self, partition_counts: Mapping[str, int]) -> None:
        """Open the file and create missing hubs. Raises ValueError for other partition counts."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(self._path)
        self._database.executescript(SCHEMA)
        count = "SELECT COUNT(*) FROM partitions WHERE hub = ?"
        for hub, partitions in partition_counts.items():
            (stored,) = self._database.execute(count, (hub,)).fetchone()
            if not stored:
                self.recreate(hub, partitions)
            elif stored != partitions:
                self.close()
                raise ValueError(
                    f"hub {hub!r} has {stored} partitions in {self._path}, but {partitions} are "
                    "asked for: a hub's count is fixed, so ask for the same or remove the file"
                )

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def state(self, hub: str, partition_id: str) -> PartitionState:
        """Return a partition's state."""
        query = (
            "SELECT created_ms, last_sequence_number, "
            f"MAX(-1, last_sequence_number * {OFFSET_STEP}), last_enqueued_ms, COALESCE("
            f"(SELECT MIN(sequence_number) FROM events {OF_PARTITION}), last_sequence_number + 1) "
            f"FROM partitions {OF_PARTITION}"
        )
        place = {"hub": hub, "partition_id": partition_id}
        return PartitionState(*self._database.execute(query, place).fetchone())

    def append(self, hub: str, partition_id: str, events: Sequence[NewEvent]) -> None:
        """Add events at a partition's end; all of them or none."""
        state = self.state(hub, partition_id)
        numbered = enumerate(events, state.last_sequence_number + 1)
        enqueued_ms = max(self.clock(), state.last_enqueued_ms)
        rows = [(hub, partition_id, number, enqueued_ms, *event) for number, event in numbered]
        change = "UPDATE partitions SET last_sequence_number = :number, last_enqueued_ms = :time"
        names = ("hub", "partition_id", "number", "time")
        with self._database:
            self._database.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)", rows)
            last = dict(zip(names, rows[-1], strict=False))
            self._database.execute(f"{change} {OF_PARTITION}", last)

    def read(self, hub: str, partition_id: str, start: int, limit: int) -> list[StoredEvent]:
        """Return at most `limit` events from sequence number `start` on."""
        rows = self._database.execute(
            "SELECT sequence_number, enqueued_ms, partition_key, message FROM events "
            f"{OF_PARTITION} AND sequence_number >= :start ORDER BY sequence_number LIMIT :limit",
            {"hub": hub, "partition_id": partition_id, "start": start, "limit": limit},
        )
        return [StoredEvent(*row) for row in rows]

    def find(self, hub: str, partition_id: str, enqueued_ms: int) -> int:
        """Return the sequence number of the first event at a time or later, or of the next."""
        row = self._database.execute(
            f"SELECT MIN(sequence_number) FROM events {OF_PARTITION} AND enqueued_ms >= :time",
            {"hub": hub, "partition_id": partition_id, "time": enqueued_ms},
        ).fetchone()
        next_number = self.state(hub, partition_id).last_sequence_number + 1
        return next_number if row[0] is None else int(row[0])

    def delete_through(self, hub: str, partition_id: str, sequence_number: int) -> None:
        """Remove the events up to and including a sequence number, as retention does."""
        change = f"DELETE FROM events {OF_PARTITION} AND sequence_number <= :last"
        place = {"hub": hub, "partition_id": partition_id, "last": sequence_number}
        with self._database:
            self._database.execute(change, place)

    def skip(self, hub: str, partition_id: str, count: int) -> None:
        """Leave out the next `count` sequence numbers."""
        change = "UPDATE partitions SET last_sequence_number = last_sequence_number + :count"
        place = {"hub": hub, "partition_id": partition_id, "count": count}
        with self._database:
            self._database.execute(f"{change} {OF_PARTITION}", place)

    def recreate(self, hub: str, partitions: int) -> None:
        """Remove a hub with all its events, if it exists, and create it empty."""
        with self._database:
            for table in ("events", "partitions"):
                self._database.execute(f"DELETE FROM {table} WHERE hub = ?", (hub,))
            self._database.executemany(
                "INSERT INTO partitions (hub, partition_id, created_ms) VALUES (?, ?, ?)",
                [(hub, str(number), self.clock()) for number in range(partitions)],
            )
