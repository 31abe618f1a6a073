"""Starts and stops the processes of the local stack: the stand-ins, and the host."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from local.environment import COMPONENT, DATABASE, HUBS, ROOT, WORKSPACE, Ports

READY = "ready"
_START_SECONDS = 60.0
_STOP_SECONDS = 15.0


@dataclass(slots=True)
class Child:
    """One process of the stack; what it prints goes on to this terminal."""

    name: str
    process: asyncio.subprocess.Process
    output: "asyncio.Task[None] | None" = None

    async def stop(self) -> None:
        """End it: asked first, made to after a while."""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(self.process.wait(), _STOP_SECONDS)
            except TimeoutError:
                await self.kill()
        if self.output is not None:
            await self.output

    async def kill(self) -> None:
        """End it at once, as a machine that fails does."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()
        if self.output is not None:
            await self.output


async def start_stand_ins(data: Path, ports: Ports) -> Child:
    """Start Event Hubs, Cosmos DB and Log Analytics in one process; wait until they listen."""
    arguments = [
        *("stand-ins", "--data", str(data)),
        *("--event-hubs-port", str(ports.event_hubs)),
        *("--cosmos-port", str(ports.cosmos)),
        *("--log-analytics-port", str(ports.log_analytics)),
    ]
    return await _start("stand-ins", arguments, {})


async def start_host(data: Path, ports: Ports, settings: dict[str, str], *options: str) -> Child:
    """Start the host with the app, and wait until it answers HTTP."""
    arguments = ["host", "--data", str(data), "--http-port", str(ports.http), *options]
    return await _start("host", arguments, settings)


async def _start(name: str, arguments: Sequence[str], settings: dict[str, str]) -> Child:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "local",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, **settings, "PYTHONUNBUFFERED": "1"},
        start_new_session=True,  # Ctrl-C is this process's: it stops the others in order
    )
    child = Child(name, process)
    try:
        await asyncio.wait_for(_ready(child), _START_SECONDS)
    except TimeoutError:
        await child.kill()
        raise SystemExit(f"{name} did not start within {_START_SECONDS:.0f} seconds") from None
    child.output = asyncio.create_task(_pass_on(child))
    return child


async def _ready(child: Child) -> None:
    """Read what the child prints until it says that it is ready."""
    stream = child.process.stdout
    while stream is not None:
        line = (await stream.readline()).decode()
        if line.strip() == READY:
            return
        if not line:
            await child.process.wait()
            raise SystemExit(f"{child.name} could not start (see above)")
        print(line, end="")


async def _pass_on(child: Child) -> None:
    stream = child.process.stdout
    while stream is not None and (line := await stream.readline()):
        print(line.decode(), end="", flush=True)


def until_stopped() -> asyncio.Event:
    """Return an event that Ctrl-C or SIGTERM sets."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    return stopped


async def run_stand_ins(data: Path, ports: Ports) -> None:
    """Serve the stand-ins from files under `data` until stopped."""
    from local.cosmos import CosmosServer  # noqa: PLC0415 - only this process serves
    from local.event_hubs import EventHubsServer  # noqa: PLC0415
    from local.log_analytics import LogAnalyticsServer  # noqa: PLC0415
    from usage_ingest.containers import CONTAINERS  # noqa: PLC0415

    hubs = EventHubsServer(data / "event-hubs.db", HUBS, ports.event_hubs)
    cosmos = CosmosServer(data / "cosmos.db", ports.cosmos)
    logs = LogAnalyticsServer(
        data / "log-analytics.db", {WORKSPACE: [COMPONENT]}, ports.log_analytics
    )
    stopped = until_stopped()
    async with hubs, cosmos, logs:
        cosmos.provision(DATABASE, list(CONTAINERS))
        print(READY, flush=True)
        await stopped.wait()
