"""What the host passed over is noticed, read again and stored; what cannot be is said."""

from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from azure.eventhub import EventData
from azure.eventhub.aio import EventHubProducerClient

from tests.builders import NOON, FakeHub, body, make_event
from tests.conftest import HUB, Stack
from usage_ingest.errors import ConfigError, TransientError
from usage_ingest.events.gaps import close_gaps
from usage_ingest.events.ingest import Batch
from usage_ingest.events.progress import Progress
from usage_ingest.ports import PartitionProperties, ReceivedEvent
from usage_ingest.summary import summarise
from usage_ingest.summary_query import parse_query
from usage_ingest.wiring import App

RETENTION_DAYS = 7


def fill(hub: FakeHub, events: list[object], partition_id: str = "0", first: int = 0) -> None:
    """Put events into the hub, a second apart."""
    hub.events[partition_id] += [
        ReceivedEvent(body(each), number, NOON + timedelta(seconds=number))
        for number, each in enumerate(events, first)
    ]


async def deliver(app: App, hub: FakeHub, first: int, last: int, partition_id: str = "0") -> None:
    """Hand over events as the trigger does."""
    chosen = [e for e in hub.events[partition_id] if first <= (e.sequence_number or 0) <= last]
    await app.ingest.batch(Batch(partition_id, chosen))


async def progress_of(app: App, partition_id: str = "0") -> Progress:
    found = [each for each in await app.reports.progress.all() if not each.archived]
    return next(each for each in found if each.partition_id == partition_id)


async def requests(stack: Stack) -> int:
    return len(await stack.documents("usage", type="usage"))


@pytest.fixture
def hub() -> FakeHub:
    return FakeHub()


async def test_events_that_a_host_skipped_are_found_and_stored(stack: Stack, hub: FakeHub) -> None:
    """The host advanced its checkpoint over 3 to 6 and went on with 7."""
    app = stack.start(reader=hub)
    fill(hub, [make_event() for _ in range(10)])
    await deliver(app, hub, 0, 2)
    await deliver(app, hub, 7, 9)
    noticed = await progress_of(app)

    outcome = await close_gaps(app.ingest, RETENTION_DAYS)

    left = await progress_of(app)
    assert [(gap.first, gap.last) for gap in noticed.open_gaps] == [(3, 6)]
    assert outcome.records_stored == 4
    assert left.open_gaps == ()
    assert left.stored_through == 9
    assert await requests(stack) == 10


async def test_events_before_the_first_batch_are_a_gap_too(stack: Stack, hub: FakeHub) -> None:
    """Without progress the partition's beginning is where storing should have begun."""
    app = stack.start(reader=hub)
    fill(hub, [make_event() for _ in range(6)])

    await deliver(app, hub, 4, 5)
    await close_gaps(app.ingest, RETENTION_DAYS)

    assert await requests(stack) == 6


async def test_a_tail_that_nobody_stored_is_found_after_ten_minutes(
    stack: Stack, hub: FakeHub
) -> None:
    app = stack.start(reader=hub)
    fill(hub, [make_event() for _ in range(5)])
    await deliver(app, hub, 0, 1)

    await close_gaps(app.ingest, RETENTION_DAYS)
    early = await requests(stack)
    stack.clock.move(minutes=11)
    await close_gaps(app.ingest, RETENTION_DAYS)

    assert early == 2
    assert await requests(stack) == 5
    assert (await progress_of(app)).open_gaps == ()


async def test_a_host_that_is_merely_behind_leaves_no_gap(stack: Stack, hub: FakeHub) -> None:
    app = stack.start(reader=hub)
    fill(hub, [make_event() for _ in range(9)])
    for number in range(9):
        await deliver(app, hub, number, number)
        stack.clock.move(minutes=8)
        outcome = await close_gaps(app.ingest, RETENTION_DAYS)
        assert outcome.records_stored == 0

    assert (await progress_of(app)).lag == 0


async def test_a_late_delivery_of_a_closed_tail_is_no_recreated_hub(
    stack: Stack, hub: FakeHub
) -> None:
    app = stack.start(reader=hub)
    fill(hub, [make_event() for _ in range(5)])
    await deliver(app, hub, 0, 1)
    await close_gaps(app.ingest, RETENTION_DAYS)
    stack.clock.move(minutes=11)
    await close_gaps(app.ingest, RETENTION_DAYS)

    await deliver(app, hub, 2, 4)

    assert (await progress_of(app)).generation == 1
    assert await requests(stack) == 5


