"""Reads the lines that a report is about, and what the report then says of itself.

What the sources call stored, closed or collected is read before the rollups: it is in the lines
then, whatever is written meanwhile.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from usage_ingest.chargeback.line import Line, takes
from usage_ingest.chargeback.lines import Span, lines, spans
from usage_ingest.chargeback.pending import pending
from usage_ingest.chargeback.period import following
from usage_ingest.chargeback.ports import ChargebackStores, Statement
from usage_ingest.chargeback.rated import Asked
from usage_ingest.chargeback.reference import Reference
from usage_ingest.chargeback.report_query import ReportQuery
from usage_ingest.completeness import Sources, completeness
from usage_ingest.coverage import Seen, sources
from usage_ingest.document import time_text
from usage_ingest.parameters import TAG
from usage_ingest.streaming import Streaming
from usage_ingest.summary_query import SummaryQuery
from usage_ingest.totals.days import days_between

DAYS_DRAWN: Final = 62
"""Days that a page draws; reading by day costs more, and more days cannot be read off it."""


@dataclass(slots=True, kw_only=True)
class ReadRange:
    """A range that is being read: first `lines` to the end, then what they cover."""

    query: ReportQuery
    stores: ChargebackStores
    now: datetime
    closed: list[Statement]
    spans: list[Span]
    reference: Reference
    known: Sources | None
    seen: Seen = field(default_factory=Seen)

    async def lines(self) -> AsyncIterator[Line]:
        """Yield the lines that the query's filters take."""
        filters = self.query.filters
        async for line in self._all():
            if not filters or takes(filters, line):
                yield line

    async def _all(self) -> AsyncIterator[Line]:
        asked = asked_of(self.query)
        found = lines(self.stores, self.spans, self.reference, asked, self.seen.add)
        async for line in found:
            yield line
        if self.shows_pending:
            async for line in pending(self.stores, self.closed, self.reference):
                yield line

    @property
    def first_open(self) -> str | None:
        """The period that corrections of closed ones wait for; None where nothing is closed."""
        return following(self.closed[-1].period) if self.closed else None

    @property
    def shows_pending(self) -> bool:
        """Whether corrections that are not posted yet are among the lines."""
        return self.query.period is not None and self.query.period == self.first_open

    def completeness(self) -> dict[str, Any]:
        """Return what the open days say of themselves, in the words of a summary; {} of none.

        It is of all usage of these days, whatever is filtered.
        """
        if self.known is None:
            return {}
        for span in self.spans:
            if span.statement is not None:
                self.seen.days.update(days_between(span.first, span.last))
        open_days = _open_days(self.query, self.spans)
        return completeness(open_days, self.seen.counted(), self.known, self.now)


async def read_range(query: ReportQuery, stores: ChargebackStores, now: datetime) -> ReadRange:
    """Read what a report needs before its lines."""
    closed = await stores.statements.all()
    cut = spans(query.start, query.end, closed)
    is_open = any(span.statement is None for span in cut)
    known = await sources(_open_days(query, cut), stores.reports) if is_open else None
    return ReadRange(
        query=query,
        stores=stores,
        now=now,
        closed=closed,
        spans=cut,
        reference=await stores.reference.load(),
        known=known,
        seen=Seen(streaming=Streaming(wanted=query.filters.get("subscription"))),
    )


def is_drawn(query: ReportQuery) -> bool:
    """Whether amounts are shown by day: on a page, of days that can be told apart there."""
    return query.format == "html" and (query.end - query.start).days < DAYS_DRAWN


def asked_of(query: ReportQuery) -> Asked:
    """Return what lines have to keep for a query."""
    if query.format == "focus":
        return Asked(days=True, apps=True, tenants=True, tags=query.tags)
    names = query.names()
    return Asked(
        days="day" in names or is_drawn(query),
        apps="app" in names,
        tenants="tenant" in names,
        tags=tuple(tag for tag in query.tags if TAG + tag in names),
    )


def periods_document(read: ReadRange) -> list[dict[str, Any]]:
    """Return the periods that a range touches, and whether their numbers are final."""
    return [_period(span) for span in read.spans]


def _period(span: Span) -> dict[str, Any]:
    statement = span.statement
    frozen = statement.completeness if statement else {}
    return {
        "period": span.period,
        "state": "closed" if statement else "open",
        "start_date": span.first.isoformat(),
        "end_date": span.last.isoformat(),
        "whole": span.whole,
        "statement": statement and statement.id,
        "closed_at": statement and time_text(statement.closed_at),
        "accepted": statement and statement.accepted,
        "complete": frozen.get("complete"),
        "incomplete_because": frozen.get("incomplete_because"),
    }


def _open_days(query: ReportQuery, cut: list[Span]) -> SummaryQuery:
    """Return the range from the first open day to the last one."""
    still_open = [span for span in cut if span.statement is None]
    if not still_open:
        return SummaryQuery(start=query.start, end=query.end)
    return SummaryQuery(start=still_open[0].first, end=still_open[-1].last)
