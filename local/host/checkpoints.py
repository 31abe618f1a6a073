"""What the host remembers between runs: a checkpoint per partition, the last run of each timer."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS checkpoints (
    namespace TEXT, hub TEXT, consumer_group TEXT, partition_id TEXT, sequence_number INTEGER,
    PRIMARY KEY (namespace, hub, consumer_group, partition_id)
);
CREATE TABLE IF NOT EXISTS timers (function TEXT PRIMARY KEY, last_run TEXT, next_run TEXT);
"""


class HostState:
    """The SQLite file; used from the event loop's thread only."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, isolation_level=None)
        # Survives the end of this process, which is what a development host needs.
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(_SCHEMA)

    def checkpoints_of(self, namespace: str, hub: str, consumer_group: str) -> dict[str, int]:
        """Last checkpointed sequence number by partition id."""
        rows = self._connection.execute(
            "SELECT partition_id, sequence_number FROM checkpoints"
            " WHERE namespace = ? AND hub = ? AND consumer_group = ?",
            (namespace, hub, consumer_group),
        )
        with closing(rows):
            return dict(rows.fetchall())

    def write_checkpoint(
        self, key: tuple[str, str, str], partition_id: str, sequence_number: int
    ) -> None:
        """Everything up to this sequence number is done; `key` is namespace, hub, group."""
        self._connection.execute(
            "INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?, ?, ?)",
            (*key, partition_id, sequence_number),
        )

    def timer_runs(self, function: str) -> tuple[str, str] | None:
        """Last run and the run that was due after it, as ISO times."""
        rows = self._connection.execute(
            "SELECT last_run, next_run FROM timers WHERE function = ?", (function,)
        )
        with closing(rows):
            row: tuple[str, str] | None = rows.fetchone()
        return row

    def write_timer_runs(self, function: str, last_run: str, next_run: str) -> None:
        """Keep what `timer_runs` answers."""
        self._connection.execute(
            "INSERT OR REPLACE INTO timers VALUES (?, ?, ?)", (function, last_run, next_run)
        )

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
