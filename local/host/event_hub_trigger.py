"""Event Hub trigger: delivers each partition in order, one batch at a time, then checkpoints."""

import asyncio
import json
import logging
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import azure.functions as func
from azure.eventhub import EventData
from azure.eventhub.aio import EventHubConsumerClient, PartitionContext
from azure.eventhub.amqp import AmqpMessageBodyType
from azure.functions.eventhub import EventHubTriggerConverter
from azure.functions.meta import Datum
from azure.identity.aio import DefaultAzureCredential

from local.host.indexing import EventHubBinding, HostOptions, IndexedFunction
from local.host.invocation import Invoker, end

logger = logging.getLogger(__name__)

_SIGN_OF_LIFE_SECONDS = 3.0  # a reader that gets nothing shows so often that it is connected
_RECONNECT_SECONDS = 1.0
_OPENING_SECONDS = 2.0  # about twice of what the SDK needs on one machine
_CLOSE_SECONDS = 5.0


class Checkpoints:
    """How far each partition is done, in a SQLite file; for the event loop's thread only."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA synchronous = OFF")  # a killed process loses nothing
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS checkpoints (namespace TEXT, hub TEXT, consumer_group TEXT,"
            " partition_id TEXT, sequence_number INTEGER,"
            " PRIMARY KEY (namespace, hub, consumer_group, partition_id))"
        )

    def read(self, hub: EventHubBinding) -> dict[str, int]:
        """Last checkpointed sequence number by partition id."""
        rows = self._connection.execute(
            "SELECT partition_id, sequence_number FROM checkpoints"
            " WHERE namespace = ? AND hub = ? AND consumer_group = ?",
            (hub.namespace, hub.hub, hub.consumer_group),
        )
        return dict(rows.fetchall())

    def write(self, hub: EventHubBinding, partition_id: str, sequence_number: int) -> None:
        """Everything up to this sequence number is done."""
        self._connection.execute(
            "INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?, ?, ?)",
            (hub.namespace, hub.hub, hub.consumer_group, partition_id, sequence_number),
        )

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


@dataclass
class EventHubTrigger:
    """All partitions of one function's event hub."""

    function: IndexedFunction
    hub: EventHubBinding
    invoker: Invoker
    checkpoints: Checkpoints
    checkpoint_on_failure: bool

    def start(self, options: HostOptions) -> None:
        """Read all partitions in the background; the SDK connects again when the hub is lost."""
        self._lost: set[str] = set()
        self._delivering: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._positions = self.checkpoints.read(self.hub)
        self._credential = None if self.hub.connection_string else DefaultAzureCredential()
        self._client = _client(self.hub, self._credential)
        self._opened_by = asyncio.get_running_loop().time() + _OPENING_SECONDS
        self._receiving = asyncio.create_task(
            self._client.receive_batch(
                self._on_batch,
                # The SDK looks a partition up whenever it connects, so this is live; a partition
                # that is not there is read from its beginning.
                starting_position=self._positions,
                max_batch_size=options.max_event_batch_size,
                max_wait_time=_SIGN_OF_LIFE_SECONDS,
                prefetch=options.prefetch_count,
                owner_level=0,  # exclusive: the latest reader of a consumer group wins
                on_partition_initialize=self._on_partition_initialize,
                on_error=self._on_error,
            )
        )

    async def close(self) -> None:
        """Disconnect; the invoker has ended the deliveries before."""
        # Broken off while it connects, the SDK leaves its socket open.
        still_opening = self._opened_by - asyncio.get_running_loop().time()
        await asyncio.wait({self._receiving}, timeout=still_opening)
        # Closing the client ends its reader; the SDK can swallow a cancellation of that.
        await end({asyncio.create_task(self._client.close()), self._receiving}, _CLOSE_SECONDS)
        if self._credential is not None:
            await self._credential.close()

    async def _on_partition_initialize(self, _: PartitionContext) -> None:
        self._opened_by = asyncio.get_running_loop().time() + _OPENING_SECONDS

    async def _on_error(self, partition: PartitionContext | None, error: Exception) -> None:
        """Say once per outage, not once per partition and attempt, that the hub is away."""
        if not self._lost:
            reason = str(error).partition("\n")[0]
            logger.warning("Event hub %s is lost, trying on: %s", self.hub.hub, reason)
        self._lost.add(partition.partition_id if partition else "")

    async def _on_batch(self, partition: PartitionContext, events: list[EventData]) -> None:
        """Take what the SDK received; an empty batch is a sign of life."""
        if self._lost:
            self._lost -= {partition.partition_id, ""}
            if not self._lost:
                logger.warning("Event hub %s is back", self.hub.hub)
        if events:
            # Where this raises, the SDK connects anew, from the position.
            await asyncio.shield(self.invoker.start(self._deliver(partition.partition_id, events)))

    async def _deliver(self, partition_id: str, events: list[EventData]) -> None:
        """Invoke the function with what is new, and checkpoint."""
        # A delivery may outlive its connection; the next one then brings the same events again.
        async with self._delivering[partition_id]:
            done_through = self._positions.get(partition_id, -1)
            batch = [each for each in events if (each.sequence_number or 0) > done_through]
            if not batch or self.invoker.stopping.is_set():
                return
            done = self.checkpoint_on_failure
            try:
                succeeded = await self.invoker.invoke_with_retries(
                    self.function, lambda: decode_batch(batch, self.hub, partition_id)
                )
                # The real host moves on when the retries are spent; they are not while it stops.
                done = done or succeeded or not self.invoker.stopping.is_set()
            finally:
                if done:
                    self._positions[partition_id] = batch[-1].sequence_number or 0
                    self.checkpoints.write(self.hub, partition_id, self._positions[partition_id])


