"""The local Event Hubs, driven with the real azure-eventhub SDK."""

import asyncio
import contextlib
import datetime as dt
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any, Self, cast

import pytest
from azure.eventhub import EventData
from azure.eventhub import EventHubConsumerClient as SyncConsumerClient
from azure.eventhub import EventHubProducerClient as SyncProducerClient
from azure.eventhub._buffered_producer._partition_resolver import PartitionResolver
from azure.eventhub._pyamqp.error import AMQPLinkError, ErrorCondition
from azure.eventhub.aio import EventHubConsumerClient, EventHubProducerClient, PartitionContext
from azure.eventhub.exceptions import ConnectError, EventDataSendError, EventHubError

from local.event_hubs import EventHubsServer, HubSpec
from local.event_hubs.codec import AmqpError

HUB = "usage"
HUBS = {HUB: HubSpec(4, ("reports",)), "other": HubSpec(2)}
WAIT_SECONDS = 20


@pytest.fixture(autouse=True)
def _impatient_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the SDK's pauses: it sleeps 50 ms after nearly every frame of a handshake."""
    sleep = asyncio.sleep

    async def brief(seconds: float) -> None:
        await sleep(min(seconds, 0.002))

    monkeypatch.setattr(asyncio, "sleep", brief)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "event-hubs" / "events.sqlite"


@pytest.fixture
async def server(path: Path) -> AsyncIterator[EventHubsServer]:
    async with EventHubsServer(path, HUBS) as running:
        yield running


def producer(server: EventHubsServer, hub: str = HUB) -> EventHubProducerClient:
    return EventHubProducerClient.from_connection_string(
        server.connection_string(hub), retry_total=0
    )


def consumer(
    server: EventHubsServer, group: str = "$Default", hub: str = HUB
) -> EventHubConsumerClient:
    return EventHubConsumerClient.from_connection_string(
        server.connection_string(hub), group, retry_total=0, load_balancing_interval=0.2
    )


async def send(server: EventHubsServer, *bodies: str | bytes, **where: Any) -> None:
    async with producer(server) as client:
        await client.send_batch([EventData(body) for body in bodies], **where)


def body_of(event: EventData) -> bytes:
    return b"".join(cast("Iterable[bytes]", event.body))


class Reading:
    """A receiver in the background: what it got and how it failed."""

    def __init__(self, server: EventHubsServer, partition_id: str = "0", **options: Any) -> None:
        self.events: list[EventData] = []
        self.errors: list[Exception] = []
        self.last_enqueued: dict[str, Any] | None = None
        self.changed = asyncio.Event()
        self._client = consumer(server, options.pop("group", "$Default"), options.pop("hub", HUB))
        options = {"starting_position": "-1", "max_wait_time": 0.2, **options}
        self._task = asyncio.create_task(
            self._client.receive_batch(
                self._on_batch, partition_id=partition_id, on_error=self._on_error, **options
            )
        )

    async def _on_batch(self, context: PartitionContext, events: list[EventData]) -> None:
        self.events += events
        self.last_enqueued = context.last_enqueued_event_properties
        self.changed.set()

    async def _on_error(self, context: PartitionContext | None, error: Exception) -> None:
        del context
        self.errors.append(error)
        self.changed.set()

    async def until(self, condition: Callable[["Reading"], bool]) -> "Reading":
        async with asyncio.timeout(WAIT_SECONDS):
            while not condition(self):
                self.changed.clear()
                await self.changed.wait()
        return self

    @property
    def bodies(self) -> list[str]:
        return [event.body_as_str() for event in self.events]

    @property
    def sequence_numbers(self) -> list[int | None]:
        return [event.sequence_number for event in self.events]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task


async def read(
    server: EventHubsServer, count: int, partition_id: str = "0", **options: Any
) -> Reading:
    async with Reading(server, partition_id, **options) as reading:
        return await reading.until(lambda each: len(each.events) >= count)


