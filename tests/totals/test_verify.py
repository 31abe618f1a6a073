"""What `rollups verify` finds, over the real SDK against the stand-in."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from local.cosmos import Fault
from tests.builders import make_event, make_usage
from tests.conftest import Stack
from tests.totals.ledgers import DAY, ByHand, ingest, make_events, started, verify
from usage_ingest.errors import ConfigError, TransientError
from usage_ingest.identity import cosmos_partition_key
from usage_ingest.totals.fold import Difference, Kind
from usage_ingest.totals.verify import Outcome


def told(outcome: Outcome) -> list[tuple[Kind, dict[str, Any]]]:
    return [(each.kind, each.counters) for each in outcome.differences]


async def test_what_was_ingested_is_equal(stack: Stack) -> None:
    await ingest(stack.app, make_events())
    bare = make_event(usage=None, status=500)
    await ingest(stack.app, [bare], first=20)
    await ingest(stack.app, [bare | {"usage": make_usage()}], first=21)

    outcome = await verify(stack.app)

    assert outcome.differences == []
    progress = outcome.progress
    assert (progress.documents, progress.partitions) == (13, 2)


async def test_a_wrong_total_is_told_by_counter(stack: Stack, by_hand: ByHand) -> None:
    await ingest(stack.app, [make_event()])
    (rollup,) = await by_hand.documents("rollup")
    await by_hand.change(rollup, input_tokens=99, output_tokens=None, failed_requests=2)

    (found,) = (await verify(stack.app)).differences

    assert found == Difference(
        partition=rollup["partitionKey"],
        rollup_id=rollup["id"],
        kind=Kind.WRONG_TOTAL,
        documents=1,
        counters={
            "failed_requests": (2, None),
            "input_tokens": (99, 100),
            "output_tokens": (None, 20),
        },
        key={
            "subscription_id": "hr-copilot",
            "product_id": "ai-standard",
            "app_id": "app-1",
            "model": "gpt-4o-2024-11-20",
            "deployment": "gpt-4o-prod",
            "source": "event_hub",
        },
    )


async def test_zero_is_not_the_same_as_not_reported(stack: Stack, by_hand: ByHand) -> None:
    await ingest(stack.app, [make_event()])
    (rollup,) = await by_hand.documents("rollup")
    await by_hand.change(rollup, reasoning_output_tokens=None, images=0)

    assert told(await verify(stack.app)) == [
        (Kind.WRONG_TOTAL, {"reasoning_output_tokens": (None, 0), "images": (0, None)})
    ]


async def test_a_rollup_that_is_missing_is_told_with_its_key(stack: Stack, by_hand: ByHand) -> None:
    await ingest(stack.app, [make_event()])
    (rollup,) = await by_hand.documents("rollup")
    await by_hand.delete(rollup)

    (found,) = (await verify(stack.app)).differences

    assert (found.kind, found.rollup_id) == (Kind.MISSING_ROLLUP, rollup["id"])
    assert found.counters["input_tokens"] == (None, 100)
    assert found.key["deployment"] == "gpt-4o-prod"


async def test_a_rollup_that_no_document_names_is_told(stack: Stack, by_hand: ByHand) -> None:
    await ingest(stack.app, [make_event(deployment="a"), make_event(deployment="b")])
    gone = (await by_hand.documents("usage"))[0]
    await by_hand.delete(gone)

    (found,) = (await verify(stack.app)).differences

    assert (found.kind, found.rollup_id) == (Kind.WITHOUT_DOCUMENTS, gone["rollup_id"])
    assert found.counters["requests"] == (1, None)


async def test_a_rollup_that_its_documents_left_is_not_told(stack: Stack) -> None:
    """A completion moves a record to the band of its input; the zeros that stay say nothing."""
    bare = make_event(usage=None)
    await ingest(stack.app, [bare])
    await ingest(stack.app, [bare | {"usage": make_usage()}], first=1)

    assert (await verify(stack.app)).differences == []
    assert len(await stack.documents("usage", type="rollup")) == 2


@pytest.mark.parametrize("fields", [{"deployment": "other"}, {"slot": 9}, {"app_id": ["x"]}])
async def test_a_key_that_is_not_that_of_the_id_is_told(
    stack: Stack, by_hand: ByHand, fields: dict[str, Any]
) -> None:
    await ingest(stack.app, [make_event()])
    (rollup,) = await by_hand.documents("rollup")
    await by_hand.change(rollup, **fields)

    assert told(await verify(stack.app)) == [(Kind.KEY_MISMATCH, {})]


async def test_a_document_of_another_key_is_told(stack: Stack, by_hand: ByHand) -> None:
    await ingest(stack.app, [make_event()])
    (document,) = await by_hand.documents("usage")
    await by_hand.change(document, response_model="gpt-5")

    assert told(await verify(stack.app)) == [(Kind.KEY_MISMATCH, {})]


async def test_keys_of_other_tags_and_of_the_rest_are_no_mismatch(stack: Stack) -> None:
    """The rules of the day when a record was counted need not be those of today."""
    event = make_event(tags={"team": "benefits", "environment": "test"})
    both = started(stack, ROLLUP_TAGS="team,environment")
    await ingest(both, [event])
    await ingest(both, [make_event(app_id=f"app-{n}") for n in range(501)], first=1)

    assert (await verify(started(stack, ROLLUP_TAGS=""))).differences == []


async def test_a_document_that_cannot_be_read_is_told(stack: Stack, by_hand: ByHand) -> None:
    await ingest(stack.app, [make_event(), make_event(deployment="b")])
    document = (await by_hand.documents("usage"))[0]
    await by_hand.change(document, input_tokens="many")

    (found,) = (await verify(stack.app)).differences

    assert (found.kind, found.text) == (
        Kind.UNREADABLE,
        f"ledger document {document['id']}: TypeError",
    )


async def test_only_the_subscription_that_is_asked_for_is_read(
    stack: Stack, by_hand: ByHand
) -> None:
    await ingest(stack.app, make_events())
    rollup = (await by_hand.documents("rollup"))[0]
    await by_hand.change(rollup, requests=77)
    other = {"hr-copilot": "finance-bot", "finance-bot": "hr-copilot"}[rollup["subscription_id"]]

    right = await verify(stack.app, subscription=other)
    wrong = await verify(stack.app, subscription=rollup["subscription_id"])

    assert (right.differences, right.progress.partitions) == ([], 1)
    assert len(wrong.differences) == 1


async def test_calls_without_a_subscription_and_shards_are_read(
    stack: Stack, by_hand: ByHand
) -> None:
    await stack.app.identity.load()
    event = make_event(subscription_id=None)
    await ingest(stack.app, [event])
    (document,) = await by_hand.documents("usage")
    identity = await stack.app.identity.load()
    assert document["partitionKey"] == cosmos_partition_key(None, DAY, document["id"], identity)

    assert (await verify(stack.app, subscription="-")).progress.documents == 1


async def test_days_that_the_ledger_does_not_hold_whole_are_refused(stack: Stack) -> None:
    app = started(stack, LEDGER_TTL_DAYS="100")  # today is 2026-11-20

    assert (await verify(app, "2026-08-15")).differences == []
    with pytest.raises(ConfigError, match=r"2026-08-14 .* first day .* is 2026-08-15"):
        await verify(app, "2026-08-14", "2026-08-15")


async def test_documents_that_live_shorter_than_the_setting_says_are_refused(
    stack: Stack,
) -> None:
    """After LEDGER_TTL_DAYS was raised, documents of before still expire as they were stored."""
    await ingest(started(stack, LEDGER_TTL_DAYS="100"), [make_event()])
    stack.clock.move(days=98)

    (found,) = (await verify(stack.app)).differences

    assert found.kind is Kind.NOT_WHOLE
    assert "live 100 days" in found.text


async def test_what_changes_meanwhile_is_read_again(stack: Stack) -> None:
    await ingest(stack.app, make_events())
    stack.cosmos.faults.add(Fault(operation="query", container="usage", latency_seconds=0.05))

    outcome, _ = await asyncio.gather(
        verify(started(stack)), ingest(started(stack), make_events(40), first=20)
    )

    assert outcome.differences == []


async def test_a_rollup_that_is_written_all_the_time_is_not_called_different(
    stack: Stack,
) -> None:
    await ingest(stack.app, [make_event()])
    stack.cosmos.faults.add(
        Fault(operation="query", container="usage", count=None, latency_seconds=0.02)
    )
    done = asyncio.Event()

    async def keep_writing() -> None:
        writer, first = started(stack), 100
        while not done.is_set():
            await ingest(writer, [make_event()], first=first)
            first += 1

    writing = asyncio.create_task(keep_writing())
    outcome = await verify(started(stack))
    done.set()
    await writing

    assert {each.kind for each in outcome.differences} <= {Kind.CHANGING}


@pytest.mark.parametrize("fault", [{"status": 429}, {"status": 503}, {"reset": True}])
async def test_a_busy_store_is_waited_for(stack: Stack, fault: dict[str, Any]) -> None:
    await ingest(stack.app, make_events())
    for skip in range(0, 12, 2):
        stack.cosmos.faults.add(Fault(operation="query", skip=skip, count=1, **fault))

    outcome = await verify(started(stack))

    assert (outcome.differences, outcome.progress.documents) == ([], 12)


async def test_a_store_that_stays_busy_or_refuses_ends_it(stack: Stack) -> None:
    await ingest(stack.app, make_events())
    stack.cosmos.faults.add(Fault(operation="query", count=None, status=503))
    with pytest.raises(TransientError, match="busy"):
        await verify(started(stack, patience_seconds=0.3))

    stack.cosmos.faults.clear()
    stack.cosmos.faults.add(Fault(operation="query", count=None, status=403))
    with pytest.raises(ConfigError, match="Data Contributor"):
        await verify(started(stack))


async def test_a_day_far_away_has_nothing(stack: Stack) -> None:
    tomorrow = (stack.clock.now() + timedelta(days=1)).date().isoformat()

    assert (await verify(stack.app, tomorrow)).progress.partitions == 0
