"""Days as Parquet files, and as partitions of a Delta table. Needs requirements-export.txt.

pyarrow and deltalake are imported here only, and this module only by who asks for these formats.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Self

import pyarrow as pa
import pyarrow.parquet as pq

from usage_ingest.adapters.day_file import aside, move
from usage_ingest.export.columns import DAY, Column, Type
from usage_ingest.export.ports import Written
from usage_ingest.export.rows import Cell

_TYPES: Final[dict[Type, pa.DataType]] = {
    "text": pa.string(),
    "json": pa.string(),
    "integer": pa.int64(),
    "boolean": pa.bool_(),
    "time": pa.timestamp("us", tz="UTC"),
}
ROW_GROUP: Final = 20_000
"""Rows that are held in memory, and read at once by who reads the file."""


def schema_of(columns: Sequence[Column]) -> pa.Schema:
    """Return the schema of a file; meaning and unit go with each column."""
    return pa.schema(
        [
            pa.field(
                each.name, _TYPES[each.type], metadata={"meaning": each.meaning, "unit": each.unit}
            )
            for each in columns
        ]
    )


class ParquetDays:
    """Implements export.ports.Target: `day=2026-11-20/<name>.parquet` under a folder.

    The day is a column by the folder's name, as readers of such folders expect.
    """

    def __init__(self, folder: Path, name: str, columns: Sequence[Column]) -> None:
        """Write under the folder; nothing is made yet."""
        self._folder = folder
        self._name = name
        self._schema = schema_of(columns)

    @contextlib.contextmanager
    def day(self, day: str) -> Iterator["ParquetDay"]:
        """Begin a day; see export.ports.Target."""
        place = self._folder / f"{DAY}={day}" / f"{self._name}.parquet"
        with aside(place) as path, ParquetFile(path, self._schema) as file:
            yield ParquetDay(file, path, place)


class ParquetFile:
    """A file that is written in row groups."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        """Begin a file."""
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")
        self._schema = schema
        self._waiting: list[pa.RecordBatch] = []
        self._rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()

    def add(self, page: Mapping[str, Sequence[Cell]]) -> None:
        """Keep rows until they fill a row group."""
        batch = pa.RecordBatch.from_pydict(dict(page), schema=self._schema)
        self._waiting.append(batch)
        self._rows += batch.num_rows
        if self._rows >= ROW_GROUP:
            self._write()

    def _write(self) -> None:
        self._writer.write_table(pa.Table.from_batches(self._waiting, self._schema), ROW_GROUP)
        self._waiting, self._rows = [], 0

    def close(self) -> None:
        """End the file; without rows it has the schema alone."""
        if self._rows:
            self._write()
        self._writer.close()


class ParquetDay:
    """Implements export.ports.DayWriter."""

    def __init__(self, file: ParquetFile, path: Path, place: Path) -> None:
        """Write to the file at `path`, whose place is another."""
        self._file, self._path, self._place = file, path, place

    def add(self, page: Mapping[str, Sequence[Cell]]) -> None:
        """Write rows aside; see export.ports.DayWriter."""
        self._file.add(page)

    def swap_in(self) -> Written:
        """Put the day in its place; see export.ports.DayWriter."""
        self._file.close()
        return Written(str(self._place), move(self._path, self._place))
