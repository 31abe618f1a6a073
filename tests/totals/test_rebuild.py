"""`rollups rebuild`: right totals, never a wrong one on the way, whatever comes in between."""

import asyncio
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.cosmos import Fault
from tests.builders import make_event, make_usage
from tests.conftest import Stack
from tests.totals.ledgers import (
    ByHand,
    assert_right,
    ingest,
    make_events,
    rebuild,
    started,
    verify,
)
from usage_ingest.errors import ConfigError, TransientError
from usage_ingest.rollup import COUNTERS, MAX_KEYS
from usage_ingest.totals.fold import Kind
from usage_ingest.totals.ports import MAX_WRITES


def counts(rollup: dict[str, Any]) -> dict[str, int]:
    return {name: rollup[name] for name in COUNTERS if name in rollup}


async def spoil(by_hand: ByHand) -> None:
    """Make totals wrong in every way that a person can."""
    rollups = await by_hand.documents("rollup")
    await by_hand.change(rollups[0], requests=1_000, input_tokens=5, output_tokens=None)
    await by_hand.change(rollups[1], images=3)
    await by_hand.delete(rollups[2])
    await by_hand.create(rollups[3] | {"id": "f" * 32, "deployment": "never"})


async def test_a_wrong_total_is_made_right(stack: Stack, by_hand: ByHand) -> None:
    await ingest(stack.app, make_events())
    before = await by_hand.documents("rollup")
    await spoil(by_hand)

    outcome = await rebuild(stack.app)

    kinds = sorted(each.kind.value for each in outcome.differences)
    assert kinds == ["missing_rollup", "without_documents", "wrong_total", "wrong_total"]
    assert (outcome.rewritten, outcome.left) == (4, [])
    await assert_right(stack)
    after = {each["id"]: each for each in await by_hand.documents("rollup")}
    for each in before:
        kept = {k: v for k, v in each.items() if not k.startswith("_")}
        assert kept == {k: v for k, v in after.pop(each["id"]).items() if not k.startswith("_")}
    (emptied,) = after.values()
    assert counts(emptied) == {"requests": 0}


async def test_what_is_right_is_not_written(stack: Stack, by_hand: ByHand) -> None:
    await ingest(stack.app, make_events())
    before = await by_hand.documents("rollup")

    outcome = await rebuild(stack.app)

    assert (outcome.rewritten, outcome.differences) == (0, [])
    assert await by_hand.documents("rollup") == before


async def test_a_dry_run_writes_nothing(stack: Stack, by_hand: ByHand) -> None:
    await ingest(stack.app, make_events())
    await spoil(by_hand)
    before = await by_hand.documents("rollup")

    outcome = await rebuild(stack.app, dry_run=True)

    assert outcome.rewritten == 4
    assert await by_hand.documents("rollup") == before


async def test_only_the_subscription_that_is_asked_for_is_rebuilt(
    stack: Stack, by_hand: ByHand
) -> None:
    await ingest(stack.app, make_events())
    for rollup in await by_hand.documents("rollup"):
        await by_hand.change(rollup, requests=1_000)

    await rebuild(stack.app, subscription="hr-copilot")

    requests: dict[str, list[int]] = {}
    for each in await by_hand.documents("rollup"):
        requests.setdefault(each["subscription_id"], []).append(each["requests"])
    assert requests == {"hr-copilot": [3, 3], "finance-bot": [1_000, 1_000]}


async def test_a_missing_rollup_comes_back_with_the_key_of_its_id(
    stack: Stack, by_hand: ByHand
) -> None:
    """The tags and slots that it was counted by need not be those of today."""
    event = make_event(tags={"team": "benefits", "environment": "test"})
    tagged = started(stack, ROLLUP_TAGS="environment,team")
    await tagged.ingest.ledger.store([], 0)
    await ingest(tagged, [event])
    (before,) = await by_hand.documents("rollup")
    await by_hand.delete(before)

    await rebuild(started(stack, ROLLUP_TAGS=""))

    (after,) = await by_hand.documents("rollup")
    system = {name for name in before if name.startswith("_")} | {"tags"}
    assert {k: v for k, v in after.items() if k not in system} == {
        k: v for k, v in before.items() if k not in system
    }
    assert after["tags"] == before["tags"]


async def test_a_key_that_was_changed_by_hand_is_found_again(stack: Stack, by_hand: ByHand) -> None:
    await ingest(stack.app, [make_event()])
    (before,) = await by_hand.documents("rollup")
    await by_hand.change(before, deployment="another", slot=7)

    outcome = await rebuild(stack.app)

    (after,) = await by_hand.documents("rollup")
    assert (outcome.left, after["deployment"], after["slot"]) == ([], "gpt-4o-prod", 0)
    assert (await verify(stack.app)).differences == []


