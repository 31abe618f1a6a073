"""What the HTTP stand-ins share: listening, a store on disk, and faults that are asked for."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Generic, Protocol, Self, TypeVar

from aiohttp import web


class Store(Protocol):
    """What is kept on disk."""

    def close(self) -> None:
        """Close the file; what is in it stays."""
        ...


class Hits(Protocol):
    """The part of a fault that says how many matching requests it hits."""

    @property
    def skip(self) -> int:
        """How many matching requests pass first."""
        ...

    @property
    def count(self) -> int | None:
        """How many are then hit; None is all."""
        ...


S = TypeVar("S", bound=Store)
F = TypeVar("F", bound=Hits)


class HttpServer(Generic[S]):
    """A server on one port with a store that is opened when it is first needed."""

    def __init__(self, port: int, host: str) -> None:
        self.port = port
        self.host = host
        self._runner: web.AppRunner | None = None
        self._opened: S | None = None

    @property
    def endpoint(self) -> str:
        """What a client connects to; after the first start the port stays the same."""
        return f"http://{self.host}:{self.port}"

    @property
    def _store(self) -> S:
        if self._opened is None:
            self._opened = self._open()
        return self._opened

    def _open(self) -> S:
        raise NotImplementedError

    async def _serve(self, request: web.Request) -> web.Response:
        raise NotImplementedError

    async def start(self) -> None:
        """Listen; raises OSError if the port is in use."""
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, self.port)
        try:
            await site.start()
        except OSError:
            await self.stop()
            raise
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close connections and the file; what is stored stays."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


class Faults(Generic[F]):
    """The faults in force, first added first; each request is hit by one at most."""

    def __init__(self) -> None:
        self._entries: list[tuple[F, list[int]]] = []  # a fault, how many matches it has seen

    def add(self, fault: F) -> None:
        """Put a fault in force."""
        self._entries.append((fault, [0]))

    def clear(self) -> None:
        """Remove all faults."""
        self._entries.clear()

    def first_hit(self, matches: Callable[[F], bool]) -> F | None:
        """Count the request at each fault that it matches, up to the one that hits it."""
        for fault, seen in self._entries:
            if not matches(fault):
                continue
            seen[0] += 1
            number = seen[0] - fault.skip
            if number > 0 and (fault.count is None or number <= fault.count):
                return fault
        return None

    def as_json(self) -> list[dict[str, Any]]:
        """The faults and how many matching requests each has seen."""
        return [{**asdict(fault), "seen": seen[0]} for fault, seen in self._entries]  # type: ignore[call-overload]
