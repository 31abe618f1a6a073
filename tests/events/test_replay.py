"""Dead letters read again: each counts once, whatever happens in between."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from local.cosmos import Fault
from tests.builders import NOON, FakeHub, body, make_batch, make_event, make_usage
from tests.conftest import DATABASE, Stack
from tests.events.test_gaps import fill, send
from tests.folds import fold, rollup_totals
from tests.gateways import make_chargeback_event
from tests.set_aside import ALL, counts_of, opened, pages_of, replay_all, set_aside, without_text
from usage_ingest.adapters.cosmos import Cosmos
from usage_ingest.errors import ConfigError, InvalidEventError, TransientError
from usage_ingest.events.ingest import Batch
from usage_ingest.events.kept_letter import Closing, Selection
from usage_ingest.events.parse import dead_letter
from usage_ingest.events.replay import replay
from usage_ingest.events.to_record import Sighting
from usage_ingest.ports import ReceivedEvent
from usage_ingest.wiring import App


@pytest.fixture
def hub() -> FakeHub:
    return FakeHub()


@pytest.fixture
def app(stack: Stack, hub: FakeHub) -> App:
    return stack.start(reader=hub)


async def ledger_of(stack: Stack, database: str = DATABASE) -> list[dict[str, Any]]:
    """The ledger, which its rollups add up."""
    ledger = await stack.documents("usage", database, type="usage")
    assert fold(ledger) == rollup_totals(await stack.documents("usage", database, type="rollup"))
    return ledger


async def letters_of(stack: Stack, database: str = DATABASE) -> list[dict[str, Any]]:
    return await stack.documents("dead-letters", database, type="dead_letter")


class TestRead:
    async def test_a_whole_skeleton_is_replayed_without_the_hub(
        self, stack: Stack, hub: FakeHub, app: App
    ) -> None:
        fill(hub, [without_text(make_event())])
        await set_aside(app, hub.events["0"])
        kept, hub.events["0"] = hub.events["0"], []

        replayed = await replay_all(app)

        assert (replayed.closed, replayed.stored, replayed.failures) == (1, 1, [])
        (record,) = await ledger_of(stack)
        assert (record["partition_id"], record["sequence_number"]) == ("0", 0)
        assert record["enqueued_time"] == "2026-11-20T12:00:00.000000Z"
        (letter,) = await letters_of(stack)
        assert (letter["state"], letter["attempts"]) == ("closed", 1)
        assert await counts_of(stack) == {"closed_unknown_shape": 1}
        outcome = await app.ingest.store(Batch("0", kept))
        assert (outcome.stored, outcome.repeated) == (0, 1)

    async def test_what_a_skeleton_withheld_is_read_from_the_hub(
        self, stack: Stack, hub: FakeHub, app: App
    ) -> None:
        """A cluster of numbers is read in one go, one far away in another."""
        fill(hub, [make_event() for _ in range(3_000)])
        chosen = [hub.events["0"][n] for n in (3, 500, 2_600)]
        await set_aside(app, chosen)

        replayed = await replay_all(app)

        assert (replayed.closed, replayed.stored) == (3, 3)
        found = await ledger_of(stack)
        assert sorted(each["sequence_number"] for each in found) == [3, 500, 2_600]
        assert {each["tags"]["team"] for each in found} == {"benefits"}

    async def test_it_is_read_over_the_real_event_hubs_client(self, stack: Stack) -> None:
        await send(stack, "1", *[make_event() for _ in range(8)])
        sent = [e async for page in stack.app.reader.read("1", 0, 7) for e in page]
        await set_aside(stack.app, sent[2:6], "1")

        replayed = await replay_all(stack.app)

        assert (replayed.closed, replayed.stored) == (4, 4)
        assert await counts_of(stack) == {"closed_unknown_shape": 4}
        await stack.app.ingest.store(Batch("1", sent))
        assert len(await ledger_of(stack)) == 8

    async def test_an_element_of_an_array_is_replayed_alone(
        self, stack: Stack, hub: FakeHub, app: App
    ) -> None:
        events = [make_event(subscription_id=f"team-{n}") for n in range(3)]
        fill(hub, [events])
        await set_aside(app, hub.events["0"])
        (second,) = [each for each in await opened(app) if each.element == 1]

        await replay_all(app, Selection(letter_ids=[second.letter_id or ""]))

        (record,) = await ledger_of(stack)
        assert (record["subscription_id"], record["element"]) == ("team-1", 1)
        assert await counts_of(stack) == {"open_unknown_shape": 2, "closed_unknown_shape": 1}

    async def test_an_event_that_could_not_be_taken_apart_brings_all_its_elements(
        self, stack: Stack, hub: FakeHub, app: App
    ) -> None:
        """One dead letter stood for the whole of it: nobody has counted the others."""
        fill(hub, [[make_event(), make_event(), {"hello": "world"}, make_event()]])
        await store_whole(app, hub.events["0"][0], "nested_too_deep")

        replayed = await replay_all(app)

        assert (replayed.closed, replayed.stored, replayed.new_letters) == (1, 3, 1)
        assert len(await ledger_of(stack)) == 3
        assert await counts_of(stack) == {"closed_nested_too_deep": 1, "open_unknown_shape": 1}

    async def test_an_event_without_elements_has_nothing_left_to_count(
        self, stack: Stack, hub: FakeHub, app: App
    ) -> None:
        fill(hub, [[]])
        await store_whole(app, hub.events["0"][0], "internal_error")

        assert (await replay_all(app)).closed == 1
        assert await counts_of(stack) == {"closed_internal_error": 1}

    async def test_texts_pasted_together_are_never_read_from_a_skeleton(
        self, stack: Stack, hub: FakeHub, app: App
    ) -> None:
        """A skeleton has each key once: what a caller pasted twice would pass."""
        event = {"requestBody": {}} | make_chargeback_event(responseBody={"usage": make_usage()})
        fill(hub, [event])
        whole = body(event)
        hub.events["0"] = [
            replace(hub.events["0"][0], body=whole[:-1] + b',"subscriptionId":"another"}')
        ]
        await set_aside(app, hub.events["0"])

        replayed = await replay_all(app)

        assert [failure.reason for _, failure in replayed.failures] == ["repeated_key"]
        assert await ledger_of(stack) == []


async def store_whole(app: App, event: ReceivedEvent, reason: str) -> None:
    """Set an event aside as a release did that could not take it apart."""
    seen = Sighting(app.ingest.coordinates("0", event), 0, event.body, app.clock.now())
    letter = dead_letter(InvalidEventError(reason), seen, None, await app.ingest.rules())
    await app.ingest.dead_letters.store([letter])


class TestRanges:
    async def test_places_without_a_document_are_replayed_too(
        self, stack: Stack, hub: FakeHub, app: App
    ) -> None:
        fill(hub, [make_event() for _ in range(270)])
        await set_aside(app, hub.events["0"])
        single = await letters_of(stack)

        replayed = await replay_all(app)

        assert len(single) == 100
        assert (replayed.closed, replayed.stored, replayed.failures) == (270, 270, [])
        assert len(await ledger_of(stack)) == 270
        assert await counts_of(stack) == {"closed_unknown_shape": 270}
        blocks = await stack.documents("dead-letters", type="dead_letter_block")
        assert all(each["ranges"] == {} for each in blocks)
        assert await opened(app) == []
        assert (await replay_all(app)).closed == 0

    async def test_what_still_fails_stays_a_range(
        self, stack: Stack, hub: FakeHub, app: App
    ) -> None:
        good, bad = make_event(), {"hello": "world"}
        fill(hub, [bad if n % 10 == 0 else good | make_event() for n in range(200)])
        await set_aside(app, hub.events["0"])

        replayed = await replay_all(app)

        assert (replayed.closed, len(replayed.failures)) == (180, 20)
        assert await counts_of(stack) == {"open_unknown_shape": 20, "closed_unknown_shape": 180}
        assert [each.coordinates.sequence_number for each in await opened(app)] == [
            *range(0, 200, 10)
        ]

    async def test_elements_of_arrays_are_places_too(
        self, stack: Stack, hub: FakeHub, app: App
    ) -> None:
        fill(hub, [[make_event() for _ in range(30)] for _ in range(5)])
        await set_aside(app, hub.events["0"])

        assert (await replay_all(app)).closed == 150
        assert len(await ledger_of(stack)) == 150

    async def test_only_the_chosen_reason_is_looked_at(self, hub: FakeHub, app: App) -> None:
        fill(hub, [make_event() for _ in range(120)])
        await set_aside(app, hub.events["0"])

        assert (await replay_all(app, Selection(reasons=["bad_count"]))).closed == 0
        assert (await replay_all(app, Selection(start="2026-11-21"))).closed == 0
        chosen = Selection(reasons=["unknown_shape"], start="2026-11-20", end="2026-11-20")
        assert (await replay_all(app, chosen)).closed == 120


class TestWhatStaysOpen:
    async def test_a_failure_is_counted_and_kept_with_its_text(
        self, stack: Stack, hub: FakeHub, app: App
    ) -> None:
        fill(hub, [without_text(make_event(usage={"prompt_tokens": -1}))])
        await set_aside(app, hub.events["0"])
        stack.clock.move(days=2)

        for _ in range(2):
            await replay_all(app)

        (letter,) = await letters_of(stack)
        assert (letter["state"], letter["attempts"], letter["reason"]) == (
            "open",
            2,
            "unknown_shape",
        )
        assert letter["last_failure"]["reason"] == "bad_count"
        assert letter["last_failure"]["path"] == "usage.prompt_tokens"
        assert letter["ttl"] == 88 * 86_400  # it expires when it would have expired
        assert await counts_of(stack) == {"open_unknown_shape": 1}

    async def test_an_event_that_the_hub_keeps_no_more_says_so(
        self, stack: Stack, hub: FakeHub, app: App
    ) -> None:
        fill(hub, [make_event() for _ in range(4)])
        await set_aside(app, hub.events["0"])
        hub.beginning = 2

        replayed = await replay_all(app)

        assert replayed.closed == 2
        gone = [each for each in await letters_of(stack) if each["state"] == "open"]
        assert [each["sequence_number"] for each in gone] == [0, 1]
        assert {each["last_failure"]["reason"] for each in gone} == {"not_in_hub"}
        assert "keeps its event no more" in gone[0]["last_failure"]["text"]

    async def test_what_the_real_hub_deleted_stays_open(self, stack: Stack) -> None:
        await send(stack, "0", *[make_event() for _ in range(6)])
        sent = [e async for page in stack.app.reader.read("0", 0, 5) for e in page]
        await set_aside(stack.app, sent)
        stack.hubs.delete_through("usage", "0", 2)

        replayed = await replay_all(stack.app)

        assert (replayed.closed, len(replayed.failures)) == (3, 3)

    @pytest.mark.parametrize("events", [1, 200])
    async def test_another_event_in_its_place_is_not_taken_for_it(
        self, stack: Stack, hub: FakeHub, app: App, events: int
    ) -> None:
        """The hub was recreated: its numbers began anew."""
        fill(hub, [make_event() for _ in range(events)])
        await set_aside(app, hub.events["0"])
        hub.events["0"] = [
            ReceivedEvent(body(make_event()), n, NOON + timedelta(hours=1)) for n in range(events)
        ]

        replayed = await replay_all(app)

        assert {failure.text for _, failure in replayed.failures} == {
            "another event stands in its place: the hub is a new one"
        }
        assert await ledger_of(stack) == []

    async def test_what_stood_in_another_hub_is_not_looked_for(
        self, stack: Stack, hub: FakeHub, app: App
    ) -> None:
        fill(hub, [make_event()])
        await set_aside(app, hub.events["0"])
        other = FakeHub()
        other.hub = "another"

        replayed = await replay_all(stack.start(reader=other))

        assert "another hub" in replayed.failures[0][1].text

    async def test_without_a_partition_id_only_an_identity_of_its_own_will_do(
        self, app: App
    ) -> None:
        own = without_text(make_event())
        bare = without_text(make_event(gateway_request_id=None, response_id=None))
        events = [ReceivedEvent(body(each), n, NOON) for n, each in enumerate([own, bare])]
        await set_aside(app, events, None)

        replayed = await replay_all(app)

        assert (replayed.closed, len(replayed.failures)) == (1, 1)
        assert "not known" in replayed.failures[0][1].text

    async def test_what_a_batch_without_a_partition_id_may_have_stored_is_left_open(
        self, stack: Stack, hub: FakeHub, app: App
    ) -> None:
        """Of an event without ids of its own: its place is its identity."""
        bare = make_event(gateway_request_id=None, response_id=None)
        fill(hub, [bare, make_event()])
        await set_aside(app, hub.events["0"])
        stack.clock.move(minutes=1)
        await app.ingest.batch(Batch(None, hub.events["0"][:1]))

        replayed = await replay_all(app)

        assert (replayed.closed, len(replayed.failures)) == (1, 1)
        assert "without a partition id" in replayed.failures[0][1].text
        assert len(await ledger_of(stack)) == 2

    async def test_a_conflicting_duplicate_is_for_a_person(self, stack: Stack, app: App) -> None:
        event = make_event()
        other = event | {"usage": make_usage(prompt_tokens=101, total_tokens=121)}
        await app.ingest.batch(make_batch(event, other))

        replayed = await replay_all(app)
        (letter,) = await opened(app)
        await app.letters.close([letter], Closing("dropped", "jo", "sent twice"))

        assert [each.reason for _, each in replayed.failures] == ["conflicting_duplicate"]
        assert await counts_of(stack) == {"dropped_conflicting_duplicate": 1}
        assert [each["input_tokens"] for each in await ledger_of(stack)] == [100]

    async def test_a_replay_that_finds_another_usage_stored_leaves_it_open(
        self, stack: Stack, hub: FakeHub, app: App
    ) -> None:
        event = make_event()
        fill(hub, [event | {"usage": make_usage(prompt_tokens=101, total_tokens=121)}])
        await set_aside(app, hub.events["0"])
        await app.ingest.store(make_batch(event, first=7))

        replayed = await replay_all(app)

        assert [each.reason for _, each in replayed.failures] == ["conflicting_duplicate"]
        assert await counts_of(stack) == {"open_unknown_shape": 1}

    async def test_an_event_older_than_the_ledger_stays_refused(
        self, stack: Stack, hub: FakeHub, app: App
    ) -> None:
        fill(hub, [make_event()])
        await set_aside(app, hub.events["0"])
        stack.clock.move(days=400)

        assert (await replay_all(app)).failures[0][1].reason == "too_old"


class TestOnce:
    async def test_a_redelivery_after_a_replay_counts_nothing_twice(
        self, stack: Stack, hub: FakeHub, app: App
    ) -> None:
        """Neither by the release that was mended, nor by an instance of the one before."""
        fill(hub, [make_event() for _ in range(130)])
        await set_aside(app, hub.events["0"])
        await replay_all(app)

        again = await app.ingest.store(Batch("0", hub.events["0"]))
        old = await set_aside(stack.start(reader=hub), hub.events["0"][:60])

        assert (again.stored, again.repeated, again.dead_letters, old) == (0, 130, 0, 0)
        assert await counts_of(stack) == {"closed_unknown_shape": 130}
        assert len(await ledger_of(stack)) == 130

    async def test_a_dropped_one_that_is_delivered_again_is_not_counted_again(
        self, stack: Stack, hub: FakeHub, app: App
    ) -> None:
        fill(hub, [{"hello": "world"}] * 120)
        await set_aside(app, hub.events["0"])
        for page in await pages_of(app):
            await app.letters.close(page, Closing("dropped", "jo", "a load test"))

        await app.ingest.store(Batch("0", hub.events["0"]))

        assert await counts_of(stack) == {"dropped_unknown_shape": 120}
        (told,) = {(each["closed_by"], each["closed_because"]) for each in await letters_of(stack)}
        assert told == ("jo", "a load test")

    async def test_two_replays_at_once_close_each_once(
        self, stack: Stack, hub: FakeHub, app: App
    ) -> None:
        fill(hub, [make_event() for _ in range(160)])
        await set_aside(app, hub.events["0"])
        other = stack.start(reader=hub)

        first, second = await asyncio.gather(replay_all(app), replay_all(other))

        assert first.closed + second.closed == 160
        assert first.stored + second.stored == 160
        assert await counts_of(stack) == {"closed_unknown_shape": 160}
        assert len(await ledger_of(stack)) == 160

    async def test_a_replay_and_a_drop_at_once_move_each_once(
        self, stack: Stack, hub: FakeHub, app: App
    ) -> None:
        fill(hub, [make_event() for _ in range(160)])
        await set_aside(app, hub.events["0"])
        other = stack.start(reader=hub)

        async def drop_all() -> int:
            closing = Closing("dropped", "jo", "test")
            return sum(
                [await other.letters.close(page, closing) async for page in other.letters.open(ALL)]
            )

        replayed, dropped = await asyncio.gather(replay_all(app), drop_all())

        assert replayed.closed + dropped == 160
        assert (await counts_of(stack)).total() == 160

    async def test_dead_letters_that_arrive_meanwhile_are_counted(
        self, stack: Stack, hub: FakeHub, app: App
    ) -> None:
        """Writers and closers of one block take turns."""
        fill(hub, [make_event() for _ in range(40)])
        await set_aside(app, hub.events["0"][::2])
        (page,) = await pages_of(app)

        await asyncio.gather(
            replay(app.ingest, app.letters, page),
            set_aside(stack.start(reader=hub), hub.events["0"]),
        )

        assert await counts_of(stack) == {"open_unknown_shape": 20, "closed_unknown_shape": 20}

    async def test_one_that_lost_its_document_is_closed_by_its_place(
        self, stack: Stack, hub: FakeHub, app: App
    ) -> None:
        fill(hub, [make_event()])
        await set_aside(app, hub.events["0"])
        (page,) = await pages_of(app)
        await remove(stack, "dead_letter")

        assert await app.letters.close(page, Closing("dropped", "jo", "test")) == 1
        assert await app.letters.close(page, Closing("dropped", "jo", "test")) == 0
        assert await counts_of(stack) == {"dropped_unknown_shape": 1}

    async def test_one_that_lost_its_block_is_closed_by_its_document(
        self, stack: Stack, hub: FakeHub, app: App
    ) -> None:
        fill(hub, [make_event()])
        await set_aside(app, hub.events["0"])
        await remove(stack, "dead_letter_block")

        assert (await replay_all(app)).closed == 1
        assert (await replay_all(app)).closed == 0
        assert await counts_of(stack) == {"closed_unknown_shape": 1}


async def remove(stack: Stack, kind: str) -> None:
    cosmos = Cosmos(stack.cosmos.endpoint, stack.cosmos.key, DATABASE)
    for each in await stack.documents("dead-letters", type=kind):
        container = cosmos.container("dead-letters")
        await container.delete_item(each["id"], partition_key=each["partitionKey"])
    await cosmos.close()


class TestCrash:
    """The process dies at a request, before the store carries it out or after."""

    @pytest.mark.parametrize("kind", ["before", "after"])
    @pytest.mark.parametrize("what", ["replay", "drop"])
    async def test_a_crash_at_every_store_call_counts_each_once(
        self, stack: Stack, hub: FakeHub, kind: str, what: str
    ) -> None:
        good = [make_event(subscription_id=f"team-{n % 2}") for n in range(104)]
        fill(hub, [*good, {"hello": "world"}, [without_text(make_event()), 5]])
        state, still_open = ("dropped", 0) if what == "drop" else ("closed", 2)
        work = {"replay": replay_and_forget, "drop": drop_everything}[what]
        call, crashed = 0, True
        while crashed:
            database = stack.new_database()
            before = stack.start(reader=hub, COSMOS_DATABASE=database)
            await set_aside(before, hub.events["0"])
            add_crash(stack, kind, call)

            crashed = await run_until_done(stack, hub, database, work)

            stack.cosmos.faults.clear()
            expected = {f"{state}_unknown_shape": 107 - still_open}
            if still_open:
                expected["open_unknown_shape"] = still_open
            assert await counts_of(stack, database) == expected
            assert len(await ledger_of(stack, database)) == (105 if what == "replay" else 0)
            call += 1
        assert call > 8


def add_crash(stack: Stack, kind: str, call: int) -> None:
    if kind == "after":
        stack.cosmos.faults.add(Fault(operation=None, skip=call, count=1, lost_answer=True))
    stack.cosmos.faults.add(Fault(operation=None, skip=call, count=1, status=403))


async def replay_and_forget(app: App) -> None:
    await replay_all(app)


async def drop_everything(app: App) -> None:
    async for page in app.letters.open(ALL):
        await app.letters.close(page, Closing("dropped", "jo", "test"))


async def run_until_done(
    stack: Stack, hub: FakeHub, database: str, work: Callable[[App], Awaitable[None]]
) -> bool:
    """Start the command again, as a new process, until it ends well; return whether it crashed."""
    crashed = False
    while True:
        app = stack.start(patience_seconds=0.01, reader=hub, COSMOS_DATABASE=database)
        try:
            await work(app)
        except (ConfigError, TransientError):
            crashed = True
        else:
            return crashed


async def test_replays_beside_live_ingestion_leave_the_exact_totals(
    stack: Stack, hub: FakeHub
) -> None:
    """Any order of deliveries, redeliveries and replays, and a store that is busy at times."""
    chance = random.Random(11)
    events: list[object] = [make_event(subscription_id=f"team-{n % 3}") for n in range(300)]
    fill(hub, events)
    apps = [stack.start(reader=hub) for _ in range(3)]
    await set_aside(apps[0], hub.events["0"][50:200])
    for _ in range(5):
        fault: dict[str, Any] = chance.choice(
            [{"inside": 429}, {"status": 503}, {"lost_answer": True}]
        )
        stack.cosmos.faults.add(Fault(operation=None, skip=chance.randrange(40), **fault))

    async def deliver(app: App) -> None:
        for _ in range(8):
            at = chance.randrange(300)
            await app.ingest.store(Batch("0", hub.events["0"][at : at + 60]))

    await asyncio.gather(deliver(apps[0]), replay_and_forget(apps[1]), deliver(apps[2]))
    await replay_all(apps[0])
    await apps[0].ingest.store(Batch("0", hub.events["0"]))

    assert len(await ledger_of(stack)) == 300
    assert await counts_of(stack) == {"closed_unknown_shape": 150}


async def test_a_dry_run_writes_nothing(stack: Stack, hub: FakeHub, app: App) -> None:
    fill(hub, [make_event(), {"hello": "world"}])
    await set_aside(app, hub.events["0"])
    before = await stack.documents("dead-letters")
    (page,) = await pages_of(app)

    told = await replay(app.ingest, app.letters, page, dry_run=True)

    assert (told.closed, len(told.failures)) == (1, 1)
    assert await stack.documents("dead-letters") == before
    assert await ledger_of(stack) == []
