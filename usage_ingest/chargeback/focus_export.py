"""The verb that writes what a report is asked for as FOCUS rows: by month, as lines come."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from io import StringIO
from typing import Any, Final

from usage_ingest.chargeback.focus import Bill, Biller
from usage_ingest.chargeback.focus_csv import FocusCsv
from usage_ingest.chargeback.lines import Span, spans
from usage_ingest.chargeback.ports import ChargebackStores
from usage_ingest.chargeback.read_range import ReadRange, read_range
from usage_ingest.chargeback.reference import on_day
from usage_ingest.chargeback.report_query import ReportQuery
from usage_ingest.errors import InvalidQueryError

MAX_ROWS: Final = 50_000
"""As many rows an answer over HTTP has at most: about 50 MB."""
Watch = Callable[[str, int], None]
"""Is told of the day that is being written, and how many rows there are so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FocusMonth:
    """A month as it was written; `completeness` of a closed one is what it was closed with.

    `without_price` counts unpriced rows of usage; others take such rows of closed months back.
    """

    period: str
    rows: int
    unpriced_rows: int
    without_price: int
    completeness: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class FocusText:
    """All rows of charges, how many more have no price, and whether nothing else is missing."""

    text: str
    without_price: int
    complete: bool


class _Nowhere:
    """Takes rows that are only counted."""

    def write(self, text: str, /) -> None:
        """Drop the text."""


def months(query: ReportQuery) -> list[ReportQuery]:
    """Cut a query by the months that it touches: each of them is billed by itself."""
    return [
        replace(query, format="focus", start=span.first, end=span.last)
        for span in spans(query.start, query.end, ())
    ]


async def write_month(  # noqa: PLR0913, PLR0917 - what is read, by whom it is billed, and where it goes
    query: ReportQuery,
    stores: ChargebackStores,
    biller: Biller,
    now: datetime,
    table: FocusCsv,
    watch: Watch | None = None,
) -> FocusMonth:
    """Write the rows of days of one month: those of its lines, and of corrections posted in it."""
    read = await read_range(query, stores, now)
    (span,) = read.spans
    bill = _bill(read, span, biller)
    rows, unpriced, without_price = table.rows, table.unpriced_rows, table.without_price
    async for line in read.lines():
        table.add(line, bill)
        if watch:
            watch(line.subject.day or bill.period, table.rows + table.unpriced_rows)
    return FocusMonth(
        period=bill.period,
        rows=table.rows - rows,
        unpriced_rows=table.unpriced_rows - unpriced,
        without_price=table.without_price - without_price,
        completeness=span.statement.completeness if span.statement else read.completeness(),
    )


def _bill(read: ReadRange, span: Span, biller: Biller) -> Bill:
    """Return what the month's rows share; a part of a closed month is no invoice."""
    invoice = span.statement if span.whole and not read.query.filters else None
    named = on_day(read.reference.names, read.query.end.isoformat())
    return Bill(
        biller=biller,
        period=span.period,
        invoice_id=invoice.id if invoice else None,
        names={(each.key.of, each.key.value): each.name for each in named},
    )


async def as_text(
    query: ReportQuery, stores: ChargebackStores, biller: Biller, now: datetime
) -> FocusText:
    """Return the rows of all months as one text.

    Raises:
        InvalidQueryError: There are more rows than an answer holds.
    """
    charges = StringIO(newline="")
    table = FocusCsv(charges, _Nowhere())
    written = [
        await write_month(month, stores, biller, now, table, _refuse_more)
        for month in months(query)
    ]
    return FocusText(
        text=charges.getvalue(),
        without_price=table.without_price,
        complete=all(each.completeness.get("complete") is True for each in written),
    )


def _refuse_more(_day: str, rows: int) -> None:
    if rows > MAX_ROWS:
        raise InvalidQueryError(
            "format",
            f"focus gives more than {MAX_ROWS:,} rows; ask for fewer days, filter, or write files: "
            "python -m usage_ingest chargeback report --format focus",
        )
