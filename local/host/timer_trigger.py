"""Timer trigger: ticks in UTC, never two runs of one timer at once."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime

from azure.functions.timer import TimerRequest

from local.host.indexing import IndexedFunction, TimerBinding
from local.host.invocation import Invoker

_LONGEST_PAUSE_SECONDS = 60.0  # a machine that slept finds its ticks again


@dataclass
class TimerTrigger:
    """One timer function with its schedule."""

    function: IndexedFunction
    timer: TimerBinding
    invoker: Invoker
    _running: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self) -> None:
        """Run at every tick until the host stops; a tick that falls into a run is skipped."""
        if self.timer.run_on_startup:
            await self.invoke()
        tick = self.timer.next_run(datetime.now(UTC))
        while not self.invoker.stopping.is_set():
            seconds = (tick - datetime.now(UTC)).total_seconds()
            if seconds > 0:
                await self.invoker.pause(min(seconds, _LONGEST_PAUSE_SECONDS))
            else:
                await self.invoke()
                tick = self.timer.next_run(datetime.now(UTC))

    async def invoke(self) -> bool:
        """Run once now, after a run that is under way; True when it succeeded."""
        async with self._running:
            return await self.invoker.invoke_with_retries(
                self.function, lambda: TimerRequest(past_due=False)
            )
