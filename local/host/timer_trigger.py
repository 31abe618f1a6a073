"""Timer trigger: ticks in UTC, never two runs of one timer at once."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from azure.functions.meta import Datum
from azure.functions.timer import TimerRequestConverter

if TYPE_CHECKING:
    from local.host.bindings import IndexedFunction, TimerBinding
    from local.host.checkpoints import HostState
    from local.host.invocation import Invoker

_LONGEST_SLEEP_SECONDS = 60.0  # a machine that slept finds its ticks again


class TimerTrigger:
    """One timer function with its schedule."""

    def __init__(
        self, function: IndexedFunction, timer: TimerBinding, *, invoker: Invoker, state: HostState
    ) -> None:
        self.function = function
        self._timer = timer
        self._invoker = invoker
        self._state = state
        self._running = asyncio.Lock()

    async def run(self) -> None:
        """Run at every tick until cancelled; a tick that falls into a run is skipped."""
        past_due = self._is_past_due()
        if past_due or self._timer.run_on_startup:
            await self.invoke(past_due=past_due)
        while not self._invoker.stopping:
            await _sleep_until(self._timer.next_run(datetime.now(UTC)))
            await self.invoke()

    async def invoke(self, *, past_due: bool = False) -> bool:
        """Run once now, after a run that is under way; True when it succeeded."""
        async with self._running:
            succeeded = await self._invoker.invoke_with_retries(
                self.function, lambda: self._request(past_due=past_due)
            )
            if self._timer.monitor:
                now = datetime.now(UTC)
                following = self._timer.next_run(now)
                self._state.write_timer_runs(
                    self.function.name, now.isoformat(), following.isoformat()
                )
            return succeeded

    def _is_past_due(self) -> bool:
        runs = self._state.timer_runs(self.function.name) if self._timer.monitor else None
        return runs is not None and datetime.fromisoformat(runs[1]) < datetime.now(UTC)

    def _request(self, *, past_due: bool) -> Any:
        runs = self._state.timer_runs(self.function.name) if self._timer.monitor else None
        status = runs and {"Last": runs[0], "Next": runs[1], "LastUpdated": runs[0]}
        document = {
            "Schedule": {"AdjustForDST": True},
            "ScheduleStatus": status,
            "IsPastDue": past_due,
        }
        return TimerRequestConverter.decode(
            Datum(json.dumps(document), "json"), trigger_metadata={}
        )


async def _sleep_until(tick: datetime) -> None:
    while (seconds := (tick - datetime.now(UTC)).total_seconds()) > 0:  # noqa: ASYNC110 - time
        await asyncio.sleep(min(seconds, _LONGEST_SLEEP_SECONDS))
