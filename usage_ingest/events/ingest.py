"""The verb of the event flow: what the Event Hub delivered -> ledger, dead letters, progress.

Never raises for a bad event; always raises for a store that cannot write, so that the host
retries and Event Hubs keeps the events. All of it may be repeated at any time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from usage_ingest import telemetry
from usage_ingest.events.dead_letter import DeadLetter, of_record
from usage_ingest.events.keep_progress import ProgressKeeper, alarm_new_gaps
from usage_ingest.events.parse import parse_event
from usage_ingest.events.privacy import Privacy
from usage_ingest.events.progress import Progress, advanced, recreated_by
from usage_ingest.events.to_record import Rules, Sighting
from usage_ingest.ports import (
    Clock,
    DeadLetters,
    IdentityStore,
    Ledger,
    ReceivedEvent,
)
from usage_ingest.record import UsageRecord
from usage_ingest.record_id import Coordinates


@dataclass(frozen=True, slots=True)
class Batch:
    """Events of one partition, in order. `partition_id` is None where the host did not say."""

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
    progress: ProgressKeeper
    identity: IdentityStore
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
        await self.identity.load()
        if batch.partition_id is None:
            outcome = await self.store(batch)
            await self.progress.note_unknown_partition(len(batch.events))
            return outcome
        await self.progress.known(batch.partition_id)  # recorded before anything counts
        outcome = await self.store(batch)
        await self._advance(batch, batch.partition_id)
        return outcome

    async def store(self, batch: Batch) -> Outcome:
        """Store events whose place in the partition is accounted for elsewhere."""
        records, letters = self._parsed(batch, await self.rules())
        written = await self.ledger.store(records, self.slot(batch.partition_id))
        letters += [of_record(each, "conflicting_duplicate") for each in written.conflicts]
        letters += [of_record(each, "too_large") for each in written.too_large]
        new_letters = await self.dead_letters.store(letters) if letters else 0
        outcome = Outcome(written.stored, written.repeated, written.completed, new_letters)
        _report(batch, outcome, letters)
        return outcome

    async def rules(self) -> Rules:
        """Return what the deployment decides about every record, as of now."""
        return Rules(await self.identity.load(), self.privacy, self.ledger_ttl_days, self.keep_raw)

    def coordinates(self, partition_id: str | None, event: ReceivedEvent) -> Coordinates:
        """Return where an event of the hub stands."""
        return Coordinates(
            namespace=self.progress.reader.namespace,
            hub=self.progress.reader.hub,
            partition_id=partition_id,
            sequence_number=event.sequence_number,
            enqueued_time=event.enqueued_time,
        )

    def slot(self, partition_id: str | None) -> int:
        """Return which of a key's rollups a partition's records are counted in."""
        if partition_id is None or not partition_id.isdigit():
            return 0
        return int(partition_id) % self.rollup_slots

    def _parsed(self, batch: Batch, rules: Rules) -> tuple[list[UsageRecord], list[DeadLetter]]:
        records: list[UsageRecord] = []
        letters: list[DeadLetter] = []
        now = self.clock.now()
        for event in batch.events:
            hub = self.coordinates(batch.partition_id, event)
            for each in parse_event(Sighting(hub, 0, event.body, now), rules):
                if isinstance(each, UsageRecord):
                    records.append(each)
                else:
                    letters.append(each)
        return records, letters

    async def _advance(self, batch: Batch, partition_id: str) -> None:
        numbered = [
            (each.sequence_number, each.enqueued_time)
            for each in batch.events
            if each.sequence_number is not None and each.enqueued_time is not None
        ]

        async def step(known: Progress) -> Progress:
            if recreated_by(known, numbered):
                known = await self.progress.new_generation(known)
            return advanced(known, numbered, self.clock.now())

        before, after = await self.progress.change(partition_id, step)
        alarm_new_gaps(partition_id, before, after)


def _report(batch: Batch, outcome: Outcome, letters: Sequence[DeadLetter]) -> None:
    telemetry.count("records_stored", outcome.stored)
    telemetry.count("records_repeated", outcome.repeated)
    telemetry.count("records_completed", outcome.completed)
    telemetry.count("dead_letters_stored", outcome.dead_letters)
    for letter in letters:
        if letter.reason == "internal_error":
            telemetry.count("internal_errors")
            telemetry.alarm(
                "internal_error",
                partition_id=batch.partition_id,
                sequence_number=letter.coordinates.sequence_number,
                text=letter.text,
            )
    telemetry.event(
        "batch_ingested",
        partition_id=batch.partition_id,
        received=len(batch.events),
        stored=outcome.stored,
        repeated=outcome.repeated,
        completed=outcome.completed,
        dead_letters=outcome.dead_letters,
    )
