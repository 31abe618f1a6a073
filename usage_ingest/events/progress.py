"""How far a hub partition has been stored, and what is missing before that. Pure.

Sequence numbers grow by one within a partition, so every event that a host skipped leaves a gap.
The host's checkpoint is not trusted: this mark is ours, moved only after the store has written.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

UNKNOWN_PARTITION: Final = "-"
"""Stands for the partitions of batches that came without a partition id."""
TAIL_PATIENCE: Final = timedelta(minutes=10)
"""Events that stand in the hub this long without the mark moving were passed over."""
CLOCK_TOLERANCE: Final = timedelta(minutes=1)
MAX_GAPS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Gap:
    """Sequence numbers, both included, that nobody has stored.

    `after` and `before` are the enqueued times around it: what it lacks lies between them, None
    is no bound. `missing` is set where gaps were merged: how many of the numbers are missing.
    """

    first: int
    last: int
    noticed_at: datetime
    after: datetime | None = None
    before: datetime | None = None
    missing: int | None = None

    @property
    def events(self) -> int:
        """How many events the gap lacks, at most."""
        width = self.last - self.first + 1
        return width if self.missing is None else min(width, self.missing)


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

    `mark_time` is the latest enqueued time up to the mark, None before the first event.
    `generation` counts how often the
    hub was recreated; `archived` marks a generation that is over: what it enqueued between its
    mark and `archived_at` may be lost. `hub_partitions` is how many the hub had at the last look.
    """

    namespace: str
    hub: str
    partition_id: str
    generation: int = 1
    archived: bool = False
    archived_at: datetime | None = None
    stored_through: int
    mark_time: datetime | None
    open_gaps: tuple[Gap, ...] = ()
    lost_gaps: tuple[Gap, ...] = ()
    last_enqueued: int | None = None
    last_enqueued_time: datetime | None = None
    tail: "Tail | None" = None
    checked_at: datetime | None = None
    hub_partitions: int | None = None
    etag: str | None = None

    @property
    def lag(self) -> int | None:
        """Events in the hub behind the mark, by the last look at the hub; None before one."""
        if self.last_enqueued is None:
            return None
        return max(0, self.last_enqueued - self.stored_through)


def recreated_by(progress: Progress, events: Iterable[tuple[int, datetime]]) -> bool:
    """Whether an event at or below the mark was enqueued later than it: numbers began anew.

    Enqueued times are not promised to grow strictly: a minute more is no sign.
    """
    if progress.mark_time is None:
        return False
    latest = progress.mark_time + CLOCK_TOLERANCE
    return any(
        number <= progress.stored_through and enqueued > latest for number, enqueued in events
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
        mark, mark_time = number, max(mark_time or enqueued, enqueued)
    return replace(
        progress, stored_through=mark, mark_time=mark_time, open_gaps=merged(gaps), tail=None
    )


def merged(gaps: Sequence[Gap]) -> tuple[Gap, ...]:
    """Keep at most a thousand gaps: beyond, neighbours that stand closest become one.

    What a merged gap spans and is stored is re-read for nothing; the document stays small.
    """
    if len(gaps) <= MAX_GAPS:
        return tuple(gaps)
    ordered = sorted(gaps, key=lambda gap: gap.first)
    distances = [right.first - left.last for left, right in itertools.pairwise(ordered)]
    surplus = len(ordered) - MAX_GAPS
    joints = set(sorted(range(len(distances)), key=distances.__getitem__)[:surplus])
    kept = [ordered[0]]
    for index, gap in enumerate(ordered[1:]):
        if index in joints:
            kept[-1] = _joined(kept[-1], gap)
        else:
            kept.append(gap)
    return tuple(kept)


def _joined(left: Gap, right: Gap) -> Gap:
    after = None if left.after is None or right.after is None else min(left.after, right.after)
    before = None if left.before is None or right.before is None else max(left.before, right.before)
    noticed = min(left.noticed_at, right.noticed_at)
    last = max(left.last, right.last)
    return Gap(left.first, last, noticed, after, before, left.events + right.events)


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
        mark_time=max(seen.mark_time or tail.time, tail.time),
        open_gaps=merged((*seen.open_gaps, gap)),
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
    return replace(kept, lost_gaps=merged((*progress.lost_gaps, *lost)))


def next_generation(progress: Progress, beginning: int, now: datetime) -> tuple[Progress, Progress]:
    """Return the archived generation, its unread rest lost, and the new one.

    Args:
        progress: The generation that is over.
        beginning: The first sequence number that the recreated hub holds.
        now: The moment it was noticed.
    """
    rest = progress.open_gaps
    if progress.last_enqueued is not None and progress.last_enqueued > progress.stored_through:
        tail = Gap(
            progress.stored_through + 1,
            progress.last_enqueued,
            now,
            progress.mark_time,
            progress.last_enqueued_time,
        )
        rest = (*rest, tail)
    archived = replace(
        progress,
        archived=True,
        archived_at=now,
        open_gaps=(),
        lost_gaps=merged((*progress.lost_gaps, *rest)),
        tail=None,
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
