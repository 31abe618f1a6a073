"""Metrics in the ledger, over the real SDK: a bin's latest sums count, and count once."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

import pytest

from local.cosmos import Fault
from tests.builders import (
    DIMENSIONS,
    NOON,
    make_batch,
    make_event,
    make_kind,
    make_metric_row,
)
from tests.conftest import Stack
from tests.folds import TOKENS
from usage_ingest.adapters.cosmos import Cosmos
from usage_ingest.errors import ConfigError, TransientError
from usage_ingest.metrics.fold import records
from usage_ingest.ports import StoreOutcome
from usage_ingest.record import TokenUsage, UsageRecord
from usage_ingest.wiring import App

OWN = make_kind()
AS_OF = NOON + timedelta(hours=2)
SLOT = 0


def bin_of(
    prompt: float = 100,
    completion: float | None = 20,
    total: float | None = None,
    later: float = 0,
    **dimensions: str,
) -> UsageRecord:
    """A bin's record, read so many minutes later."""
    sums = {
        "Prompt Tokens": prompt,
        "Completion Tokens": completion,
        "Total Tokens": prompt + (completion or 0) if total is None else total,
    }
    bag = DIMENSIONS | {f"usage.{name}": value for name, value in dimensions.items()}
    rows = [
        make_metric_row(
            metric=name,
            total=float(value),
            properties=bag,
            as_of=AS_OF + timedelta(minutes=later),
        )
        for name, value in sums.items()
        if value is not None
    ]
    (record,) = records(rows, OWN, NOON)
    return record


def bins(count: int, **how: Any) -> list[UsageRecord]:
    return [bin_of(prompt=n + 1, app=f"app-{n % 3}", model=f"m-{n}", **how) for n in range(count)]


async def store(app: App, *read: UsageRecord) -> StoreOutcome:
    return await app.ledger.store(read, SLOT)


def counts_of(outcome: StoreOutcome) -> dict[str, int]:
    """What became of how many; what nothing became is left out."""
    counts = {
        name: value if isinstance(value, int) else len(value)
        for name, value in asdict(outcome).items()
    }
    return {name: count for name, count in counts.items() if count}


async def ledger_of(stack: Stack) -> list[dict[str, Any]]:
    return await stack.documents("usage", type="usage")


async def rollups_of(stack: Stack) -> list[dict[str, Any]]:
    return await stack.documents("usage", type="rollup")


def summed(documents: Iterable[Mapping[str, Any]], by: str) -> dict[Any, dict[str, int]]:
    """Tokens added up by what each document counts in; zeros say nothing here."""
    totals: dict[Any, Counter[str]] = {}
    for each in documents:
        totals.setdefault(each[by], Counter()).update(
            {name: each[name] for name in TOKENS if name in each}
        )
    return {key: {name: v for name, v in sums.items() if v} for key, sums in totals.items()}


async def assert_rollups_are_a_fold_of_the_ledger(stack: Stack) -> None:
    counted = summed(await ledger_of(stack), "rollup_id")
    assert counted == summed(await rollups_of(stack), "id")


async def total(stack: Stack, counter: str) -> int:
    return sum(each.get(counter, 0) for each in await rollups_of(stack))


async def test_a_bin_is_stored_and_its_tokens_are_counted(stack: Stack) -> None:
    outcome = await store(stack.app, bin_of())

    (document,) = await ledger_of(stack)
    assert counts_of(outcome) == {"stored": 1}
    assert (document["source"], document["metric_profile"]) == ("metrics", "own")
    assert (document["bin_seconds"], document["as_of"]) == (3_600, "2026-11-20T14:00:00.000000Z")
    assert document["partitionKey"] == "hr-copilot|2026-11-20|0"
    assert await total(stack, "input_tokens") == 100
    await assert_rollups_are_a_fold_of_the_ledger(stack)


async def test_what_only_a_total_told_is_taken_back_when_its_parts_arrive(stack: Stack) -> None:
    parts = bin_of(prompt=60, completion=40, later=5)
    await store(stack.app, replace(parts, usage=TokenUsage(total_tokens=100)))
    assert await total(stack, "unsplit_tokens") == 100

    outcome = await store(stack.app, parts)

    assert counts_of(outcome) == {"completed": 1}
    assert await total(stack, "unsplit_tokens") == 0
    assert (await total(stack, "input_tokens"), await total(stack, "output_tokens")) == (60, 40)
    assert await total(stack, "total_tokens") == 100