def _client(hub: EventHubBinding, credential: Any) -> EventHubConsumerClient:
    # No retries within a connection: the SDK is silent about them, and connects anew anyway.
    options: dict[str, Any] = {"retry_total": 0, "load_balancing_interval": _RECONNECT_SECONDS}
    if hub.connection_string:
        return EventHubConsumerClient.from_connection_string(
            hub.connection_string, hub.consumer_group, eventhub_name=hub.hub, **options
        )
    return EventHubConsumerClient(hub.namespace, hub.hub, hub.consumer_group, credential, **options)


def decode_batch(
    events: Sequence[EventData], hub: EventHubBinding, partition_id: str
) -> list[func.EventHubEvent]:
    """Build the function's argument through azure.functions' own converter.

    Names and formats are those of EventHubTriggerBindingStrategy.cs in Azure/azure-sdk-for-net.
    """
    system = [_system_properties(event) for event in events]
    metadata: dict[str, Any] = {
        # A list of strings loses its empty ones on the way, so its indexes do not match.
        "PartitionKeyArray": [each["PartitionKey"] for each in system if each["PartitionKey"]],
        "OffsetArray": [each["Offset"] for each in system],
        "SequenceNumberArray": [each["SequenceNumber"] for each in system],
        "EnqueuedTimeUtcArray": [each["EnqueuedTimeUtc"] for each in system],
        "PropertiesArray": [_plain(event.properties or {}) for event in events],
        "SystemPropertiesArray": system,
        "PartitionContext": {
            "FullyQualifiedNamespace": hub.namespace,
            "EventHubName": hub.hub,
            "ConsumerGroup": hub.consumer_group,
            "PartitionId": partition_id,
            "IsCheckpointingAfterInvocation": True,
        },
    }
    decoded = EventHubTriggerConverter.decode(
        Datum(SimpleNamespace(bytes=[_body(event) for event in events]), "collection_bytes"),
        trigger_metadata={
            name: Datum(json.dumps(value, default=str), "json") for name, value in metadata.items()
        },
    )
    return cast("list[func.EventHubEvent]", decoded)


def _body(event: EventData) -> bytes:
    if event.body_type is AmqpMessageBodyType.DATA:
        return b"".join(cast("Iterable[bytes]", event.body))
    return event.body_as_str().encode()


def _system_properties(event: EventData) -> dict[str, Any]:
    """Four under names of their own, the others as they are."""
    time = event.enqueued_time
    properties = _plain(event.system_properties)
    for name in ("sequence-number", "offset", "partition-key", "enqueued-time"):
        properties.pop(f"x-opt-{name}", None)
    return properties | {
        "SequenceNumber": event.sequence_number,
        "Offset": event.offset,
        "PartitionKey": _text(event.partition_key),
        # A .NET DateTime without a kind: no time zone.
        "EnqueuedTimeUtc": time and time.replace(tzinfo=None).isoformat(),
    }


def _plain(properties: dict[Any, Any]) -> dict[str, Any]:
    """AMQP strings reach Python as bytes."""
    return {str(_text(name)): _text(value) for name, value in properties.items()}


def _text(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
