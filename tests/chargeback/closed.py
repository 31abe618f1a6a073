"""Reports of a closed period whose lines a test makes up."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tests.chargeback.books import Books
from tests.chargeback.statements import make_statement
from usage_ingest.chargeback.line import Line
from usage_ingest.chargeback.owner import DisplayName
from usage_ingest.chargeback.report import report
from usage_ingest.chargeback.report_query import parse_report_query

PERIOD = "2026-11"


def closed_books(*lines: Line, names: Sequence[DisplayName] = (), **head: Any) -> Books:
    """One closed period, which holds these lines."""
    books = Books()
    books.reference.held = replace(books.reference.held, names=names)
    books.statements.closed.append((make_statement(period=PERIOD, **head), list(lines)))
    return books


async def report_of(books: Books, **params: str) -> dict[str, Any]:
    """The report of the period, unless days or another period are named."""
    now = books.clock.now()
    days = {} if "start_date" in params else {"period": PERIOD}
    query = parse_report_query(days | params, now.date(), ("team",))
    return await report(query, books.stores, now)
