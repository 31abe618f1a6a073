"""Publishes events to the Event Hub, in batches by partition key, over one connection."""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, Final

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError
from azure.eventhub import EventData, EventDataBatch
from azure.eventhub.aio import EventHubProducerClient
from azure.eventhub.exceptions import AuthenticationError, EventHubError

from usage_ingest.errors import ConfigError, ThrottledError, TooLargeError, TransientError
from usage_ingest.ports import OutgoingEvent

_BUSY: Final = "server-busy"
_REFUSED: Final = "unauthorized-access"
_MISSING: Final = "not-found"
_RETRIES: Final[dict[str, Any]] = {"retry_total": 1, "retry_backoff_factor": 0.1}
"""One, for a connection that went stale: the caller sends again anyway."""
_CLOSE_SECONDS: Final = 5.0


class EventHubPublisher:
    """Implements ports.EventPublisher over azure-eventhub.

    The connection is kept: opening one takes longer than sending. What went wrong closes it, so
    that the next call begins anew.
    """

    def __init__(
        self,
        hub: str,
        *,
        namespace: str,
        connection: str | AsyncTokenCredential,
        patience_seconds: float = 30.0,
    ) -> None:
        """Keep what is needed to connect: a connection string, or the app's identity."""
        self.hub = hub
        self._namespace = namespace
        self._connection = connection
        self._patience_seconds = patience_seconds
        self._client: EventHubProducerClient | None = None
        self._closing: set[asyncio.Task[None]] = set()

    async def publish(self, events: Sequence[OutgoingEvent]) -> None:
        """Write the events; some of them may stand in the hub when it raises."""
        sending = asyncio.create_task(self._send(events))
        sending.add_done_callback(_seen)
        try:
            with _clear_errors(self.hub):
                # Not asyncio.timeout: the SDK can swallow a cancellation while it connects.
                await asyncio.wait({sending}, timeout=self._patience_seconds)
                self._finished(sending)
        except (TransientError, ConfigError) as error:
            if not isinstance(error, ThrottledError):
                self._drop()
            raise
        finally:
            sending.cancel()

    def _finished(self, sending: "asyncio.Task[None]") -> None:
        if not sending.done():
            raise TransientError(
                f"Event hub {self.hub} took no events within {self._patience_seconds:g} seconds"
            )
        sending.result()  # raises what ended it

    async def close(self) -> None:
        """End the connection, if there is one."""
        self._drop()
        if self._closing:
            await asyncio.wait(self._closing, timeout=_CLOSE_SECONDS)

    async def _send(self, events: Sequence[OutgoingEvent]) -> None:
        """Pack everything before the first batch is sent: one that is too large stops them all."""
        client = self._client = self._client or self._new_client()
        by_key: dict[str | None, list[bytes]] = {}
        for event in events:
            by_key.setdefault(event.partition_key, []).append(event.body)
        packed: list[EventDataBatch] = []
        for key, bodies in by_key.items():
            packed += await _packed(client, key, bodies)
        for batch in packed:
            await client.send_batch(batch, timeout=self._patience_seconds)

    def _new_client(self) -> EventHubProducerClient:
        if isinstance(self._connection, str):
            return EventHubProducerClient.from_connection_string(
                self._connection, eventhub_name=self.hub, **_RETRIES
            )
        return EventHubProducerClient(self._namespace, self.hub, self._connection, **_RETRIES)

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            closing = asyncio.create_task(_close(client))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)


async def _packed(
    client: EventHubProducerClient, key: str | None, bodies: Sequence[bytes]
) -> list[EventDataBatch]:
    batches = [await client.create_batch(partition_key=key)]
    for body in bodies:
        if not _added(batches[-1], body):
            batches.append(await client.create_batch(partition_key=key))
            if not _added(batches[-1], body):
                most = batches[-1].max_size_in_bytes
                raise TooLargeError(f"An event is larger than the {most:,} bytes of the event hub")
    return batches


def _added(batch: EventDataBatch, body: bytes) -> bool:
    try:
        batch.add(EventData(body))
    except ValueError:  # how the SDK says that it is full
        return False
    return True


def _seen(sending: "asyncio.Task[None]") -> None:
    """Look at what ended a task that nobody waits for any more."""
    if not sending.cancelled():
        sending.exception()


async def _close(client: EventHubProducerClient) -> None:
    with contextlib.suppress(Exception):  # what failed may fail to close too
        await client.close()


@contextlib.contextmanager
def _clear_errors(hub: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ConfigError(f"EventHubConnection: is not understood by the SDK: {error}") from error
    except EventHubError as error:
        raise _told(error, hub) from error
    except (AzureError, OSError) as error:
        raise TransientError(f"Event hub {hub} takes no events: {_first_line(error)}") from error


def _told(error: EventHubError, hub: str) -> Exception:
    if isinstance(error, AuthenticationError) or error.error == _REFUSED:
        return ConfigError(
            f"Event hub {hub} refuses events of this identity: grant it the role 'Azure Event "
            "Hubs Data Sender' on the namespace"
        )
    if error.error == _MISSING:
        return ConfigError(f"EVENT_HUB_NAME: the namespace has no event hub {hub}")
    if error.error == _BUSY:
        return ThrottledError(f"Event hub {hub} is throttled: it has no capacity left")
    return TransientError(f"Event hub {hub} takes no events: {_first_line(error)}")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