async def test_a_rollup_of_metrics_has_no_requests_and_says_where_it_comes_from(
    stack: Stack,
) -> None:
    """How many calls a bin sums up is not known, nor how long the input of any one was."""
    await store(stack.app, bin_of(prompt=300_000, completion=0))

    (rollup,) = await rollups_of(stack)
    assert (rollup["source"], rollup["usage_estimated"], rollup["streaming"]) == (
        "metrics",
        True,
        True,
    )
    assert (rollup["input_tokens"], rollup["output_tokens"]) == (300_000, 0)
    assert rollup["subscription_id"] == "hr-copilot"
    assert rollup["slot"] == SLOT
    assert "context_band" not in rollup
    assert not [name for name in rollup if "requests" in name or "latency" in name]


async def test_metrics_and_events_of_a_day_are_counted_apart(stack: Stack) -> None:
    event = make_event(usage=None, streaming=True, response_model=None)

    await stack.app.ingest.batch(make_batch(event))
    await store(stack.app, bin_of())

    by_source = {each["source"]: each for each in await rollups_of(stack)}
    assert by_source["event_hub"]["requests_awaiting_metrics"] == 1
    assert "input_tokens" not in by_source["event_hub"]
    assert by_source["metrics"]["input_tokens"] == 100


@pytest.mark.parametrize("fresh", [False, True], ids=["same-instance", "other-instance"])
async def test_a_bin_that_is_read_again_unchanged_writes_nothing(
    stack: Stack, *, fresh: bool
) -> None:
    await store(stack.app, *bins(5))
    app = stack.start() if fresh else stack.app
    before = await stack.documents("usage")
    stack.cosmos.requests.clear()

    outcome = await store(app, *bins(5, later=60))

    assert counts_of(outcome) == {"repeated": 5}
    assert not stack.cosmos.counts().keys() - {"query", "read"}
    assert await stack.documents("usage") == before


async def test_many_unchanged_bins_are_looked_up_in_few_requests(stack: Stack) -> None:
    """Every run reads an hour again: its cost is what is asked, not what is stored."""
    await store(stack.app, *bins(250))
    stack.cosmos.requests.clear()

    outcome = await store(stack.app, *bins(250, later=60))

    assert outcome.repeated == 250
    assert sum(stack.cosmos.counts().values()) <= 10


async def test_a_bin_that_grew_is_replaced_and_its_rollup_moves_by_the_difference(
    stack: Stack,
) -> None:
    await store(stack.app, bin_of(100, 20), bin_of(7, 3, model="other"))

    outcome = await store(stack.app, bin_of(150, 35, later=15), bin_of(7, 3, model="other"))

    (document,) = [each for each in await ledger_of(stack) if each["request_model"] == "gpt-4o"]
    assert counts_of(outcome) == {"completed": 1, "repeated": 1}
    assert (document["input_tokens"], document["output_tokens"]) == (150, 35)
    assert document["as_of"] == "2026-11-20T14:15:00.000000Z"
    assert await total(stack, "input_tokens") == 157
    assert await total(stack, "total_tokens") == 195
    assert len(await rollups_of(stack)) == 2
    await assert_rollups_are_a_fold_of_the_ledger(stack)


async def test_a_unit_that_shows_up_later_is_counted_too(stack: Stack) -> None:
    await store(stack.app, bin_of(100, None, total=100))

    await store(stack.app, bin_of(100, 20, later=15))

    assert await total(stack, "output_tokens") == 20
    assert await total(stack, "total_tokens") == 120


async def test_an_earlier_reading_that_comes_late_changes_nothing(stack: Stack) -> None:
    await store(stack.app, bin_of(150, 35, later=15))
    before = await stack.documents("usage")

    outcome = await store(stack.app, bin_of(100, 20))

    assert counts_of(outcome) == {"repeated": 1}
    assert await stack.documents("usage") == before


