"""The host: it indexes the app, then drives its triggers until it is stopped."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from local.host.bindings import EventHubBinding, TimerBinding
from local.host.checkpoints import HostState
from local.host.event_hub_trigger import EventHubTrigger
from local.host.http_trigger import HttpServer
from local.host.indexing import HostError, index, read_host_json
from local.host.invocation import Invoker
from local.host.timer_trigger import TimerTrigger

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping
    from pathlib import Path

    import azure.functions as func

logger = logging.getLogger(__name__)


class FunctionsHost:
    """Drives one function app; `state` is the file that makes a restart resume.

    `checkpoint_on_failure` shows the real host at its worst: a failing invocation is not retried
    and its batch is given up, and so is one that is cancelled by `stop()`.
    """

    def __init__(  # noqa: PLR0913 - all of them are choices of the caller
        self,
        app: func.FunctionApp,
        settings: Mapping[str, str],
        state: Path,
        host_json: Path,
        http_port: int = 7071,
        *,
        checkpoint_on_failure: bool = False,
        run_timers: bool = True,
        stop_seconds: float = 10.0,
    ) -> None:
        self._app = app
        self._settings = settings
        self._state_path = state
        self._host_json = host_json
        self.http_port = http_port
        self._checkpoint_on_failure = checkpoint_on_failure
        self._run_timers = run_timers
        self._stop_seconds = stop_seconds
        self._state: HostState | None = None
        self._event_hubs: list[EventHubTrigger] = []
        self._timers: dict[str, TimerTrigger] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Index the app and start its triggers; HostError says what is wrong with it."""
        options = read_host_json(self._host_json)
        functions = index(self._app, self._settings)
        self._invoker = Invoker(options.timeout_seconds)
        self._server = HttpServer(functions, options.route_prefix, self._invoker)
        state = HostState(self._state_path)
        try:
            self.http_port = await self._server.start(self.http_port, self._stop_seconds)
        except HostError:
            state.close()
            raise
        self._state = state
        _quieten_sdk_loggers()
        for function in functions:
            if isinstance(function.trigger, EventHubBinding):
                event_hub = EventHubTrigger(
                    function,
                    function.trigger,
                    options=options,
                    invoker=self._invoker,
                    state=state,
                    checkpoint_on_failure=self._checkpoint_on_failure,
                )
                self._event_hubs.append(event_hub)
                self._drive(event_hub.run(), function.name)
            elif isinstance(function.trigger, TimerBinding):
                timer = TimerTrigger(function, function.trigger, invoker=self._invoker, state=state)
                self._timers[function.name] = timer
                if self._run_timers:
                    self._drive(timer.run(), function.name)

    def _drive(self, trigger: Coroutine[None, None, None], name: str) -> None:
        """Run a trigger; it should end with the host only, so say it at once when it does not."""

        def report(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (error := task.exception()):
                logger.error("The trigger of %s broke down", name, exc_info=error)

        task = asyncio.create_task(trigger)
        task.add_done_callback(report)
        self._tasks.append(task)

    async def invoke_timer(self, name: str) -> bool:
        """Run a timer function once now; False when it failed (which is logged)."""
        if name not in self._timers:
            raise HostError(f"{name} is not a timer function: {sorted(self._timers)}")
        return await self._timers[name].invoke()

    def lag(self) -> dict[str, dict[str, int]]:
        """Last checkpointed sequence number by event hub and partition id."""
        return {trigger.hub.hub: trigger.checkpoints() for trigger in self._event_hubs}

    async def stop(self) -> None:
        """Receive no more, let running invocations end within stop_seconds, close everything."""
        if self._state is None:
            return
        state, self._state = self._state, None
        self._invoker.begin_stop(self._stop_seconds)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(self._server.stop(), *self._tasks, return_exceptions=True)
        for started in (self._tasks, self._event_hubs, self._timers):
            started.clear()
        state.close()


def _quieten_sdk_loggers() -> None:
    """Each SDK request is a line at INFO; the host itself says when an event hub is lost."""
    for name, level in (("azure", logging.WARNING), ("azure.eventhub", logging.ERROR)):
        if logging.getLogger(name).level == logging.NOTSET:
            logging.getLogger(name).setLevel(level)
