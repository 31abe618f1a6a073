"""Closing periods, and what is pending of closed ones, over what money is made of in memory."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.chargeback.books import Books, sums
from usage_ingest.chargeback.line import Charge, Line
from usage_ingest.chargeback.pending import pending
from usage_ingest.chargeback.period import following
from usage_ingest.errors import ConflictError
from usage_ingest.plain import plain

MILLION = 1_000_000


def amounts(lines: list[Line]) -> list[tuple[str | None, str, str | None, str]]:
    """What was corrected, of whom, on which day, and by how much."""
    return [
        (line.corrects, line.payer.owner, line.subject.day, plain(line.amount or Decimal(0)))
        for line in lines
    ]


def at_line(number: int, act: Callable[[], None]) -> Callable[[int], None]:
    """Watch a close; act when so many lines were read, those of both readings."""
    lines = itertools.count(1)

    def watch(_lines: int) -> None:
        if next(lines) == number:
            act()

    return watch


@pytest.fixture
def books() -> Books:
    """Two months with one call each, and a price."""
    books = Books()
    books.price("2026-01-01", "2")
    books.use("2026-10-05", input_tokens=MILLION)
    books.use("2026-11-20", input_tokens=3 * MILLION)
    return books


async def test_a_closed_period_has_its_lines_by_day_and_their_total(books: Books) -> None:
    outcome = await books.close("2026-11", None)

    assert outcome.statement is not None
    assert outcome.statement.totals == {"EUR": "6"}
    assert outcome.statement.tags == ("team",)
    assert outcome.statement.imports == 1
    assert (outcome.statement.number, outcome.statement.accepted) == (1, None)
    ((_, lines),) = books.statements.closed
    assert [(each.subject.day, each.subject.app_id) for each in lines] == [("2026-11-20", "app-1")]


async def test_what_is_pending_was_not_there_when_the_period_was_closed(books: Books) -> None:
    await books.close("2026-10")
    assert await books.pending() == []

    books.use("2026-10-05", input_tokens=MILLION, app_id="late")

    assert amounts(await books.pending()) == [("2026-10", "unallocated", "2026-10-05", "2")]


async def test_a_correction_is_posted_once_by_the_next_period_that_is_closed(books: Books) -> None:
    await books.close("2026-10")
    books.use("2026-10-06", input_tokens=MILLION)
    november = await books.close("2026-11")
    december = await books.close("2026-12")

    assert november.statement is not None
    assert november.statement.totals == {"EUR": "8"}
    assert november.sums.corrections["2026-10"].totals() == {"EUR": "2"}
    assert december.statement is not None
    assert december.statement.totals == {}
    assert await books.pending(recheck=True) == []
    assert sums(books.posted()) == sums(await books.now())


async def test_only_days_that_changed_are_rated_again(books: Books) -> None:
    for period in ("2026-10", "2026-11", "2026-12"):
        await books.close(period)
    for day in ("2026-10-05", "2026-10-31", "2026-11-01", "2026-12-24"):
        books.use(day, input_tokens=MILLION, app_id="late")
    books.price("2026-12-30", "3")
    books.rows.segments.clear()

    assert len(await books.pending()) == 4

    days = [first for first, _ in books.rows.segments]
    assert days == [
        *("2026-10-05", "2026-10-31", "2026-11-01", "2026-12-24"),
        *("2026-12-30", "2026-12-31"),  # which the price is of
    ]


async def test_a_price_that_is_corrected_changes_every_closed_period_it_is_of(
    books: Books,
) -> None:
    await books.close("2026-10")
    await books.close("2026-11")

    books.price("2026-11-01", "5")

    found = await books.pending()
    assert amounts(found) == [("2026-11", "unallocated", "2026-11-20", "9")]
    assert [line.quantity for line in found] == [0]
    assert books.statements.read.count("2026-10") == 0  # nothing of it can have changed


async def test_an_owner_who_was_wrong_gets_back_what_the_right_one_is_charged(
    books: Books,
) -> None:
    books.rule("2026-01-01", "HR", markup="10")
    await books.close("2026-10")

    books.rule("2026-01-01", "Legal", markup="20")

    assert amounts(await books.pending()) == [
        ("2026-10", "Legal", "2026-10-05", "2.4"),
        ("2026-10", "HR", "2026-10-05", "-2.2"),
    ]


async def test_usage_without_a_price_counts_as_incomplete_until_it_is_accepted(
    books: Books,
) -> None:
    books.use("2026-10-05", input_tokens=7, model="gpt-new")

    refused = await books.close("2026-10", None)
    accepted = await books.close("2026-10", "its price comes later")

    assert refused.statement is None
    assert refused.completeness is not None
    assert refused.completeness["incomplete_because"] == ["unpriced"]
    listed = [{"model": "gpt-new", "kind": "input", "quantity": "7"}]
    assert refused.completeness["unpriced"] == {"count": 1, "listed": listed}
    assert accepted.statement is not None
    assert accepted.statement.accepted == "its price comes later"
    assert accepted.statement.completeness["incomplete_because"] == ["unpriced"]


async def test_a_price_that_comes_after_closing_is_charged_then(books: Books) -> None:
    books.use("2026-10-05", input_tokens=MILLION, model="gpt-new")
    await books.close("2026-10")

    books.price("2026-10-01", "7", key={})
    held = books.reference.held
    prices = [*held.prices[:-1], _of_model(held.prices[-1], "gpt-new")]
    books.reference.held = type(held)(prices=prices)
    found = await books.pending()

    assert [(each.corrected, each.quantity, each.amount) for each in found] == [
        (Charge.USAGE, MILLION, Decimal(7)),
        (Charge.UNPRICED, -MILLION, None),
    ]
    november = await books.close("2026-11", None)
    assert november.statement is not None  # what was taken back is not without a price
    assert november.statement.totals == {"EUR": "13"}


async def test_usage_that_was_accepted_without_a_price_is_not_told_again_for_its_next_owner(
    books: Books,
) -> None:
    books.use("2026-10-05", input_tokens=7, model="gpt-new")
    await books.close("2026-10")

    books.rule("2026-10-01", "Legal")

    assert [line.quantity for line in await books.pending() if line.amount is None] == [7, -7]
    assert (await books.close("2026-11", None)).statement is not None


def _of_model(price: Any, model: str) -> Any:
    return replace(price, key=price.key._replace(model=model))


async def test_an_incomplete_period_is_not_closed_and_nothing_is_written(books: Books) -> None:
    books.partition.lag = 3
    books.clock.moment = datetime(2026, 11, 1, 0, 0, 5, tzinfo=UTC)

    outcome = await books.close("2026-10", None)

    assert outcome.statement is None
    assert outcome.completeness is not None
    assert outcome.completeness["incomplete_because"] == ["lag"]
    assert outcome.sums.own.totals() == {"EUR": "2"}
    assert books.statements.closed == []


async def test_what_goes_wrong_between_the_two_readings_ends_it(books: Books) -> None:
    """Nothing is closed that stands otherwise than it was shown."""

    def use() -> None:
        books.use("2026-10-31", input_tokens=5, model="gpt-new")

    outcome = await books.close("2026-10", None, watch=at_line(1, use))

    assert outcome.statement is None
    assert outcome.completeness is not None
    assert outcome.completeness["incomplete_because"] == ["unpriced"]
    assert books.statements.closed == []


@pytest.mark.parametrize(
    ("period", "bar"),
    [
        ("2026-12", "periods are closed in their order: the next is 2026-11"),
        ("2026-09", "periods are closed in their order: the next is 2026-11"),
        ("2026-10", "it was closed at 2027-01-15T04:00:00.000000Z"),
    ],
)
async def test_no_acceptance_changes_the_order(books: Books, period: str, bar: str) -> None:
    await books.close("2026-10")

    outcome = await books.close(period, "please")

    assert (outcome.statement, outcome.bars) == (None, [bar])
    assert len(books.statements.closed) == 1


async def test_no_acceptance_closes_a_period_that_has_not_ended(books: Books) -> None:
    outcome = await books.close("2027-01", "please")

    assert (outcome.statement, outcome.bars) == (None, ["it ends at 2027-02-01T00:00:00.000000Z"])


async def test_a_dry_run_shows_what_a_running_period_has_so_far(books: Books) -> None:
    """And what waits for it."""
    await books.close("2026-11")
    await books.close("2026-12")
    books.price("2026-11-01", "3")
    books.use("2027-01-02", input_tokens=MILLION)

    outcome = await books.close("2027-01", None, dry_run=True)

    assert outcome.statement is None
    assert len(outcome.bars) == 1
    assert outcome.sums.own.totals() == {"EUR": "3"}
    assert outcome.sums.corrections["2026-11"].totals() == {"EUR": "3"}
    assert len(books.statements.closed) == 2


async def test_of_two_that_close_at_once_one_is_told(books: Books) -> None:
    books.use("2026-10-05", input_tokens=MILLION)

    outcomes = await asyncio.gather(
        books.close("2026-10"), books.close("2026-10"), return_exceptions=True
    )

    assert [type(each) for each in outcomes].count(ConflictError) == 1
    assert len(books.statements.closed) == 1
    assert sums(books.posted()) == sums(await books.now())


async def test_a_change_while_a_period_is_closed_is_not_lost(books: Books) -> None:
    """Whatever was written once reading began is looked at again."""

    def use() -> None:
        books.use("2026-10-04", input_tokens=MILLION)  # a day that was read already

    await books.close("2026-10", watch=at_line(2, use))

    assert amounts(await books.pending()) == [("2026-10", "unallocated", "2026-10-04", "2")]


async def test_clocks_that_differ_lose_nothing(books: Books) -> None:
    """The store's clock may be behind that of the machine that closes."""
    await books.close("2026-10")
    books.use("2026-10-05", input_tokens=MILLION, app_id="late")
    head, _ = books.statements.closed[-1]
    books.rows.written_at[-1] = head.read_from - timedelta(minutes=9)

    assert len(await books.pending()) == 1


