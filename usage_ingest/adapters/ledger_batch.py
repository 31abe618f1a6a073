"""Plans one transactional batch: ledger documents first, then what their rollups gain. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from usage_ingest.adapters.cosmos import Operation
from usage_ingest.adapters.rollup_keys import PartitionKeys
from usage_ingest.document import from_document, to_document
from usage_ingest.record import USAGE_FIELDS, UsageRecord
from usage_ingest.rollup import (
    PATCH_LIMIT,
    RollupKey,
    increments,
    patches,
    rollup_document,
    rollup_key,
)
from usage_ingest.value import value

MAX_OPERATIONS: Final = 100
_USAGE: Final = frozenset(USAGE_FIELDS)
_TOUCHED: Final = {"requests": 0}
"""What a batch writes to a rollup that it leaves as it was: its ETag says that its documents
changed, and whoever compares it with them reads again (docs/adr/0013)."""


@value()
class Entry:
    """A record to be stored; `replaces` is the stored document that it completes."""

    record: UsageRecord
    replaces: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where and how a logical partition's batches are written."""

    cosmos_partition_key: str
    slot: int
    ttl_days: int
    tag_names: Sequence[str]
    keys: PartitionKeys
    absent: set[str] = field(default_factory=set)  # rollups that a patch did not find


@dataclass(slots=True)
class Gain:
    """What one rollup document gains in a batch."""

    key: RollupKey
    counters: dict[str, int] = field(default_factory=dict)

    def add(self, added: dict[str, int], sign: int = 1) -> None:
        """Add a record's counts, or take them away."""
        counters = self.counters
        for name, count in added.items():
            counters[name] = counters.get(name, 0) + sign * count

    def settled(self) -> dict[str, int]:
        """Return what is to be written: a token count of zero was reported and stays."""
        return {name: value for name, value in self.counters.items() if value or name in _USAGE}


@dataclass(slots=True)
class Plan:
    """One batch: the entries, and the gain of every rollup by document id."""

    place: Place
    entries: list[Entry] = field(default_factory=list)
    documents: list[dict[str, Any]] = field(default_factory=list)
    gains: dict[str, Gain] = field(default_factory=dict)
    existing: dict[str, bool] = field(default_factory=dict)

    def add(self, entry: Entry) -> None:
        """Take an entry in: its document, and what its rollups gain or lose."""
        key = rollup_key(entry.record, self.place.tag_names)
        key, rollup = self.place.keys.place(key, self.place.slot)
        self.entries.append(entry)
        self.documents.append(
            to_document(entry.record, self.place.cosmos_partition_key, rollup, self.place.ttl_days)
        )
        if entry.replaces is not None:
            self._take_back(entry.replaces)
        self._gain(rollup, key).add(increments(entry.record))

    def _gain(self, rollup: str, key: RollupKey) -> Gain:
        found = self.gains.get(rollup)
        if found is None:
            found = self.gains[rollup] = Gain(key)
        return found

    def _take_back(self, document: dict[str, Any]) -> None:
        counted = from_document(document)
        key = rollup_key(counted, self.place.tag_names)
        self._gain(document["rollup_id"], key).add(increments(counted), -1)

    def size(self) -> int:
        """Return how many operations the batch has, at most."""
        operations = len(self.entries)
        for gain in self.gains.values():
            operations += -(-len(gain.counters) // PATCH_LIMIT) or 1
        return operations

    def operations(self) -> list[Operation]:
        """Return the batch: ledger documents first, then the rollups."""
        made: list[Operation] = []
        for entry, document in zip(self.entries, self.documents, strict=True):
            if entry.replaces is None:
                made.append(("create", (document,)))
            else:
                guard = {"if_match_etag": entry.replaces["_etag"]}
                made.append(("replace", (document["id"], document), guard))
        return [*made, *(operation for _, operation in self.rollup_operations())]

    def rollup_operations(self) -> list[tuple[str, Operation]]:
        """Return what is done to rollups, in order, each with the rollup's document id."""
        return [
            (rollup, operation)
            for rollup, gain in self.gains.items()
            for operation in self._rollup_operations(rollup, gain)
        ]

    def _rollup_operations(self, rollup: str, gain: Gain) -> list[Operation]:
        counters = gain.settled()
        if self._exists(rollup):
            return [("patch", (rollup, steps)) for steps in patches(counters or _TOUCHED)]
        # Somebody may have deleted the rollup: then there is nothing to take back from.
        counters = {name: count for name, count in counters.items() if count >= 0} or _TOUCHED
        partition = self.place.cosmos_partition_key
        document = rollup_document(gain.key, self.place.slot, partition, counters)
        return [("create", ({**document, "id": rollup},))]

    def _exists(self, rollup: str) -> bool:
        """Whether the rollup is taken to exist; decided once: others write meanwhile."""
        if rollup not in self.existing:
            counted = {each.replaces["rollup_id"] for each in self.entries if each.replaces}
            known = rollup in self.place.keys or rollup in counted
            self.existing[rollup] = known and rollup not in self.place.absent
        return self.existing[rollup]


def planned(entries: Iterable[Entry], place: Place) -> Iterator[Plan]:
    """Yield batches, in order, as full as a batch may be.

    Each is planned when it is asked for: what the one before created is known by then.
    """
    plan = Plan(place)
    for entry in entries:
        if plan.size() > MAX_OPERATIONS - _most_operations(entry):
            yield plan
            plan = Plan(place)
        plan.add(entry)
    yield plan


def _most_operations(entry: Entry) -> int:
    """How many operations an entry may add: its document and up to three patches a rollup."""
    return 4 if entry.replaces is None else 7
