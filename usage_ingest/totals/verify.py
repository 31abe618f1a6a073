"""The verb of `rollups verify`: is every rollup the sum of the documents that name it?"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from usage_ingest.ports import Clock
from usage_ingest.totals.days import refuse_expired
from usage_ingest.totals.fold import Difference, Kind
from usage_ingest.totals.ports import TotalsStore
from usage_ingest.totals.read import read_partition

READINGS: Final = 4
"""How often a logical partition is read whose rollups others keep writing."""


@dataclass(slots=True)
class Progress:
    """How far a run is."""

    day: str = ""
    partitions: int = 0
    of_partitions: int = 0
    documents: int = 0
    rollups: int = 0


Watch = Callable[[Progress], None]


@dataclass(slots=True)
class Outcome:
    """What a run found; `rewritten` counts rollups that were made right, or would be."""

    days: Sequence[str]
    progress: Progress = field(default_factory=Progress)
    differences: list[Difference] = field(default_factory=list)
    rewritten: int = 0
    left: list[Difference] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Verify:
    """Compares rollups with the ledger, safe at any time: it only reads."""

    store: TotalsStore
    clock: Clock
    ledger_ttl_days: int
    tag_names: Sequence[str]

    async def __call__(
        self, days: Sequence[str], subscription: str | None, watch: Watch
    ) -> Outcome:
        """Compare every rollup of the days.

        Raises:
            ConfigError: The ledger does not hold all of the days whole.
        """
        refuse_expired(days, self.clock.now().date(), self.ledger_ttl_days)
        outcome = Outcome(days)
        async for partition in partitions_of(self.store, outcome, subscription, watch):
            await self._partition(partition, outcome, watch)
        outcome.left = outcome.differences
        return outcome

    async def _partition(self, partition: str, outcome: Outcome, watch: Watch) -> None:
        left: frozenset[str] | None = None
        for _ in range(READINGS):
            reading = await read_partition(
                self.store, partition, left, self.tag_names, teller(outcome, watch)
            )
            if left is None:
                outcome.progress.rollups += len(reading.rollups)
                if not_whole := reading.not_whole(self.clock.now().date()):
                    outcome.differences.append(not_whole)
                    return
                outcome.differences.extend(reading.unreadable())
            outcome.differences.extend(reading.differences())
            left = reading.changed
            if not left:
                return
        outcome.differences.extend(changing(partition, left or frozenset()))


def changing(partition: str, rollups: frozenset[str]) -> list[Difference]:
    """Return what could not be compared, because others wrote it all the time."""
    text = "written during every reading: try again when it is quieter"
    return [Difference(partition, name, Kind.CHANGING, text=text) for name in sorted(rollups)]


async def partitions_of(
    store: TotalsStore, outcome: Outcome, subscription: str | None, watch: Watch
) -> AsyncIterator[str]:
    """Yield the logical partitions of the days, and tell how far it is."""
    progress = outcome.progress
    for day in outcome.days:
        found = await store.partitions(day, subscription)
        progress.day, progress.of_partitions = day, progress.of_partitions + len(found)
        watch(progress)
        for partition in found:
            yield partition
            progress.partitions += 1
            watch(progress)


def teller(outcome: Outcome, watch: Watch) -> Callable[[int], None]:
    """Return what counts the documents that were read."""

    def tell(documents: int) -> None:
        outcome.progress.documents += documents
        watch(outcome.progress)

    return tell