async def test_documents_of_another_key_are_left_to_a_person(stack: Stack, by_hand: ByHand) -> None:
    await ingest(stack.app, [make_event()])
    (document,) = await by_hand.documents("usage")
    await by_hand.change(document, response_model="gpt-5")

    outcome = await rebuild(stack.app)

    assert (outcome.rewritten, [each.kind for each in outcome.left]) == (0, [Kind.KEY_MISMATCH])


async def test_rollups_of_documents_that_cannot_be_read_are_left_as_they_are(
    stack: Stack, by_hand: ByHand
) -> None:
    await ingest(stack.app, [make_event(deployment="a"), make_event(deployment="b")])
    for rollup in await by_hand.documents("rollup"):
        await by_hand.change(rollup, requests=9)
    (document, other) = await by_hand.documents("usage")
    await by_hand.change(document, event_time="soon")

    outcome = await rebuild(stack.app)

    assert [each.kind for each in outcome.left] == [Kind.UNREADABLE]
    requests = {each["id"]: each["requests"] for each in await by_hand.documents("rollup")}
    assert requests == {document["rollup_id"]: 9, other["rollup_id"]: 1}


async def test_days_that_the_ledger_does_not_hold_whole_are_refused(
    stack: Stack, by_hand: ByHand
) -> None:
    app = started(stack, LEDGER_TTL_DAYS="100")
    with pytest.raises(ConfigError, match="LEDGER_TTL_DAYS"):
        await rebuild(app, "2026-08-14")

    await ingest(app, [make_event()])
    (rollup,) = await by_hand.documents("rollup")
    await by_hand.change(rollup, requests=9)
    stack.clock.move(days=98)
    outcome = await rebuild(stack.app)  # its documents were stored to live 100 days

    assert [each.kind for each in outcome.left] == [Kind.NOT_WHOLE]
    assert [each["requests"] for each in await by_hand.documents("rollup")] == [9]


async def test_a_ledger_without_any_document_empties_rollups_only_when_told(
    stack: Stack, by_hand: ByHand
) -> None:
    """They may have lived shorter once: the totals would be gone for good."""
    await ingest(stack.app, [make_event()])
    await by_hand.delete((await by_hand.documents("usage"))[0])

    refused = await rebuild(stack.app)
    kept = await by_hand.documents("rollup")
    told = await rebuild(stack.app, zero_empty=True)

    assert [each.kind for each in refused.left] == [Kind.NOT_WHOLE]
    assert [each["requests"] for each in kept] == [1]
    assert (told.left, told.rewritten) == ([], 1)
    (emptied,) = await by_hand.documents("rollup")
    assert counts(emptied) == {"requests": 0}
    await ingest(stack.app, [make_event()], first=1)
    await assert_right(stack)


async def test_more_rollups_than_a_batch_holds_are_made_right(
    stack: Stack, by_hand: ByHand
) -> None:
    events = [make_event(app_id=f"app-{n}") for n in range(MAX_WRITES + 20)]
    assert len(events) < MAX_KEYS
    await ingest(stack.app, events)
    for rollup in await by_hand.documents("rollup"):
        await by_hand.change(rollup, requests=9)
    stack.cosmos.requests.clear()

    outcome = await rebuild(stack.app)

    assert (outcome.rewritten, stack.cosmos.counts()["batch"]) == (MAX_WRITES + 20, 2)
    await assert_right(stack)


# Others write meanwhile


async def test_a_live_increment_between_reading_and_writing_is_not_lost(
    stack: Stack, by_hand: ByHand
) -> None:
    """For every read of the rebuild: what is ingested just before it, is in the total."""
    event, at = make_event(), 0
    await ingest(stack.app, [event])
    live = started(stack)
    while at < 12:
        (rollup,) = await by_hand.documents("rollup")
        await by_hand.change(rollup, requests=1_000, input_tokens=1)
        stack.cosmos.faults.add(Fault(operation="query", skip=at, count=1, latency_seconds=0.15))

        rebuilding = asyncio.create_task(rebuild(started(stack)))
        await asyncio.sleep(0.07)
        await ingest(live, [make_event()], first=at + 1)
        outcome = await rebuilding

        stack.cosmos.faults.clear()
        assert (outcome.left, outcome.rewritten) == ([], 1)
        await assert_right(stack)
        at += 1


async def test_a_busy_rollup_stops_no_other(stack: Stack, by_hand: ByHand) -> None:
    """Once a batch met a change, each rollup is written by itself."""
    await ingest(stack.app, make_events())
    for rollup in await by_hand.documents("rollup"):
        await by_hand.change(rollup, requests=1_000)
    stack.cosmos.faults.add(Fault(inside=412, count=1, inside_index=1))

    outcome = await rebuild(started(stack))

    assert (outcome.left, outcome.rewritten) == ([], 4)
    await assert_right(stack)


async def test_a_rollup_that_is_written_all_the_time_is_left_and_said_so(
    stack: Stack, by_hand: ByHand
) -> None:
    await ingest(stack.app, make_events())
    for rollup in await by_hand.documents("rollup"):
        await by_hand.change(rollup, requests=1_000)
    stack.cosmos.faults.add(Fault(inside=412, count=None))

    outcome = await rebuild(started(stack))

    assert outcome.rewritten == 0
    assert [each.kind for each in outcome.left] == [Kind.CHANGING] * 4


