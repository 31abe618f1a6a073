"""Reads what closed periods would differ by now: corrections that the first open period posts.

A close posts all that is pending. So only days that changed since the last close began to read can
differ; no other day is read.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime, timedelta
from typing import Final

from usage_ingest.chargeback.corrections import corrections
from usage_ingest.chargeback.line import Line
from usage_ingest.chargeback.period import first_day, last_day
from usage_ingest.chargeback.ports import ChargebackStores, Statement
from usage_ingest.chargeback.rated import Asked, rated
from usage_ingest.chargeback.reference import Dated, Reference
from usage_ingest.chargeback.statement import Days
from usage_ingest.totals.days import days_between

MARGIN: Final = timedelta(minutes=10)
"""How far the clocks of the store's own machines may be apart."""

_DAY: Final = timedelta(days=1)
Range = tuple[date, date]
"""A first and a last day, both included."""


async def pending(
    stores: ChargebackStores,
    closed: Sequence[Statement],
    reference: Reference,
    *,
    recheck: bool = False,
) -> AsyncIterator[Line]:
    """Yield the corrections of closed periods that were not posted yet, by period and day.

    Args:
        stores: What is read.
        closed: All closed periods, as the caller sees them.
        reference: What holds now.
        recheck: Compare all closed days, also those that nothing is known to have changed in.
    """
    if not closed:
        return
    changed = [_whole(closed[0], closed[-1])]
    if not recheck:
        changed = await _changed(stores, closed, reference)
    for statement in closed:
        for first, last in _within(_whole(statement, statement), changed):
            async for line in _differences(stores, statement, closed, reference, first, last):
                yield line


def _whole(first: Statement, last: Statement) -> Range:
    return first_day(first.period), last_day(last.period)


def _within(bounds: Range, ranges: Sequence[Range]) -> list[Range]:
    """Return the parts of ranges that lie within bounds."""
    cut = ((max(first, bounds[0]), min(last, bounds[1])) for first, last in ranges)
    return [(first, last) for first, last in cut if first <= last]


async def _changed(
    stores: ChargebackStores, closed: Sequence[Statement], reference: Reference
) -> list[Range]:
    """Return the closed days that may have changed since the last close."""
    (first, last), head = _whole(closed[0], closed[-1]), closed[-1]
    imported = _imported(reference, head.imports)
    before = last if imported is None else min(last, imported - _DAY)
    written = await _written(stores, head.read_from - MARGIN, first, before)
    return written if imported is None else [*written, (imported, last)]


def _imported(reference: Reference, imports: int) -> date | None:
    """Return the first day that an import after the last close is of; names change no money."""
    dated: tuple[Dated, ...] = (*reference.prices, *reference.deployments, *reference.owners)
    begun = [date.fromisoformat(each.from_day) for each in dated if each.revision > imports]
    return min(begun, default=None)


async def _written(
    stores: ChargebackStores, since: datetime, first: date, last: date
) -> list[Range]:
    """Return the days of which rollups were written: asked for halves, as mostly none were."""
    if last < first or not await stores.changes.changed_since(since, first, last):
        return []
    if first == last:
        return [(first, last)]
    middle = first + (last - first) // 2
    before = await _written(stores, since, first, middle)
    after = await _written(stores, since, middle + _DAY, last)
    if before and after and before[-1][1] + _DAY == after[0][0]:
        return [*before[:-1], (before[-1][0], after[0][1]), *after[1:]]
    return [*before, *after]


async def _differences(  # noqa: PLR0913, PLR0917 - which days of which period, by what is known
    stores: ChargebackStores,
    statement: Statement,
    closed: Sequence[Statement],
    reference: Reference,
    first: date,
    last: date,
) -> AsyncIterator[Line]:
    """Yield the corrections of some days of a period; no more than a day of it is held."""
    asked = Asked(days=True, apps=True, tenants=True, tags=statement.tags)
    days = Days(first.isoformat(), last.isoformat())
    now = _ByDay(rated(stores.reports.reader, reference, first, last, asked))
    before = [_ByDay(_own(stores, statement, days))]
    before += [
        _ByDay(_posted(stores, each, statement.period, days))
        for each in closed
        if each.number > statement.number
    ]
    for day in days_between(first, last):
        frozen = [line for each in before for line in await each.through(day)]
        for line in corrections(statement.period, await now.through(day), frozen):
            yield line


async def _own(stores: ChargebackStores, statement: Statement, days: Days) -> AsyncIterator[Line]:
    """Yield the lines of a period without the corrections that it posted."""
    async for line in stores.statements.lines(statement, days):
        if line.corrects is not None:
            return
        yield line


async def _posted(
    stores: ChargebackStores, statement: Statement, period: str, days: Days
) -> AsyncIterator[Line]:
    """Yield what a period posted of an earlier one."""
    async for line in stores.statements.corrections(statement, days):
        if line.corrects == period:
            yield line


class _ByDay:
    """Lines in the order of their days, taken a day at a time."""

    def __init__(self, lines: AsyncIterator[Line]) -> None:
        self._lines = lines
        self._next: Line | None = None

    async def through(self, day: str) -> list[Line]:
        """Return the lines up to the end of a day that were not taken yet."""
        found: list[Line] = []
        if self._next is None:
            self._next = await anext(self._lines, None)
        while self._next is not None and (self._next.subject.day or "") <= day:
            found.append(self._next)
            self._next = await anext(self._lines, None)
        return found