async def test_a_bin_that_shrank_keeps_its_sums_and_is_told(stack: Stack) -> None:
    await store(stack.app, bin_of(150, 35), bin_of(9, 1, app="app-2"))
    less = bin_of(150, 30, total=180, later=15)

    outcome = await store(stack.app, less, bin_of(9, 1, app="app-2", later=15))

    assert (outcome.shrank, outcome.repeated, outcome.completed) == ([less], 2, 0)
    assert await total(stack, "output_tokens") == 36
    assert await total(stack, "total_tokens") == 195


async def test_what_grew_of_a_bin_that_shrank_is_counted(stack: Stack) -> None:
    await store(stack.app, bin_of(150, 35))
    mixed = bin_of(160, 30, total=200, later=15)

    outcome = await store(stack.app, mixed)

    assert (len(outcome.shrank), outcome.completed) == (1, 1)
    assert await total(stack, "input_tokens") == 160
    assert await total(stack, "output_tokens") == 35
    assert await total(stack, "total_tokens") == 200
    await assert_rollups_are_a_fold_of_the_ledger(stack)


async def test_a_total_that_arrives_later_than_its_parts_is_counted_as_it_grows(
    stack: Stack,
) -> None:
    """Rows of one request arrive apart: a total may be below its parts until the next reading."""
    await store(stack.app, bin_of(100, 20))

    between = await store(stack.app, bin_of(150, 20, total=120, later=15))
    flags = [each["flags"] for each in await ledger_of(stack)]
    await store(stack.app, bin_of(150, 20, later=30))

    (document,) = await ledger_of(stack)
    assert counts_of(between) == {"completed": 1}
    assert flags == [["inconsistent_usage"]]
    assert "flags" not in document
    assert await total(stack, "total_tokens") == 170
    await assert_rollups_are_a_fold_of_the_ledger(stack)


async def test_the_same_bin_twice_in_one_reading_counts_once(stack: Stack) -> None:
    outcome = await store(stack.app, bin_of(), bin_of())

    assert (outcome.stored, outcome.repeated) == (1, 1)
    assert await total(stack, "input_tokens") == 100


async def test_more_bins_than_a_batch_takes_are_all_counted(stack: Stack) -> None:
    """All of one logical partition: of one subscription and day."""
    outcome = await store(stack.app, *bins(250))

    assert outcome.stored == 250
    assert {each["partitionKey"] for each in await ledger_of(stack)} == {"hr-copilot|2026-11-20|0"}
    assert await total(stack, "input_tokens") == 250 * 251 // 2
    await assert_rollups_are_a_fold_of_the_ledger(stack)


async def test_more_bins_than_a_batch_takes_grow_at_once(stack: Stack) -> None:
    await store(stack.app, *bins(150, completion=1))
    read = bins(220, completion=5, later=15)

    outcome = await store(stack.app, *read)

    assert (outcome.completed, outcome.stored) == (150, 70)
    assert await total(stack, "output_tokens") == 220 * 5
    assert await total(stack, "input_tokens") == 220 * 221 // 2
    await assert_rollups_are_a_fold_of_the_ledger(stack)


async def test_bins_of_many_subscriptions_lie_apart(stack: Stack) -> None:
    read = [bin_of(subscription=name) for name in ("hr", "finance", "-")]

    await store(stack.app, *read)

    places = {each["partitionKey"] for each in await ledger_of(stack)}
    assert places == {"hr|2026-11-20|0", "finance|2026-11-20|0", "-|2026-11-20|0"}


# Several at once


async def test_two_runs_at_once_count_each_bin_once(stack: Stack) -> None:
    other = stack.start()

    await asyncio.gather(
        store(stack.app, *bins(120)), store(other, *reversed(bins(120))), store(other, *bins(40))
    )

    assert len(await ledger_of(stack)) == 120
    assert await total(stack, "input_tokens") == 120 * 121 // 2
    await assert_rollups_are_a_fold_of_the_ledger(stack)


async def test_of_two_runs_at_once_the_later_reading_stands(stack: Stack) -> None:
    await store(stack.app, *bins(60, completion=1))
    other = stack.start()

    await asyncio.gather(
        store(stack.app, *bins(60, completion=5, later=30)),
        store(other, *reversed(bins(60, completion=3, later=15))),
    )

    assert {each["output_tokens"] for each in await ledger_of(stack)} == {5}
    assert await total(stack, "output_tokens") == 60 * 5
    await assert_rollups_are_a_fold_of_the_ledger(stack)


