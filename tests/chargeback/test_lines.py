"""Frozen lines of closed periods and rated ones of the others, as one range."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest

from tests.chargeback.books import Books
from usage_ingest.chargeback.line import Charge, Line
from usage_ingest.chargeback.lines import Observe, lines, spans
from usage_ingest.chargeback.rated import Asked

MILLION = 1_000_000


@pytest.fixture
def books() -> Books:
    """A price, and one call in each of three months."""
    books = Books()
    books.price("2026-01-01", "2")
    for day in ("2026-10-05", "2026-11-20", "2026-12-03"):
        books.use(day, input_tokens=MILLION)
    return books


async def lines_of(
    books: Books,
    first: str,
    last: str,
    asked: Asked = Asked(days=True),  # noqa: B008 - it never changes
    observe: Observe | None = None,
) -> list[Line]:
    stores = books.stores
    days = date.fromisoformat(first), date.fromisoformat(last)
    cut = spans(*days, await stores.statements.all())
    reference = await stores.reference.load()
    return [line async for line in lines(stores, cut, reference, asked, observe)]


def days_of(found: list[Line]) -> list[str | None]:
    return [line.subject.day for line in found]


async def test_days_of_open_periods_are_rated_and_those_of_closed_ones_are_frozen(
    books: Books,
) -> None:
    await books.close("2026-11")
    for day in ("2026-10-05", "2026-11-20", "2026-12-03"):
        books.use(day, input_tokens=MILLION)

    found = await lines_of(books, "2026-10-01", "2026-12-31")

    assert [(line.subject.day, line.quantity) for line in found] == [
        ("2026-10-05", 2 * MILLION),
        ("2026-11-20", MILLION),
        ("2026-12-03", 2 * MILLION),
    ]


async def test_a_part_of_a_closed_period_has_the_lines_of_its_days(books: Books) -> None:
    books.use("2026-11-21", input_tokens=MILLION)
    await books.close("2026-11")

    assert days_of(await lines_of(books, "2026-11-20", "2026-11-20")) == ["2026-11-20"]
    assert days_of(await lines_of(books, "2026-11-21", "2026-11-30")) == ["2026-11-21"]


async def test_posted_corrections_are_in_the_whole_period_and_in_no_part_of_it(
    books: Books,
) -> None:
    await books.close("2026-10")
    books.use("2026-10-06", input_tokens=MILLION)
    await books.close("2026-11")

    whole = await lines_of(books, "2026-11-01", "2026-11-30")
    part = await lines_of(books, "2026-11-02", "2026-11-30")
    october = await lines_of(books, "2026-10-01", "2026-10-31")

    assert [line.charge for line in whole] == [Charge.USAGE, Charge.CORRECTION]
    assert [line.charge for line in part] == [Charge.USAGE]
    assert days_of(october) == ["2026-10-05"]


async def test_corrections_that_are_not_posted_are_not_here(books: Books) -> None:
    await books.close("2026-10")
    books.use("2026-10-06", input_tokens=MILLION)

    assert days_of(await lines_of(books, "2026-11-01", "2026-11-30")) == ["2026-11-20"]


async def test_open_periods_that_follow_each_other_are_read_at_once(books: Books) -> None:
    books.rows.segments.clear()
    seen = list[Mapping[str, Any]]()

    found = await lines_of(books, "2026-10-01", "2026-12-31", Asked(), seen.append)

    assert books.rows.segments == [("2026-10-01", "2026-12-31")]
    assert [line.quantity for line in found] == [3 * MILLION]
    assert [row["day"] for row in seen] == ["2026-10-05", "2026-11-20", "2026-12-03"]


async def test_a_range_that_is_closed_reads_no_rollups(books: Books) -> None:
    await books.close("2026-11")
    books.rows.segments.clear()

    await lines_of(books, "2026-11-01", "2026-11-30")

    assert books.rows.segments == []


def test_a_range_is_cut_by_its_periods() -> None:
    cut = spans(date(2026, 10, 31), date(2026, 12, 1), [])

    assert [(each.period, each.first.day, each.last.day, each.whole) for each in cut] == [
        ("2026-10", 31, 31, False),
        ("2026-11", 1, 30, True),
        ("2026-12", 1, 1, False),
    ]
