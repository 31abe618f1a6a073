"""The verb of the event flow: what the Event Hub delivered -> ledger, dead letters, progress.

Never raises for a bad event; always raises for a store that cannot write, so that the host
retries and Event Hubs keeps the events. All of it may be repeated at any time.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from usage_ingest import telemetry
from usage_ingest.errors import ConflictError, InvalidEventError, TransientError
from usage_ingest.events.dead_letter import DeadLetter
from usage_ingest.events.parse import Parsed, dead_letter, parse_event
from usage_ingest.events.privacy import Privacy
from usage_ingest.events.progress import Progress, advanced, next_generation, recreated_by
from usage_ingest.events.to_record import Rules, Sighting
from usage_ingest.ports import (
    Clock,
    DeadLetters,
    HubReader,
    IdentityStore,
    Ledger,
    ProgressStore,
    ReceivedEvent,
)
from usage_ingest.record import UsageRecord
from usage_ingest.record_id import Coordinates

_ATTEMPTS: Final = 5


@dataclass(frozen=True, slots=True)
class Batch:
    """Events of one partition, in order. `partition_id` is None where the host did not say."""

    namespace: str
    hub: str
    partition_id: str | None
    events: Sequence[ReceivedEvent]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a batch, in records and dead letters that were new."""

    stored: int
    repeated: int
    completed: int
    dead_letters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingest:
    """Everything that ingesting needs; built once in wiring."""

    ledger: Ledger
    dead_letters: DeadLetters
    progress: ProgressStore
    identity: IdentityStore
    reader: HubReader
    clock: Clock
    privacy: Privacy
    ledger_ttl_days: int
    keep_raw: bool
    rollup_slots: int

    async def batch(self, batch: Batch) -> Outcome:
        """Store a received batch, then move the partition's mark over it.

        Raises:
            TransientError: The store could not write: deliver the batch again.
            ConfigError: The deployment is wrong; nothing is lost meanwhile.
        """
        telemetry.count("events_received", len(batch.events))
        if batch.partition_id is not None:
            await self._known_progress(batch.namespace, batch.hub, batch.partition_id)
        outcome = await self.store(batch)
        await self._advance(batch)
        return outcome

    async def store(self, batch: Batch) -> Outcome:
        """Store events whose place in the partition is accounted for elsewhere."""
        rules = Rules(
            await self.identity.load(), self.privacy, self.ledger_ttl_days, self.keep_raw
        )
        records, letters = _parsed(batch, rules, self.clock.now())
        written = await self.ledger.store(records, _slot(batch.partition_id, self.rollup_slots))
        letters += _unstorable(written.conflicts, "conflicting_duplicate", rules)
        letters += _unstorable(written.too_large, "too_large", rules)
        new_letters = await self.dead_letters.store(letters) if letters else 0
        outcome = Outcome(written.stored, written.repeated, written.completed, new_letters)
        _report(batch, outcome, letters)
        return outcome

    async def _known_progress(self, namespace: str, hub: str, partition_id: str) -> Progress:
        """Return the partition's progress; its start is recorded before anything counts."""
        known = await self.progress.read(namespace, hub, partition_id)
        if known is not None:
            return known
        properties = await self.reader.properties(partition_id)
        first = Progress(
            namespace=namespace,
            hub=hub,
            partition_id=partition_id,
            stored_through=properties.beginning - 1,
            mark_time=self.clock.now(),
        )
        try:
            return await self.progress.write(first)
        except ConflictError:
            return await self._known_progress(namespace, hub, partition_id)

    async def _advance(self, batch: Batch) -> None:
        if batch.partition_id is None:
            telemetry.count("partitions_unknown")
            telemetry.alarm("partition_unknown", hub=batch.hub, events=len(batch.events))
            return
        numbered = [
            (each.sequence_number, each.enqueued_time)
            for each in batch.events
            if each.sequence_number is not None and each.enqueued_time is not None
        ]
        for _ in range(_ATTEMPTS):
            known = await self._known_progress(batch.namespace, batch.hub, batch.partition_id)
            try:
                await self._move_mark(known, numbered)
            except ConflictError:
                continue
            return
        raise TransientError(f"partition {batch.partition_id}: its progress is contended")

    async def _move_mark(self, known: Progress, numbered: list[tuple[int, datetime]]) -> None:
        now = self.clock.now()
        if recreated_by(known, numbered):
            known = await self.start_generation(known, now)
        moved = advanced(known, numbered, now)
        if moved is known:
            return
        await self.progress.write(moved)
        for gap in moved.open_gaps[len(known.open_gaps) :]:
            telemetry.count("gaps_noticed")
            telemetry.alarm(
                "gap_noticed", partition_id=known.partition_id, first=gap.first, last=gap.last
            )

    async def start_generation(self, known: Progress, now: datetime) -> Progress:
        """Archive the progress of a recreated hub and return the new one, not yet written."""
        properties = await self.reader.properties(known.partition_id)
        archived, fresh = next_generation(known, properties.beginning, now)
        await self.progress.archive(archived)
        telemetry.count("hubs_recreated")
        telemetry.alarm(
            "hub_recreated", partition_id=known.partition_id, generation=fresh.generation
        )
        return fresh


def _parsed(
    batch: Batch, rules: Rules, now: datetime
) -> tuple[list[UsageRecord], list[DeadLetter]]:
    records: list[UsageRecord] = []
    letters: list[DeadLetter] = []
    for each in _elements(batch, rules, now):
        if isinstance(each, UsageRecord):
            records.append(each)
        else:
            letters.append(each)
    return records, letters


def _elements(batch: Batch, rules: Rules, now: datetime) -> Iterable[Parsed]:
    for event in batch.events:
        hub = Coordinates(
            namespace=batch.namespace,
            hub=batch.hub,
            partition_id=batch.partition_id,
            sequence_number=event.sequence_number,
            enqueued_time=event.enqueued_time,
        )
        yield from parse_event(Sighting(hub, 0, event.body, now), rules)


def _slot(partition_id: str | None, slots: int) -> int:
    return int(partition_id) % slots if partition_id is not None and partition_id.isdigit() else 0


def _unstorable(
    records: Sequence[UsageRecord], reason: str, rules: Rules
) -> list[DeadLetter]:
    raise NotImplementedError
