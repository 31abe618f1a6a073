"""Re-reads the Event Hub by number or time, in a consumer group of its own.

No reader takes ownership of a partition, so several may read it at once (five in a group).
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final, cast

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError
from azure.eventhub import EventData
from azure.eventhub.aio import EventHubConsumerClient, PartitionContext
from azure.eventhub.amqp import AmqpMessageBodyType
from azure.eventhub.exceptions import AuthenticationError, EventHubError

from usage_ingest.errors import ConfigError, TransientError
from usage_ingest.ports import PartitionProperties, ReceivedEvent

_BATCH: Final = 300
_QUIET_SECONDS: Final = 10.0
_PATIENCE_SECONDS: Final = 60.0


class EventHubReader:
    """Implements ports.HubReader over azure-eventhub."""

    def __init__(
        self,
        hub: str,
        consumer_group: str,
        *,
        namespace: str,
        connection: str | AsyncTokenCredential,
    ) -> None:
        """Keep what is needed to connect: a connection string, or the app's identity."""
        self.namespace = namespace
        self.hub = hub
        self._consumer_group = consumer_group
        self._connection = connection

    def _client(self) -> EventHubConsumerClient:
        if isinstance(self._connection, str):
            return EventHubConsumerClient.from_connection_string(
                self._connection, self._consumer_group, eventhub_name=self.hub
            )
        return EventHubConsumerClient(
            self.namespace, self.hub, self._consumer_group, self._connection
        )

    async def partition_ids(self) -> list[str]:
        """Return the ids of the hub's partitions."""
        with clear_errors(self.hub):
            async with self._client() as client:
                return list(await client.get_partition_ids())

    async def properties(self, partition_id: str) -> PartitionProperties:
        """Return where the partition begins and ends now."""
        with clear_errors(self.hub):
            async with self._client() as client:
                found: dict[str, Any] = await client.get_partition_properties(partition_id)
        beginning, last = found["beginning_sequence_number"], found["last_enqueued_sequence_number"]
        if found["is_empty"]:
            beginning = last + 1  # what was there has been deleted, or never was
        return PartitionProperties(
            beginning=beginning,
            last_enqueued=last,
            last_enqueued_time=found["last_enqueued_time_utc"],
        )

    async def read(
        self, partition_id: str, first: int | datetime, last: int
    ) -> AsyncGenerator[Sequence[ReceivedEvent], None]:
        """Yield batches from `first` on until one reaches `last`, or nothing more arrives."""
        received: asyncio.Queue[Sequence[ReceivedEvent]] = asyncio.Queue(maxsize=2)

        async def on_batch(_: PartitionContext, events: list[EventData]) -> None:
            await received.put([_event(each) for each in events])

        with clear_errors(self.hub):
            async with self._client() as client:
                receiving = asyncio.create_task(
                    client.receive_batch(
                        on_event_batch=on_batch,
                        partition_id=partition_id,
                        starting_position=first,
                        starting_position_inclusive=True,
                        max_batch_size=_BATCH,
                        max_wait_time=_QUIET_SECONDS,
                    )
                )
                try:
                    async for batch in _until(received, receiving, last):
                        yield batch
                finally:
                    await _end(receiving)


async def _until(
    received: "asyncio.Queue[Sequence[ReceivedEvent]]", receiving: "asyncio.Task[None]", last: int
) -> AsyncIterator[Sequence[ReceivedEvent]]:
    """Yield what is received until a batch reaches `last` or an empty one says it is quiet."""
    while True:
        waiting = asyncio.create_task(received.get())
        await asyncio.wait(
            {waiting, receiving},
            timeout=_PATIENCE_SECONDS,
            return_when=asyncio.FIRST_COMPLETED,
        )
        if not waiting.done():
            waiting.cancel()
            if receiving.done():
                await receiving  # raises what ended it
            # A receiver that the hub refuses is retried in silence: give up, try the next time.
            raise TransientError(f"nothing was received within {_PATIENCE_SECONDS:.0f} seconds")
        batch = waiting.result()
        if not batch:
            return
        yield batch
        if batch[-1].sequence_number is not None and batch[-1].sequence_number >= last:
            return


async def _end(receiving: "asyncio.Task[None]") -> None:
    """Cancel until it is over: the SDK can swallow a cancellation while it connects."""
    while not receiving.done():
        receiving.cancel()
        await asyncio.wait({receiving}, timeout=1)
    if not receiving.cancelled():
        receiving.exception()  # seen: what ended it has been raised already


def _event(received: EventData) -> ReceivedEvent:
    if received.body_type is AmqpMessageBodyType.DATA:
        content = b"".join(cast("Iterable[bytes]", received.body))
    else:  # an AMQP value: the trigger hands over its text
        content = str(received.body).encode()
    return ReceivedEvent(content, received.sequence_number, received.enqueued_time)


@contextlib.contextmanager
def clear_errors(hub: str) -> Iterator[None]:
    """Put the SDK's errors in the words of usage_ingest.errors."""
    try:
        yield
    except AuthenticationError as error:
        raise ConfigError(
            f"Event hub {hub} refuses this identity: grant it the role 'Azure Event Hubs Data "
            "Receiver' on the namespace"
        ) from error
    except ValueError as error:
        raise ConfigError(f"EventHubConnection: is not understood by the SDK: {error}") from error
    except (EventHubError, AzureError, OSError) as error:
        first = str(error).splitlines()[0][:200]
        raise TransientError(f"Event hub {hub} cannot be read: {first}") from error
