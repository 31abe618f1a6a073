"""Months are closed over the real SDK against the stand-in: each change is posted exactly once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from local.cosmos import Fault
from tests.builders import FakeHub, FrozenClock
from tests.chargeback.books import sums
from tests.chargeback.till import Till, closing, opened
from tests.conftest import DATABASE
from usage_ingest.adapters.cosmos import Cosmos
from usage_ingest.chargeback.close import Outcome
from usage_ingest.chargeback.line import Line
from usage_ingest.errors import ConflictError, TransientError
from usage_ingest.plain import plain
from usage_ingest.settings import load_settings
from usage_ingest.wiring import build


@pytest.fixture
async def till(tmp_path: Path) -> AsyncIterator[Till]:
    """September, October and November have a call each, and a price."""
    async with opened(tmp_path) as till:
        await till.price("2026-01-01", "2")
        for month in ("09", "10", "11"):
            await till.use(f"2026-{month}-20")
        yield till


def corrections(lines: list[Line]) -> list[tuple[str | None, str | None, str]]:
    """Of which period and day, and by how much."""
    return [
        (line.corrects, line.subject.day, plain(line.amount or Decimal(0)))
        for line in lines
        if line.corrects is not None
    ]


async def assert_nothing_is_lost(till: Till) -> None:
    waiting = await till.pending()
    assert sums([*await till.posted(), *waiting]) == sums(await till.now())
    assert sums(await till.pending(recheck=True)) == sums(waiting)


async def test_a_late_event_and_a_corrected_price_are_posted_exactly_once(till: Till) -> None:
    await till.close("2026-09")
    await till.use("2026-09-21", millions=3)
    assert corrections(await till.pending()) == [("2026-09", "2026-09-21", "6")]

    await till.close("2026-10")
    assert await till.pending() == []
    await till.price("2026-10-01", "5")
    assert corrections(await till.pending()) == [("2026-10", "2026-10-20", "3")]

    await till.close("2026-11")
    assert await till.pending() == []
    assert corrections(await till.posted()) == [
        ("2026-09", "2026-09-21", "6"),
        ("2026-10", "2026-10-20", "3"),
    ]
    totals = {each.period: each.totals for each in await till.app.statements.all()}
    assert totals == {
        "2026-09": {"EUR": "2"},
        "2026-10": {"EUR": "8"},  # its own by the old price, and the late event of September
        "2026-11": {"EUR": "8"},  # its own by the new price, and October's difference
    }
    await assert_nothing_is_lost(till)


async def test_a_further_increment_of_a_closed_rollup_is_posted_too(till: Till) -> None:
    """The rollup was there when the period was closed."""
    await till.close("2026-09")
    await till.use("2026-09-20", millions=4)

    await till.close("2026-10")

    assert corrections(await till.posted()) == [("2026-09", "2026-09-20", "8")]
    await assert_nothing_is_lost(till)


async def test_a_correction_may_be_of_any_closed_period(till: Till) -> None:
    await till.close("2026-09")
    await till.close("2026-10")
    await till.use("2026-09-21")
    await till.use("2026-10-21")

    await till.close("2026-11")
    await till.use("2026-09-22")

    assert corrections(await till.posted()) == [
        ("2026-09", "2026-09-21", "2"),
        ("2026-10", "2026-10-21", "2"),
    ]
    assert corrections(await till.pending()) == [("2026-09", "2026-09-22", "2")]
    await assert_nothing_is_lost(till)


async def test_what_is_closed_is_not_read_again_while_nothing_changes(till: Till) -> None:
    """Every report of the open period asks what is pending."""
    await till.close("2026-09")
    await till.close("2026-10")
    await till.use("2026-12-01")
    await till.price("2026-11-01", "7")
    till.cosmos.requests.clear()

    assert await till.pending() == []

    of_rollups = [each for each in till.cosmos.requests if each.container == "usage"]
    assert len(of_rollups) <= 1


async def test_a_fast_clock_where_somebody_closes_misses_nothing_of_what_comes_then(
    till: Till,
) -> None:
    fast = FrozenClock(till.clock.now() + timedelta(hours=20))
    till.apps.append(build(load_settings(till.environment), fast, FakeHub(), 5.0))

    await till.close("2026-09", app=till.apps[-1])
    await till.use("2026-09-20", millions=4)

    assert corrections(await till.pending()) == [("2026-09", "2026-09-20", "8")]


async def test_of_two_closes_at_once_one_closes_the_period(till: Till) -> None:
    await till.use("2026-09-21")
    others = [till.start(), till.start(), till.app]

    ended = await asyncio.gather(
        *(closing(each)("2026-09", "a test") for each in others), return_exceptions=True
    )

    kinds = Counter(
        "lost" if isinstance(each, ConflictError) else "closed"
        for each in ended
        if isinstance(each, ConflictError) or (isinstance(each, Outcome) and each.statement)
    )
    assert kinds["closed"] == 1
    assert len(await till.app.statements.all()) == 1
    await assert_nothing_is_lost(till)


async def interrupted(till: Till, fault: Fault) -> bool:
    """Close with a fault that is not waited for, as if the machine had stopped there.

    Returns:
        Whether it told an error: the SDK asks some things again by itself.
    """
    till.cosmos.faults.add(fault)
    try:
        outcome = await till.close("2026-10", app=till.start(patience_seconds=0))
    except TransientError:
        return True
    finally:
        till.cosmos.faults.clear()
    assert outcome.statement
    return False


async def requests_of_a_close(till: Till) -> list[str]:
    """The containers that closing October asks, one by one, `*` before those that write."""
    till.cosmos.requests.clear()
    await till.close("2026-10")
    writes = ("create", "upsert", "replace", "batch")
    asked = [f"{'*' * (one.operation in writes)}{one.container}" for one in till.cosmos.requests]
    await forget(till, "2026-10")
    return asked


async def forget(till: Till, period: str) -> None:
    """Take the head away: the period is open again."""
    cosmos = Cosmos(till.cosmos.endpoint, till.cosmos.key, DATABASE)
    try:
        for row in await till.documents("statement"):
            if row["period"] == period and "closed_at" in row:
                await cosmos.container("state").delete_item(row["id"], "statement")
    finally:
        await cosmos.close()


@pytest.mark.parametrize(
    "how", [{"status": 500, "count": None}, {"lost_answer": True}], ids=["before", "after"]
)
async def test_a_close_that_was_interrupted_closes_the_period_once(
    till: Till, how: dict[str, Any]
) -> None:
    """At every write, before it took effect and after, and at some reads."""
    await till.close("2026-09")
    await till.use("2026-09-21", millions=3)
    asked = await requests_of_a_close(till)
    writes = [at for at, container in enumerate(asked) if container.startswith("*")]
    assert len(writes) == 6  # the attempt, two chunks that are announced first, and the head

    for call in (0, writes[0] + 1, *writes):
        failed = await interrupted(till, Fault(skip=call, **how))
        heads = await till.app.statements.all()
        assert failed or len(heads) == 2
        if len(heads) == 2:
            # Only an answer that got lost on its way leaves a period closed that looks as if not.
            assert not failed or (call, "lost_answer" in how) == (writes[-1], True)
            assert [each.totals for each in heads] == [{"EUR": "2"}, {"EUR": "8"}]
            assert corrections(await till.posted()) == [("2026-09", "2026-09-21", "6")]
            await forget(till, "2026-10")

    assert (await till.close("2026-10")).statement
    heads = await till.app.statements.all()
    assert [each.totals for each in heads] == [{"EUR": "2"}, {"EUR": "8"}]
    assert corrections(await till.posted()) == [("2026-09", "2026-09-21", "6")]
    await assert_nothing_is_lost(till)
