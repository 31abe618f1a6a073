"""How far a range of the hub was read again: the noun of backfilling. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Enqueued times of a hub, from `start`, before `end`; aware UTC."""

    namespace: str
    hub: str
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """One partition of a range: everything up to the event `through` was ingested again.

    `stored` were missing, `repeated` were there. `finished_at` is set once all of it was read.
    """

    range: Range
    partition_id: str
    through: int | None = None
    through_time: datetime | None = None
    events: int = 0
    stored: int = 0
    repeated: int = 0
    completed: int = 0
    dead_letters: int = 0
    finished_at: datetime | None = None
    etag: str | None = None

    @property
    def resumes_at(self) -> datetime:
        """The enqueued time to read on from: a number could be that of a recreated hub."""
        return self.through_time or self.range.start

    def is_behind(self, number: int, enqueued: datetime) -> bool:
        """Whether an event was ingested by an earlier call."""
        if self.through is None or self.through_time is None:
            return False
        return number <= self.through and enqueued <= self.through_time

    def moved(self, number: int, enqueued: datetime, **gained: int) -> "Position":
        """Return the position after further events, with what they came to."""
        sums = {name: getattr(self, name) + amount for name, amount in gained.items()}
        return replace(self, through=number, through_time=enqueued, **sums)