async def refusal(
    server: EventHubsServer,
    partition_id: str = "0",
    group: str = "$Default",
    hub: str = HUB,
    **options: Any,
) -> str:
    """Open a receiver and return why it was refused.

    The client's own receive methods swallow this error and try again for ever.
    """

    async def ignore(*_: object) -> None: ...

    async with consumer(server, group, hub) as client:
        position = options.pop("event_position", "-1")
        receiver = client._create_consumer(group, partition_id, position, ignore, **options)
        try:
            with pytest.raises(AMQPLinkError) as refused:
                await receiver._open()
        finally:
            await receiver.close()
    condition = refused.value.condition
    name = condition.value if isinstance(condition, ErrorCondition) else condition
    return f"{name.decode()}: {refused.value}"


def frame(body: bytes) -> bytes:
    return struct.pack(">IBBH", len(body) + 8, 2, 0, 1) + body


# Runtime information


async def test_hub_tells_its_name_its_age_and_its_partitions(server: EventHubsServer) -> None:
    async with consumer(server) as client:
        properties = await client.get_eventhub_properties()

        assert properties["eventhub_name"] == HUB
        assert properties["partition_ids"] == ["0", "1", "2", "3"]
        age = dt.datetime.now(dt.UTC) - properties["created_at"].replace(tzinfo=dt.UTC)
        assert dt.timedelta(seconds=-1) < age < dt.timedelta(minutes=1)
        assert await client.get_partition_ids() == ["0", "1", "2", "3"]


async def test_partition_properties_follow_sending_and_deletion(server: EventHubsServer) -> None:
    async def properties() -> dict[str, Any]:
        async with consumer(server) as client:
            return dict(await client.get_partition_properties("1"))

    empty = await properties()
    assert empty["is_empty"]
    assert (empty["beginning_sequence_number"], empty["last_enqueued_sequence_number"]) == (-1, -1)
    assert empty["last_enqueued_offset"] == "-1"

    server.set_clock(lambda: 1_700_000_000_123)
    await send(server, "a", "b", "c", partition_id="1")
    filled = await properties()
    assert not filled["is_empty"]
    assert (filled["beginning_sequence_number"], filled["last_enqueued_sequence_number"]) == (0, 2)
    assert filled["last_enqueued_time_utc"].timestamp() == 1_700_000_000.123

    server.delete_through(HUB, "1", 1)
    assert (await properties())["beginning_sequence_number"] == 2

    server.delete_through(HUB, "1", 99)
    emptied = await properties()
    assert emptied["is_empty"]
    assert emptied["beginning_sequence_number"] == 3
    assert emptied["last_enqueued_sequence_number"] == 2


async def test_unknown_hub_is_refused_everywhere(server: EventHubsServer) -> None:
    async with producer(server, "absent") as client:
        with pytest.raises(EventHubError, match="amqp:not-found"):
            await client.send_batch([EventData("a")])
        with pytest.raises(ConnectError, match="404"):
            await client.get_eventhub_properties()
    assert "amqp:not-found" in await refusal(server, hub="absent")


async def test_unknown_partition_is_refused_everywhere(server: EventHubsServer) -> None:
    async with producer(server) as client:
        with pytest.raises(EventHubError, match="Invalid partition 4"):
            await client.send_batch([EventData("a")], partition_id="4")
        with pytest.raises(ConnectError, match="400"):
            await client.get_partition_properties("4")
    assert "com.microsoft:argument-out-of-range" in await refusal(server, "4")


# Sending


async def test_batches_reach_the_partition_they_name(server: EventHubsServer) -> None:
    await send(server, "a", "b", partition_id="2")

    reading = await read(server, 2, "2")

    assert reading.bodies == ["a", "b"]
    assert reading.sequence_numbers == [0, 1]


@pytest.mark.parametrize("key", ["subscription-1", "subscription-2", "ünïcode", "k" * 128])
async def test_partition_key_decides_the_partition_as_the_sdk_does(
    server: EventHubsServer, key: str
) -> None:
    expected = PartitionResolver(["0", "1", "2", "3"]).get_partition_id_by_partition_key(key)  # type: ignore[no-untyped-call]

    await send(server, "a", "b", partition_key=key)
    async with producer(server) as client:
        await client.send_event(EventData("single"), partition_key=key)

    reading = await read(server, 3, expected)
    assert reading.bodies == ["a", "b", "single"]
    assert [event.partition_key for event in reading.events] == [key.encode()] * 3


