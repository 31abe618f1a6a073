"""The small commands: publish lines, show what the containers hold."""

import asyncio
import contextlib
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
from azure.eventhub import EventData
from azure.eventhub.aio import EventHubProducerClient
from azure.eventhub.amqp import AmqpAnnotatedMessage

from local.traffic import Sent
from usage_ingest.adapters.cosmos import Cosmos
from usage_ingest.adapters.credentials import Credentials
from usage_ingest.connections import connected
from usage_ingest.containers import CONTAINERS
from usage_ingest.settings import Settings, load_settings

_AT_ONCE = 500


async def publish(settings: Mapping[str, str], events: Iterable[Sent]) -> int:
    """Publish events in batches by their partition keys; return how many."""
    chosen, credentials, published = load_settings(settings), Credentials(), 0
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(credentials.close)
        client = await stack.enter_async_context(producer(chosen, credentials))
        for slice_ in _slices(events):
            by_key: dict[str | None, list[EventData | AmqpAnnotatedMessage]] = {}
            for each in slice_:
                by_key.setdefault(each.key, []).append(EventData(each.body))
            for key, group in by_key.items():
                if key is None:
                    await client.send_batch(group)
                else:
                    await client.send_batch(group, partition_key=key)
            published += len(slice_)
    return published


async def publish_metrics(endpoint: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Give rows to the Log Analytics stand-in, as Application Insights would."""
    async with (
        aiohttp.ClientSession() as client,
        client.post(f"{endpoint}/_local/rows", json=list(rows)) as answer,
    ):
        answer.raise_for_status()


def producer(settings: Settings, credentials: Credentials) -> EventHubProducerClient:
    """Return a client that sends to the hub of the settings."""
    hub, connection = settings.event_hub_name, settings.event_hub_connection
    if connection is None:
        return EventHubProducerClient(settings.namespace, hub, credentials.default())
    return EventHubProducerClient.from_connection_string(
        connection.get_secret_value(), eventhub_name=hub
    )


def _slices(events: Iterable[Sent]) -> Iterator[list[Sent]]:
    slice_: list[Sent] = []
    for each in events:
        slice_.append(each)
        if len(slice_) == _AT_ONCE:
            yield slice_
            slice_ = []
    if slice_:
        yield slice_


def lines_of(files: Sequence[str]) -> Iterator[Sent]:
    """Yield each line of the files as a body; `-` is standard input, empty lines are passed."""
    for name in files:
        content = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        for line in content.splitlines():
            if line.strip():
                yield Sent(line, None)


async def show_containers(settings: Mapping[str, str], name: str | None, limit: int) -> None:
    """Print how many documents of which type each container holds, or the documents of one."""
    chosen, credentials = load_settings(settings), Credentials()
    cosmos = connected(chosen, credentials)
    try:
        if name is None:
            for container in CONTAINERS:
                await _print_counts(cosmos, container["id"])
        else:
            await _print_documents(cosmos, name, limit)
    finally:
        await cosmos.close()
        await credentials.close()


async def documents(cosmos: Cosmos, container: str) -> AsyncIterator[dict[str, Any]]:
    """Yield every document of a container."""
    async for row in cosmos.container(container).query_items("SELECT * FROM c"):
        yield row


async def _print_counts(cosmos: Cosmos, container: str) -> None:
    types = Counter([each["type"] async for each in documents(cosmos, container)])
    held = ", ".join(f"{count:,} {name}" for name, count in sorted(types.items()))
    print(f"{container:14} {held or 'empty'}")


async def _print_documents(cosmos: Cosmos, container: str, limit: int) -> None:
    shown = 0
    async for each in documents(cosmos, container):
        if shown == limit:
            print(f"... more: raise --limit (now {limit})", file=sys.stderr)
            return
        print(json.dumps({name: v for name, v in each.items() if not name.startswith("_")}))
        shown += 1


async def wait_a_little(seconds: float, stopped: asyncio.Event) -> bool:
    """Wait; return whether it is time to stop."""
    try:
        await asyncio.wait_for(stopped.wait(), seconds)
    except TimeoutError:
        return False
    return True
