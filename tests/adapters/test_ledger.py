"""The ledger over the real SDK: each record stored once and counted once, whatever happens."""

import asyncio
from typing import Any

import pytest

from local.cosmos import Fault
from tests.builders import make_batch, make_event, make_usage
from tests.conftest import Stack
from tests.folds import fold, rollup_totals
from usage_ingest.adapters.cosmos import Cosmos
from usage_ingest.errors import ConfigError, TransientError
from usage_ingest.record_id import digest
from usage_ingest.state_document import IDENTITY_TYPE


async def ledger_of(stack: Stack) -> list[dict[str, Any]]:
    return await stack.documents("usage", type="usage")


async def assert_totals_are_a_fold_of_the_ledger(stack: Stack) -> None:
    ledger = await ledger_of(stack)
    assert fold(ledger) == rollup_totals(await stack.documents("usage", type="rollup"))


async def total(stack: Stack, counter: str) -> int:
    rollups = await stack.documents("usage", type="rollup")
    return sum(each.get(counter, 0) for each in rollups)


async def test_a_batch_is_stored_and_counted(stack: Stack) -> None:
    outcome = await stack.app.ingest.batch(make_batch(make_event(), make_event(), make_event()))

    rollups = await stack.documents("usage", type="rollup")
    assert outcome.stored == 3
    assert [each["requests"] for each in rollups] == [3]
    assert rollups[0]["input_tokens"] == 300
    assert len(await ledger_of(stack)) == 3
    await assert_totals_are_a_fold_of_the_ledger(stack)


async def test_redelivered_batch_counts_each_event_once(stack: Stack) -> None:
    batch = make_batch(*(make_event() for _ in range(5)))

    await stack.app.ingest.batch(batch)
    again = await stack.app.ingest.batch(batch)

    assert (again.stored, again.repeated) == (0, 5)
    assert await total(stack, "requests") == 5


async def test_an_event_resent_under_a_new_sequence_number_counts_once(stack: Stack) -> None:
    event = make_event()

    await stack.app.ingest.batch(make_batch(event, first=0))
    await stack.app.ingest.batch(make_batch(event, make_event(), event, first=1))

    assert await total(stack, "requests") == 2


async def test_more_events_than_a_batch_takes_are_all_counted(stack: Stack) -> None:
    events = [make_event(subscription_id=f"team-{n % 3}") for n in range(350)]

    await stack.app.ingest.batch(make_batch(*events))

    assert await total(stack, "requests") == 350
    await assert_totals_are_a_fold_of_the_ledger(stack)


async def test_a_record_without_usage_is_completed_by_a_later_event(stack: Stack) -> None:
    """The first one's counts are taken back from the rollup that it names."""
    early = make_event(usage=None, status=500, response_model=None)
    late = early | {"usage": make_usage(), "status": 200, "response_model": "gpt-4o-2024-11-20"}

    await stack.app.ingest.batch(make_batch(early))
    outcome = await stack.app.ingest.batch(make_batch(late, first=1))

    assert outcome.completed == 1
    assert await total(stack, "requests") == 1
    assert await total(stack, "failed_requests") == 0
    assert await total(stack, "requests_without_usage") == 0
    assert await total(stack, "input_tokens") == 100
    await assert_totals_are_a_fold_of_the_ledger(stack)


async def test_the_order_of_an_event_and_its_completion_does_not_matter(stack: Stack) -> None:
    whole = make_event()
    bare = whole | {"usage": None, "status": 500}

    await stack.app.ingest.batch(make_batch(whole, bare))
    outcome = await stack.app.ingest.batch(make_batch(bare, first=2))

    assert outcome.repeated == 1
    assert [each["status"] for each in await ledger_of(stack)] == [200]
    assert await total(stack, "failed_requests") == 0


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


async def test_a_batch_that_is_too_large_as_a_whole_is_halved(stack: Stack) -> None:
    """Many long names, each of characters that JSON spells with six bytes."""
    long = "\u00e9" * 256
    names = dict.fromkeys(("product_name", "api_name", "operation_name", "backend"), long)
    wide = names | dict.fromkeys(("deployment", "served_deployment", "session_id"), long)
    events = [make_event(**wide, app_hint=long, user_id=long, api_id=long) for _ in range(200)]

    outcome = await stack.app.ingest.batch(make_batch(*events))

    assert outcome.stored == 200
    assert await total(stack, "requests") == 200


async def test_two_instances_at_once_count_each_event_once(stack: Stack) -> None:
    other = stack.start()
    events = [make_event(subscription_id=f"team-{n % 2}") for n in range(60)]

    await asyncio.gather(
        stack.app.ingest.store(make_batch(*events)),
        other.ingest.store(make_batch(*reversed(events))),
        stack.app.ingest.store(make_batch(*events[20:40], partition_id="1")),
    )

    assert await total(stack, "requests") == 60
    await assert_totals_are_a_fold_of_the_ledger(stack)


