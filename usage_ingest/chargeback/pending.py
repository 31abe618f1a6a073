"""Reads what closed periods would differ by now: corrections that the first open period posts.

A close posts all that is pending. So only what changed since the last close began to read can
make a difference, and a period in which nothing did is not read at all.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Final

from usage_ingest.chargeback.corrections import corrections
from usage_ingest.chargeback.line import Line
from usage_ingest.chargeback.period import first_day, last_day
from usage_ingest.chargeback.ports import ChargebackStores, Statement
from usage_ingest.chargeback.rated import Asked, rated
from usage_ingest.chargeback.reference import Dated, Reference
from usage_ingest.totals.days import days_between

MARGIN: Final = timedelta(minutes=10)
"""How far the store's clock, and that of the machine which closed, may be apart."""


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
        recheck: Compare every closed period, also those that nothing is known to have changed in.
    """
    changed = closed if recheck else await _changed(stores, closed, reference)
    for statement in changed:
        async for line in _differences(stores, statement, closed, reference):
            yield line


async def _changed(
    stores: ChargebackStores, closed: Sequence[Statement], reference: Reference
) -> list[Statement]:
    """Return the closed periods that may have changed since the last close."""
    if not closed:
        return []
    last, since = closed[-1], closed[-1].read_from - MARGIN

    async def written(first: Statement, through: Statement) -> bool:
        days = first_day(first.period), last_day(through.period)
        return await stores.changes.changed_since(since, *days)

    # Mostly nothing was written to any of them: one question instead of many.
    some_written = await written(closed[0], last)
    return [
        each
        for each in closed
        if _imported(reference, each, last.imports) or (some_written and await written(each, each))
    ]


def _imported(reference: Reference, statement: Statement, imports: int) -> bool:
    """Whether an import after the last close is of days of a period; names change no money."""
    last = last_day(statement.period).isoformat()
    dated: tuple[Dated, ...] = (*reference.prices, *reference.deployments, *reference.owners)
    return any(each.revision > imports and each.from_day <= last for each in dated)


async def _differences(
    stores: ChargebackStores,
    statement: Statement,
    closed: Sequence[Statement],
    reference: Reference,
) -> AsyncIterator[Line]:
    """Yield the corrections of one period; no more than a day of it is held."""
    first, last = first_day(statement.period), last_day(statement.period)
    asked = Asked(days=True, apps=True, tenants=True, tags=statement.tags)
    now = _ByDay(rated(stores.reports.reader, reference, first, last, asked))
    before = [_ByDay(_own(stores, statement))]
    before += [
        _ByDay(_posted(stores, each, statement.period))
        for each in closed
        if each.number > statement.number
    ]
    for day in days_between(first, last):
        frozen = [line for each in before for line in await each.through(day)]
        for line in corrections(statement.period, await now.through(day), frozen):
            yield line


async def _own(stores: ChargebackStores, statement: Statement) -> AsyncIterator[Line]:
    """Yield the lines of a period without the corrections that it posted."""
    async for line in stores.statements.lines(statement):
        if line.corrects is not None:
            return
        yield line


async def _posted(
    stores: ChargebackStores, statement: Statement, period: str
) -> AsyncIterator[Line]:
    """Yield what a period posted of an earlier one."""
    async for line in stores.statements.corrections(statement):
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
