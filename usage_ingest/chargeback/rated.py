"""The reader of live lines: rollups of a range of days, folded and rated segment by segment.

A range is cut into segments in which no price, deployment or owner changes; of one segment the
subjects are in memory, never the rollups. With days asked for, each day is a segment. Within a
segment the days of provisioned deployments are kept apart, and those on which a public list says
something else of a model that only it has a price of. The range should end with today at the
latest: provisioned deployments are paid for on every day of it.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from typing import Any, Final

from usage_ingest.chargeback.fold import Apart, Asked, Fold
from usage_ingest.chargeback.line import Line, Subject
from usage_ingest.chargeback.rate import rate
from usage_ingest.chargeback.reference import Reference, Snapshot
from usage_ingest.chargeback.served import served
from usage_ingest.ports import ReportReader
from usage_ingest.rollup import REQUEST_COUNTERS
from usage_ingest.streaming import STREAMING_COLUMNS

__all__ = ["Asked", "rated"]

_DAY: Final = timedelta(days=1)
_OBSERVED: Final = (*STREAMING_COLUMNS, "usage_estimated", *REQUEST_COUNTERS)


async def rated(  # noqa: PLR0913, PLR0917 - what is read, by what, for which days, and what is kept of it
    reader: ReportReader,
    reference: Reference,
    first: date,
    last: date,
    asked: Asked,
    observe: Callable[[Mapping[str, Any]], None] | None = None,
) -> AsyncIterator[Line]:
    """Yield the lines of the days `first` to `last`, both included.

    Args:
        reader: Where rollups are read.
        reference: Prices, deployments and owners.
        first: The first day.
        last: The last day.
        asked: What lines keep.
        observe: Sees each rollup as it is read: the columns of rating, of
            streaming.STREAMING_COLUMNS, `usage_estimated` and the counters of requests.
    """
    for start, end in _segments(reference, first, last, asked):
        snapshot, days = reference.on(start), _days(start, end)
        kept = asked.with_owners(snapshot.owners)
        fold = Fold(kept, partial(_apart, snapshot, end, _each(days), asked))
        columns = tuple(dict.fromkeys((*kept.columns(), *(_OBSERVED if observe else ()))))
        async for rollup in reader.rollups(columns, start.isoformat(), end.isoformat(), {}):
            if observe:
                observe(rollup)
            fold.add(rollup)
        for line in rate(fold.counted(), snapshot, days):
            yield line


def _segments(
    reference: Reference, first: date, last: date, asked: Asked
) -> Iterator[tuple[date, date]]:
    for start, end in reference.segments(first, last):
        if asked.days:
            yield from ((day, day) for day in _days(start, end))
        else:
            yield start, end


def _apart(snapshot: Snapshot, last: date, by_day: Apart, asked: Asked, subject: Subject) -> Apart:
    answered = served(subject, snapshot)
    if asked.days or answered.provisioned:
        return by_day
    changes = snapshot.changes(answered.use(subject), last)
    return Apart([day.isoformat() for day in (snapshot.day, *changes)] if changes else ())


def _each(days: Sequence[date]) -> Apart:
    return Apart([day.isoformat() for day in days], shown=True)


def _days(first: date, last: date) -> list[date]:
    return [first + n * _DAY for n in range((last - first).days + 1)]
