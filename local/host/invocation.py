"""Runs one function once, or until its retry policy is spent, as the Python worker does."""

import asyncio
import contextlib
import inspect
import itertools
import logging
from collections.abc import Callable, Collection, Coroutine
from typing import Any

from local.host.indexing import IndexedFunction

logger = logging.getLogger(__name__)

_CANCEL_SECONDS = 1.0  # how long what was cancelled may take to end


class FunctionTimeoutError(Exception):
    """The function did not answer in time; the real host never tries such an invocation again."""


class Invoker:
    """Shared by all triggers: it knows the time limit, what runs, and whether the host stops."""

    def __init__(self, timeout_seconds: float | None) -> None:
        self.stopping = asyncio.Event()
        self._timeout_seconds = timeout_seconds
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run it in the background until it ends or `stop` ends it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def stop(self, seconds: float) -> None:
        """Start nothing new; what runs may end within this time, then it is cancelled."""
        self.stopping.set()
        await end(self._tasks, seconds)

    async def pause(self, seconds: float) -> None:
        """Wait so long, or until the host stops."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), seconds)

    async def invoke(self, function: IndexedFunction, build_argument: Callable[[], Any]) -> Any:
        """Run the function once. Raises what it raises, or FunctionTimeoutError.

        The argument is built within: what the worker cannot decode is a failed invocation too.
        """
        argument = {function.argument: build_argument()}
        limit = asyncio.timeout(self._timeout_seconds)
        try:
            async with limit:
                if inspect.iscoroutinefunction(function.call):
                    return await function.call(**argument)
                return await asyncio.to_thread(function.call, **argument)
        except TimeoutError as error:
            if limit.expired():
                raise FunctionTimeoutError("the function exceeded functionTimeout") from error
            raise

    async def invoke_with_retries(
        self, function: IndexedFunction, build_argument: Callable[[], Any]
    ) -> bool:
        """Run it until it succeeds (True); False when the retries are spent, or the host stops."""
        for count in itertools.count():
            try:
                await self.invoke(function, build_argument)
            except Exception as error:  # noqa: BLE001 - a function may raise anything
                delay = function.retry.delay_seconds(count) if function.retry else None
                if delay is None or isinstance(error, FunctionTimeoutError):
                    log_failure(function, error)
                    break
                log_failure(function, error, f" (again in {delay:g} s)")
            else:
                return True
            await self.pause(delay)
            if self.stopping.is_set():
                break
        return False


def log_failure(function: IndexedFunction, error: Exception, next_step: str = "") -> None:
    """One line for the person at the terminal; the stack trace only for who asks for it."""
    logger.error("%s failed: %s: %s%s", function.name, type(error).__name__, error, next_step)
    logger.debug("%s failed", function.name, exc_info=error)


async def end(tasks: Collection[asyncio.Task[None]], seconds: float) -> None:
    """Let them end within this time, then cancel them."""
    for limit in (seconds, _CANCEL_SECONDS):
        if remaining := [each for each in tasks if not each.done()]:
            await asyncio.wait(remaining, timeout=limit)
        for each in remaining:
            each.cancel()