async def test_what_retention_deleted_stays_as_a_lost_gap(stack: Stack, hub: FakeHub) -> None:
    app = stack.start(reader=hub)
    fill(hub, [make_event() for _ in range(10)])
    await deliver(app, hub, 0, 1)
    await deliver(app, hub, 8, 9)
    hub.beginning = 5

    await close_gaps(app.ingest, RETENTION_DAYS)

    left = await progress_of(app)
    assert [(gap.first, gap.last) for gap in left.lost_gaps] == [(2, 4)]
    assert left.open_gaps == ()
    assert await requests(stack) == 7


async def test_numbers_that_never_were_close_as_empty(stack: Stack, hub: FakeHub) -> None:
    app = stack.start(reader=hub)
    fill(hub, [make_event()])
    fill(hub, [make_event()], first=40)
    await deliver(app, hub, 0, 40)

    await close_gaps(app.ingest, RETENTION_DAYS)

    left = await progress_of(app)
    assert (left.open_gaps, left.lost_gaps) == ((), ())


async def test_a_hub_recreated_under_the_same_name_is_noticed_by_its_end(
    stack: Stack, hub: FakeHub
) -> None:
    app = stack.start(reader=hub)
    fill(hub, [make_event() for _ in range(10)])
    await deliver(app, hub, 0, 9)
    hub.events["0"].clear()
    fill(hub, [make_event() for _ in range(3)])

    await close_gaps(app.ingest, RETENTION_DAYS)
    stack.clock.move(minutes=11)
    await close_gaps(app.ingest, RETENTION_DAYS)

    assert (await progress_of(app)).generation == 2
    assert [each.generation for each in await app.reports.progress.all() if each.archived] == [1]
    assert await requests(stack) == 13


async def test_a_hub_recreated_under_the_same_name_is_noticed_by_its_events(
    stack: Stack, hub: FakeHub
) -> None:
    """Numbers at or below the mark, enqueued after it: events whose ids are their coordinates."""
    app = stack.start(reader=hub)
    anonymous = {"schema": "usage-ingest/1", "usage": None}
    fill(hub, [anonymous] * 4)
    await deliver(app, hub, 0, 3)
    hub.events["0"] = [
        ReceivedEvent(each.body, each.sequence_number, NOON + timedelta(hours=1))
        for each in hub.events["0"][:2]
    ]

    await deliver(app, hub, 0, 1)

    fresh = await progress_of(app)
    assert (fresh.generation, fresh.stored_through) == (2, 1)
    assert await requests(stack) == 6


async def test_the_mark_moving_while_the_hub_is_looked_at_is_no_recreated_hub(
    stack: Stack, hub: FakeHub
) -> None:
    app, other = stack.start(reader=hub), stack.start(reader=hub)
    fill(hub, [make_event() for _ in range(4)])
    await deliver(app, hub, 0, 0)
    await close_gaps(app.ingest, RETENTION_DAYS)
    await deliver(other, hub, 1, 3)

    await close_gaps(app.ingest, RETENTION_DAYS)

    assert (await progress_of(app)).generation == 1
    assert (await progress_of(app)).stored_through == 3


class BusyHub(FakeHub):
    """Somebody stores the next event each time the hub is asked for its end."""

    def __init__(self) -> None:
        super().__init__()
        self.writer: App | None = None

    async def properties(self, partition_id: str) -> PartitionProperties:
        found = await super().properties(partition_id)
        if self.writer is not None and partition_id == "0":
            number = len(self.events["0"])
            fill(self, [make_event()], first=number)
            await deliver(self.writer, self, number, number)
        return found


async def test_a_busy_partition_is_watched_all_the_same(stack: Stack) -> None:
    """Its mark moves many times a second, and asking the hub takes a second."""
    hub = BusyHub()
    app, other = stack.start(reader=hub), stack.start(reader=hub)
    fill(hub, [make_event()])
    await deliver(other, hub, 0, 0)
    hub.writer = other

    for _ in range(3):
        await close_gaps(app.ingest, RETENTION_DAYS)

    seen = await progress_of(app)
    assert (seen.generation, seen.stored_through, seen.last_enqueued) == (1, 3, 2)


