"""The lines of a range of days: frozen ones of closed periods, rated ones of the others.

Reports and exports read money here; closing rates its own period.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from usage_ingest.chargeback.line import Charge, Line
from usage_ingest.chargeback.period import first_day, last_day, period_of, periods
from usage_ingest.chargeback.ports import ChargebackStores, Statement
from usage_ingest.chargeback.rated import Asked, rated
from usage_ingest.chargeback.reference import Reference

Observe = Callable[[Mapping[str, Any]], None]
"""Sees each rollup as it is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Days of one period, both included; `statement` is what it was closed with."""

    first: date
    last: date
    statement: Statement | None = None

    @property
    def period(self) -> str:
        """The period that the days are of."""
        return period_of(self.first)

    @property
    def whole(self) -> bool:
        """Whether they are all days of their period."""
        return (self.first, self.last) == (first_day(self.period), last_day(self.period))


def spans(first: date, last: date, closed: Sequence[Statement]) -> list[Span]:
    """Cut a range of days by its periods."""
    statements = {each.period: each for each in closed}
    return [
        Span(
            first=max(first, first_day(period)),
            last=min(last, last_day(period)),
            statement=statements.get(period),
        )
        for period in periods(first, last)
    ]


async def lines(
    stores: ChargebackStores,
    cut: Sequence[Span],
    reference: Reference,
    asked: Asked,
    observe: Observe | None = None,
) -> AsyncIterator[Line]:
    """Yield the lines of spans that follow each other.

    Corrections that a closed period posted are among its lines where all of its days are asked
    for: they are of no day of it. Those that wait for the open period are not here.

    Args:
        stores: What is read.
        cut: The days, as `spans` cuts them.
        reference: What open days are rated by.
        asked: What lines keep of usage beside what prices and owners need; frozen lines have all.
        observe: Sees the rollups of days that are not closed.
    """
    for span in _joined(cut):
        if span.statement is None:
            reader = stores.reports.reader
            found = rated(reader, reference, span.first, span.last, asked, observe)
        else:
            found = _frozen(stores, span, span.statement)
        async for line in found:
            yield line


def _joined(cut: Sequence[Span]) -> list[Span]:
    """Join the days of open periods that follow each other: they are read at once."""
    found: list[Span] = []
    for span in cut:
        if found and span.statement is None and found[-1].statement is None:
            found[-1] = Span(first=found[-1].first, last=span.last)
        else:
            found.append(span)
    return found


async def _frozen(
    stores: ChargebackStores, span: Span, statement: Statement
) -> AsyncIterator[Line]:
    first, last = span.first.isoformat(), span.last.isoformat()
    async for line in stores.statements.lines(statement):
        if line.charge is Charge.CORRECTION:
            within = span.whole
        else:
            within = first <= (line.subject.day or "") <= last
        if within:
            yield line
