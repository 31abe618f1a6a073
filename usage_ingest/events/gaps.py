"""The verb of the timer close_gaps: finds what the host passed over, reads it again, stores it.

Looks at every partition of the hub: notes its end, turns a tail that stands still into a gap,
moves what retention deleted to the lost gaps, and re-reads the open ones. Idempotent.
"""

import random
from collections.abc import Awaitable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from usage_ingest import telemetry
from usage_ingest.errors import TransientError
from usage_ingest.events.ingest import Batch, Ingest
from usage_ingest.events.keep_progress import alarm_new_gaps
from usage_ingest.events.progress import (
    Gap,
    Progress,
    lost_before,
    recreated,
    watched,
    without,
)

TIME_FOR_GAPS: Final = timedelta(minutes=5)
"""A run re-reads no longer than this, well below the function's timeout; the next goes on."""


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
    await ingest.identity.load()
    oldest = ingest.clock.now() - timedelta(days=retention_days)
    if await keeper.unknown_partition_since(oldest):
        telemetry.alarm("partition_unknown", hub=keeper.reader.hub, text="gaps are not watched")
        return GapOutcome()
    partitions = await keeper.reader.partition_ids()
    random.shuffle(partitions)  # none waits for the same others for ever
    run = _Run(ingest, ingest.clock.now() + TIME_FOR_GAPS)
    for partition_id in partitions:
        await run.attempt(run.watch(partition_id, len(partitions)))
    for seen, gap in list(run.gaps):
        await run.attempt(run.close(seen, gap))
    left = [await keeper.known(each) for each in partitions] if not run.failed else []
    outcome = GapOutcome(
        len(partitions),
        run.stored,
        sum(len(each.open_gaps) for each in left),
        sum(len(each.lost_gaps) for each in left),
    )
    telemetry.event("gaps_watched", partitions=len(partitions), records_stored=run.stored)
    if run.failed:
        raise run.failed[0]
    return outcome


@dataclass(slots=True)
class _Run:
    """One run over the hub; what fails in one partition keeps no other from its turn."""

    ingest: Ingest
    ends_at: datetime
    stored: int = 0
    gaps: list[tuple[Progress, Gap]] = field(default_factory=list)
    failed: list[TransientError] = field(default_factory=list)

    async def attempt(self, step: Awaitable[None]) -> None:
        """Take a step; keep what went wrong for the end of the run."""
        try:
            await step
        except TransientError as error:
            telemetry.event("gap_step_failed", text=str(error))
            self.failed.append(error)

    async def watch(self, partition_id: str, partitions: int) -> None:
        """Look at the partition's end, and list its open gaps."""
        seen = await _watch(self.ingest, partition_id, partitions)
        self.gaps.extend((seen, gap) for gap in seen.open_gaps)

    async def close(self, seen: Progress, gap: Gap) -> None:
        """Re-read one gap while there is time; what was returned leaves it."""
        keeper, expected, partition_id = self.ingest.progress, gap.first, seen.partition_id
        if self.ingest.clock.now() >= self.ends_at:
            return
        async with aclosing(keeper.reader.read(partition_id, gap.first, gap.last)) as batches:
            async for events in batches:
                numbers = [e.sequence_number for e in events if e.sequence_number is not None]
                inside = [e for e in events if (e.sequence_number or 0) <= gap.last]
                if inside:
                    outcome = await self.ingest.store(Batch(partition_id, inside))
                    self.stored += outcome.stored
                    telemetry.count("gap_records_stored", outcome.stored)
                reached = min(max(numbers), gap.last)
                await _settle(self.ingest, seen, expected, min(numbers), reached)
                expected = reached + 1
                if self.ingest.clock.now() >= self.ends_at:
                    return


async def _watch(ingest: Ingest, partition_id: str, partitions: int) -> Progress:
    """Write down what the hub says of the partition."""
    keeper = ingest.progress
    # The mark is read before the hub is asked: one that moved meanwhile would look like a new
    # hub. Asking takes long, so what is then written starts from the progress of that moment.
    earlier = await keeper.known(partition_id, fresh=True)
    hub = await keeper.reader.properties(partition_id)
    is_new = recreated(earlier, hub.last_enqueued)

    async def step(known: Progress) -> Progress:
        if is_new and known.generation == earlier.generation:
            known = await keeper.new_generation(known)
        now = ingest.clock.now()
        seen = watched(known, hub.last_enqueued, hub.last_enqueued_time, now)
        return replace(lost_before(seen, hub.beginning, now), hub_partitions=partitions)

    await keeper.known(partition_id, fresh=True)
    before, after = await keeper.change(partition_id, step)
    alarm_new_gaps(partition_id, before, after)
    return after


async def _settle(
    ingest: Ingest, seen: Progress, expected: int, returned: int, reached: int
) -> None:
    """Take what was expected to reached out of the gap, in the generation that it was seen in.

    What was returned is stored. What is absent before it never was, unless retention took it
    meanwhile: then it is lost.
    """
    beginning, partition_id = 0, seen.partition_id
    if returned > expected:
        beginning = (await ingest.progress.reader.properties(partition_id)).beginning

    async def step(known: Progress) -> Progress:
        if known.generation != seen.generation:
            return known  # the numbers are those of another hub by now
        rest = without(known, returned, reached)
        return without(lost_before(rest, beginning, ingest.clock.now()), expected, reached)

    before, after = await ingest.progress.change(partition_id, step)
    alarm_new_gaps(partition_id, before, after)