# Crashes

CALLS = 7
"""Requests of the run below: identity, rollup keys, two look-ups, three batches."""


@pytest.mark.parametrize("lost", [True, False], ids=["answer-lost", "refused"])
@pytest.mark.parametrize("call", range(CALLS + 1))
async def test_a_run_that_dies_at_any_call_and_is_repeated_leaves_exact_totals(
    stack: Stack, call: int, *, lost: bool
) -> None:
    """Half of the bins are new, half grow; an instance that starts anew reads them again."""
    await store(stack.app, *bins(60, completion=1))
    read = bins(120, completion=5, later=15)
    fault = Fault(skip=call, count=None, **({"lost_answer": True} if lost else {"status": 503}))
    stack.cosmos.faults.add(fault)
    dying = stack.start(patience_seconds=0.05)

    died = False
    try:
        await store(dying, *read)
    except TransientError:
        died = True
    stack.cosmos.faults.clear()
    await store(stack.start(), *read)

    assert died is (call < CALLS)
    assert await total(stack, "input_tokens") == 120 * 121 // 2
    assert await total(stack, "output_tokens") == 120 * 5
    await assert_rollups_are_a_fold_of_the_ledger(stack)


@pytest.mark.parametrize("call", range(CALLS))
async def test_an_answer_that_was_lost_once_is_found_out_within_the_run(
    stack: Stack, call: int
) -> None:
    await store(stack.app, *bins(60, completion=1))
    stack.cosmos.faults.add(Fault(skip=call, count=1, lost_answer=True))

    outcome = await store(stack.start(), *bins(120, completion=5, later=15))

    assert outcome.stored + outcome.completed + outcome.repeated == 120
    assert await total(stack, "input_tokens") == 120 * 121 // 2
    assert await total(stack, "output_tokens") == 120 * 5
    await assert_rollups_are_a_fold_of_the_ledger(stack)


@pytest.mark.parametrize("status", [429, 449, 503])
async def test_a_busy_store_is_waited_for(stack: Stack, status: int) -> None:
    stack.cosmos.faults.add(Fault(operation="batch", count=2, inside=status))

    await store(stack.app, *bins(3))

    assert await total(stack, "input_tokens") == 6


async def test_refused_rights_are_a_deployment_error(stack: Stack) -> None:
    stack.cosmos.faults.add(Fault(operation="batch", count=None, status=403))

    with pytest.raises(ConfigError, match="Built-in Data Contributor"):
        await store(stack.app, bin_of())


async def test_a_record_that_the_store_refuses_is_told_and_stops_no_other(stack: Stack) -> None:
    stack.cosmos.faults.add(Fault(operation="batch", count=1, inside=413, inside_index=1))
    read = bins(3)

    outcome = await store(stack.app, *read)

    assert [each.record_id for each in outcome.too_large] == [read[1].record_id]
    assert outcome.stored == 2
    await assert_rollups_are_a_fold_of_the_ledger(stack)


# What somebody else changed in the store


async def delete(stack: Stack, document: Mapping[str, Any]) -> None:
    cosmos = Cosmos(stack.cosmos.endpoint, stack.cosmos.key, "usage-ingest")
    try:
        await cosmos.container("usage").delete_item(document["id"], document["partitionKey"])
    finally:
        await cosmos.close()


async def test_a_bin_that_grew_after_tags_or_keys_changed_moves_the_rollup_it_names(
    stack: Stack,
) -> None:
    await store(stack.app, bin_of(100))

    await store(stack.start(ROLLUP_TAGS="", ROLLUP_SLOTS="1"), bin_of(150, later=15))

    assert [each["input_tokens"] for each in await rollups_of(stack)] == [150]
    await assert_rollups_are_a_fold_of_the_ledger(stack)


async def test_growth_of_a_bin_whose_rollup_somebody_deleted_is_alarmed(
    stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    """The difference alone would look like the whole: the day is to be rebuilt."""
    await store(stack.app, bin_of(100))
    (rollup,) = await rollups_of(stack)
    await delete(stack, rollup)

    await store(stack.start(), bin_of(150, later=15))

    assert "alarm rollup_refused" in caplog.text
