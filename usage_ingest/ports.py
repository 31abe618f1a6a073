"""What the verbs need of the outside world. Adapters implement it, wiring puts them together.

Every method may raise TransientError (it may work later) and ConfigError (the deployment is
wrong: a missing container, missing rights).
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from usage_ingest.events.dead_letter import DeadLetter
from usage_ingest.events.progress import Progress
from usage_ingest.identity import Identity
from usage_ingest.identity_change import DatedValues
from usage_ingest.metrics.ports import WatermarkStore
from usage_ingest.metrics.watermark import Source
from usage_ingest.record import UsageRecord
from usage_ingest.streaming import Metrics
from usage_ingest.value import value


@value()
class ReceivedEvent:
    """One event as a hub or its trigger delivers it; `enqueued_time` is aware UTC."""

    body: bytes
    sequence_number: int | None
    enqueued_time: datetime | None


@dataclass(frozen=True, slots=True)
class StoreOutcome:
    """What became of a list of records.

    `completed` had no usage before, or less: a metric's bin that grew. `conflicts` and
    `too_large` could not be stored. Of `shrank`, metric records, the larger counts stay.
    """

    stored: int = 0
    repeated: int = 0
    completed: int = 0
    conflicts: Sequence[UsageRecord] = field(default_factory=tuple)
    too_large: Sequence[UsageRecord] = field(default_factory=tuple)
    shrank: Sequence[UsageRecord] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionProperties:
    """What Event Hubs says of a partition. An empty one has last_enqueued < beginning."""

    beginning: int
    last_enqueued: int
    last_enqueued_time: datetime


class Clock(Protocol):
    """The time: aware UTC."""

    def now(self) -> datetime:
        """Return the current moment."""
        ...


class Ledger(Protocol):
    """Usage records with their rollups."""

    async def store(self, records: Sequence[UsageRecord], slot: int) -> StoreOutcome:
        """Store each record once and count it once, whatever was stored before.

        `slot` keeps hub partitions from writing to the same rollup document. When it raises,
        some of the records may have been stored and counted; storing all again is safe.
        """
        ...


class DeadLetters(Protocol):
    """What could not be parsed, with exact counts."""

    async def store(self, letters: Sequence[DeadLetter]) -> int:
        """Store the dead letters of one received batch; return how many were new."""
        ...


class ProgressStore(Protocol):
    """How far each hub partition has been stored."""

    async def read(
        self, namespace: str, hub: str, partition_id: str, *, fresh: bool = False
    ) -> Progress | None:
        """Return the partition's progress, or None where nothing was recorded yet.

        It may be what this process read or wrote before, unless `fresh` asks the store.
        """
        ...

    async def write(self, progress: Progress) -> Progress:
        """Create or replace, guarded by the ETag that was read.

        Returns:
            The same progress with its new ETag.

        Raises:
            ConflictError: Somebody else wrote first.
        """
        ...

    async def archive(self, progress: Progress) -> None:
        """Keep the progress of a hub that was recreated; safe to repeat."""
        ...

    async def all(self) -> list[Progress]:
        """Return the progress of every partition, archived generations included."""
        ...


class IdentityStore(Protocol):
    """The dated values that enter identity or placement."""

    async def load(self) -> Identity:
        """Return the current values; records the first HMAC key id where there is none.

        To be called before anything is stored: that first key then holds from the beginning.
        """
        ...

    async def record(self, name: str, value: str) -> Identity:
        """Record a value that holds from the beginning, unless there is one; return all."""
        ...


class IdentityEditor(Protocol):
    """The same values, as a person reads and changes them; it keeps and records nothing."""

    async def all(self) -> list[DatedValues]:
        """Return all values, as the store has them now."""
        ...

    async def read(self, name: str) -> DatedValues:
        """Return the values of a name, or none."""
        ...

    async def write(self, dated: DatedValues) -> None:
        """Create or replace the values of a name, guarded by the ETag that was read.

        Raises:
            ConflictError: Somebody else wrote first.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportStores:
    """What reports are read from, and which sources of metrics this deployment collects."""

    reader: "ReportReader"
    progress: ProgressStore
    watermarks: WatermarkStore
    sources: Sequence[Source] = ()
    settling_delay: timedelta = timedelta(0)

    async def metrics(self) -> Metrics:
        """Return the sources of metrics, with how far each of them is now."""
        return Metrics(
            sources=self.sources,
            settling_delay=self.settling_delay,
            marks=await self.watermarks.all(),
        )


class HubReader(Protocol):
    """Reads the Event Hub again, in a consumer group of its own."""

    namespace: str
    hub: str

    async def partition_ids(self) -> list[str]:
        """Return the ids of the hub's partitions."""
        ...

    async def properties(self, partition_id: str) -> PartitionProperties:
        """Return where the partition begins and ends now."""
        ...

    def read(
        self, partition_id: str, first: int | datetime, last: int
    ) -> AsyncGenerator[Sequence[ReceivedEvent], None]:
        """Yield batches from sequence number or enqueued time `first` on, in order.

        Ends after the first batch that holds an event at or after `last` (that event is
        yielded too: it proves that nothing stands between), or when nothing more arrives
        within a few seconds.
        """
        ...


@dataclass(frozen=True, slots=True)
class OutgoingEvent:
    """One event to be published; those with the same key go to one partition."""

    body: bytes
    partition_key: str | None


class EventPublisher(Protocol):
    """Writes to the Event Hub that the trigger reads."""

    hub: str

    async def publish(self, events: Sequence[OutgoingEvent]) -> None:
        """Write the events, batched by partition key.

        When it raises, some of them may stand in the hub.

        Raises:
            TooLargeError: An event is larger than the hub takes; none was written.
            ThrottledError: The hub has no capacity left.
        """
        ...


class ReportReader(Protocol):
    """What reports read: rollups and counts, never the ledger."""

    def rollups(
        self, columns: Sequence[str], start: str, end: str, filters: Mapping[str, Sequence[Any]]
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield the named columns of the rollups of the days `start` to `end`, both included."""
        ...

    def dead_letter_counts(self, start: str, end: str) -> AsyncIterator[dict[str, Any]]:
        """Yield the counts documents of the days on which events were enqueued."""
        ...

    async def check(self) -> None:
        """Ask the store whether it answers and has what is needed; raises what a report would."""
        ...
