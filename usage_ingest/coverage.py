"""Reads what completeness is judged by, for every report alike.

A report first reads its `sources`, then its rollups, showing each of them to a `Seen`: what the
sources call stored, closed or collected is in the rollups then, whatever is written meanwhile.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from usage_ingest.completeness import Counted, Sources, hub_days
from usage_ingest.dead_letter_counts import DeadLetterCounts
from usage_ingest.ports import ReportStores
from usage_ingest.rollup import COUNTERS
from usage_ingest.streaming import Streaming
from usage_ingest.summary_query import SummaryQuery

ESTIMATED_FIELDS: Final = ("input_tokens", "output_tokens", "total_tokens")
"""Counters of which a report tells how much was estimated."""


async def sources(query: SummaryQuery, stores: ReportStores) -> Sources:
    """Return what is known of the sources now, for the days of a range."""
    partitions = await stores.progress.all()
    dead_letters = DeadLetterCounts()
    async for document in stores.reader.dead_letter_counts(*hub_days(query)):
        dead_letters.add(document)
    return Sources(partitions, dead_letters, await stores.metrics())


@dataclass(slots=True)
class Seen:
    """What the rollups of a range tell of what they lack; each is added as it is read.

    A rollup needs its day, `usage_estimated`, streaming.STREAMING_COLUMNS and its counters.
    """

    awaiting_metrics: int = 0
    without_usage: int = 0
    estimated: bool = False
    days: set[str] = field(default_factory=set)
    streaming: Streaming = field(default_factory=Streaming)

    def add(self, rollup: Mapping[str, Any]) -> None:
        """Add a rollup; one that counts nothing was moved elsewhere by a correction."""
        if not any(map(rollup.get, COUNTERS)):
            return
        self.awaiting_metrics += int(rollup.get("requests_awaiting_metrics") or 0)
        self.without_usage += int(rollup.get("requests_without_usage") or 0)
        if rollup.get("usage_estimated") and not self.estimated:
            self.estimated = any(rollup.get(name) is not None for name in ESTIMATED_FIELDS)
        self.days.add(rollup["day"])
        self.streaming.add(rollup)

    def counted(self) -> Counted:
        """Return what was added, as completeness takes it."""
        return Counted(
            requests_awaiting_metrics=self.awaiting_metrics,
            requests_without_usage=self.without_usage,
            estimated=self.estimated,
            days=self.days,
            streaming=self.streaming,
        )
