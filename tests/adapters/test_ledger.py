"""The ledger when the store is busy, refuses or loses answers; what it keeps to: contract/."""

from typing import Any

import pytest

from local.cosmos import Fault
from tests.builders import make_batch, make_event, make_usage
from tests.conftest import Stack
from tests.folds import fold, rollup_totals
from usage_ingest.errors import ConfigError, TransientError


async def ledger_of(stack: Stack) -> list[dict[str, Any]]:
    return await stack.documents("usage", type="usage")


async def assert_totals_are_a_fold_of_the_ledger(stack: Stack) -> None:
    ledger = await ledger_of(stack)
    assert fold(ledger) == rollup_totals(await stack.documents("usage", type="rollup"))


async def total(stack: Stack, counter: str) -> int:
    rollups = await stack.documents("usage", type="rollup")
    return sum(each.get(counter, 0) for each in rollups)


async def test_another_usage_under_the_same_id_is_a_dead_letter(stack: Stack) -> None:
    event = make_event()
    other = event | {"usage": make_usage(prompt_tokens=101, total_tokens=121)}

    await stack.app.ingest.batch(make_batch(event))
    await stack.app.ingest.batch(make_batch(other, first=1))
    await stack.app.ingest.batch(make_batch(other, first=1))

    letters = await stack.documents("dead-letters", type="dead_letter")
    counts = await stack.documents("dead-letters", type="counts")
    assert [each["reason"] for each in letters] == ["conflicting_duplicate"]
    assert sum(each["open_conflicting_duplicate"] for each in counts) == 1
    assert await total(stack, "input_tokens") == 100


@pytest.mark.parametrize("status", [429, 449, 503, 408])
@pytest.mark.parametrize("inside", [True, False])
async def test_a_busy_store_is_waited_for(stack: Stack, status: int, *, inside: bool) -> None:
    fault = Fault(operation="batch", count=3, inside=status) if inside else None
    stack.cosmos.faults.add(fault or Fault(operation="batch", count=3, status=status))

    await stack.app.ingest.batch(make_batch(make_event(), make_event()))

    assert await total(stack, "requests") == 2
    await assert_totals_are_a_fold_of_the_ledger(stack)


async def test_a_store_that_stays_busy_is_the_hosts_to_retry(stack: Stack) -> None:
    stack.cosmos.faults.add(Fault(operation="batch", count=None, status=503))
    impatient = stack.start(patience_seconds=0.5)

    with pytest.raises(TransientError, match="busy or out of reach"):
        await impatient.ingest.batch(make_batch(make_event()))

    assert await ledger_of(stack) == []


async def test_a_commit_whose_answer_was_lost_counts_once(stack: Stack) -> None:
    stack.cosmos.faults.add(Fault(operation="batch", count=2, lost_answer=True))

    await stack.app.ingest.batch(make_batch(make_event(), make_event()))

    assert await total(stack, "requests") == 2


async def test_a_completion_whose_answer_was_lost_counts_once(stack: Stack) -> None:
    early = make_event(usage=None)
    await stack.app.ingest.batch(make_batch(early))
    stack.cosmos.faults.add(Fault(operation="batch", skip=1, count=1, lost_answer=True))

    await stack.app.ingest.batch(make_batch(early | {"usage": make_usage()}, first=1))

    assert await total(stack, "requests") == 1
    assert await total(stack, "input_tokens") == 100
    await assert_totals_are_a_fold_of_the_ledger(stack)


async def test_refused_rights_are_a_deployment_error_that_names_the_role(stack: Stack) -> None:
    stack.cosmos.faults.add(Fault(operation="batch", count=None, status=403))

    with pytest.raises(ConfigError, match="Built-in Data Contributor"):
        await stack.app.ingest.batch(make_batch(make_event()))


@pytest.mark.parametrize("status", [400, 413])
async def test_an_event_that_the_store_refuses_stops_no_other(stack: Stack, status: int) -> None:
    events = [make_event() for _ in range(8)]
    stack.cosmos.faults.add(Fault(operation="batch", count=1, inside=status, inside_index=3))

    outcome = await stack.app.ingest.batch(make_batch(*events))

    letters = await stack.documents("dead-letters", type="dead_letter")
    assert outcome.stored == 7
    assert [each["reason"] for each in letters] == ["too_large"]


async def test_a_store_that_asks_for_no_wait_is_not_flooded(stack: Stack) -> None:
    stack.cosmos.faults.add(Fault(operation="batch", count=None, status=429, retry_after_ms=0))
    impatient = stack.start(patience_seconds=0.5)
    stack.cosmos.requests.clear()

    with pytest.raises(TransientError):
        await impatient.ingest.store(make_batch(make_event()))

    assert stack.cosmos.counts()["batch"] < 20


async def test_after_one_group_failed_the_others_leave_the_store_alone(stack: Stack) -> None:
    """Each group waits for a minute: hundreds of them would outlive the function's timeout."""
    stack.cosmos.faults.add(Fault(operation="batch", count=None, status=403))
    stack.cosmos.requests.clear()

    with pytest.raises(ConfigError):
        await stack.app.ingest.store(
            make_batch(*(make_event(subscription_id=f"team-{n}") for n in range(200)))
        )

    assert stack.cosmos.counts()["batch"] <= 32