async def test_a_change_that_nothing_tells_of_is_found_when_it_is_asked_for(books: Books) -> None:
    """As when an upgrade rates otherwise."""
    await books.close("2026-10")
    books.rows.rows = tuple(row | {"input_tokens": 5 * MILLION} for row in books.rows.rows)

    assert await books.pending() == []
    assert amounts(await books.pending(recheck=True)) == [
        ("2026-10", "unallocated", "2026-10-05", "8")
    ]
    november = await books.close("2026-11", recheck=True)
    assert november.sums.corrections["2026-10"].totals() == {"EUR": "8"}


async def test_no_more_than_a_day_of_a_closed_period_is_held(books: Books) -> None:
    """Lines are taken as they are needed."""
    for day in range(1, 31):
        books.use(f"2026-09-{day:02}", input_tokens=MILLION)
    await books.close("2026-09")
    books.price("2026-09-01", "3")
    taken = 0
    whole = books.statements.lines

    async def counted(statement: Any, days: Any = None) -> AsyncIterator[Line]:
        nonlocal taken
        async for line in whole(statement, days):
            taken += 1
            yield line

    books.statements.lines = counted  # type: ignore[method-assign]
    found = (line async for line in _pending(books))
    first = await anext(found)

    assert first.subject.day == "2026-09-01"
    assert taken <= 2
    assert len([line async for line in found]) == 29


