"""The verb of the timer close_gaps: finds what the host passed over, reads it again, stores it.

Looks at every partition of the hub: notes its end, turns a tail that stands still into a gap,
moves what retention deleted to the lost gaps, and re-reads the open ones. Idempotent.
"""

from dataclasses import dataclass
from datetime import timedelta

from usage_ingest import telemetry
from usage_ingest.events.ingest import Batch, Ingest
from usage_ingest.events.progress import (
    Gap,
    Progress,
    lost_before,
    recreated,
    watched,
    without,
)


@dataclass(frozen=True, slots=True)
class GapOutcome:
    """What one run did and left, over all partitions."""

    partitions: int = 0
    records_stored: int = 0
    gaps_open: int = 0
    gaps_lost: int = 0


async def close_gaps(ingest: Ingest, retention_days: int) -> GapOutcome:
    """Watch every partition and close what can be closed.

    Where batches came without a partition id, nothing is re-read: their identity could differ
    from what a re-read finds, and count twice.

    Raises:
        TransientError: The hub or the store could not be reached; the next run goes on.
    """
    keeper = ingest.progress
    oldest = ingest.clock.now() - timedelta(days=retention_days)
    if await keeper.unknown_partition_since(oldest):
        telemetry.alarm("partition_unknown", hub=keeper.reader.hub, text="gaps are not watched")
        return GapOutcome()
    outcome = GapOutcome()
    for partition_id in await keeper.reader.partition_ids():
        stored = await _close_partition(ingest, partition_id)
        left = await keeper.known(partition_id)
        outcome = GapOutcome(
            outcome.partitions + 1,
            outcome.records_stored + stored,
            outcome.gaps_open + len(left.open_gaps),
            outcome.gaps_lost + len(left.lost_gaps),
        )
    telemetry.event(
        "gaps_watched",
        partitions=outcome.partitions,
        records_stored=outcome.records_stored,
        gaps_open=outcome.gaps_open,
        gaps_lost=outcome.gaps_lost,
    )
    return outcome


async def _close_partition(ingest: Ingest, partition_id: str) -> int:
    seen = await _watch(ingest, partition_id)
    return sum([await _close(ingest, partition_id, gap) for gap in seen.open_gaps])


async def _watch(ingest: Ingest, partition_id: str) -> Progress:
    """Write down what the hub says of the partition."""

    async def step(known: Progress) -> Progress:
        # Asked after the mark was read: a mark that moved meanwhile would look like a new hub.
        hub = await ingest.progress.reader.properties(partition_id)
        if recreated(known, hub.last_enqueued):
            known = await ingest.progress.new_generation(known)
        now = ingest.clock.now()
        seen = watched(known, hub.last_enqueued, hub.last_enqueued_time, now)
        return lost_before(seen, hub.beginning, now)

    before, after = await ingest.progress.change(partition_id, step)
    _alarm_new_gaps(partition_id, before, after)
    return after


def _alarm_new_gaps(partition_id: str, before: Progress, after: Progress) -> None:
    for gap in after.lost_gaps:
        if gap not in before.lost_gaps:
            telemetry.alarm("gap_lost", partition_id=partition_id, first=gap.first, last=gap.last)
    if after.generation == before.generation and after.stored_through > before.stored_through:
        telemetry.count("gaps_noticed")
        telemetry.alarm(
            "gap_noticed",
            partition_id=partition_id,
            first=before.stored_through + 1,
            last=after.stored_through,
        )


async def _close(ingest: Ingest, partition_id: str, gap: Gap) -> int:
    """Re-read one gap; what was returned, and what a later event proves absent, leaves it."""
    keeper, stored, expected = ingest.progress, 0, gap.first
    async for events in keeper.reader.read(partition_id, gap.first, gap.last):
        numbers = [each.sequence_number for each in events if each.sequence_number is not None]
        inside = [
            each
            for each in events
            if each.sequence_number is not None and each.sequence_number <= gap.last
        ]
        if inside:
            stored += (await ingest.store(Batch(partition_id, inside))).stored
        reached = min(max(numbers), gap.last)
        await _settle(ingest, partition_id, expected, reached, jumped=min(numbers) > expected)
        expected = reached + 1
    telemetry.count("gap_records_stored", stored)
    return stored


async def _settle(
    ingest: Ingest, partition_id: str, first: int, reached: int, *, jumped: bool
) -> None:
    """Take first to reached out of the gap; what retention took meanwhile is lost, not absent."""
    beginning = 0
    if jumped:
        beginning = (await ingest.progress.reader.properties(partition_id)).beginning

    async def step(known: Progress) -> Progress:
        return without(lost_before(known, beginning, ingest.clock.now()), first, reached)

    before, after = await ingest.progress.change(partition_id, step)
    _alarm_new_gaps(partition_id, before, after)
