"""Reads what a window needs, whole: an answer that is not is asked for again in halves."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby

from usage_ingest.errors import PartialResultError, TransientError
from usage_ingest.identity import Identity
from usage_ingest.metric_profile import Definition, definition_of
from usage_ingest.metrics.fold import MetricRow
from usage_ingest.metrics.ports import MetricReader
from usage_ingest.metrics.watermark import Bin, Source, Window, bins_of


@dataclass(frozen=True, slots=True)
class BinReader:
    """Reads the bins of one source; `in_time` raises where a run has taken too long."""

    metrics: MetricReader
    source: Source
    identity: Identity
    in_time: Callable[[], None]

    async def touched(self, window: Window) -> list[Bin]:
        """Return the bins of which rows arrived in the window, in order.

        Raises:
            TransientError: Not even a minute of it is answered whole.
        """
        minutes: set[datetime] = set()
        for definition, generated in segments(self.source.profile, self.identity, window.generated):
            minutes |= await self._minutes(definition, window, generated)
        return bins_of(minutes, self.identity)

    async def whole(
        self, definition: Definition, bins: Sequence[Bin]
    ) -> AsyncIterator[Sequence[MetricRow]]:
        """Yield all rows of bins of one length, whole bins at a time.

        Raises:
            TransientError: A single bin is not answered whole.
        """
        self.in_time()
        try:
            rows = await self.metrics.rows(self.source.target, definition, bins)
        except PartialResultError as error:
            if len(bins) == 1:
                raise self._too_much(f"the bin {bins[0].start}", error) from error
        else:
            yield rows
            return
        middle = len(bins) // 2
        for half in (bins[:middle], bins[middle:]):
            async for rows in self.whole(definition, half):
                yield rows

    async def _minutes(
        self, definition: Definition, window: Window, generated: Window
    ) -> set[datetime]:
        self.in_time()
        try:
            return await self.metrics.touched(self.source.target, definition, window, generated)
        except PartialResultError as error:
            halves = window.halves()
            if halves is None:
                raise self._too_much("a minute of arrivals", error) from error
        first, second = halves
        found = await self._minutes(definition, first, generated)
        return found | await self._minutes(definition, second, generated)

    def _too_much(self, what: str, error: PartialResultError) -> TransientError:
        return TransientError(
            f"{self.source.target}: {what} cannot be read whole ({error}); where that stays so, "
            "the bins are too large: choose a smaller bin_size"
        )


def segments(profile: str, identity: Identity, span: Window) -> Iterator[tuple[Definition, Window]]:
    """Yield the definitions of a profile in a span of time, each with where it holds."""
    first = span.start.date()
    days = [first + timedelta(days=n) for n in range((span.end.date() - first).days + 1)]
    for definition, group in groupby(
        days, lambda day: definition_of(profile, identity, day.isoformat())
    ):
        held = list(group)
        if definition is not None:
            start, end = _midnight(held[0]), _midnight(held[-1] + timedelta(days=1))
            yield definition, Window(max(start, span.start), min(end, span.end))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)
