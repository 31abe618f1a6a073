"""A range of the hub, read again: what was missing is stored, and nothing counts twice."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.cosmos import Fault
from tests.builders import NOON, FakeHub, make_batch, make_event
from tests.conftest import DATABASE, Stack
from tests.events.test_gaps import fill, send
from tests.events.test_replay import add_crash, ledger_of
from tests.set_aside import counts_of, replay_all, set_aside
from usage_ingest.errors import ConfigError, TransientError
from usage_ingest.events.backfill import Backfill
from usage_ingest.events.backfill_position import Position, Range
from usage_ingest.events.gaps import close_gaps
from usage_ingest.events.ingest import Batch
from usage_ingest.ports import ReceivedEvent
from usage_ingest.wiring import App

DAY = Range(
    namespace="localhost",
    hub="usage",
    start=NOON - timedelta(hours=12),
    end=NOON + timedelta(hours=12),
)


@pytest.fixture
def hub(stack: Stack) -> FakeHub:
    stack.clock.move(days=1)
    return FakeHub()


@pytest.fixture
def app(stack: Stack, hub: FakeHub) -> App:
    return stack.start(reader=hub)


async def backfill(app: App, asked: Range = DAY, **how: Any) -> Position:
    filling = Backfill(ingest=app.ingest, reader=app.reader, backfills=app.backfills)
    return await filling.partition(asked, "0", **how)


def sums(position: Position) -> tuple[int, int, int, int]:
    return position.events, position.stored, position.repeated, position.dead_letters


async def test_what_is_missing_is_stored_and_told(stack: Stack, hub: FakeHub, app: App) -> None:
    fill(hub, [make_event() if n % 5 else {"hello": n} for n in range(50)])
    await app.ingest.store(Batch("0", hub.events["0"][10:30]))

    position = await backfill(app)

    assert sums(position) == (50, 24, 16, 6)
    assert position.finished_at == stack.clock.now()
    assert len(await ledger_of(stack)) == 40
    assert await counts_of(stack) == {"open_unknown_shape": 10}


async def test_only_the_range_is_read(stack: Stack, hub: FakeHub, app: App) -> None:
    """From its start on, before its end: by enqueued time."""
    fill(hub, [make_event() for _ in range(50)])
    seconds = [NOON + timedelta(seconds=n) for n in (10, 20)]

    position = await backfill(
        app, Range(namespace="localhost", hub="usage", start=seconds[0], end=seconds[1])
    )

    assert position.events == 10
    assert sorted(each["sequence_number"] for each in await ledger_of(stack)) == [*range(10, 20)]


async def test_a_finished_range_is_not_read_again_unless_asked(hub: FakeHub, app: App) -> None:
    fill(hub, [make_event() for _ in range(5)])
    first = await backfill(app)
    hub.events["0"] = []

    second = await backfill(app)
    fill(hub, [make_event()])
    third = await backfill(app, again=True)

    assert second == first
    assert sums(third) == (1, 1, 0, 0)


async def test_a_range_that_has_not_ended_yet_goes_on(stack: Stack, hub: FakeHub, app: App) -> None:
    stack.clock.moment = NOON + timedelta(minutes=1)
    events: list[object] = [make_event() for _ in range(20)]
    fill(hub, events[:10])
    early = await backfill(app)
    fill(hub, events[10:], first=10)

    late = await backfill(app)

    assert (early.finished_at, late.finished_at) == (None, None)
    assert sums(late) == (20, 20, 0, 0)


async def test_an_interrupted_call_goes_on_where_it_stood(
    stack: Stack, hub: FakeHub, app: App
) -> None:
    fill(hub, [make_event() for _ in range(20)])
    stack.cosmos.faults.add(Fault(operation="batch", skip=12, count=1, status=403))
    with pytest.raises(ConfigError):
        await backfill(app)

    position = await backfill(stack.start(reader=hub))

    assert sums(position) == (20, 20, 0, 0)


class EndlessHub(FakeHub):
    """It hands over some events, and then no more for a long time."""

    async def read(
        self, partition_id: str, first: int | datetime, last: int
    ) -> AsyncGenerator[Sequence[ReceivedEvent], None]:
        assert (first, last) == (DAY.start, 7)
        yield self.events[partition_id][:3]
        await asyncio.sleep(3_600)


async def test_a_call_that_is_cancelled_leaves_its_position(stack: Stack, hub: FakeHub) -> None:
    """As Ctrl-C does."""
    endless = EndlessHub()
    fill(endless, [make_event() for _ in range(8)])
    said = asyncio.Event()
    app = stack.start(reader=endless)
    filling = Backfill(
        ingest=app.ingest, reader=endless, backfills=app.backfills, tell=lambda _: said.set()
    )
    running = asyncio.create_task(filling.partition(DAY, "0"))
    await said.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    hub.events = endless.events

    position = await backfill(stack.start(reader=hub))

    assert sums(position) == (8, 8, 0, 0)


@pytest.mark.parametrize("kind", ["before", "after"])
async def test_a_crash_at_every_store_call_of_a_backfill_changes_no_total(
    stack: Stack, hub: FakeHub, kind: str
) -> None:
    fill(hub, [make_event() if n != 4 else {"hello": "world"} for n in range(6)])
    call, crashed = 0, True
    while crashed:
        database = stack.new_database()
        add_crash(stack, kind, call)

        position, crashed = await run_until_done(stack, hub, database)

        stack.cosmos.faults.clear()
        assert position.events == 6
        assert len(await ledger_of(stack, database)) == 5
        assert await counts_of(stack, database) == {"open_unknown_shape": 1}
        call += 1
    assert call > 8


async def run_until_done(stack: Stack, hub: FakeHub, database: str) -> tuple[Position, bool]:
    crashed = False
    while True:
        app = stack.start(patience_seconds=0.01, reader=hub, COSMOS_DATABASE=database)
        try:
            return await backfill(app), crashed
        except (ConfigError, TransientError):
            crashed = True


async def test_a_position_whose_answer_was_lost_is_its_own(
    stack: Stack, hub: FakeHub, app: App
) -> None:
    fill(hub, [make_event() for _ in range(3)])
    for operation in ("create", "replace"):
        stack.cosmos.faults.add(Fault(operation=operation, container="state", lost_answer=True))

    assert sums(await backfill(app)) == (3, 3, 0, 0)


async def test_two_calls_of_one_range_do_not_both_go_on(
    stack: Stack, hub: FakeHub, app: App
) -> None:
    fill(hub, [make_event() for _ in range(30)])

    results = await asyncio.gather(
        backfill(app), backfill(stack.start(reader=hub)), return_exceptions=True
    )

    assert any(isinstance(each, TransientError) and "same range" in str(each) for each in results)
    assert sums(await backfill(app))[0] == 30
    assert len(await ledger_of(stack)) == 30


async def test_events_of_unknown_partitions_forbid_it(stack: Stack, hub: FakeHub, app: App) -> None:
    """Their identity could be another one when they are read again."""
    fill(hub, [make_event()])
    await app.ingest.batch(make_batch(make_event(), partition_id=None))

    with pytest.raises(ConfigError, match="without a partition id"):
        await backfill(app)

    later = stack.clock.now() + timedelta(hours=2)
    await backfill(
        app, Range(namespace="localhost", hub="usage", start=later, end=later + timedelta(hours=1))
    )


async def test_a_dry_run_counts_and_stores_nothing(stack: Stack, hub: FakeHub, app: App) -> None:
    fill(hub, [make_event() for _ in range(7)])

    position = await backfill(app, dry_run=True)

    assert sums(position) == (7, 0, 0, 0)
    assert await ledger_of(stack) == []
    assert await stack.documents("state", type="backfill") == []


async def test_an_empty_partition_is_done_at_once(app: App) -> None:
    assert (await backfill(app)).events == 0


async def test_a_hub_that_was_recreated_meanwhile_is_read_by_time(
    stack: Stack, hub: FakeHub, app: App
) -> None:
    fill(hub, [make_event() for _ in range(9)])
    stack.clock.moment = NOON + timedelta(minutes=1)
    await backfill(app)
    hub.events["0"] = [
        ReceivedEvent(each.body, n, NOON + timedelta(hours=1, seconds=n))
        for n, each in enumerate(make_batch(*[make_event() for _ in range(4)]).events)
    ]

    position = await backfill(app)

    assert sums(position) == (13, 13, 0, 0)


async def test_live_ingestion_gaps_and_replays_beside_a_backfill_leave_the_exact_totals(
    stack: Stack,
) -> None:
    """Over the real client, in the consumer group that close_gaps reads in at the same time."""
    events = [make_event(subscription_id=f"team-{n % 3}") for n in range(400)]
    await send(stack, "0", *events)
    stack.clock.moment = datetime.now(UTC)
    sent = [e async for page in stack.app.reader.read("0", 0, 399) for e in page]
    await set_aside(stack.app, sent[100:160])
    asked = Range(
        namespace="localhost",
        hub="usage",
        start=stack.clock.now() - timedelta(hours=1),
        end=stack.clock.now() + timedelta(hours=1),
    )
    apps = [stack.start() for _ in range(4)]

    async def live() -> None:
        for first, last in ((0, 120), (180, 260), (390, 400)):
            await apps[0].ingest.batch(Batch("0", sent[first:last]))

    async def watch() -> None:
        await close_gaps(apps[1].ingest, 7)

    position, *_ = await asyncio.gather(
        backfill(apps[2], asked), live(), watch(), replay_all(apps[3])
    )
    await close_gaps(apps[1].ingest, 7)
    await replay_all(apps[3])

    assert position.events == 400
    assert len(await ledger_of(stack, DATABASE)) == 400
    assert await counts_of(stack) == {"closed_unknown_shape": 60}
