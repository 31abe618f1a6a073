"""The verb of backfilling: the hub, read again by enqueued time -> ledger and dead letters.

Safe at any time beside live ingestion: what is there is found repeated. The mark of the
partitions is left alone, and gaps are closed by close_gaps. After each batch the position is
written, so that an interrupted call goes on where it stood.
"""

from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from usage_ingest.errors import ConfigError, ConflictError, TransientError
from usage_ingest.events.backfill_position import Position, Range
from usage_ingest.events.ingest import Batch, Ingest
from usage_ingest.events.ports import Backfills
from usage_ingest.ports import HubReader, PartitionProperties, ReceivedEvent

_NOTED_EVERY: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """What backfilling needs; `tell` is told of each position that was written."""

    ingest: Ingest
    reader: HubReader
    backfills: Backfills
    tell: Callable[[Position], None] = lambda _: None

    async def partition(
        self, asked: Range, partition_id: str, *, again: bool = False, dry_run: bool = False
    ) -> Position:
        """Ingest a range of a partition, from where an earlier call stood.

        Args:
            asked: Which enqueued times.
            partition_id: Of the hub.
            again: Begin at the start, whatever an earlier call did.
            dry_run: Store nothing: say how many events there are to be read.

        Raises:
            TransientError: The hub or the store cannot be used, or another call reads the same
                range: the next call goes on.
            ConfigError: Batches came without a partition id since the range's start.
        """
        position = await self._begun(asked, partition_id, again=again)
        if position.finished_at is not None:
            return position
        held = await self.reader.properties(partition_id)
        if not dry_run:
            await self._refuse_unplaced(asked)
        if _holds(held, position):
            position = await self._read(position, held.last_enqueued, dry_run=dry_run)
        if dry_run:
            return position
        finished_at = self.ingest.clock.now()
        # What is still to be enqueued is not read by this call: the range is not over.
        if finished_at < asked.end:
            return position
        return await self._write(replace(position, finished_at=finished_at))

    async def _begun(self, asked: Range, partition_id: str, *, again: bool) -> Position:
        known = await self.backfills.read(asked, partition_id)
        if known is None:
            return Position(range=asked, partition_id=partition_id)
        if again:
            return Position(range=asked, partition_id=partition_id, etag=known.etag)
        return known

    async def _refuse_unplaced(self, asked: Range) -> None:
        """An event that came without a partition id may count twice when it is read again."""
        if await self.ingest.progress.unknown_partition_since(asked.start - _NOTED_EVERY):
            raise ConfigError(
                "Batches came without a partition id in that time: what is read again could count "
                "twice. docs/runbook.md says what to do (Partition unknown)"
            )

    async def _read(self, position: Position, last: int, *, dry_run: bool) -> Position:
        partition_id = position.partition_id
        reading = self.reader.read(partition_id, position.resumes_at, last)
        async with aclosing(reading) as batches:
            async for events in batches:
                inside = [each for each in events if _belongs(position, each)]
                if inside:
                    position = await self._ingested(position, inside, dry_run=dry_run)
                    self.tell(position)
                if any(not _before_end(position, each) for each in events):
                    break
        return position

    async def _ingested(
        self, position: Position, events: Sequence[ReceivedEvent], *, dry_run: bool
    ) -> Position:
        last = events[-1]
        if last.sequence_number is None or last.enqueued_time is None:
            raise TransientError("the hub returned an event without number or time")
        if dry_run:
            return position.moved(last.sequence_number, last.enqueued_time, events=len(events))
        outcome = await self.ingest.store(Batch(position.partition_id, events))
        moved = position.moved(
            last.sequence_number,
            last.enqueued_time,
            events=len(events),
            stored=outcome.stored,
            repeated=outcome.repeated,
            completed=outcome.completed,
            dead_letters=outcome.dead_letters,
        )
        return await self._write(moved)

    async def _write(self, position: Position) -> Position:
        try:
            return await self.backfills.write(position)
        except ConflictError as error:
            there = await self.backfills.read(position.range, position.partition_id)
            if there is not None and replace(there, etag=position.etag) == position:
                return there  # our own write, whose answer was lost
            raise TransientError(
                f"partition {position.partition_id}: another backfill reads the same range"
            ) from error


def _holds(held: PartitionProperties, position: Position) -> bool:
    """Whether the partition holds anything at or after the position: reading would wait for it."""
    if held.last_enqueued < held.beginning:
        return False
    return held.last_enqueued_time >= position.resumes_at


def _before_end(position: Position, event: ReceivedEvent) -> bool:
    return event.enqueued_time is not None and event.enqueued_time < position.range.end


def _belongs(position: Position, event: ReceivedEvent) -> bool:
    number, enqueued = event.sequence_number, event.enqueued_time
    if number is None or enqueued is None or not _before_end(position, event):
        return False
    return enqueued >= position.range.start and not position.is_behind(number, enqueued)
