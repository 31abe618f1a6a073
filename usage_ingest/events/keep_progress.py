"""Keeps the progress of partitions: its start, its changes under an ETag, new generations."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from usage_ingest import telemetry
from usage_ingest.errors import ConflictError, TransientError
from usage_ingest.events.progress import UNKNOWN_PARTITION, Gap, Progress, next_generation
from usage_ingest.ports import Clock, HubReader, ProgressStore

_ATTEMPTS: Final = 10
_NOTED_EVERY: Final = timedelta(hours=1)

Step = Callable[[Progress], Awaitable[Progress]]


@dataclass(frozen=True, slots=True)
class ProgressKeeper:
    """The progress of the hub's partitions, as the store has it."""

    store: ProgressStore
    reader: HubReader
    clock: Clock

    async def known(self, partition_id: str, *, fresh: bool = False) -> Progress:
        """Return a partition's progress; at first touch its start is recorded."""
        found = await self._read(partition_id, fresh=fresh)
        if found is not None:
            return found
        properties = await self.reader.properties(partition_id)
        try:
            return await self.store.write(self._first(partition_id, properties.beginning))
        except ConflictError:
            return await self.known(partition_id)

    async def change(self, partition_id: str, step: Step) -> tuple[Progress, Progress]:
        """Apply a step to a partition's progress until nobody is in between.

        Returns:
            The progress before and after; the very same object where the step changed nothing.

        Raises:
            TransientError: Others kept writing first.
        """
        for _ in range(_ATTEMPTS):
            before = await self.known(partition_id)
            after = await step(before)
            if after is before:
                return before, before
            try:
                return before, await self.store.write(after)
            except ConflictError:
                continue
        raise TransientError(f"partition {partition_id}: its progress is contended")

    async def new_generation(self, over: Progress) -> Progress:
        """Archive the progress of a recreated hub; return the new one, not yet written.

        Somebody else may have noticed first: then theirs is returned.
        """
        known = await self.known(over.partition_id, fresh=True)
        if known.generation != over.generation:
            return known
        properties = await self.reader.properties(known.partition_id)
        archived, fresh = next_generation(known, properties.beginning, self.clock.now())
        await self.store.archive(archived)
        telemetry.count("hubs_recreated")
        telemetry.alarm(
            "hub_recreated", partition_id=known.partition_id, generation=fresh.generation
        )
        return fresh

    async def note_unknown_partition(self, events: int) -> None:
        """Remember that a batch came without a partition id: its place cannot be watched."""
        telemetry.count("partitions_unknown")
        telemetry.alarm("partition_unknown", hub=self.reader.hub, events=events)
        now = self.clock.now()
        first = replace(self._first(UNKNOWN_PARTITION, 0), mark_time=now)
        noted = await self._read(UNKNOWN_PARTITION) or first
        if noted.checked_at is not None and now - noted.checked_at < _NOTED_EVERY:
            return
        try:
            await self.store.write(replace(noted, checked_at=now))
        except ConflictError:
            return  # somebody else has just noted the same

    async def unknown_partition_since(self, oldest: datetime) -> bool:
        """Whether a batch came without a partition id after `oldest`."""
        noted = await self._read(UNKNOWN_PARTITION, fresh=True)  # another instance notes it
        return noted is not None and noted.checked_at is not None and noted.checked_at > oldest

    async def _read(self, partition_id: str, *, fresh: bool = False) -> Progress | None:
        namespace, hub = self.reader.namespace, self.reader.hub
        return await self.store.read(namespace, hub, partition_id, fresh=fresh)

    def _first(self, partition_id: str, beginning: int) -> Progress:
        return Progress(
            namespace=self.reader.namespace,
            hub=self.reader.hub,
            partition_id=partition_id,
            stored_through=beginning - 1,
            mark_time=None,
        )


def alarm_new_gaps(partition_id: str, before: Progress, after: Progress) -> None:
    """Say once what a change of progress found missing, and what it found lost."""
    found = sorted(set(after.open_gaps) - set(before.open_gaps), key=lambda gap: gap.first)
    if found and after.stored_through > before.stored_through:
        telemetry.count("gaps_noticed", len(found))
        _alarm("gap_noticed", partition_id, found)
    lost = sorted(set(after.lost_gaps) - set(before.lost_gaps), key=lambda gap: gap.first)
    if lost:
        _alarm("gap_lost", partition_id, lost)


def _alarm(name: Literal["gap_noticed", "gap_lost"], partition_id: str, gaps: list[Gap]) -> None:
    telemetry.alarm(
        name,
        partition_id=partition_id,
        gaps=len(gaps),
        first=gaps[0].first,
        last=gaps[-1].last,
        events=sum(gap.events for gap in gaps),
    )
