"""Event Hub trigger: one reader per partition, one invocation at a time, then the checkpoint."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from azure.eventhub.aio import EventHubConsumerClient

from local.host.event_batch import decode_batch

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
_SIGN_OF_LIFE_SECONDS = 2.0  # an idle reader shows so often that it is connected
_SILENCE_SECONDS = 15.0
_FROM_THE_BEGINNING = "-1"
_OWNER_LEVEL = 0  # the host's readers are exclusive: the latest of a consumer group wins


class _RefusedError(Exception):
    """The hub answers, but not for this partition."""


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
        credential = None if self.hub.connection_string else _developer_identity()
        client = _client(self.hub, credential)
        try:
            async with asyncio.TaskGroup() as partitions:
                for partition_id in await self._partition_ids(client):
                    partitions.create_task(_Partition(self, client, partition_id).run())
        finally:
            await client.close()
            if credential is not None:
                await credential.close()

    async def _partition_ids(self, client: EventHubConsumerClient) -> list[str]:
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                partition_ids = await client.get_partition_ids()
            except Exception as error:  # noqa: BLE001 - the SDK raises many kinds
                self.note_lost("", error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
            else:
                self.note_found("")
                return partition_ids

    def note_lost(self, reader: str, error: Exception) -> None:
        """Say once per outage, not once per partition and attempt, that the hub is away."""
        reason = str(error).partition("\n")[0]
        news = isinstance(error, _RefusedError) and self._lost.get(reader) != reason
        if news or not self._lost:
            logger.warning("Event hub %s is lost, trying on: %s", self.hub.hub, reason)
        self._lost[reader] = reason

    def note_found(self, reader: str) -> None:
        """Say that the hub answers again, once all its readers are back."""
        if self._lost.pop(reader, None) and not self._lost:
            logger.warning("Event hub %s is back", self.hub.hub)


class _Partition:
    """Reads one partition in order; its position is ahead of the checkpoint by what is not done."""

    def __init__(
        self, trigger: EventHubTrigger, client: EventHubConsumerClient, partition_id: str
    ) -> None:
        self._trigger = trigger
        self._client = client
        self._id = partition_id
        self._position: int | None = trigger.checkpoints().get(partition_id)
        self._batches_since_checkpoint = 0
        self._pause = _FIRST_PAUSE_SECONDS

    async def run(self) -> None:
        try:
            while not self._trigger.invoker.stopping:
                await self._read_until_lost()
                await asyncio.sleep(self._pause)
                self._pause = min(self._pause * 2, _LONGEST_PAUSE_SECONDS)
        finally:
            if self._batches_since_checkpoint:
                self._write_checkpoint()

    async def _read_until_lost(self) -> None:
        received: asyncio.Queue[Sequence[EventData] | Exception] = asyncio.Queue(maxsize=1)
        receiver = asyncio.create_task(self._receive(received))
        try:
            while not self._trigger.invoker.stopping:
                batch = await self._next_batch(received)
                if isinstance(batch, Exception):
                    self._trigger.note_lost(self._id, batch)
                    return
                self._trigger.note_found(self._id)
                self._pause = _FIRST_PAUSE_SECONDS
                if batch:
                    await self._deliver(batch)
        finally:
            receiver.cancel()
            await asyncio.wait({receiver})

    async def _next_batch(
        self, received: asyncio.Queue[Sequence[EventData] | Exception]
    ) -> Sequence[EventData] | Exception:
        """Wait for a batch, an empty one as a sign of life, or the reason why none will come."""
        try:
            async with asyncio.timeout(_SILENCE_SECONDS):
                return await received.get()
        except TimeoutError:
            # The SDK is silent about a link that is refused, and asks for it again and again.
            return _RefusedError(
                f"partition {self._id} cannot be opened. Does the consumer group"
                f" {self._trigger.hub.consumer_group} exist? Is the checkpoint ({self._position})"
                " of a hub that was created anew? Then delete the host's state file"
            )

    async def _receive(self, received: asyncio.Queue[Sequence[EventData] | Exception]) -> None:
        """Put batches, and at the end the reason for the end, where the invocations take them.

        The queue of one is the back pressure, and it keeps a running invocation apart from the
        SDK's tasks, which end with the connection.
        """

        async def on_batch(_: Any, events: list[EventData]) -> None:
            await received.put(events)

        async def on_error(_: Any, error: Exception) -> None:
            await received.put(error)

        options = self._trigger.options
        start: str | int = _FROM_THE_BEGINNING if self._position is None else self._position
        try:
            await self._client.receive_batch(
                on_batch,
                partition_id=self._id,
                starting_position=start,
                max_batch_size=options.max_event_batch_size,
                max_wait_time=_SIGN_OF_LIFE_SECONDS,
                prefetch=options.prefetch_count,
                owner_level=_OWNER_LEVEL,
                on_error=on_error,
            )
        except Exception as error:  # noqa: BLE001 - the SDK raises many kinds
            await received.put(error)

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


def _client(hub: EventHubBinding, credential: Any) -> EventHubConsumerClient:
    # No retries within the SDK: it would be silent about them, and the partitions try on anyway.
    if hub.connection_string:
        return EventHubConsumerClient.from_connection_string(
            hub.connection_string,
            consumer_group=hub.consumer_group,
            eventhub_name=hub.hub,
            retry_total=0,
        )
    return EventHubConsumerClient(
        hub.namespace, hub.hub, hub.consumer_group, credential, retry_total=0
    )


def _developer_identity() -> Any:
    from azure.identity.aio import DefaultAzureCredential  # noqa: PLC0415 - slow, seldom needed

    return DefaultAzureCredential()
