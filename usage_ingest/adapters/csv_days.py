"""Days as CSV files; no cell is computed by a spreadsheet."""

import contextlib
import csv
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from usage_ingest.adapters.day_file import aside, move
from usage_ingest.document import time_text
from usage_ingest.export.columns import DAY, Column
from usage_ingest.export.ports import Written
from usage_ingest.export.rows import Cell
from usage_ingest.summary_csv import cells


class CsvDays:
    """Implements export.ports.Target: `day=2026-11-20/<name>.csv` under a folder."""

    def __init__(self, folder: Path, name: str, columns: Sequence[Column]) -> None:
        """Write under the folder; nothing is made yet."""
        self._folder = folder
        self._name = name
        self._columns = columns

    @contextlib.contextmanager
    def day(self, day: str) -> Iterator["CsvDay"]:
        """Begin a day; see export.ports.Target."""
        place = self._folder / f"{DAY}={day}" / f"{self._name}.csv"
        with aside(place) as path, path.open("w", encoding="utf-8", newline="") as file:
            yield CsvDay(day, file, path, place, self._columns)


class CsvDay:
    """Implements export.ports.DayWriter."""

    def __init__(
        self, day: str, file: IO[str], path: Path, place: Path, columns: Sequence[Column]
    ) -> None:
        """Begin with the header."""
        self._day, self._file, self._path, self._place = day, file, path, place
        self._writer: Any = csv.writer(file)
        self._writer.writerow((DAY, *(column.name for column in columns)))

    def add(self, page: Mapping[str, Sequence[Cell]]) -> None:
        """Write rows aside; see export.ports.DayWriter."""
        for row in zip(*page.values(), strict=True):
            self._writer.writerow(cells((self._day, *map(_text_of_time, row))))

    def swap_in(self) -> Written:
        """Put the day in its place; see export.ports.DayWriter."""
        self._file.close()
        return Written(str(self._place), move(self._path, self._place))


def _text_of_time(cell: Cell) -> str | int | bool | None:
    return time_text(cell) if isinstance(cell, datetime) else cell
