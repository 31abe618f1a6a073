"""ports.Ledger: each record is stored once and counted once, whatever was stored before."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.builders import make_usage
from tests.contract.stores import Stores
from tests.folds import fold, rollup_totals
from usage_ingest.record import UsageRecord
from usage_ingest.record_id import digest
from usage_ingest.state_document import IDENTITY_TYPE
from usage_ingest.wiring import App

SLOT = 0


async def store(app: App, records: list[UsageRecord]) -> tuple[int, int, int]:
    """Store; return how many were stored, repeated and completed."""
    outcome = await app.ingest.ledger.store(records, SLOT)
    assert (list(outcome.conflicts), list(outcome.too_large)) == ([], [])
    return outcome.stored, outcome.repeated, outcome.completed


async def ledger_of(stores: Stores) -> list[dict[str, Any]]:
    return await stores.documents("usage", type="usage")


async def rollups_of(stores: Stores, **where: Any) -> list[dict[str, Any]]:
    return await stores.documents("usage", type="rollup", **where)


async def total(stores: Stores, counter: str) -> int:
    return sum(each.get(counter, 0) for each in await rollups_of(stores))


async def assert_totals_are_a_fold_of_the_ledger(stores: Stores) -> None:
    assert fold(await ledger_of(stores)) == rollup_totals(await rollups_of(stores))


async def test_records_are_stored_and_counted(stores: Stores) -> None:
    records = stores.records(stores.event(), stores.event(), stores.event())

    assert await store(stores.app, records) == (3, 0, 0)

    (rollup,) = await rollups_of(stores)
    assert (rollup["requests"], rollup["input_tokens"]) == (3, 300)
    assert {each["id"] for each in await ledger_of(stores)} == {each.record_id for each in records}
    await assert_totals_are_a_fold_of_the_ledger(stores)


async def test_nothing_to_store_is_no_mistake(stores: Stores) -> None:
    assert await store(stores.app, []) == (0, 0, 0)


async def test_records_stored_again_are_repeated_and_count_once(stores: Stores) -> None:
    records = stores.records(*(stores.event() for _ in range(5)))

    await store(stores.app, records)

    assert await store(stores.app, records) == (0, 5, 0)
    assert await store(stores.connect(), records) == (0, 5, 0)
    assert await total(stores, "requests") == 5


async def test_an_event_resent_under_a_new_sequence_number_counts_once(stores: Stores) -> None:
    event = stores.event()

    await store(stores.app, stores.records(event))
    await store(stores.app, stores.records(event, stores.event(), event, first=1))

    assert await total(stores, "requests") == 2


async def test_more_records_than_a_batch_takes_are_all_counted(stores: Stores) -> None:
    """A transactional batch holds at most 100 operations."""
    events = [stores.event(subscription_id=f"team-{n % 3}") for n in range(350)]

    assert await store(stores.app, stores.records(*events)) == (350, 0, 0)

    assert await total(stores, "requests") == 350
    await assert_totals_are_a_fold_of_the_ledger(stores)


async def test_records_that_are_too_large_together_are_stored_apart(stores: Stores) -> None:
    """A batch has at most 2 MB; the names are of characters that JSON spells with six bytes."""
    long = "\u00e9" * 256
    names = dict.fromkeys(("product_name", "api_name", "operation_name", "backend"), long)
    wide = names | dict.fromkeys(("deployment", "served_deployment", "session_id"), long)
    events = [stores.event(**wide, app_hint=long, user_id=long, api_id=long) for _ in range(200)]

    assert await store(stores.app, stores.records(*events)) == (200, 0, 0)

    assert await total(stores, "requests") == 200


async def test_a_record_without_usage_is_completed_by_a_later_one(stores: Stores) -> None:
    """The first one's counts are taken back from the rollup that it names."""
    early = stores.event(usage=None, status=500, response_model=None)
    late = early | {"usage": make_usage(), "status": 200, "response_model": "gpt-4o-2024-11-20"}
    await store(stores.app, stores.records(early))

    assert await store(stores.app, stores.records(late, first=1)) == (0, 0, 1)

    assert await total(stores, "requests") == 1
    assert await total(stores, "failed_requests") == 0
    assert await total(stores, "requests_without_usage") == 0
    assert await total(stores, "input_tokens") == 100
    await assert_totals_are_a_fold_of_the_ledger(stores)


