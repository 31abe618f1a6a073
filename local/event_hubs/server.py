"""The server: listens, and offers what tests and demonstrations do to a hub."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

from local.event_hubs.broker import Broker, HubSpec, SendFault
from local.event_hubs.connection import Connection
from local.event_hubs.store import EventStore


class EventHubsServer:
    """A namespace of Event Hubs on one port. Its methods belong to the event loop it runs in."""

    def __init__(
        self, path: Path, hubs: Mapping[str, HubSpec], port: int = 0, host: str = "127.0.0.1"
    ) -> None:
        self.port = port
        self._host = host
        self._store = EventStore(path)
        self._broker = Broker(hubs, self._store)
        self._listener: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Open the file and listen; raises OSError if the port is in use."""
        self._store.open({hub: spec.partitions for hub, spec in self._broker.hubs.items()})
        try:
            self._listener = await asyncio.start_server(self._connect, self._host, self.port)
        except OSError as error:
            self._store.close()
            message = f"cannot listen on {self._host} port {self.port}: is it in use? ({error})"
            raise OSError(error.errno, message) from error
        self.port = self._listener.sockets[0].getsockname()[1]

    def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(Connection(self._broker, reader, writer).serve())
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def stop(self) -> None:
        """Close all connections and the file. The events stay in it."""
        if self._listener is None:
            return
        self._listener.close()
        self._listener = None
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        self._store.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def connection_string(self, hub: str | None = None) -> str:
        """Return what the SDK takes; with `hub`, for that hub alone."""
        entity = f";EntityPath={hub}" if hub else ""
        return (
            f"Endpoint=sb://localhost:{self.port};SharedAccessKeyName=local;"
            f"SharedAccessKey=local;UseDevelopmentEmulator=true{entity}"
        )

    def delete_through(self, hub: str, partition_id: str, sequence_number: int) -> None:
        """Remove events up to and including a sequence number, as retention does."""
        self._broker.find_partition(hub, partition_id)
        self._store.delete_through(hub, partition_id, sequence_number)

    def recreate(self, hub: str, partitions: int | None = None) -> None:
        """Delete a hub and create it anew: its numbering starts again, its links are closed."""
        self._broker.recreate(hub, partitions or self._broker.hubs[hub].partitions)

    def skip(self, hub: str, partition_id: str, count: int) -> None:
        """Let a partition's sequence numbers jump forward, as after a failover."""
        self._broker.find_partition(hub, partition_id)
        self._store.skip(hub, partition_id, count)

    def fail_sends(self, fault: SendFault | None) -> None:
        """Let senders meet a fault; None takes it away."""
        self._broker.send_fault = fault

    def set_clock(self, clock: Callable[[], int]) -> None:
        """Take enqueued times from `clock`, in milliseconds since 1970."""
        self._store.clock = clock
