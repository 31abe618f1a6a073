"""A target that writes nothing: what would be exported is read, and only counted."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence

from usage_ingest.export.ports import Written
from usage_ingest.export.rows import Cell


class NoDays:
    """Implements export.ports.Target, and export.ports.DayWriter."""

    @contextlib.contextmanager
    def day(self, day: str) -> Iterator["NoDays"]:
        """Begin a day that is not written."""
        del day
        yield self

    def add(self, page: Mapping[str, Sequence[Cell]]) -> None:
        """Pass over rows: the verb counts them."""

    def swap_in(self) -> Written:
        """Put nothing in place."""
        return Written("-", 0)
