"""Event Hub trigger: one reader per partition, one invocation at a time, then the checkpoint."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from azure.eventhub.aio import EventHubConsumerClient

from local.host.event_batch import decode_batch
from local.host.partition_reader import (
    HubLostError,
    PartitionReader,
    PartitionRefusedError,
    partition_ids,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from azure.eventhub import EventData

    from local.host.bindings import EventHubBinding, IndexedFunction
    from local.host.checkpoints import HostState
    from local.host.indexing import HostOptions
    from local.host.invocation import Invoker

logger = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 10.0


class EventHubTrigger:
    """All partitions of one function's Event Hub."""

    def __init__(  # noqa: PLR0913 - what the host shares with its triggers
        self,
        function: IndexedFunction,
        hub: EventHubBinding,
        *,
        options: HostOptions,
        invoker: Invoker,
        state: HostState,
        checkpoint_on_failure: bool,
    ) -> None:
        self.function = function
        self.hub = hub
        self.options = options
        self.invoker = invoker
        self.checkpoint_on_failure = checkpoint_on_failure
        self.state = state
        self._credential: Any = None
        self._lost: dict[str, str] = {}

    @property
    def checkpoint_key(self) -> tuple[str, str, str]:
        """Namespace, hub and consumer group."""
        return self.hub.namespace, self.hub.hub, self.hub.consumer_group

    def checkpoints(self) -> dict[str, int]:
        """Last checkpointed sequence number by partition id."""
        return self.state.checkpoints_of(*self.checkpoint_key)

    async def run(self) -> None:
        """Read until cancelled; never raises for a hub that is away."""
        try:
            async with asyncio.TaskGroup() as partitions:
                for partition_id in await self._partition_ids():
                    partitions.create_task(_Partition(self, partition_id).run())
        finally:
            if self._credential is not None:
                await self._credential.close()

    def client(self) -> EventHubConsumerClient:
        """Return a new client; the SDK's own are of no use once a receiver was broken off."""
        # No retries within the SDK: it is silent about them, and the partitions try on anyway.
        if self.hub.connection_string:
            return EventHubConsumerClient.from_connection_string(
                self.hub.connection_string,
                consumer_group=self.hub.consumer_group,
                eventhub_name=self.hub.hub,
                retry_total=0,
            )
        if self._credential is None:
            self._credential = _developer_identity()
        return EventHubConsumerClient(
            self.hub.namespace,
            self.hub.hub,
            self.hub.consumer_group,
            self._credential,
            retry_total=0,
        )

    async def _partition_ids(self) -> list[str]:
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                found = await partition_ids(self.client())
            except HubLostError as error:
                self.note_lost("", error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
            else:
                self.note_found("")
                return found

    def note_lost(self, reader: str, error: HubLostError) -> None:
        """Say once per outage, not once per partition and attempt, that the hub is away."""
        reason = str(error)
        news = isinstance(error, PartitionRefusedError) and self._lost.get(reader) != reason
        if news or not self._lost:
            logger.warning("Event hub %s is lost, trying on: %s", self.hub.hub, reason)
        self._lost[reader] = reason

    def note_found(self, reader: str) -> None:
        """Say that the hub answers again, once all its readers are back."""
        if self._lost.pop(reader, None) and not self._lost:
            logger.warning("Event hub %s is back", self.hub.hub)


class _Partition:
    """Reads one partition in order; its position is ahead of the checkpoint by what is not done."""

    def __init__(self, trigger: EventHubTrigger, partition_id: str) -> None:
        self._trigger = trigger
        self._id = partition_id
        self._position: int | None = trigger.checkpoints().get(partition_id)
        self._batches_since_checkpoint = 0
        self._pause = _FIRST_PAUSE_SECONDS

    async def run(self) -> None:
        try:
            while not self._trigger.invoker.stopping:
                try:
                    await self._read_until_lost()
                except HubLostError as error:
                    self._trigger.note_lost(self._id, error)
                    await asyncio.sleep(self._pause)
                    self._pause = min(self._pause * 2, _LONGEST_PAUSE_SECONDS)
        finally:
            if self._batches_since_checkpoint:
                self._write_checkpoint()

    async def _read_until_lost(self) -> None:
        trigger = self._trigger
        client = trigger.client()
        async with PartitionReader(client, self._id, self._position, trigger.options) as reader:
            while not trigger.invoker.stopping:
                batch = await reader.next_batch()
                trigger.note_found(self._id)
                self._pause = _FIRST_PAUSE_SECONDS
                if batch:
                    await self._deliver(batch)

    async def _deliver(self, batch: Sequence[EventData]) -> None:
        trigger = self._trigger
        due = self._batches_since_checkpoint + 1 >= trigger.options.batch_checkpoint_frequency

        def build_argument() -> list[Any]:
            return decode_batch(batch, trigger.hub, self._id, checkpointing=due)

        last = batch[-1].sequence_number
        try:
            # Success or not: once the retries are spent, the real host moves on as well.
            await trigger.invoker.invoke_with_retries(
                trigger.function, build_argument, retry=not trigger.checkpoint_on_failure
            )
        except asyncio.CancelledError:
            if trigger.checkpoint_on_failure:
                self._move_to(last)
            raise
        self._move_to(last)

    def _move_to(self, sequence_number: int | None) -> None:
        self._position = sequence_number
        self._batches_since_checkpoint += 1
        if self._batches_since_checkpoint >= self._trigger.options.batch_checkpoint_frequency:
            self._write_checkpoint()

    def _write_checkpoint(self) -> None:
        if self._position is not None:
            self._trigger.state.write_checkpoint(
                self._trigger.checkpoint_key, self._id, self._position
            )
        self._batches_since_checkpoint = 0


def _developer_identity() -> Any:
    from azure.identity.aio import DefaultAzureCredential  # noqa: PLC0415 - slow, seldom needed

    return DefaultAzureCredential()
