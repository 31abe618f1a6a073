"""Runs one function once, or until its retry policy is spent, as the Python worker does."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from local.host.bindings import HttpBinding

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.host.bindings import IndexedFunction

logger = logging.getLogger(__name__)

_CANCEL_SECONDS = 1.0  # how long a cancelled function may take to end


class FunctionTimeoutError(Exception):
    """The function did not answer in time; the real host never tries such an invocation again."""


@dataclass(frozen=True, slots=True)
class RetryContext:
    """What `context.retry_context` shows."""

    retry_count: int = 0
    max_retry_count: int = 0
    exception: Exception | None = None


@dataclass(frozen=True, slots=True)
class InvocationContext:
    """The attributes of `func.Context`."""

    function_name: str
    retry_context: RetryContext
    invocation_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    function_directory: str = "."
    trace_context: None = None
    thread_local_storage: threading.local = field(default_factory=threading.local)


class Invoker:
    """Shared by all triggers: it knows the time limit, and whether the host is stopping."""

    def __init__(self, timeout_seconds: float | None) -> None:
        self._timeout_seconds = timeout_seconds
        self._stop_by: float | None = None

    @property
    def stopping(self) -> bool:
        """Nothing new is to be started."""
        return self._stop_by is not None

    def begin_stop(self, seconds: float) -> None:
        """Let running invocations end within this time, and start no retry."""
        self._stop_by = asyncio.get_running_loop().time() + seconds

    async def invoke(
        self,
        function: IndexedFunction,
        build_argument: Callable[[], Any],
        retry_context: RetryContext | None = None,
    ) -> Any:
        """Run the function once. Raises what it raises, or FunctionTimeoutError.

        The argument is built within: what the worker cannot decode is a failed invocation too.
        """
        arguments = {function.argument: build_argument()}
        if function.takes_context:
            arguments["context"] = InvocationContext(function.name, retry_context or RetryContext())
        task = asyncio.create_task(_call(function, arguments))
        await self._wait(task)
        if task.cancelled():  # the worker gives no answer then, and the host waits in vain
            raise FunctionTimeoutError("the function was cancelled or exceeded functionTimeout")
        result = task.result()
        if result is not None and not isinstance(function.trigger, HttpBinding):
            raise RuntimeError(
                f"function {function.name!r} without a $return binding returned a non-None value"
            )
        return result

    async def _wait(self, task: asyncio.Task[Any]) -> None:
        try:
            await asyncio.wait({task}, timeout=self._timeout_seconds)
        except asyncio.CancelledError:
            now = asyncio.get_running_loop().time()
            await asyncio.wait({task}, timeout=max(0.0, (self._stop_by or now) - now))
            if not task.done():
                await _cancel(task)
                raise
        if not task.done():
            await _cancel(task)

    async def invoke_with_retries(
        self, function: IndexedFunction, build_argument: Callable[[], Any], *, retry: bool = True
    ) -> bool:
        """Run the function until it succeeds (True) or has failed for good (False, logged)."""
        policy = function.retry if retry else None
        count = 0
        failure: Exception | None = None
        while True:
            context = RetryContext(count, policy.max_retry_count if policy else 0, failure)
            try:
                await self.invoke(function, build_argument, context)
            except Exception as error:  # noqa: BLE001 - a function may raise anything
                failure = error
            else:
                return True
            timed_out = isinstance(failure, FunctionTimeoutError)
            if policy is None or policy.is_spent(count) or timed_out or self.stopping:
                log_failure(function, failure)
                if self.stopping:  # it has not failed for good: the next start tries it again
                    raise asyncio.CancelledError
                return False
            delay = policy.delay_seconds(count)
            log_failure(function, failure, f" (again in {delay:g} s)")
            await asyncio.sleep(delay)
            count += 1


def log_failure(function: IndexedFunction, error: Exception, next_step: str = "") -> None:
    """One line for the person at the terminal; the stack trace only for who asks for it."""
    logger.error("%s failed: %s: %s%s", function.name, type(error).__name__, error, next_step)
    logger.debug("%s failed", function.name, exc_info=error)


async def _call(function: IndexedFunction, arguments: dict[str, Any]) -> Any:
    if inspect.iscoroutinefunction(function.call):
        return await function.call(**arguments)
    return await asyncio.to_thread(function.call, **arguments)


async def _cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.wait({task}, timeout=_CANCEL_SECONDS)
    if task.done() and not task.cancelled():
        task.exception()  # seen: what it says about being cancelled changes nothing
