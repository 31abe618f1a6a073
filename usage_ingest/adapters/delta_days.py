"""Days as partitions of a Delta table: each is one commit that replaces the former day."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import DeltaError

from usage_ingest.adapters.day_file import aside
from usage_ingest.adapters.parquet_days import ROW_GROUP, ParquetFile, schema_of
from usage_ingest.errors import ConfigError, TransientError
from usage_ingest.export.columns import DAY, Column
from usage_ingest.export.ports import Written
from usage_ingest.export.rows import Cell


class DeltaDays:
    """Implements export.ports.Target: a Delta table in a folder, partitioned by day."""

    def __init__(self, folder: Path, columns: Sequence[Column]) -> None:
        """Write to the table in the folder; nothing is made yet."""
        self._folder = folder
        self._schema = schema_of(columns)

    @contextlib.contextmanager
    def day(self, day: str) -> Iterator["DeltaDay"]:
        """Begin a day; see export.ports.Target."""
        rows = self._folder.with_name(f"{self._folder.name}.{day}.parquet")
        with aside(rows) as path, ParquetFile(path, self._schema) as file:
            yield DeltaDay(day, file, path, self._folder, self._schema)


class DeltaDay:
    """Implements export.ports.DayWriter: rows are kept in a file until the day is whole."""

    def __init__(
        self, day: str, file: ParquetFile, path: Path, folder: Path, schema: pa.Schema
    ) -> None:
        """Collect the rows in the file at `path`."""
        self._day, self._file, self._path, self._folder = day, file, path, folder
        self._schema = schema.insert(0, pa.field(DAY, pa.date32(), metadata={"meaning": "UTC"}))

    def add(self, page: Mapping[str, Sequence[Cell]]) -> None:
        """Write rows aside; see export.ports.DayWriter."""
        self._file.add(page)

    def swap_in(self) -> Written:
        """Commit the day; see export.ports.DayWriter.

        Raises:
            ConfigError: The folder holds something else, or a table of other columns.
            TransientError: Somebody else wrote the same day.
        """
        self._file.close()
        try:
            table = self._table()
            write_deltalake(
                table,
                pa.RecordBatchReader.from_batches(self._schema, self._batches()),
                mode="overwrite",
                predicate=f"{DAY} = '{self._day}'",
            )
        except DeltaError as error:
            raise _refusal(self._folder, error) from error
        return Written(str(self._folder), self._path.stat().st_size)

    def _table(self) -> DeltaTable:
        return DeltaTable.create(str(self._folder), self._schema, mode="ignore", partition_by=[DAY])

    def _batches(self) -> Iterator[pa.RecordBatch]:
        day = pa.scalar(date.fromisoformat(self._day), pa.date32())
        with pq.ParquetFile(self._path) as file:
            for batch in file.iter_batches(ROW_GROUP):
                days = pa.repeat(day, batch.num_rows)
                yield pa.RecordBatch.from_arrays([days, *batch.columns], schema=self._schema)


def _refusal(folder: Path, error: DeltaError) -> Exception:
    first = str(error).splitlines()[0][:200]
    if "Conflict" in type(error).__name__ or "Commit" in type(error).__name__:
        return TransientError(f"{folder}: somebody else wrote this day: {first}")
    return ConfigError(f"{folder}: is no table of these columns: {first}")
