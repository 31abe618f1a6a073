"""Looks whether readers of a consumer group and senders are let in; nothing is read or sent."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final, Literal

from azure.core.credentials_async import AsyncTokenCredential
from azure.eventhub._pyamqp.error import AMQPException, AMQPLinkError, AuthenticationException
from azure.eventhub.aio import EventHubConsumerClient, EventHubProducerClient
from azure.eventhub.exceptions import EventHubError

from usage_ingest.adapters.event_hub import clear_errors
from usage_ingest.errors import ConfigError, TransientError

_SETTLING_SECONDS: Final = 0.3  # a hub that refuses a link may attach it first
_UNAUTHORIZED: Final = "unauthorized"

Reading = Literal["free", "taken", "missing", "refused"]


class EventHubCheck:
    """Asks the hub with a connection string, or with the app's identity."""

    def __init__(
        self,
        hub: str,
        *,
        namespace: str,
        connection: str | AsyncTokenCredential,
        patience_seconds: float,
    ) -> None:
        """Keep what is needed to connect."""
        self.hub = hub
        self._namespace = namespace
        self._connection = connection
        self._patience_seconds = patience_seconds

    async def reading(self, group: str, partition_id: str) -> Reading:
        """Return whether a reader of a consumer group is let in.

        `taken`: the group is there, and a reader of higher right holds the partition, as the
        trigger does; it is not disturbed. `refused`: this identity may not read.

        Raises:
            TransientError: There is no answer in time, or one that nobody expects.
            ConfigError: No token, or a connection string that is none.
        """
        try:
            async with self._answering(), self._consumer(group) as client:
                await _attach(client, group, partition_id)
        except _LinkRefusedError as refused:
            return refused.reading
        return "free"

    async def can_send(self) -> bool:
        """Return whether a sender is let in; nothing is sent.

        Raises:
            TransientError: There is no answer in time, or one that nobody expects.
        """
        try:
            async with self._answering(), self._producer() as client:
                await client.create_batch()  # opens a link, to ask how large a batch may be
        except ConfigError:
            return False
        return True

    @contextlib.asynccontextmanager
    async def _answering(self) -> AsyncIterator[None]:
        """Bound the time, and put errors in clear words."""
        with clear_errors(self.hub):
            try:
                async with asyncio.timeout(self._patience_seconds):
                    yield
            except TimeoutError as error:
                seconds = f"{self._patience_seconds:.0f} seconds"
                raise TransientError(
                    f"Event hub {self.hub} does not answer within {seconds}"
                ) from error
            except EventHubError as error:
                if _UNAUTHORIZED in str(error).lower():
                    raise ConfigError(f"Event hub {self.hub} refuses this identity") from error
                raise
            except AMQPException as error:
                if isinstance(error, AuthenticationException):
                    raise ConfigError(f"Event hub {self.hub} refuses this identity") from error
                told = " ".join(str(error.description or error).split())[:200]
                raise TransientError(f"Event hub {self.hub} cannot be read: {told}") from error

    def _consumer(self, group: str) -> EventHubConsumerClient:
        if isinstance(self._connection, str):
            return EventHubConsumerClient.from_connection_string(
                self._connection, group, eventhub_name=self.hub, retry_total=0
            )
        return EventHubConsumerClient(
            self._namespace, self.hub, group, self._connection, retry_total=0
        )

    def _producer(self) -> EventHubProducerClient:
        if isinstance(self._connection, str):
            return EventHubProducerClient.from_connection_string(
                self._connection, eventhub_name=self.hub, retry_total=0
            )
        return EventHubProducerClient(self._namespace, self.hub, self._connection, retry_total=0)


class _LinkRefusedError(Exception):
    def __init__(self, reading: Reading) -> None:
        super().__init__(reading)
        self.reading = reading


async def _attach(client: EventHubConsumerClient, group: str, partition_id: str) -> None:
    """Open a link from the end of a partition on, and close it.

    By hand: the SDK's own receive() tries a link that is refused again for ever, in silence.
    """
    consumer: Any = client._create_consumer(group, partition_id, "@latest", _ignore)  # noqa: SLF001
    try:
        await consumer._open()  # noqa: SLF001
        await asyncio.sleep(_SETTLING_SECONDS)
        await consumer._handler.do_work_async(batch=1)  # noqa: SLF001
        consumer._handler._link.get_state()  # noqa: SLF001 - raises what it was refused for
    except AMQPLinkError as error:
        raise _LinkRefusedError(_meaning(error)) from error
    finally:
        await consumer.close()


async def _ignore(*_: object) -> None:
    """Take nothing."""


def _meaning(error: AMQPLinkError) -> Reading:
    condition = error.condition
    text = (condition.decode() if isinstance(condition, bytes) else str(condition)).lower()
    if "stolen" in text or "resource-limit" in text:  # or five readers are there already
        return "taken"
    if _UNAUTHORIZED in text:
        return "refused"
    if "not-found" in text:
        return "missing"
    raise error
