"""ports.HubReader: where a partition ends, and its events by sequence number."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from tests.contract.hub import PARTITION, Hub
from usage_ingest.ports import HubReader, ReceivedEvent


async def read(reader: HubReader, first: int | datetime, last: int) -> list[ReceivedEvent]:
    return [each async for batch in reader.read(PARTITION, first, last) for each in batch]


def numbers(events: list[ReceivedEvent]) -> list[int | None]:
    return [each.sequence_number for each in events]


async def test_the_partitions_are_listed(hub: Hub) -> None:
    found = await hub.reader.partition_ids()

    assert {"0", PARTITION} <= set(found)
    assert len(set(found)) == len(found)


async def test_the_end_of_a_partition_moves_with_what_is_sent(hub: Hub) -> None:
    before = await hub.properties()

    await hub.send(b"1", b"2", b"3")

    after = await hub.properties()
    assert after.last_enqueued >= before.last_enqueued + 3
    assert after.beginning <= before.last_enqueued + 1
    assert abs(after.last_enqueued_time - datetime.now(UTC)) < timedelta(minutes=5)


async def test_events_are_read_by_sequence_number_in_order(hub: Hub) -> None:
    """Several batches of them: the reader asks for 300 at a time."""
    bodies = [f"{hub.own} {number}".encode() for number in range(700)]
    first, last = await hub.send(*bodies)

    found = await read(hub.reader, first, last)

    assert numbers(found)[: last - first + 1] == list(range(first, last + 1))
    assert [each.body for each in found if each.body.startswith(hub.own.encode())] == bodies
    assert all(each.enqueued_time and each.enqueued_time.tzinfo for each in found)


async def test_reading_starts_at_the_first_number_and_ends_when_the_last_is_reached(
    hub: Hub,
) -> None:
    first, last = await hub.send(*(str(number).encode() for number in range(50)))

    found = numbers(await read(hub.reader, first + 10, last - 10))

    assert found[0] == first + 10
    assert (found[-1] or 0) >= last - 10


async def test_events_are_read_from_an_enqueued_time_on(hub: Hub) -> None:
    """What was enqueued at that very millisecond is among them."""
    await hub.send(b"before")
    await asyncio.sleep(0.005)  # the hub tells times in milliseconds
    first, last = await hub.send(b"1", b"2")
    at = (await read(hub.reader, first, first))[0].enqueued_time
    assert at is not None

    found = numbers(await read(hub.reader, at, last))

    assert found[:2] == [first, last]


async def test_several_read_a_partition_at_once_in_one_consumer_group(hub: Hub) -> None:
    first, last = await hub.send(*(str(number).encode() for number in range(400)))

    readings = await asyncio.gather(*(read(hub.reader, first, last) for _ in range(3)))

    assert [numbers(each)[:400] for each in readings] == [[*range(first, last + 1)]] * 3


async def test_what_was_read_can_be_read_again_by_any_consumer_group(hub: Hub) -> None:
    """Nothing is checkpointed: the trigger's place in the partition is left alone."""
    first, last = await hub.send(b"1", b"2", b"3")
    trigger = hub.connect(
        EVENT_HUB_CONSUMER_GROUP="reread", EVENT_HUB_REREAD_CONSUMER_GROUP="functions"
    )

    readings = [
        numbers(await read(reader, first, last))[:3] for reader in (hub.reader, trigger, hub.reader)
    ]

    assert readings == [[first, first + 1, first + 2]] * 3


async def test_a_range_that_nothing_more_is_sent_to_ends_all_the_same(hub: Hub) -> None:
    _, last = await hub.send(b"the last one")

    found = numbers(await read(hub.reader, last, last + 1_000_000))

    assert found[0] == last


@pytest.mark.needs("large_events")
async def test_a_large_event_arrives_whole(hub: Hub) -> None:
    body = hub.own.encode() + b"x" * 900_000
    first, last = await hub.send(body)

    assert body in [each.body for each in await read(hub.reader, first, last)]
