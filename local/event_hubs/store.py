"""The events of every hub and partition, in one SQLite file."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

SCHEMA = """
CREATE TABLE IF NOT EXISTS hubs (
    name TEXT PRIMARY KEY,
    created_ms INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS partitions (
    id INTEGER PRIMARY KEY,
    hub TEXT NOT NULL,
    partition_id TEXT NOT NULL,
    begin_sequence_number INTEGER NOT NULL DEFAULT 0,
    next_sequence_number INTEGER NOT NULL DEFAULT 0,
    next_offset INTEGER NOT NULL DEFAULT 0,
    last_sequence_number INTEGER NOT NULL DEFAULT -1,
    last_offset INTEGER NOT NULL DEFAULT -1,
    last_enqueued_ms INTEGER NOT NULL DEFAULT 0,
    UNIQUE (hub, partition_id)
);
CREATE TABLE IF NOT EXISTS events (
    partition INTEGER NOT NULL,
    sequence_number INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    enqueued_ms INTEGER NOT NULL,
    partition_key TEXT,
    message BLOB NOT NULL
);
-- All three columns grow together, so this one index serves every kind of starting position.
CREATE INDEX IF NOT EXISTS positions ON events (partition, sequence_number, offset, enqueued_ms);
"""


class NewEvent(NamedTuple):
    """An event to append: what its sender fixed."""

    partition_key: str | None
    message: bytes  # the bare message, still encoded


class StoredEvent(NamedTuple):
    """An event as a partition keeps it."""

    sequence_number: int
    offset: int
    enqueued_ms: int
    partition_key: str | None
    message: bytes


@dataclass(frozen=True, slots=True)
class PartitionState:
    """A partition's row: where it begins, where it ends and what comes next."""

    row_id: int
    begin_sequence_number: int
    next_sequence_number: int
    next_offset: int
    last_sequence_number: int
    last_offset: int
    last_enqueued_ms: int

    @property
    def is_empty(self) -> bool:
        """Whether no event is left in it, or none ever came."""
        return self.begin_sequence_number > self.last_sequence_number


class EventStore:
    """Appends, reads and removes events; every change is one transaction."""

    def __init__(self, path: Path, clock: Callable[[], int]) -> None:
        self.clock = clock
        self._path = path

    def open(self, partition_counts: Mapping[str, int]) -> None:
        """Open the file and create the hubs that it does not know yet.

        Raises:
            ValueError: the file holds a hub with another number of partitions.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(self._path, isolation_level=None)
        try:
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.executescript(SCHEMA)
            for hub, partitions in partition_counts.items():
                self._ensure_hub(hub, partitions)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _ensure_hub(self, hub: str, partitions: int) -> None:
        stored = self.partition_count(hub)
        if not stored:
            self.recreate(hub, partitions)
        elif stored != partitions:
            raise ValueError(
                f"hub {hub!r} has {stored} partitions in {self._path}, but {partitions} are asked "
                "for: a hub's partition count is fixed, so ask for the same or remove the file"
            )

    def partition_count(self, hub: str) -> int:
        """Return how many partitions a hub has; 0 for a hub that does not exist."""
        query = "SELECT COUNT(*) FROM partitions WHERE hub = ?"
        return int(self._connection.execute(query, (hub,)).fetchone()[0])

    def created_ms(self, hub: str) -> int:
        """Return when a hub was created."""
        query = "SELECT created_ms FROM hubs WHERE name = ?"
        return int(self._connection.execute(query, (hub,)).fetchone()[0])

    def state(self, hub: str, partition_id: str) -> PartitionState:
        """Return a partition's state. Raises KeyError for one that does not exist."""
        row = self._connection.execute(
            "SELECT id, begin_sequence_number, next_sequence_number, next_offset, "
            "last_sequence_number, last_offset, last_enqueued_ms "
            "FROM partitions WHERE hub = ? AND partition_id = ?",
            (hub, partition_id),
        ).fetchone()
        if row is None:
            raise KeyError(f"hub {hub!r} has no partition {partition_id!r}")
        return PartitionState(*row)

    def append(self, hub: str, partition_id: str, events: Sequence[NewEvent]) -> None:
        """Add events at a partition's end; all of them or none."""
        with self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            state = self.state(hub, partition_id)
            enqueued_ms = max(self.clock(), state.last_enqueued_ms)
            rows = []
            sequence_number, offset = state.next_sequence_number, state.next_offset
            for event in events:
                rows.append((state.row_id, sequence_number, offset, enqueued_ms, *event))
                sequence_number += 1
                offset += len(event.message)
            self._connection.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)", rows)
            begin = state.next_sequence_number if state.is_empty else state.begin_sequence_number
            last = rows[-1][1:3]  # its sequence number and offset
            self._connection.execute(
                "UPDATE partitions SET begin_sequence_number = ?, next_sequence_number = ?, "
                "next_offset = ?, last_sequence_number = ?, last_offset = ?, last_enqueued_ms = ? "
                "WHERE id = ?",
                (begin, sequence_number, offset, *last, enqueued_ms, state.row_id),
            )

    def read(self, partition: int, start: int, limit: int, max_bytes: int) -> list[StoredEvent]:
        """Return events from sequence number `start` on, until either limit is reached.

        At least one event is returned, however large, if there is one.
        """
        events: list[StoredEvent] = []
        cursor = self._connection.execute(
            "SELECT sequence_number, offset, enqueued_ms, partition_key, message FROM events "
            "WHERE partition = ? AND sequence_number >= ? ORDER BY sequence_number LIMIT ?",
            (partition, start, limit),
        )
        with closing(cursor):
            for row in cursor:
                event = StoredEvent(*row)
                events.append(event)
                max_bytes -= len(event.message)
                if max_bytes <= 0:
                    break
        return events

    def find(self, state: PartitionState, column: str, comparison: str, value: int) -> int:
        """Return the first sequence number whose `column` compares so with `value`.

        Where there is none, the next one to be given out.
        """
        row = self._connection.execute(
            f"SELECT sequence_number FROM events WHERE partition = ? AND {column} {comparison} ? "
            "ORDER BY sequence_number LIMIT 1",
            (state.row_id, value),
        ).fetchone()
        return state.next_sequence_number if row is None else int(row[0])

    def delete_through(self, hub: str, partition_id: str, sequence_number: int) -> None:
        """Remove the events up to and including a sequence number, as retention does."""
        with self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            state = self.state(hub, partition_id)
            begin = self.find(state, "sequence_number", ">", sequence_number)
            self._connection.execute(
                "DELETE FROM events WHERE partition = ? AND sequence_number < ?",
                (state.row_id, begin),
            )
            self._connection.execute(
                "UPDATE partitions SET begin_sequence_number = ? WHERE id = ?",
                (begin, state.row_id),
            )

    def skip(self, hub: str, partition_id: str, count: int) -> None:
        """Leave out the next `count` sequence numbers."""
        state = self.state(hub, partition_id)
        self._connection.execute(
            "UPDATE partitions SET next_sequence_number = next_sequence_number + ? WHERE id = ?",
            (count, state.row_id),
        )

    def recreate(self, hub: str, partitions: int) -> None:
        """Remove a hub with all its events, if it exists, and create it empty."""
        with self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute(
                "DELETE FROM events WHERE partition IN (SELECT id FROM partitions WHERE hub = ?)",
                (hub,),
            )
            self._connection.execute("DELETE FROM partitions WHERE hub = ?", (hub,))
            self._connection.execute(
                "INSERT OR REPLACE INTO hubs VALUES (?, ?)", (hub, self.clock())
            )
            self._connection.executemany(
                "INSERT INTO partitions (hub, partition_id) VALUES (?, ?)",
                [(hub, str(number)) for number in range(partitions)],
            )
