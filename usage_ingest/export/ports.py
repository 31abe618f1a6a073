"""Where an export goes: a day is written aside, and takes the place of an earlier one at once."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from usage_ingest.export.rows import Cell
from usage_ingest.value import value


@value()
class Written:
    """What a day became."""

    path: str
    size: int


class DayWriter(Protocol):
    """Takes the rows of one day."""

    def add(self, page: Mapping[str, Sequence[Cell]]) -> None:
        """Write rows aside, given column by column."""
        ...

    def swap_in(self) -> Written:
        """Put the day in its place: readers see the former one, then all of this one."""
        ...


class Target(Protocol):
    """A folder with one kind of table."""

    def day(self, day: str) -> AbstractContextManager[DayWriter]:
        """Begin a day; what was not swapped in at the end of the context is taken away."""
        ...
