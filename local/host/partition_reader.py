"""Reads one partition through the real SDK, for as long as the connection lasts."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

    from azure.eventhub import EventData
    from azure.eventhub.aio import EventHubConsumerClient

    from local.host.indexing import HostOptions

# An idle reader shows so often that it is connected. One that the hub refuses tries again each
# second, and each time the SDK counts from the beginning: it never comes that far.
_SIGN_OF_LIFE_SECONDS = 3.0
_SILENCE_SECONDS = 15.0
_OPENING_SECONDS = 2.0  # about twice of what the SDK needs on one machine
_FROM_THE_BEGINNING = "-1"
_OWNER_LEVEL = 0  # the host's readers are exclusive: the latest of a consumer group wins


class HubLostError(Exception):
    """No more events until the reader is opened again; the text is the reason."""


class PartitionRefusedError(HubLostError):
    """The hub answers, but not for this partition."""


class PartitionReader:
    """`async with` opens it; then `next_batch` until that raises.

    The SDK calls back from tasks of its own, which end with the connection. A queue of one keeps
    them apart from the running invocation, and is the back pressure.
    """

    def __init__(
        self,
        client: EventHubConsumerClient,
        partition_id: str,
        position: int | None,
        options: HostOptions,
    ) -> None:
        self._client = client
        self._partition_id = partition_id
        self._position = position
        self._options = options
        self._received: asyncio.Queue[Sequence[EventData] | Exception] = asyncio.Queue(maxsize=1)
        self._answered = asyncio.Event()
        self._closed = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._opened_by = asyncio.get_running_loop().time() + _OPENING_SECONDS
        self._receiver = asyncio.create_task(self._receive())
        return self

    async def next_batch(self) -> Sequence[EventData]:
        """Wait for the next batch; an empty one is a sign of life. Raises HubLostError."""
        try:
            async with asyncio.timeout(_SILENCE_SECONDS):
                batch = await self._received.get()
        except TimeoutError as error:
            # The SDK says nothing of a link that is refused, and asks for it again and again.
            raise PartitionRefusedError(
                f"partition {self._partition_id} cannot be opened. Does the consumer group exist?"
                f" Is the checkpoint ({self._position}) of a hub that was created anew? Then"
                " delete the host's state file"
            ) from error
        if isinstance(batch, Exception):
            raise HubLostError(str(batch).partition("\n")[0]) from batch
        return batch

    async def __aexit__(self, *_: object) -> None:
        # Broken off while it connects, the SDK leaves its socket open.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(self._opened_by):
                await self._answered.wait()
        # Cancel until it has an effect: the SDK swallows a cancellation that falls into some of
        # its waits, and looks only once a second whether its own reader is closed.
        while not self._receiver.done():
            self._receiver.cancel()
            closing = asyncio.create_task(self._closed.wait())
            await asyncio.wait(
                {self._receiver, closing}, timeout=1, return_when=asyncio.FIRST_COMPLETED
            )
            closing.cancel()

    async def _receive(self) -> None:
        try:
            async with self._client:
                await self._client.receive_batch(
                    self._on_batch,
                    partition_id=self._partition_id,
                    starting_position=(
                        _FROM_THE_BEGINNING if self._position is None else self._position
                    ),
                    max_batch_size=self._options.max_event_batch_size,
                    max_wait_time=_SIGN_OF_LIFE_SECONDS,
                    prefetch=self._options.prefetch_count,
                    owner_level=_OWNER_LEVEL,
                    on_error=self._on_error,
                    on_partition_close=self._on_close,
                )
        except Exception as error:  # noqa: BLE001 - the SDK raises many kinds
            await self._on_error(None, error)

    async def _on_batch(self, _: Any, events: list[EventData]) -> None:
        self._answered.set()
        await self._received.put(events)

    async def _on_error(self, _: Any, error: Exception) -> None:
        self._answered.set()
        await self._received.put(error)

    async def _on_close(self, *_: Any) -> None:
        self._closed.set()


async def partition_ids(client: EventHubConsumerClient) -> list[str]:
    """Ask the hub for its partitions. Raises HubLostError."""
    asking = asyncio.create_task(_ask_for_partition_ids(client))
    try:
        await asyncio.wait({asking})
    except asyncio.CancelledError:  # as in __aexit__
        await asyncio.wait({asking}, timeout=_OPENING_SECONDS)
        asking.cancel()
        raise
    answer = asking.result()
    if isinstance(answer, Exception):
        raise HubLostError(str(answer).partition("\n")[0]) from answer
    return answer


async def _ask_for_partition_ids(client: EventHubConsumerClient) -> list[str] | Exception:
    try:
        async with client:
            return await client.get_partition_ids()
    except Exception as error:  # noqa: BLE001 - the SDK raises many kinds
        return error
