"""Patience with a busy service: the same for every service that is asked over HTTP."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from azure.core.exceptions import AzureError

from usage_ingest.errors import TransientError

_FIRST_WAIT: Final = 0.05
_LONGEST_WAIT: Final = 5.0

T = TypeVar("T")
Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a busy service is waited for, in seconds, before the host is asked to retry.

    `told` returns how many seconds an error asks to wait, or raises what no waiting can mend.
    """

    service: str
    told: Callable[[Exception], float]
    limit_seconds: float = 60.0
    sleep: Sleep = asyncio.sleep

    async def call(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Make a request, again while the service is busy, as it says or with growing waits.

        Args:
            attempt: Makes the request anew: an SDK may change what it is given.

        Raises:
            TransientError: The service stayed busy or out of reach.
            ConfigError: It refuses this identity, or something is missing.
            HttpResponseError: Any other answer, as the SDK raises it.
        """
        end, wait = time.monotonic() + self.limit_seconds, _FIRST_WAIT
        while True:
            try:
                return await attempt()
            except (AzureError, OSError) as error:
                pause = max(self.told(error), wait * (1 + random.random()))
                if time.monotonic() + pause > end:
                    raise TransientError(
                        f"{self.service} is busy or out of reach: {brief(error)}"
                    ) from error
            await self.sleep(pause)
            wait = min(wait * 2, _LONGEST_WAIT)


def brief(error: Exception) -> str:
    """Return an error in one line."""
    status = getattr(error, "status_code", None)
    first = str(error).splitlines()[0][:200] if str(error) else ""
    return f"{type(error).__name__}{f' {status}' if status else ''}: {first}"
