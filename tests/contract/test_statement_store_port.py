"""chargeback.ports.StatementStore: periods are closed once, in order, all of one or nothing.

There is one list of closed periods for the whole database: these tests need one of their own.
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.builders import NOON
from tests.chargeback.lines import make_line, make_unpriced
from tests.chargeback.statements import each_of, make_statement
from tests.contract.stores import Stores
from usage_ingest.adapters.cosmos_statements import CosmosStatementStore
from usage_ingest.chargeback.kinds import Kind
from usage_ingest.chargeback.line import Charge, Line
from usage_ingest.chargeback.statement import Days
from usage_ingest.errors import ConfigError, ConflictError, TransientError

pytestmark = pytest.mark.needs("own_database")
LINES = [make_line(), make_line(kind=Kind.OUTPUT), make_unpriced(kind=Kind.SEARCHES)]
CORRECTION = make_line(charge=Charge.CORRECTION, corrects="2026-10", amount=Decimal(-1))


class HaltedError(Exception):
    """What ends an attempt halfway."""


@pytest.fixture
async def fresh(stores: Stores) -> Stores:
    """The stores before any period was closed: earlier tests of the run may have closed some."""
    state = stores.cosmos.container("state")
    for kind in ("statement", "statement_chunk"):
        rows = state.query_items("SELECT c.id FROM c", partition_key=kind)
        for row in [dict(row) async for row in rows]:
            await state.delete_item(row["id"], partition_key=kind)
    return stores


def store_of(stores: Stores) -> CosmosStatementStore:
    return CosmosStatementStore(stores.cosmos)


async def documents(stores: Stores, kind: str) -> list[str]:
    rows = stores.cosmos.container("state").query_items("SELECT c.id FROM c", partition_key=kind)
    return [row["id"] async for row in rows]


async def interrupted(*lines: Line) -> AsyncIterator[Line]:
    for line in lines:
        yield line
    raise HaltedError


async def test_a_closed_period_is_read_as_it_was_written(fresh: Stores) -> None:
    store = store_of(fresh)

    written = await store.write(make_statement(), each_of([*LINES, CORRECTION]))

    (head,) = await store.all()
    assert head == written
    assert head.lines == 4
    assert head.totals == {"EUR": "4.5"}
    assert [each async for each in store.lines(head)] == [*LINES, CORRECTION]
    assert [each async for each in store.corrections(head)] == [CORRECTION]


async def test_only_lines_of_some_days_are_read_where_these_are_named(fresh: Stores) -> None:
    """A late event is of one day: the rest of the month need not be read."""
    store = store_of(fresh)
    lines = [make_line(subject={"day": f"2026-11-{day:02}"}) for day in (1, 2, 3, 4)]
    posted = [replace(CORRECTION, subject=each.subject) for each in lines]
    written = await store.write(make_statement(), each_of([*lines, *posted]))

    days = Days("2026-11-02", "2026-11-03")
    assert [each async for each in store.lines(written, days)] == [*lines[1:3], *posted[1:3]]
    assert [each async for each in store.corrections(written, days)] == posted[1:3]
    other = Days("2026-10-01", "2026-10-31")
    assert [each async for each in store.lines(written, other)] == []


async def test_a_period_without_usage_is_closed_as_well(fresh: Stores) -> None:
    store = store_of(fresh)

    written = await store.write(make_statement(accepted="no traffic yet"), each_of([]))

    assert (written.lines, written.totals, written.chunks) == (0, {}, ())
    assert [each.accepted for each in await store.all()] == ["no traffic yet"]
    assert [each async for each in store.lines(written)] == []


async def test_closed_periods_are_listed_in_order(fresh: Stores) -> None:
    store = store_of(fresh)
    for number in range(1, 12):
        period = f"2026-{number:02}"
        head = make_statement(number=number, period=period, id=f"attempt-{number}")
        await store.write(head, each_of(LINES))

    assert [each.number for each in await store.all()] == list(range(1, 12))


async def test_of_two_that_close_a_period_one_is_told_and_leaves_nothing_visible(
    fresh: Stores,
) -> None:
    store = store_of(fresh)
    first = await store.write(make_statement(id="first"), each_of(LINES))

    with pytest.raises(ConflictError, match="the period 2026-11"):
        await store.write(make_statement(id="second"), each_of(LINES[:1]))

    assert await store.all() == [first]
    assert [each async for each in store.lines(first)] == LINES


async def test_of_two_that_close_the_first_period_only_one_is_the_first(fresh: Stores) -> None:
    """Otherwise a month before the other's could never be closed."""
    store = store_of(fresh)
    await store.write(make_statement(id="first", period="2026-11"), each_of(LINES))

    with pytest.raises(ConflictError):
        await store.write(make_statement(id="second", period="2026-08"), each_of(LINES))


async def test_an_interrupted_attempt_is_not_visible_and_another_may_begin_at_once(
    fresh: Stores,
) -> None:
    store = store_of(fresh)
    with pytest.raises(HaltedError):
        await store.write(make_statement(id="first"), interrupted(*LINES, CORRECTION))
    assert await store.all() == []

    written = await store.write(make_statement(id="second"), each_of(LINES))

    assert await store.all() == [written]


async def test_what_an_attempt_left_is_deleted_after_a_day_and_not_before(fresh: Stores) -> None:
    store = store_of(fresh)
    with pytest.raises(HaltedError):
        await store.write(make_statement(id="first"), interrupted(*LINES, CORRECTION))
    left = await documents(fresh, "statement_chunk")
    assert len(left) == 1

    a_day = NOON + timedelta(days=1)
    soon = make_statement(id="second", closed_at=a_day)
    later = make_statement(
        number=2, period="2026-12", id="third", closed_at=a_day + timedelta(seconds=1)
    )
    kept = await store.write(soon, each_of(LINES))
    assert set(left) <= set(await documents(fresh, "statement_chunk"))
    await store.write(later, each_of(LINES))

    assert not set(left) & set(await documents(fresh, "statement_chunk"))
    assert len(await documents(fresh, "statement")) == 2
    assert [each async for each in store.lines(kept)] == LINES


async def test_an_attempt_that_was_given_up_cannot_be_finished(fresh: Stores) -> None:
    """Its chunks are gone: a head without them would be a statement that nobody can read."""
    store, other = store_of(fresh), store_of(fresh)

    async def slow() -> AsyncIterator[Line]:
        for line in LINES:
            yield line
        late = make_statement(id="other", closed_at=NOON + timedelta(days=2))
        with pytest.raises(HaltedError):
            await other.write(late, interrupted())

    with pytest.raises(TransientError, match="took longer than a day"):
        await store.write(make_statement(id="slow"), slow())

    assert await store.all() == []


async def test_a_chunk_that_is_missing_is_named(fresh: Stores) -> None:
    store = store_of(fresh)
    written = await store.write(make_statement(), each_of(LINES))
    (chunk,) = await documents(fresh, "statement_chunk")
    await fresh.cosmos.container("state").delete_item(chunk, "statement_chunk")

    with pytest.raises(ConfigError, match="the statement of 2026-11 lacks its chunk 0"):
        _ = [each async for each in store.lines(written)]
