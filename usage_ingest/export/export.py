"""The verb of `export`: the days of a range, one after the other, page by page."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from usage_ingest.document import USAGE_TYPE
from usage_ingest.export.columns import COLUMNS, Subject
from usage_ingest.export.ports import Target
from usage_ingest.export.rows import columns_of
from usage_ingest.ports import Clock
from usage_ingest.rollup import ROLLUP_TYPE
from usage_ingest.totals.days import refuse_expired
from usage_ingest.totals.ports import DayStore

_TYPES: Final[dict[Subject, str]] = {"ledger": USAGE_TYPE, "rollups": ROLLUP_TYPE}
Watch = Callable[[str, int], None]
"""Is told of the day and how many rows it has so far."""


@dataclass(frozen=True, slots=True)
class ExportedDay:
    """One day as it was written."""

    day: str
    rows: int
    path: str
    size: int


@dataclass(frozen=True, slots=True)
class Export:
    """Writes days; a day that is written again takes the place of the former."""

    store: DayStore
    clock: Clock
    ledger_ttl_days: int

    async def __call__(
        self, subject: Subject, days: Sequence[str], target: Target, watch: Watch
    ) -> list[ExportedDay]:
        """Write the days in order; those that were written stay when a later one fails.

        Raises:
            ConfigError: The ledger does not hold all of the days whole: a day that was exported
                when it did must not be replaced by a part of it.
        """
        if subject == "ledger":
            refuse_expired(days, self.clock.now().date(), self.ledger_ttl_days)
        return [await self._day(subject, day, target, watch) for day in days]

    async def _day(self, subject: Subject, day: str, target: Target, watch: Watch) -> ExportedDay:
        rows = 0
        with target.day(day) as writer:
            async for page in self.store.documents(_TYPES[subject], day, None):
                writer.add(columns_of(page, COLUMNS[subject]))
                rows += len(page)
                watch(day, rows)
            written = writer.swap_in()
        return ExportedDay(day, rows, written.path, written.size)
