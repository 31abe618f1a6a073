"""Reads a logical partition so that rollups and documents can be compared while others write.

Whatever changes the documents that name a rollup writes that rollup in the same batch. So when a
rollup's ETag is the same before and after its documents were read, nothing came between: what was
read of them is what the rollup should say (docs/adr/0013).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from usage_ingest.document import SECONDS_PER_DAY
from usage_ingest.totals.days import first_whole_day
from usage_ingest.totals.fold import (
    Counted,
    Difference,
    Differing,
    Fold,
    Kind,
    differing,
    shown_key,
)
from usage_ingest.totals.keys import is_its_own
from usage_ingest.totals.ports import TotalsStore

Tell = Callable[[int], None]
"""Is told how many documents a page held."""
_NONE: Final = Counted()


@dataclass(frozen=True, slots=True)
class Reading:
    """A logical partition: rollups, then documents, then which rollups changed meanwhile."""

    partition: str
    rollups: Mapping[str, Mapping[str, Any]]
    fold: Fold
    changed: frozenset[str] = field(default_factory=frozenset)

    def settled(self) -> Iterator[str]:
        """Yield the rollups that can be compared: nothing came between, all could be read."""
        for name in sorted(self.rollups.keys() | self.fold.counted.keys()):
            if name not in self.changed and name not in self.fold.spoiled:
                yield name

    def differences(self) -> Iterator[Difference]:
        """Yield what is wrong with the rollups that can be compared."""
        for name in self.settled():
            counted, stored = self.fold.counted.get(name), self.rollups.get(name)
            if stored is None:
                yield self._difference(name, Kind.MISSING_ROLLUP, differing({}, counted))
            elif found := differing(stored, counted):
                kind = Kind.WRONG_TOTAL if counted else Kind.WITHOUT_DOCUMENTS
                yield self._difference(name, kind, found)
            elif counted and (counted.strangers or not is_its_own(stored)):
                yield self._difference(name, Kind.KEY_MISMATCH, {})

    def _difference(self, name: str, kind: Kind, counters: Differing) -> Difference:
        counted = self.fold.counted.get(name, _NONE)
        stored = self.rollups.get(name)
        if stored is None and counted.key:
            stored = counted.key[0].fields()
        key = shown_key(stored or {})
        return Difference(self.partition, name, kind, counted.documents, counters, key)

    def unreadable(self) -> Iterator[Difference]:
        """Yield the ledger documents that cannot be read, the first of them."""
        for name, error in sorted(self.fold.unreadable.items()):
            text = f"ledger document {name}: {error}"
            yield Difference(self.partition, "", Kind.UNREADABLE, 1, text=text)

    def not_whole(self, today: date) -> Difference | None:
        """Return why documents may have expired, though the setting says that they live."""
        ttl, day = self.fold.shortest_ttl, self.partition.split("|")[-2]
        if ttl is None or day >= first_whole_day(today, ttl // SECONDS_PER_DAY).isoformat():
            return None
        text = (
            f"documents live {ttl // SECONDS_PER_DAY} days here, less than LEDGER_TTL_DAYS: some "
            "may have expired"
        )
        return Difference(self.partition, "", Kind.NOT_WHOLE, self.fold.documents, text=text)


async def read_partition(
    store: TotalsStore,
    partition: str,
    only: frozenset[str] | None,
    tag_names: Sequence[str],
    tell: Tell,
) -> Reading:
    """Read a logical partition; the order of the three reads is what makes it comparable.

    Args:
        store: Where from.
        partition: The logical partition.
        only: The rollups in question; None means all.
        tag_names: The tags that enter keys.
        tell: Is told of each page of documents.
    """
    rollups = {each["id"]: each for each in await store.rollups(partition)}
    if only is not None:
        rollups = {name: each for name, each in rollups.items() if name in only}
    fold = Fold(rollups, tag_names)
    async for page in store.ledger(partition, None if only is None else sorted(only)):
        fold.add(page)
        tell(len(page))
    after = await store.etags(partition)
    seen = rollups.keys() | fold.counted.keys() | (after.keys() if only is None else only)
    changed = {
        name
        for name in seen
        if after.get(name) != (rollups[name]["_etag"] if name in rollups else None)
    }
    return Reading(partition, rollups, fold, frozenset(changed))
