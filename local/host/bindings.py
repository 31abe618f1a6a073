"""What indexing finds: a function, its trigger, its retry policy."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from croniter import croniter

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`@app.retry`; a fixed delay has equal bounds."""

    max_retry_count: int  # -1: for ever
    minimum_seconds: float
    maximum_seconds: float

    def is_spent(self, retry_count: int) -> bool:
        """No further retry after so many."""
        return 0 <= self.max_retry_count <= retry_count

    def delay_seconds(self, retry_count: int) -> float:
        """How long to wait before the next one: doubling between the bounds."""
        doublings = min(retry_count, 30)
        return min(self.minimum_seconds * 2.0**doublings, self.maximum_seconds)


@dataclass(frozen=True, slots=True)
class EventHubBinding:
    """Where events come from. Without a connection string the identity of the developer is used."""

    namespace: str
    hub: str
    consumer_group: str
    connection_string: str | None
    binary: bool


@dataclass(frozen=True, slots=True)
class TimerBinding:
    """A schedule of six fields, in UTC; `monitor` keeps the last run across restarts."""

    schedule: str
    run_on_startup: bool
    monitor: bool

    def next_run(self, after: datetime) -> datetime:
        """Return the first tick after this time."""
        # NCRONTAB wants both the day of the month and the day of the week to match: day_or=False.
        ticks = croniter(self.schedule, after, second_at_beginning=True, day_or=False)
        following: datetime = ticks.get_next(datetime)
        return following


@dataclass(frozen=True, slots=True)
class HttpBinding:
    """A route below the prefix; no methods means all of them."""

    route: str
    methods: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IndexedFunction:
    """One function with its trigger; `argument` is the parameter that the trigger fills."""

    name: str
    call: Callable[..., Any]
    argument: str
    takes_context: bool
    retry: RetryPolicy | None
    trigger: EventHubBinding | TimerBinding | HttpBinding