async def test_the_order_of_a_record_and_its_completion_does_not_matter(stores: Stores) -> None:
    whole = stores.event()
    bare = whole | {"usage": None, "status": 500}
    await store(stores.app, stores.records(whole, bare))

    assert await store(stores.app, stores.records(bare, first=2)) == (0, 1, 0)

    assert [each["status"] for each in await ledger_of(stores)] == [200]
    assert await total(stores, "failed_requests") == 0


async def test_of_two_usages_under_one_id_the_first_stands(stores: Stores) -> None:
    event = stores.event()
    other = event | {"usage": make_usage(prompt_tokens=101, total_tokens=121)}
    await store(stores.app, stores.records(event))
    conflicting = stores.records(other, first=1)

    outcome = await stores.app.ingest.ledger.store(conflicting, SLOT)

    assert list(outcome.conflicts) == conflicting
    assert await total(stores, "input_tokens") == 100


async def test_a_repeat_of_what_is_stored_is_no_conflict_however_it_is_cut(stores: Stores) -> None:
    """Of two usages for one id only the one that is not stored conflicts."""
    stored = stores.event()
    other = stored | {"usage": make_usage(prompt_tokens=101, total_tokens=121)}
    await store(stores.app, stores.records(stored))
    records = stores.records(other, stored, other, first=1)

    outcome = await stores.app.ingest.ledger.store(records, SLOT)

    numbers = [each.coordinates.sequence_number for each in outcome.conflicts if each.coordinates]
    assert sorted(number or 0 for number in numbers) == [1, 3]


async def test_two_instances_at_once_count_each_record_once(stores: Stores) -> None:
    other = stores.connect()
    records = stores.records(*(stores.event(subscription_id=f"team-{n % 2}") for n in range(60)))

    await asyncio.gather(
        stores.app.ingest.ledger.store(records, 0),
        other.ingest.ledger.store(records[::-1], 0),
        stores.app.ingest.ledger.store(records[20:40], 1),
    )

    assert await total(stores, "requests") == 60
    await assert_totals_are_a_fold_of_the_ledger(stores)


async def test_a_rollup_that_another_instance_created_is_patched(stores: Stores) -> None:
    other = stores.connect()
    await store(other, stores.records(stores.event(subscription_id="known")))
    for app in (stores.app, other, stores.app):
        await store(app, stores.records(stores.event(app_id="app-9")))

    rollups = await rollups_of(stores, app_id="app-9")
    assert [each["requests"] for each in rollups] == [3]


async def test_slots_have_rollups_of_their_own_that_add_up(stores: Stores) -> None:
    await stores.app.ingest.ledger.store(stores.records(stores.event()), 0)
    await stores.app.ingest.ledger.store(stores.records(stores.event()), 1)

    assert sorted(each["slot"] for each in await rollups_of(stores)) == [0, 1]
    assert await total(stores, "requests") == 2


async def test_shards_changed_and_everything_stored_again_leave_totals_unchanged(
    stores: Stores,
) -> None:
    later = datetime(2026, 11, 23, 12, tzinfo=UTC)
    before = stores.records(*(stores.event() for _ in range(20)))
    events = [stores.event(event_time="2026-11-23T10:00:00Z") for _ in range(20)]
    after = stores.records(*events, first=20, now=later, enqueued_time=later)
    await store(stores.app, before)
    await write_shards(stores, f"{stores.own}-hr-copilot", "2026-11-23", "4")
    resharded = stores.connect()

    assert await store(resharded, after) == (20, 0, 0)
    assert await store(resharded, [*before, *after]) == (0, 40, 0)

    shards = {each["partitionKey"] for each in await ledger_of(stores)}
    assert await total(stores, "requests") == 40
    assert f"{stores.own}-hr-copilot|2026-11-20|0" in shards
    assert len(shards) == 5
    await assert_totals_are_a_fold_of_the_ledger(stores)