async def test_a_rollup_that_another_instance_created_is_patched(stack: Stack) -> None:
    other = stack.start()
    await other.ingest.store(make_batch(make_event(subscription_id="known")))
    await stack.app.ingest.store(make_batch(make_event(app_id="app-9"), partition_id="0"))
    await other.ingest.store(make_batch(make_event(app_id="app-9"), partition_id="0"))
    await stack.app.ingest.store(make_batch(make_event(app_id="app-9"), partition_id="0"))

    rollups = await stack.documents("usage", type="rollup", app_id="app-9")
    assert [each["requests"] for each in rollups] == [3]


async def test_slots_keep_hub_partitions_apart_and_add_up(stack: Stack) -> None:
    await stack.app.ingest.batch(make_batch(make_event(), partition_id="0"))
    await stack.app.ingest.batch(make_batch(make_event(), partition_id="1"))

    rollups = await stack.documents("usage", type="rollup")
    assert sorted(each["slot"] for each in rollups) == [0, 1]
    assert await total(stack, "requests") == 2


async def test_shards_changed_and_everything_replayed_leave_totals_unchanged(stack: Stack) -> None:
    before = [make_event() for _ in range(20)]
    after = [make_event(event_time="2026-11-23T10:00:00Z") for _ in range(20)]
    enqueued = stack.clock.now().replace(day=23)
    await stack.app.ingest.batch(make_batch(*before))
    await write_identity(stack, "shards/hr-copilot", ("2026-11-23", "4"))

    resharded = stack.start()
    stack.clock.move(days=3)
    await resharded.ingest.batch(make_batch(*after, first=20, enqueued=enqueued))
    await resharded.ingest.batch(make_batch(*before, first=40, enqueued=enqueued))
    await resharded.ingest.batch(make_batch(*after, first=60, enqueued=enqueued))

    shards = {each["partitionKey"] for each in await ledger_of(stack)}
    assert await total(stack, "requests") == 40
    assert "hr-copilot|2026-11-20|0" in shards
    assert len(shards) == 5
    await assert_totals_are_a_fold_of_the_ledger(stack)


async def write_identity(stack: Stack, name: str, *values: tuple[str, str]) -> None:
    cosmos = Cosmos(stack.cosmos.endpoint, stack.cosmos.key, "usage-ingest")
    try:
        await cosmos.container("state").create_item(
            {
                "id": digest("identity", name),
                "type": IDENTITY_TYPE,
                "name": name,
                "values": [{"from_day": day, "value": value} for day, value in values],
            }
        )
    finally:
        await cosmos.close()


async def test_past_five_hundred_keys_new_apps_are_counted_as_other(stack: Stack) -> None:
    events = [make_event(app_id=f"app-{n}") for n in range(620)]

    for at in range(0, 620, 100):
        await stack.app.ingest.batch(make_batch(*events[at : at + 100], first=at))

    rollups = await stack.documents("usage", type="rollup")
    other = [each for each in rollups if each["app_id"] == "(other)"]
    assert len(rollups) == 501
    assert [each["requests"] for each in other] == [120]
    assert await total(stack, "requests") == 620


async def test_counted_under_a_name_that_is_gone_is_taken_back_there(stack: Stack) -> None:
    """The rollup that a document names is the truth, whatever the tags of today are."""
    early = make_event(usage=None)
    await stack.app.ingest.batch(make_batch(early))

    retagged = stack.start(ROLLUP_TAGS="")
    await retagged.ingest.batch(make_batch(early | {"usage": make_usage()}, first=1))

    assert await total(stack, "requests") == 1
    assert await total(stack, "input_tokens") == 100


async def test_a_repeat_of_what_is_stored_is_no_conflict_however_it_is_cut(stack: Stack) -> None:
    """Of two usages for one id only the one that is not stored conflicts."""
    stored = make_event()
    other = stored | {"usage": make_usage(prompt_tokens=101, total_tokens=121)}
    await stack.app.ingest.batch(make_batch(stored))

    await stack.app.ingest.batch(make_batch(other, stored, other, first=1))

    letters = await stack.documents("dead-letters", type="dead_letter")
    assert sorted(each["sequence_number"] for each in letters) == [1, 3]


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


async def test_a_rollup_that_somebody_deleted_is_never_made_negative(stack: Stack) -> None:
    early = make_event(usage=None)
    await stack.app.ingest.batch(make_batch(early))
    (rollup,) = await stack.documents("usage", type="rollup")
    cosmos = Cosmos(stack.cosmos.endpoint, stack.cosmos.key, "usage-ingest")
    await cosmos.container("usage").delete_item(rollup["id"], rollup["partitionKey"])
    await cosmos.close()

    outcome = await stack.app.ingest.batch(make_batch(early | {"usage": make_usage()}, first=1))

    assert outcome.completed == 1
    assert [each["requests"] for each in await stack.documents("usage", type="rollup")] == [1]
