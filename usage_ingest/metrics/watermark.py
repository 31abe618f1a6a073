"""How far the metrics of a target have been collected, and what the next window is. Pure.

The watermark says: everything that arrived before it has been collected. Times are the
service's own, never this machine's.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from usage_ingest.identity import Identity

LONGEST_WINDOW: Final = timedelta(days=1)
"""A catch-up goes window by window; the watermark moves after each."""
LONGEST_SECONDS: Final = int(LONGEST_WINDOW.total_seconds())
_SHORTEST_SECONDS: Final = 60
GENERATED_BEFORE: Final = timedelta(days=3)
GENERATED_AFTER: Final = timedelta(days=1)
"""Azure Monitor replaces times older than two days or more than one day ahead by the arrival."""
MAX_NOTED_DAYS: Final = 1_000

Note = Literal["metric_bin_shrank", "metric_value_odd", "metric_bin_too_old"]
NOTES: Final[tuple[Note, ...]] = ("metric_bin_shrank", "metric_value_odd", "metric_bin_too_old")


@dataclass(frozen=True, slots=True)
class Source:
    """Where metrics are collected from, and as what: a target and a profile."""

    target: str
    profile: str


@dataclass(frozen=True, slots=True)
class Pace:
    """How far windows reach back, and how far they stay behind."""

    overlap: timedelta = timedelta(hours=1)
    settling_delay: timedelta = timedelta(minutes=15)
    initial_lookback: timedelta = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watermark:
    """The mark of a source.

    `collected_from` is where collecting began: what arrived before it was never asked for.
    `checked_at` is the service's time when a run last looked. `notes` list the UTC days that
    something is odd of. `window_seconds` is how long a window may be: it shrinks where a run
    could not get through one in its time.
    """

    source: Source
    collected_from: datetime
    collected_through: datetime
    checked_at: datetime
    window_seconds: int = LONGEST_SECONDS
    notes: Mapping[Note, tuple[str, ...]] = field(default_factory=dict)
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """Arrival times: from `start`, before `end`."""

    start: datetime
    end: datetime

    @property
    def generated(self) -> "Window":
        """The times that what arrived in the window may carry."""
        return Window(self.start - GENERATED_BEFORE, self.end + GENERATED_AFTER)

    def halves(self) -> "tuple[Window, Window] | None":
        """Return the window in two, or None where it is no longer than a minute."""
        if self.end - self.start <= timedelta(minutes=1):
            return None
        middle = self.start + (self.end - self.start) / 2
        return Window(self.start, middle), Window(middle, self.end)


def initial(source: Source, now: datetime, pace: Pace, since: datetime | None = None) -> Watermark:
    """Return the mark that collecting begins with: a look-back ago, and no later than `since`."""
    start = now - pace.settling_delay - pace.initial_lookback
    start = start if since is None else min(start, since)
    return Watermark(source=source, collected_from=start, collected_through=start, checked_at=now)


def next_window(mark: Watermark, now: datetime, pace: Pace) -> Window | None:
    """Return what to collect next, or None where nothing new has settled.

    It starts before the mark, to meet rows that became visible late, and ends behind now.
    """
    longest = timedelta(seconds=mark.window_seconds)
    end = min(now - pace.settling_delay, mark.collected_through + longest)
    if end <= mark.collected_through:
        return None
    return Window(mark.collected_through - pace.overlap, end)


def advanced(mark: Watermark, end: datetime, now: datetime) -> Watermark:
    """Return the mark after a window was stored; it never goes back."""
    return replace(
        mark,
        collected_through=max(mark.collected_through, end),
        checked_at=max(mark.checked_at, now),
        window_seconds=min(mark.window_seconds * 2, LONGEST_SECONDS),
    )


def slowed(mark: Watermark) -> Watermark:
    """Return the mark after a window took too long: the next one is half as long."""
    return replace(mark, window_seconds=max(mark.window_seconds // 2, _SHORTEST_SECONDS))


def noted(mark: Watermark, note: Note, bins: Iterable[datetime]) -> Watermark:
    """Return the mark with the days of bins added to what is odd; each is listed once."""
    known = mark.notes.get(note, ())
    listed = sorted({*known, *(each.date().isoformat() for each in bins)})[-MAX_NOTED_DAYS:]
    return replace(mark, notes={**mark.notes, note: tuple(listed)}) if listed else mark


@dataclass(frozen=True, slots=True, order=True)
class Bin:
    """A time bin: UTC, from `start` on, of a length that divides the day."""

    start: datetime
    seconds: int

    @property
    def day(self) -> str:
        """The UTC day that the bin lies in, as YYYY-MM-DD."""
        return self.start.date().isoformat()

    @property
    def end(self) -> datetime:
        """The first moment after it."""
        return self.start + timedelta(seconds=self.seconds)


def bins_of(minutes: Iterable[datetime], identity: Identity) -> list[Bin]:
    """Return the bins that hold any of these moments, in order; each day has its own length."""
    return sorted({_bin(minute.astimezone(UTC), identity) for minute in minutes})


def _bin(moment: datetime, identity: Identity) -> Bin:
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    seconds = identity.bin_seconds(midnight.date().isoformat())
    start = (moment - midnight) // timedelta(seconds=seconds) * timedelta(seconds=seconds)
    return Bin(midnight + start, seconds)