async def test_without_partition_or_key_messages_go_round(server: EventHubsServer) -> None:
    async with producer(server) as client:
        for number in range(4):
            await client.send_event(EventData(str(number)))

    for number in range(4):
        assert (await read(server, 1, str(number))).bodies == [str(number)]


async def test_properties_survive_the_way_through(server: EventHubsServer) -> None:
    event = EventData(b"\x00\xff")
    event.properties = {"text": "ü", "number": 7, "flag": True}
    event.message_id = "message-1"
    event.content_type = "application/json"
    event.correlation_id = "call-1"
    async with producer(server) as client:
        await client.send_event(event, partition_id="0")
        await client.send_batch([event], partition_id="0")

    for received in (await read(server, 2)).events:
        assert body_of(received) == b"\x00\xff"
        assert received.properties == {b"text": "ü".encode(), b"number": 7, b"flag": True}
        assert received.message_id == "message-1"
        assert received.content_type == "application/json"
        assert received.correlation_id == "call-1"


async def test_large_messages_take_many_frames(server: EventHubsServer) -> None:
    body = bytes(range(256)) * 3_600
    async with producer(server) as client:
        await client.send_event(EventData(body), partition_id="0")
        await client.send_batch([EventData(body[::-1])], partition_id="0")

    reading = await read(server, 2)

    assert [body_of(event) for event in reading.events] == [body, body[::-1]]


async def test_message_over_one_megabyte_is_refused_and_the_link_goes_on(
    server: EventHubsServer,
) -> None:
    async with producer(server) as client:
        with pytest.raises(EventDataSendError, match="LinkMessageSizeExceeded"):
            await client.send_event(EventData(b"x" * 2**20), partition_id="0")
        await client.send_event(EventData("small"), partition_id="0")

    assert (await read(server, 1)).bodies == ["small"]


# Receiving


POSITIONS: list[tuple[dict[str, Any], list[str]]] = [
    ({"starting_position": "-1"}, ["a", "b", "c"]),
    ({"starting_position": 1}, ["c"]),
    ({"starting_position": 1, "starting_position_inclusive": True}, ["b", "c"]),
    ({"starting_position": -1}, ["a", "b", "c"]),
]


@pytest.mark.parametrize(("options", "expected"), POSITIONS)
async def test_reading_starts_where_it_is_asked_to(
    server: EventHubsServer, options: dict[str, Any], expected: list[str]
) -> None:
    await send(server, "a", "b", "c", partition_id="0")

    assert (await read(server, len(expected), **options)).bodies == expected


async def test_reading_starts_at_an_offset(server: EventHubsServer) -> None:
    await send(server, "a", "b", "c", partition_id="0")
    offset = (await read(server, 3)).events[1].offset

    after = await read(server, 1, starting_position=offset)
    inclusive = await read(server, 2, starting_position=offset, starting_position_inclusive=True)

    assert after.bodies == ["c"]
    assert inclusive.bodies == ["b", "c"]


async def test_reading_starts_at_a_time(server: EventHubsServer) -> None:
    for number, body in enumerate("abc"):
        server.set_clock(lambda number=number: 1_700_000_000_000 + number * 1000)  # type: ignore[misc]
        await send(server, body, partition_id="0")
    at = dt.datetime.fromtimestamp(1_700_000_001, dt.UTC)

    assert (await read(server, 1, starting_position=at)).bodies == ["c"]
    inclusive = await read(server, 2, starting_position=at, starting_position_inclusive=True)
    assert inclusive.bodies == ["b", "c"]
    assert inclusive.events[0].enqueued_time == at


async def test_waiting_reader_gets_an_event_as_soon_as_it_is_sent(server: EventHubsServer) -> None:
    await send(server, "old", partition_id="0")
    async with Reading(server, starting_position="@latest", max_wait_time=None) as reading:
        async with producer(server) as client, asyncio.timeout(WAIT_SECONDS):
            while not reading.events:  # until the reader has taken up its position
                await client.send_event(EventData("new"), partition_id="0")
                await asyncio.sleep(0.05)

        loop = asyncio.get_running_loop()
        reading.events.clear()
        await send(server, "now", partition_id="0")
        sent = loop.time()
        await reading.until(lambda each: "now" in each.bodies)

        assert loop.time() - sent < 1
        assert "old" not in reading.bodies