async def _pending(books: Books) -> AsyncIterator[Line]:
    closed = await books.statements.all()
    async for line in pending(books.stores, closed, books.reference.held):
        yield line


DAYS = st.sampled_from(
    [f"2026-{month:02}-{day:02}" for month in (9, 10, 11) for day in (1, 15, 28)]
)
CHANGES = st.one_of(
    st.tuples(
        st.just("use"),
        DAYS,
        st.fixed_dictionaries(
            {
                "input_tokens": st.integers(1, 10_000),
                "deployment": st.sampled_from(["gpt-4o-prod", "ptu"]),
                "subscription_id": st.sampled_from(["hr-copilot", "finance-bot", None]),
                "tags": st.sampled_from([None, {"team": "a"}, {"team": "b", "other": "c"}]),
                "model": st.sampled_from(["gpt-4o", "gpt-new"]),
            }
        ),
    ),
    st.tuples(
        st.just("price"), DAYS, st.sampled_from(["0", "2.5", "3"]), st.sampled_from(["EUR", "USD"])
    ),
    st.tuples(
        st.just("rule"), DAYS, st.sampled_from(["HR", "Legal"]), st.sampled_from(["0", "12.5"])
    ),
    st.tuples(st.just("provision"), DAYS, st.sampled_from(["310", "100.01"])),
    st.tuples(st.just("close")),
)


async def change(books: Books, step: tuple[Any, ...], due: str) -> str:
    """Carry out a step; return the period that is closed next."""
    match step:
        case ("use", day, counters):
            books.use(day, **counters)
        case ("price", day, amount, currency):
            books.price(day, amount, currency=currency)
        case ("rule", day, owner, markup):
            books.rule(day, owner, markup)
        case ("provision", day, amount):
            books.provision(day, amount)
        case ("close",) if due <= "2026-12":
            await books.close(due)
            assert await books.pending() == []
            return following(due)
    return due


@settings(max_examples=60)
@given(st.lists(CHANGES, max_size=14))
def test_statements_and_what_is_pending_are_always_what_everything_is_now(
    steps: list[tuple[Any, ...]],
) -> None:
    """For any sequence of changes and closes: nothing is lost, and nothing is posted twice."""

    async def run() -> None:
        books, due = Books(), "2026-09"
        for step in [*steps, ("close",), *steps[:2]]:
            due = await change(books, step, due)
            waiting = await books.pending()
            assert sums([*books.posted(), *waiting]) == sums(await books.now())
            assert sums(await books.pending(recheck=True)) == sums(waiting)

    asyncio.run(run())
