"""Publishing over the real SDK to the local Event Hubs, in good times and bad."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from local.event_hubs import EventHubsServer, HubSpec, SendFault
from usage_ingest.adapters.event_hub import EventHubReader
from usage_ingest.adapters.event_hub_publisher import EventHubPublisher
from usage_ingest.errors import ConfigError, ThrottledError, TooLargeError, TransientError
from usage_ingest.ports import OutgoingEvent

HUB = "usage"


@pytest.fixture
async def hubs(tmp_path: Path) -> AsyncIterator[EventHubsServer]:
    async with EventHubsServer(tmp_path / "hubs.db", {HUB: HubSpec(4, ("reread",))}) as server:
        yield server


@pytest.fixture
async def publisher(hubs: EventHubsServer) -> AsyncIterator[EventHubPublisher]:
    made = make_publisher(hubs)
    yield made
    await made.close()


def make_publisher(
    hubs: EventHubsServer, hub: str = HUB, patience_seconds: float = 5.0
) -> EventHubPublisher:
    connection = hubs.connection_string()
    return EventHubPublisher(
        hub, namespace="localhost", connection=connection, patience_seconds=patience_seconds
    )


async def in_hub(hubs: EventHubsServer) -> dict[str, list[bytes]]:
    connection = hubs.connection_string()
    reader = EventHubReader(HUB, "reread", namespace="localhost", connection=connection)
    found: dict[str, list[bytes]] = {}
    for partition_id in await reader.partition_ids():
        end = (await reader.properties(partition_id)).last_enqueued
        if end >= 0:
            async for batch in reader.read(partition_id, 0, end):
                found.setdefault(partition_id, []).extend(each.body for each in batch)
    return found


def number_in(hubs: EventHubsServer) -> int:
    """Count the events of all partitions; reading them through the SDK takes seconds."""
    ends = [hubs._store.state(HUB, str(n)).last_sequence_number for n in range(4)]
    return sum(end + 1 for end in ends)


def make_outgoing(number: int, key: str | None = "a-0", size: int = 10) -> list[OutgoingEvent]:
    return [OutgoingEvent(b"%d " % n + b"x" * size, key) for n in range(number)]


async def test_events_of_a_key_are_published_whole_and_in_order(
    hubs: EventHubsServer, publisher: EventHubPublisher
) -> None:
    events = make_outgoing(300)

    await publisher.publish(events)

    (found,) = (await in_hub(hubs)).values()
    assert found == [each.body for each in events]


async def test_more_than_a_batch_takes_is_published_in_several(
    hubs: EventHubsServer, publisher: EventHubPublisher
) -> None:
    await publisher.publish(make_outgoing(5, size=400_000))

    assert number_in(hubs) == 5


async def test_keys_may_be_many_and_may_be_missing(
    hubs: EventHubsServer, publisher: EventHubPublisher
) -> None:
    events = [make_outgoing(1, f"team-{n}")[0] for n in range(12)] + make_outgoing(1, None)

    await publisher.publish(events)

    assert number_in(hubs) == 13


async def test_an_event_that_the_hub_cannot_take_stops_all_of_them(
    hubs: EventHubsServer, publisher: EventHubPublisher
) -> None:
    with pytest.raises(TooLargeError, match="bytes of the event hub"):
        await publisher.publish(make_outgoing(2) + make_outgoing(1, "b-0", 1_100_000))

    assert number_in(hubs) == 0


@pytest.mark.parametrize(
    ("fault", "error", "text"),
    [
        (SendFault("com.microsoft:server-busy"), ThrottledError, "throttled"),
        (SendFault("com.microsoft:server-busy", at_attach=True), ThrottledError, "throttled"),
        (SendFault("amqp:internal-error"), TransientError, "takes no events"),
        (SendFault("amqp:unauthorized-access", at_attach=True), ConfigError, "Data Sender"),
        (SendFault("amqp:unauthorized-access"), ConfigError, "Data Sender"),
    ],
    ids=["busy", "busy-at-once", "error", "no-role", "role-taken-away"],
)
async def test_a_refusal_says_what_happens_next_and_the_next_call_works(
    hubs: EventHubsServer,
    publisher: EventHubPublisher,
    fault: SendFault,
    error: type[Exception],
    text: str,
) -> None:
    hubs.fail_sends(fault)
    with pytest.raises(error, match=text):
        await publisher.publish(make_outgoing(1))

    hubs.fail_sends(None)
    await publisher.publish(make_outgoing(1))
    assert number_in(hubs) == 1


async def test_a_hub_that_does_not_answer_is_given_up_in_time(hubs: EventHubsServer) -> None:
    publisher = make_publisher(hubs, patience_seconds=1.0)
    hubs.fail_sends(SendFault(None))
    began = time.monotonic()

    with pytest.raises(TransientError, match="no events"):
        await publisher.publish(make_outgoing(1))

    assert time.monotonic() - began < 30
    hubs.fail_sends(None)
    await publisher.publish(make_outgoing(1))
    await publisher.close()


async def test_what_was_sent_before_a_failure_stays_in_the_hub(
    hubs: EventHubsServer, publisher: EventHubPublisher
) -> None:
    """The caller sends all of it again: record ids absorb what stands there twice."""
    hubs.fail_sends(SendFault("amqp:internal-error", after=1))
    events = make_outgoing(3, "a-0") + make_outgoing(3, "b-0")

    with pytest.raises(TransientError):
        await publisher.publish(events)

    hubs.fail_sends(None)
    await publisher.publish(events)
    assert number_in(hubs) == 9


async def test_a_namespace_that_is_away_is_worth_another_try(hubs: EventHubsServer) -> None:
    publisher = make_publisher(hubs)
    await publisher.publish(make_outgoing(1))
    await hubs.stop()

    with pytest.raises(TransientError):
        await publisher.publish(make_outgoing(1))

    await hubs.start()
    await publisher.publish(make_outgoing(1))
    await publisher.close()
    assert number_in(hubs) == 2


async def test_a_connection_that_the_namespace_closed_is_opened_again(
    hubs: EventHubsServer, publisher: EventHubPublisher
) -> None:
    """Event Hubs closes idle connections; the next caller must not notice."""
    await publisher.publish(make_outgoing(1))
    await hubs.stop()
    await hubs.start()

    await publisher.publish(make_outgoing(1))

    assert number_in(hubs) == 2


async def test_a_missing_hub_is_the_settings_fault(hubs: EventHubsServer) -> None:
    publisher = make_publisher(hubs, "another")

    with pytest.raises(ConfigError, match="EVENT_HUB_NAME"):
        await publisher.publish(make_outgoing(1))

    await publisher.close()


async def test_a_wrong_connection_string_is_the_settings_fault() -> None:
    publisher = EventHubPublisher(HUB, namespace="x", connection="Endpoint=sb://x")

    with pytest.raises(ConfigError, match="EventHubConnection"):
        await publisher.publish(make_outgoing(1))