@pytest.mark.parametrize(
    ("position", "message"),
    [
        (2, "The supplied sequence-number '2' is invalid"),
        ("5000", "The supplied offset '5000' is invalid"),
    ],
)
async def test_position_past_the_end_is_refused(
    server: EventHubsServer, position: int | str, message: str
) -> None:
    """As after a hub was deleted and made anew: old checkpoints point past its end."""
    await send(server, "a", "b", partition_id="0")

    error = await refusal(server, event_position=position)

    assert "com.microsoft:argument-error" in error
    assert message in error


async def test_consumer_groups_read_independently(server: EventHubsServer) -> None:
    await send(server, "a", partition_id="0")

    assert (await read(server, 1)).bodies == ["a"]
    assert (await read(server, 1, group="reports")).bodies == ["a"]
    assert "amqp:not-found" in await refusal(server, group="undeclared")
    assert "amqp:not-found" in await refusal(server, group="reports", hub="other")


async def test_reader_with_a_higher_epoch_takes_over(server: EventHubsServer) -> None:
    await send(server, "a", partition_id="0")
    async with Reading(server, owner_level=1) as first:
        await first.until(lambda each: bool(each.events))
        async with Reading(server, owner_level=2) as second:
            await second.until(lambda each: bool(each.events))
            await first.until(lambda each: bool(each.errors))

            assert "amqp:link:stolen" in str(first.errors[0])
            assert "amqp:link:stolen" in await refusal(server, owner_level=1)
            assert "amqp:link:stolen" in await refusal(server)
            assert (await read(server, 1, group="reports", owner_level=0)).bodies == ["a"]
            assert not second.errors


async def test_reader_can_follow_the_partitions_last_event(server: EventHubsServer) -> None:
    await send(server, "a", "b", "c", partition_id="0")
    async with Reading(server, track_last_enqueued_event_properties=True) as reading:
        await reading.until(lambda each: bool(each.events))
        last = reading.last_enqueued
    assert last
    assert last["sequence_number"] == 2
    assert int(last["offset"]) > 0
    assert last["enqueued_time"] <= last["retrieval_time"]


async def test_slow_reader_is_not_sent_everything_at_once(server: EventHubsServer) -> None:
    """The partition holds far more than the socket takes; all of it arrives, in order."""
    body = b"x" * 200_000
    async with producer(server) as client:
        for _ in range(24):
            await client.send_batch([EventData(body)] * 5, partition_id="0")

    reading = await read(server, 120)

    assert reading.sequence_numbers == list(range(120))


# What happens to a hub


async def test_everything_survives_a_restart(path: Path) -> None:
    server = EventHubsServer(path, HUBS)
    await server.start()
    await send(server, "a", "b", "c", partition_id="0")
    server.delete_through(HUB, "0", 0)
    before = await read(server, 2)
    await server.stop()

    async with EventHubsServer(path, HUBS) as again:
        await send(again, "d", partition_id="0")
        after = await read(again, 3)

    def facts(event: EventData) -> tuple[object, ...]:
        return (event.sequence_number, event.offset, event.enqueued_time, event.body_as_str())

    assert [facts(event) for event in after.events[:2]] == [facts(each) for each in before.events]
    assert after.sequence_numbers == [1, 2, 3]
    assert after.bodies == ["b", "c", "d"]


async def test_server_can_be_started_again_on_its_port(server: EventHubsServer) -> None:
    connection_string = server.connection_string()
    async with Reading(server) as reading:
        await send(server, "a", partition_id="0")
        await reading.until(lambda each: bool(each.events))
        await server.stop()
        await server.start()
        await send(server, "b", partition_id="0")
        await reading.until(lambda each: "b" in each.bodies)

    assert server.connection_string() == connection_string