async def test_batches_without_a_partition_id_stop_the_re_reading(
    stack: Stack, hub: FakeHub
) -> None:
    """What has no id of its own would be stored under another identity by a re-read."""
    app = stack.start(reader=hub)
    fill(hub, [{"schema": "usage-ingest/1", "usage": None}] * 3)
    await app.ingest.batch(Batch(None, hub.events["0"][:2]))

    for _ in range(2):
        await close_gaps(app.ingest, RETENTION_DAYS)
        stack.clock.move(minutes=11)

    assert await requests(stack) == 2
    stack.clock.move(days=8)
    for _ in range(2):
        await close_gaps(app.ingest, RETENTION_DAYS)
        stack.clock.move(minutes=11)
    assert (await progress_of(app)).stored_through == 2


async def send(stack: Stack, partition_id: str, *events: object) -> None:
    client = EventHubProducerClient.from_connection_string(
        stack.hubs.connection_string(), eventhub_name=HUB
    )
    async with client:
        await client.send_batch(
            [EventData(body(each)) for each in events], partition_id=partition_id
        )


async def test_a_gap_is_closed_over_the_real_event_hubs_client(stack: Stack) -> None:
    events = [make_event() for _ in range(700)]
    await send(stack, "1", *events)
    stack.clock.moment = datetime.now(UTC)
    received = [ReceivedEvent(body(events[n]), n, stack.clock.now()) for n in (0, 699)]
    await stack.app.ingest.batch(Batch("1", received))

    outcome = await close_gaps(stack.app.ingest, RETENTION_DAYS)

    assert outcome.records_stored == 698
    assert (await progress_of(stack.app, "1")).open_gaps == ()
    assert await requests(stack) == 700


async def test_what_the_real_hub_deleted_is_lost(stack: Stack) -> None:
    stack.clock.moment = datetime.now(UTC)
    events = [make_event() for _ in range(10)]
    await send(stack, "0", *events)
    received = [ReceivedEvent(body(events[9]), 9, stack.clock.now())]
    await close_gaps(stack.app.ingest, RETENTION_DAYS)
    await stack.app.ingest.batch(Batch("0", received))
    stack.hubs.delete_through(HUB, "0", 3)

    await close_gaps(stack.app.ingest, RETENTION_DAYS)

    left = await progress_of(stack.app)
    assert [(gap.first, gap.last) for gap in left.lost_gaps] == [(0, 3)]
    assert await requests(stack) == 6


class RefusingHub(FakeHub):
    """Partition 0 cannot be re-read."""

    async def read(
        self, partition_id: str, first: int | datetime, last: int
    ) -> AsyncGenerator[Sequence[ReceivedEvent], None]:
        if partition_id == "0":
            raise TransientError("nothing was received")
        async for each in super().read(partition_id, first, last):
            yield each


async def test_a_partition_that_cannot_be_re_read_keeps_no_other_from_its_turn(
    stack: Stack,
) -> None:
    hub = RefusingHub()
    app = stack.start(reader=hub)
    for partition_id in ("0", "1"):
        fill(hub, [make_event() for _ in range(5)], partition_id)
        await deliver(app, hub, 0, 0, partition_id)
        await deliver(app, hub, 4, 4, partition_id)

    with pytest.raises(TransientError, match="nothing was received"):
        await close_gaps(app.ingest, RETENTION_DAYS)

    assert len((await progress_of(app, "0")).open_gaps) == 1
    assert (await progress_of(app, "1")).open_gaps == ()
    assert await requests(stack) == 7


class ForgettingHub(FakeHub):
    """Retention takes events away while they are being read."""

    async def read(
        self, partition_id: str, first: int | datetime, last: int
    ) -> AsyncGenerator[Sequence[ReceivedEvent], None]:
        held = self.events[partition_id]
        assert isinstance(first, int)
        yield [e for e in held if max(first, 5) <= (e.sequence_number or 0) <= last]
        self.beginning = 9


async def test_what_was_re_read_in_time_is_not_called_lost(stack: Stack) -> None:
    hub = ForgettingHub()
    app = stack.start(reader=hub)
    fill(hub, [make_event() for _ in range(11)])
    await deliver(app, hub, 0, 1)
    await deliver(app, hub, 9, 10)
    hub.beginning = 0

    await close_gaps(app.ingest, RETENTION_DAYS)

    left = await progress_of(app)
    assert left.open_gaps == ()
    assert [(gap.first, gap.last) for gap in left.lost_gaps] in ([], [(2, 4)])
    assert await requests(stack) == 8


