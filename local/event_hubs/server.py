"""The server: listens, and offers what tests and demonstrations do to a hub."""

import asyncio
import errno
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from local.event_hubs.broker import Broker, HubSpec
from local.event_hubs.codec import AmqpError
from local.event_hubs.connection import Connection
from local.event_hubs.store import EventStore

CLOSE_SECONDS = 1.0  # what a client gets to read the last frames when the server stops


def _system_clock() -> int:
    return time.time_ns() // 1_000_000


class EventHubsServer:
    """A namespace of Event Hubs on one port.

    Its methods belong to the event loop that it runs in.
    """

    def __init__(
        self, path: Path, hubs: Mapping[str, HubSpec], port: int = 0, host: str = "127.0.0.1"
    ) -> None:
        self.port = port
        self._host = host
        self._store = EventStore(path, _system_clock)
        self._broker = Broker(hubs, self._store)
        self._connections: set[Connection] = set()
        self._listener: asyncio.Server | None = None

    async def start(self) -> None:
        """Open the file and listen; `port` is the real one from then on.

        Raises:
            OSError: the port is in use.
            ValueError: the file holds a hub with another number of partitions.
        """
        counts = {hub: spec.partitions for hub, spec in self._broker.hubs.items()}
        self._store.open(counts)
        loop = asyncio.get_running_loop()
        try:
            self._listener = await loop.create_server(self._connect, self._host, self.port)
        except OSError as error:
            self._store.close()
            if error.errno != errno.EADDRINUSE:
                raise
            raise OSError(
                error.errno,
                f"port {self.port} on {self._host} is in use: stop the program that listens "
                "there, or choose another port",
            ) from error
        self.port = self._listener.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close all connections and the file. The events stay in it."""
        if self._listener is None:
            return
        self._listener.close()
        connections = list(self._connections)
        for connection in connections:
            connection.close(AmqpError("amqp:connection:forced", "The server is stopping."))
        if connections:
            await asyncio.wait([each.lost for each in connections], timeout=CLOSE_SECONDS)
        for connection in connections:
            connection.transport.abort()
        await self._listener.wait_closed()
        self._listener = None
        self._store.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    def _connect(self) -> Connection:
        connection = Connection(self._broker, self._connections.discard)
        self._connections.add(connection)
        return connection

    def connection_string(self, hub: str | None = None) -> str:
        """Return what the SDK takes; with `hub`, for that hub alone."""
        entity = f";EntityPath={hub}" if hub else ""
        return (
            f"Endpoint=sb://localhost:{self.port};SharedAccessKeyName=local;"
            f"SharedAccessKey=local;UseDevelopmentEmulator=true{entity}"
        )

    def delete_through(self, hub: str, partition_id: str, sequence_number: int) -> None:
        """Remove events up to and including a sequence number, as retention does."""
        self._store.delete_through(hub, partition_id, sequence_number)

    def recreate(self, hub: str, partitions: int | None = None) -> None:
        """Delete a hub and create it anew: its numbering starts again, its links are closed."""
        self._broker.recreate(hub, partitions or self._broker.hubs[hub].partitions)

    def skip(self, hub: str, partition_id: str, count: int) -> None:
        """Let a partition's sequence numbers jump forward, as after a failover."""
        self._store.skip(hub, partition_id, count)

    def set_clock(self, clock: Callable[[], int]) -> None:
        """Take enqueued times from `clock`, in milliseconds since 1970."""
        self._store.clock = clock