async def test_another_partition_count_is_refused(path: Path) -> None:
    async with EventHubsServer(path, {HUB: HubSpec(4)}):
        pass

    with pytest.raises(ValueError, match=r"'usage' has 4 partitions .* but 8 are asked for"):
        await EventHubsServer(path, {HUB: HubSpec(8)}).start()


async def test_port_in_use_is_named(path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(OSError, match=rf"cannot listen on 127\.0\.0\.1 port {port}"):
            await EventHubsServer(path, HUBS, port).start()


async def test_deleted_events_are_skipped_by_readers(server: EventHubsServer) -> None:
    await send(server, "a", "b", "c", partition_id="0")
    server.delete_through(HUB, "0", 1)

    assert (await read(server, 1)).sequence_numbers == [2]
    assert (await read(server, 1, starting_position=0)).sequence_numbers == [2]


async def test_recreated_hub_starts_again_and_closes_its_readers(server: EventHubsServer) -> None:
    await send(server, "a", "b", "c", partition_id="0")
    async with Reading(server) as reading:
        await reading.until(lambda each: len(each.events) == 3)
        server.recreate(HUB, partitions=2)
        await reading.until(lambda each: bool(each.errors))

        assert "amqp:link:detach-forced" in str(reading.errors[0])

    await send(server, "d", partition_id="0")
    assert (await read(server, 1)).sequence_numbers == [0]
    async with consumer(server) as client:
        assert await client.get_partition_ids() == ["0", "1"]


async def test_skipped_sequence_numbers_are_a_gap(server: EventHubsServer) -> None:
    await send(server, "a", partition_id="0")
    server.skip(HUB, "0", 10)
    await send(server, "b", partition_id="0")

    assert (await read(server, 2)).sequence_numbers == [0, 11]
    assert (await read(server, 1, starting_position=5)).sequence_numbers == [11]


async def test_enqueued_times_never_go_back(server: EventHubsServer) -> None:
    for milliseconds in (2_000, 1_000, 3_000):
        server.set_clock(lambda milliseconds=milliseconds: milliseconds)  # type: ignore[misc]
        await send(server, "a", partition_id="0")

    times = [event.enqueued_time for event in (await read(server, 3)).events]

    assert [time.timestamp() for time in times if time] == [2, 2, 3]


async def test_operations_refuse_what_does_not_exist(server: EventHubsServer) -> None:
    with pytest.raises(AmqpError, match="absent"):
        server.delete_through("absent", "0", 1)
    with pytest.raises(AmqpError, match="'9'"):
        server.skip(HUB, "9", 1)


# Other clients


async def test_synchronous_clients_work_from_a_thread(server: EventHubsServer) -> None:
    def send_and_receive() -> list[str]:
        text = server.connection_string(HUB)
        bodies: list[str] = []
        with SyncProducerClient.from_connection_string(text) as client:
            client.send_batch([EventData("a"), EventData("b")], partition_id="0")
        receiver = SyncConsumerClient.from_connection_string(text, "$Default")

        def on_batch(_: object, events: list[EventData]) -> None:
            bodies.extend(event.body_as_str() for event in events)
            receiver.close()

        with receiver:
            receiver.receive_batch(on_batch, partition_id="0", starting_position="-1")
        return bodies

    assert await asyncio.to_thread(send_and_receive) == ["a", "b"]


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /$servicebus/websocket HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01",  # TLS
        b"AMQP\x00\x01\x00\x00" + b"\x00\x00\x00\x00\x02\x00\x00\x01",  # no frame has size 0
        b"AMQP\x00\x01\x00\x00" + frame(b"\x00\x53\x14\xc0\xff"),  # its end is missing
        b"AMQP\x00\x01\x00\x00" + frame(b"\x00\x53\x99\x45"),  # no performative has this number
        b"AMQP\x00\x01\x00\x00" + frame(b"\x00\x53\x11\x45") + frame(b"\x00\x53\x12\x45"),
    ],
)
async def test_what_is_not_understood_closes_the_connection(
    server: EventHubsServer, sent: bytes
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(sent)

    assert b"amqp:not-implemented" in await reader.read()
    writer.close()
    await writer.wait_closed()