async def write_shards(stores: Stores, subscription: str, from_day: str, value: str) -> None:
    name = f"shards/{subscription}"
    await stores.cosmos.container("state").create_item(
        {
            "id": digest("identity", name),
            "type": IDENTITY_TYPE,
            "name": name,
            "values": [{"from_day": from_day, "value": value}],
        }
    )


async def test_past_five_hundred_keys_new_apps_are_counted_as_other(stores: Stores) -> None:
    records = stores.records(*(stores.event(app_id=f"app-{n}") for n in range(620)))

    for at in range(0, 620, 100):
        await store(stores.app, records[at : at + 100])

    rollups = await rollups_of(stores)
    other = [each for each in rollups if each["app_id"] == "(other)"]
    assert len(rollups) == 501
    assert [each["requests"] for each in other] == [120]
    assert await total(stores, "requests") == 620


async def test_what_was_counted_under_a_name_that_is_gone_is_taken_back_there(
    stores: Stores,
) -> None:
    """The rollup that a document names is the truth, whatever the tags of today are."""
    early = stores.event(usage=None)
    await store(stores.app, stores.records(early))

    retagged = stores.connect(ROLLUP_TAGS="")
    await store(retagged, stores.records(early | {"usage": make_usage()}, first=1))

    assert await total(stores, "requests") == 1
    assert await total(stores, "input_tokens") == 100


async def test_a_rollup_that_somebody_deleted_is_never_made_negative(stores: Stores) -> None:
    early = stores.event(usage=None)
    await store(stores.app, stores.records(early))
    (rollup,) = await rollups_of(stores)
    await stores.cosmos.container("usage").delete_item(rollup["id"], rollup["partitionKey"])

    late = stores.records(early | {"usage": make_usage()}, first=1)

    assert await store(stores.app, late) == (0, 0, 1)
    assert sorted(each["requests"] for each in await rollups_of(stores)) == [0, 1]


async def test_a_rollup_is_written_by_every_batch_that_changes_its_documents(
    stores: Stores,
) -> None:
    """Its ETag is what a comparison with the ledger relies on, though no count has changed."""
    leaves, enters = stores.event(usage=None), stores.event(usage=None)
    await store(stores.app, stores.records(leaves))
    (before,) = await rollups_of(stores)

    completed = leaves | {"usage": make_usage()}
    await store(stores.app, stores.records(completed, enters, first=1))

    (after,) = [each for each in await rollups_of(stores) if each["id"] == before["id"]]
    assert after["requests"] == before["requests"] == 1
    assert after["_etag"] != before["_etag"]


async def test_a_record_without_a_subscription_has_a_place_too(stores: Stores) -> None:
    """Nobody's records share a logical partition, which others may have written to."""
    record = stores.record(stores.event(gateway=stores.own))
    nobody = replace(record, subscription_id=None)

    assert await store(stores.app, [nobody]) == (1, 0, 0)

    key = f"-|{nobody.day}|0"
    found = await stores.cosmos.container("usage").read_item(nobody.record_id, partition_key=key)
    assert found["gateway"] == stores.own


@pytest.mark.parametrize("ttl_days", [100, 400])
async def test_records_live_as_long_as_configured_and_rollups_stay(
    stores: Stores, ttl_days: int
) -> None:
    app = stores.connect(LEDGER_TTL_DAYS=str(ttl_days))

    await store(app, stores.records(stores.event()))

    assert [each["ttl"] for each in await ledger_of(stores)] == [ttl_days * 86_400]
    assert ["ttl" in each for each in await rollups_of(stores)] == [False]