async def test_a_summary_of_days_before_the_first_batch_is_not_called_complete(
    stack: Stack, hub: FakeHub
) -> None:
    """The hub holds events of a week ago when the app starts: they are missing from those days."""
    app = stack.start(reader=hub)
    week_ago = NOON - timedelta(days=6)
    hub.events["0"] = [ReceivedEvent(body(make_event()), n, week_ago) for n in range(10)]
    query = parse_query({"start_date": "2026-11-14", "end_date": "2026-11-14"}, NOON.date(), ())

    await deliver(app, hub, 6, 9)
    await close_gaps_without_reading(app)
    summary = await summarise(query, app.reports, NOON)

    assert summary["completeness"]["complete"] is False
    assert "open_gaps" in summary["completeness"]["incomplete_because"]


async def close_gaps_without_reading(app: App) -> None:
    """Look at the partitions' ends only, as a run does whose time is over."""
    for partition_id in ("0", "1"):
        await app.ingest.progress.known(partition_id)


async def test_a_malformed_connection_string_is_a_deployment_error(stack: Stack) -> None:
    app = stack.start(EventHubConnection="Endpoint=sb://localhost;Nothing")

    with pytest.raises(ConfigError, match="EventHubConnection"):
        await close_gaps(app.ingest, RETENTION_DAYS)


async def test_dead_letters_of_a_recreated_hub_are_counted_again(
    stack: Stack, hub: FakeHub
) -> None:
    """The same numbers, enqueued later, are other events."""
    app = stack.start(reader=hub)
    fill(hub, [b"bad", b"bad"])
    await deliver(app, hub, 0, 1)
    hub.events["0"] = [
        ReceivedEvent(b"worse", each.sequence_number, NOON + timedelta(hours=1))
        for each in hub.events["0"]
    ]

    await deliver(app, hub, 0, 1)

    counts = await stack.documents("dead-letters", type="counts")
    assert sum(each["open_not_json"] for each in counts) == 4


async def test_a_stale_instance_does_not_overwrite_what_was_archived(
    stack: Stack, hub: FakeHub
) -> None:
    stale, app = stack.start(reader=hub), stack.start(reader=hub)
    fill(hub, [make_event() for _ in range(10)])
    await deliver(stale, hub, 0, 2)
    await deliver(app, hub, 7, 9)
    hub.events["0"].clear()
    fill(hub, [make_event() for _ in range(3)])
    hub.events["0"] = [
        ReceivedEvent(each.body, each.sequence_number, NOON + timedelta(hours=1))
        for each in hub.events["0"]
    ]
    await deliver(app, hub, 0, 0)

    await deliver(stale, hub, 1, 2)

    (archived,) = [each for each in await app.reports.progress.all() if each.archived]
    assert [(gap.first, gap.last) for gap in archived.lost_gaps] == [(3, 6)]
    assert (await progress_of(app)).generation == 2


async def test_a_partition_that_was_never_looked_at_makes_no_total_complete(
    stack: Stack,
) -> None:
    class HalfHub(FakeHub):
        async def properties(self, partition_id: str) -> PartitionProperties:
            if partition_id == "1":
                raise TransientError("partition 1 does not answer")
            return await super().properties(partition_id)

    app = stack.start(reader=HalfHub())
    query = parse_query({"start_date": "2026-11-20"}, NOON.date(), ())

    with pytest.raises(TransientError):
        await close_gaps(app.ingest, RETENTION_DAYS)
    summary = await summarise(query, app.reports, NOON)

    assert "progress_unknown" in summary["completeness"]["incomplete_because"]


async def test_a_recreated_hub_is_told_of_in_the_days_that_it_may_lack(
    stack: Stack, hub: FakeHub
) -> None:
    app = stack.start(reader=hub)
    fill(hub, [make_event() for _ in range(10)])
    await deliver(app, hub, 0, 9)
    hub.events["0"].clear()
    await close_gaps(app.ingest, RETENTION_DAYS)

    day = {"start_date": "2026-11-20", "end_date": "2026-11-20"}
    summary = await summarise(parse_query(day, NOON.date(), ()), app.reports, NOON)

    assert "hub_recreated" in summary["completeness"]["incomplete_because"]
