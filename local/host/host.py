"""The host: it indexes the app, then drives its triggers until it is stopped."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from pathlib import Path

import azure.functions as func

from local.host.event_hub_trigger import Checkpoints, EventHubTrigger
from local.host.http_trigger import HttpServer
from local.host.indexing import EventHubBinding, HostError, TimerBinding, index, read_host_json
from local.host.invocation import Invoker
from local.host.timer_trigger import TimerTrigger


@dataclass
class FunctionsHost:
    """Drives one function app; `state` is the file that makes a restart resume.

    `checkpoint_on_failure` shows the real host at its worst: a failing invocation is not retried
    and its batch is given up, and so is one that is cancelled by `stop()`.
    """

    app: func.FunctionApp
    settings: Mapping[str, str]
    state: Path
    host_json: Path
    http_port: int = 7071
    _: KW_ONLY
    checkpoint_on_failure: bool = False
    run_timers: bool = True
    stop_seconds: float = 10.0
    _event_hubs: list[EventHubTrigger] = field(default_factory=list, init=False)
    _timers: dict[str, TimerTrigger] = field(default_factory=dict, init=False)

    async def start(self) -> None:
        """Index the app and start its triggers; HostError says what is wrong with it."""
        options = read_host_json(self.host_json)
        functions = index(self.app, self.settings)
        if self.checkpoint_on_failure:
            functions = [replace(each, retry=None) for each in functions]
        self._invoker = invoker = Invoker(options.timeout_seconds)
        self._server = HttpServer(functions, options.route_prefix, invoker)
        self.http_port = await self._server.start(self.http_port, self.stop_seconds)
        self._checkpoints = Checkpoints(self.state)
        # The SDK warns at every attempt; the host itself says when an event hub is lost.
        logging.getLogger("azure.eventhub").setLevel(logging.ERROR)
        for each in functions:
            if isinstance(each.trigger, EventHubBinding):
                event_hub = EventHubTrigger(
                    each, each.trigger, invoker, self._checkpoints, self.checkpoint_on_failure
                )
                event_hub.start(options)
                self._event_hubs.append(event_hub)
            elif isinstance(each.trigger, TimerBinding):
                timer = TimerTrigger(each, each.trigger, invoker)
                self._timers[each.name] = timer
                if self.run_timers:
                    invoker.start(timer.run())

    async def invoke_timer(self, name: str) -> bool:
        """Run a timer function once now; False when it failed (which is logged)."""
        if name not in self._timers:
            raise HostError(f"{name} is not a timer function: {sorted(self._timers)}")
        return await self._timers[name].invoke()

    async def stop(self) -> None:
        """Start nothing more, let running invocations end within stop_seconds, close everything."""
        await asyncio.gather(self._server.stop(), self._invoker.stop(self.stop_seconds))
        await asyncio.gather(*(each.close() for each in self._event_hubs))
        self._checkpoints.close()
