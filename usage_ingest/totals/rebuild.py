"""The verb of `rollups rebuild`: makes rollups what the documents that name them add up to.

A rollup is replaced only if its ETag is still the one that was read before its documents. Nothing
is kept between runs: one that was interrupted is simply run again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from usage_ingest.ports import Clock
from usage_ingest.totals.days import refuse_expired
from usage_ingest.totals.fold import Difference, Kind
from usage_ingest.totals.keys import is_its_own
from usage_ingest.totals.ports import MAX_WRITES, TotalsStore, Write
from usage_ingest.totals.read import Reading, read_partition
from usage_ingest.totals.rewrite import rewritten
from usage_ingest.totals.verify import Outcome, Watch, changing, partitions_of, teller

ROUNDS: Final = 10
"""How often a logical partition is read and written that others keep writing."""


@dataclass(frozen=True, slots=True)
class Rebuild:
    """Makes rollups right, safe beside live ingestion and after an interruption."""

    store: TotalsStore
    clock: Clock
    ledger_ttl_days: int
    tag_names: Sequence[str]

    async def __call__(
        self,
        days: Sequence[str],
        subscription: str | None,
        watch: Watch,
        *,
        dry_run: bool = False,
        zero_empty: bool = False,
    ) -> Outcome:
        """Make every rollup of the days right.

        Args:
            days: The days.
            subscription: Only this one; None means all.
            watch: Is told how far it is.
            dry_run: Find what would be written, and write nothing.
            zero_empty: Empty the rollups of a logical partition without a single document too.

        Raises:
            ConfigError: The ledger does not hold all of the days whole.
        """
        refuse_expired(days, self.clock.now().date(), self.ledger_ttl_days)
        outcome = Outcome(days)
        async for partition in partitions_of(self.store, outcome, subscription, watch):
            run = _Partition(self, partition, outcome, watch, dry_run, zero_empty)
            await run.rebuild()
        return outcome


@dataclass(slots=True)
class _Partition:
    """One logical partition, read and written until nothing differs."""

    verb: Rebuild
    partition: str
    outcome: Outcome
    watch: Watch
    dry_run: bool
    zero_empty: bool
    together: bool = True

    async def rebuild(self) -> None:
        left: frozenset[str] | None = None
        for _ in range(ROUNDS):
            reading = await read_partition(
                self.verb.store,
                self.partition,
                left,
                self.verb.tag_names,
                teller(self.outcome, self.watch),
            )
            if left is None and self._is_refused(reading):
                return
            found = self._that_a_rewrite_mends(reading)
            failed = set[str]() if self.dry_run else await self._write(reading, found)
            made = [each for each in found if each.rollup_id not in failed]
            self.outcome.differences += made
            self.outcome.rewritten += len(made)
            left = reading.changed | failed
            if not left:
                return
        self.outcome.left += changing(self.partition, left or frozenset())

    def _is_refused(self, reading: Reading) -> bool:
        """Note what a person has to look at; return whether nothing may be written at all."""
        self.outcome.progress.rollups += len(reading.rollups)
        self.outcome.left += reading.unreadable()
        reason = reading.not_whole(self.verb.clock.now().date())
        if reason is None and not reading.fold.documents and not self.zero_empty:
            reason = self._without_any_document(reading)
        if reason is not None:
            self.outcome.left.append(reason)
        return reason is not None

    def _without_any_document(self, reading: Reading) -> Difference | None:
        if not any(reading.differences()):
            return None
        text = (
            "rollups count something, and there is no ledger document at all: did they live "
            "shorter once than LEDGER_TTL_DAYS says now? --zero-empty empties them all the same"
        )
        return Difference(self.partition, "", Kind.NOT_WHOLE, text=text)

    def _that_a_rewrite_mends(self, reading: Reading) -> list[Difference]:
        """Return what is wrong, but for keys that cannot be found anew from the documents."""
        mended: list[Difference] = []
        for each in reading.differences():
            counted = reading.fold.counted.get(each.rollup_id)
            is_own = is_its_own(reading.rollups.get(each.rollup_id, {"id": ""}))
            lost = is_own or counted is None or counted.key is None
            keeps = each.kind is Kind.KEY_MISMATCH and lost
            (self.outcome.left if keeps else mended).append(each)
        return mended

    async def _write(self, reading: Reading, found: Sequence[Difference]) -> set[str]:
        """Write what differs, in one batch where it fits; return what changed meanwhile.

        Once a batch met a change, each rollup is written by itself: a busy one stops no other.
        """
        size = MAX_WRITES if self.together else 1
        failed = set[str]()
        for at in range(0, len(found), size):
            names = [each.rollup_id for each in found[at : at + size]]
            writes = [self._as_it_is_to_be(reading, name) for name in names]
            if not await self.verb.store.write(self.partition, writes):
                failed.update(names)
        self.together = self.together and not failed
        return failed

    def _as_it_is_to_be(self, reading: Reading, name: str) -> Write:
        stored, counted = reading.rollups.get(name), reading.fold.counted.get(name)
        document = rewritten(self.partition, name, stored, counted, self.verb.tag_names)
        return Write(document, stored["_etag"] if stored else None)