async def test_two_rebuilds_at_once_end_right(stack: Stack, by_hand: ByHand) -> None:
    await ingest(stack.app, make_events())
    await spoil(by_hand)

    outcomes = await asyncio.gather(*(rebuild(started(stack)) for _ in range(3)))

    assert [each.left for each in outcomes] == [[]] * 3
    await assert_right(stack)


class Seen:
    """Every total that a reader saw, checked against what may be seen."""

    def __init__(self, stack: Stack, database: str) -> None:
        self.stack, self.database = stack, database
        self.totals: dict[str, set[int]] = {}
        self._task = asyncio.create_task(self._look())

    async def _look(self) -> None:
        while True:
            for each in await self.stack.documents("usage", self.database, type="rollup"):
                self.totals.setdefault(each["id"], set()).add(each.get("input_tokens", 0))

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def test_a_reader_sees_old_totals_or_right_ones(stack: Stack, by_hand: ByHand) -> None:
    await ingest(stack.app, make_events(40))
    right = {each["id"]: each["input_tokens"] for each in await by_hand.documents("rollup")}
    for rollup in await by_hand.documents("rollup"):
        await by_hand.change(rollup, input_tokens=7)
    seen = Seen(stack, "usage-ingest")

    await rebuild(started(stack))
    await seen.stop()

    assert seen.totals.keys() == right.keys()
    assert all(seen.totals[name] <= {7, total} for name, total in right.items())
    await assert_right(stack)


@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**32),
    delays=st.lists(st.tuples(st.integers(0, 14), st.sampled_from([0.005, 0.02])), max_size=4),
    faults=st.lists(
        st.tuples(
            st.integers(0, 14),
            st.sampled_from(
                [{"status": 429}, {"status": 503}, {"reset": True}, {"lost_answer": True}]
            ),
        ),
        max_size=3,
    ),
)
async def test_any_interleaving_with_ingestion_ends_right(
    stack: Stack, seed: int, delays: list[Any], faults: list[Any]
) -> None:
    """Creations, completions that move records between rollups, and redeliveries, meanwhile."""
    chance, database = random.Random(seed), stack.new_database()
    hand = ByHand(stack, database)
    try:
        bare = [make_event(usage=None, deployment=chance.choice("ab")) for _ in range(6)]
        await ingest(started(stack, database), [*bare, *make_events(8)])
        for rollup in await hand.documents("rollup"):
            match chance.randrange(4):
                case 0:
                    await hand.delete(rollup)
                case 1:
                    await hand.change(rollup, requests=chance.randrange(50), input_tokens=1)
        for skip, seconds in delays:
            stack.cosmos.faults.add(Fault(skip=skip, count=1, latency_seconds=seconds))
        for skip, fault in faults:
            stack.cosmos.faults.add(Fault(skip=skip, count=1, **fault))
        late = [*(each | {"usage": make_usage()} for each in bare), *make_events(6), *bare]
        chance.shuffle(late)

        async def live() -> None:
            writer = started(stack, database)
            for at in range(0, len(late), 4):
                await ingest(writer, late[at : at + 4], first=100 + at)
                await asyncio.sleep(chance.random() * 0.01)

        outcome, _ = await asyncio.gather(rebuild(started(stack, database)), live())
        stack.cosmos.faults.clear()

        assert outcome.left == []
        await assert_right(stack, database)
        assert (await verify(started(stack, database))).differences == []
    finally:
        stack.cosmos.faults.clear()
        await hand.close()


# Interrupted


@pytest.mark.parametrize("kind", ["before", "after"])
async def test_an_interruption_at_every_call_leaves_old_totals_or_right_ones(
    stack: Stack, kind: str
) -> None:
    """The process dies before a request, or after the store carried it out; then it is run anew."""
    call, interrupted = 0, True
    while interrupted:
        database = stack.new_database()
        hand = ByHand(stack, database)
        await ingest(started(stack, database), make_events())
        right = {each["id"]: counts(each) for each in await hand.documents("rollup")}
        await spoil(hand)
        old = {each["id"]: counts(each) for each in await hand.documents("rollup")}
        if kind == "after":
            stack.cosmos.faults.add(Fault(skip=call, count=1, lost_answer=True))
        stack.cosmos.faults.add(Fault(skip=call, count=1, status=403))

        try:
            await rebuild(started(stack, database, patience_seconds=0.01))
            interrupted = False
        except (ConfigError, TransientError):
            interrupted = True

        stack.cosmos.faults.clear()
        for name, found in [(e["id"], counts(e)) for e in await hand.documents("rollup")]:
            assert found in (old.get(name), right.get(name, {"requests": 0})), name
        assert (await rebuild(started(stack, database))).left == []
        await assert_right(stack, database)
        await hand.close()
        call += 1
    assert call > 8
