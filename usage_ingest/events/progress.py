"""How far a hub partition has been stored, and what is missing before that. Pure.

Sequence numbers grow by one within a partition, so every event that a host skipped leaves a gap.
The host's checkpoint is not trusted: this mark is ours, moved only after the store has written.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from usage_ingest.record_id import milliseconds

UNKNOWN_PARTITION: Final = "-"
"""Stands for the partitions of batches that came without a partition id."""
TAIL_PATIENCE: Final = timedelta(minutes=10)
"""Events that stand in the hub this long without the mark moving were passed over."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Sequence numbers, both included, that nobody has stored.

    `after` and `before` are the enqueued times around it: what it lacks lies between them.
    """

    first: int
    last: int
    noticed_at: datetime
    after: datetime | None = None
    before: datetime | None = None

    @property
    def events(self) -> int:
        """How many sequence numbers the gap spans."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Tail:
    """The end of the hub (`last`, enqueued at `time`) as seen while the mark stood at `mark`."""

    mark: int
    last: int
    time: datetime
    seen_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One partition: everything up to `stored_through` is stored but for the gaps.

    `mark_time` is the enqueued time of the event at the mark. `generation` counts how often the
    hub was recreated; `archived` marks a generation that is over.
    """

    namespace: str
    hub: str
    partition_id: str
    generation: int = 1
    archived: bool = False
    stored_through: int
    mark_time: datetime
    open_gaps: tuple[Gap, ...] = ()
    lost_gaps: tuple[Gap, ...] = ()
    last_enqueued: int | None = None
    last_enqueued_time: datetime | None = None
    tail: "Tail | None" = None
    checked_at: datetime | None = None
    etag: str | None = None

    @property
    def lag(self) -> int | None:
        """Events in the hub behind the mark, by the last look at the hub; None before one."""
        if self.last_enqueued is None:
            return None
        return max(0, self.last_enqueued - self.stored_through)


def recreated_by(progress: Progress, events: Iterable[tuple[int, datetime]]) -> bool:
    """Whether an event at or below the mark was enqueued later than it: numbers began anew."""
    mark = milliseconds(progress.mark_time)
    return any(
        number <= progress.stored_through and milliseconds(enqueued) > mark
        for number, enqueued in events
    )


def advanced(progress: Progress, events: Sequence[tuple[int, datetime]], now: datetime) -> Progress:
    """Move the mark over stored events (number, enqueued time), recording what they jump over.

    Returns the very same object where nothing lies above the mark.
    """
    ahead = sorted(each for each in events if each[0] > progress.stored_through)
    if not ahead:
        return progress
    gaps, mark, mark_time = list(progress.open_gaps), progress.stored_through, progress.mark_time
    for number, enqueued in ahead:
        if number > mark + 1:
            gaps.append(Gap(mark + 1, number - 1, now, mark_time, enqueued))
        mark, mark_time = number, enqueued
    return replace(
        progress, stored_through=mark, mark_time=mark_time, open_gaps=tuple(gaps), tail=None
    )


def watched(
    progress: Progress, last_enqueued: int, last_enqueued_time: datetime, now: datetime
) -> Progress:
    """Note what the hub holds; a tail that stood still for ten minutes becomes a gap."""
    seen = replace(
        progress,
        last_enqueued=last_enqueued,
        last_enqueued_time=last_enqueued_time,
        checked_at=now,
    )
    if last_enqueued <= seen.stored_through:
        return replace(seen, tail=None)
    tail = seen.tail
    if tail is None or tail.mark != seen.stored_through:
        return replace(seen, tail=Tail(seen.stored_through, last_enqueued, last_enqueued_time, now))
    if now - tail.seen_at < TAIL_PATIENCE:
        return seen
    gap = Gap(tail.mark + 1, tail.last, now, seen.mark_time, tail.time)
    return replace(
        seen,
        stored_through=tail.last,
        mark_time=tail.time,
        open_gaps=(*seen.open_gaps, gap),
        tail=None,
    )


def recreated(progress: Progress, last_enqueued: int) -> bool:
    """Whether the hub ends before the mark: it was deleted and made anew, or failed over."""
    return last_enqueued < progress.stored_through


def without(progress: Progress, first: int, last: int) -> Progress:
    """Take the numbers first to last out of the open gaps: they are stored, or never were."""
    left: list[Gap] = []
    for gap in progress.open_gaps:
        if gap.last < first or gap.first > last:
            left.append(gap)
            continue
        if gap.first < first:
            left.append(replace(gap, last=first - 1))
        if gap.last > last:
            left.append(replace(gap, first=last + 1))
    return replace(progress, open_gaps=tuple(left))


def lost_before(progress: Progress, beginning: int, now: datetime) -> Progress:
    """Move what retention has deleted (numbers below `beginning`) from open to lost."""
    lost = [
        replace(gap, last=min(gap.last, beginning - 1), noticed_at=now)
        for gap in progress.open_gaps
        if gap.first < beginning
    ]
    if not lost:
        return progress
    kept = without(progress, 0, beginning - 1)
    return replace(kept, lost_gaps=(*progress.lost_gaps, *lost))


def next_generation(progress: Progress, beginning: int, now: datetime) -> tuple[Progress, Progress]:
    """Return the archived generation, its unread rest lost, and the new one.

    Args:
        progress: The generation that is over.
        beginning: The first sequence number that the recreated hub holds.
        now: The moment it was noticed.
    """
    rest = progress.open_gaps
    if progress.last_enqueued is not None and progress.last_enqueued > progress.stored_through:
        tail = Gap(progress.stored_through + 1, progress.last_enqueued, now, progress.mark_time)
        rest = (*rest, tail)
    archived = replace(
        progress, archived=True, open_gaps=(), lost_gaps=(*progress.lost_gaps, *rest), tail=None
    )
    fresh = Progress(
        namespace=progress.namespace,
        hub=progress.hub,
        partition_id=progress.partition_id,
        generation=progress.generation + 1,
        stored_through=beginning - 1,
        mark_time=progress.mark_time,
        etag=progress.etag,
    )
    return archived, fresh
