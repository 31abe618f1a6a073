"""Adds ledger documents up by the rollup that they name, and compares. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from usage_ingest.document import from_document
from usage_ingest.record import USAGE_FIELDS, UsageRecord
from usage_ingest.rollup import COUNTERS, RollupKey, increments
from usage_ingest.totals.keys import belongs, key_behind, key_of

_USAGE: Final = frozenset(USAGE_FIELDS)
_SHOWN: Final = 20
SHOWN_KEY: Final = ("subscription_id", "product_id", "app_id", "model", "deployment", "source")


class Kind(StrEnum):
    """What is wrong."""

    WRONG_TOTAL = "wrong_total"  # the counters differ
    MISSING_ROLLUP = "missing_rollup"  # documents name a rollup that is not there
    WITHOUT_DOCUMENTS = "without_documents"  # it counts something, and no document names it
    KEY_MISMATCH = "key_mismatch"  # its id is not that of its key, or documents are of another
    UNREADABLE = "unreadable"  # a ledger document that cannot be read: changed by hand
    NOT_WHOLE = "not_whole"  # documents of this partition may have expired
    CHANGING = "changing"  # written during every reading


Differing = dict[str, tuple[Any, Any]]
"""Counters that differ: what the rollup says, and what its documents add up to."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is wrong in a logical partition; `rollup_id` is "" for all of it."""

    partition: str
    rollup_id: str
    kind: Kind
    documents: int = 0
    counters: Differing = field(default_factory=dict)
    key: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""


@dataclass(slots=True)
class Counted:
    """What the documents that name one rollup add up to."""

    documents: int = 0
    counters: dict[str, int] = field(default_factory=dict)
    strangers: int = 0
    key: tuple[RollupKey, int] | None = None
    first: UsageRecord | None = None

    def add(self, record: UsageRecord) -> None:
        """Take one document in."""
        self.documents += 1
        counters = self.counters
        for name, count in increments(record).items():
            counters[name] = counters.get(name, 0) + count


class Fold:
    """The documents of one logical partition, added up by the rollup that they name."""

    def __init__(self, rollups: Mapping[str, Mapping[str, Any]], tag_names: Sequence[str]) -> None:
        """Start with no document; `rollups` were read before any of them."""
        self.counted: dict[str, Counted] = {}
        self.documents = 0
        self.unreadable: dict[str, str] = {}
        self.spoiled: set[str] = set()
        self.shortest_ttl: int | None = None
        self._keys = {name: key_of(each) for name, each in rollups.items()}
        self._tag_names = tag_names

    def add(self, documents: Iterable[Mapping[str, Any]]) -> None:
        """Take a page of documents in."""
        for each in documents:
            self.documents += 1
            ttl = each.get("ttl")
            if isinstance(ttl, int) and ttl > 0:
                self.shortest_ttl = min(ttl, self.shortest_ttl or ttl)
            try:
                self._add(str(each["rollup_id"]), from_document(each))
            except (KeyError, TypeError, ValueError) as error:
                self.spoiled.add(str(each.get("rollup_id")))
                if len(self.unreadable) < _SHOWN:
                    self.unreadable[str(each.get("id"))] = type(error).__name__

    def _add(self, rollup: str, record: UsageRecord) -> None:
        counted = self.counted.get(rollup)
        if counted is None:
            counted = self.counted[rollup] = Counted(first=record)
            if rollup not in self._keys:
                counted.key = key_behind(rollup, record, self._tag_names)
        key = self._keys.get(rollup)
        if key is not None and not belongs(record, key):
            counted.strangers += 1
            counted.key = counted.key or key_behind(rollup, record, self._tag_names)
        counted.add(record)


def differing(rollup: Mapping[str, Any], counted: Counted | None) -> Differing:
    """Return the counters of a rollup that are not the sum of its documents.

    Of our own counters 0 and absent are the same. Of a token count they are not: the first was
    reported. A rollup that every document has left may keep its zeros.
    """
    sums: Mapping[str, int] = counted.counters if counted else {}
    found: Differing = {}
    for name in COUNTERS:
        stored, wanted = rollup.get(name), sums.get(name)
        if name in _USAGE and counted:
            equal = stored == wanted and not isinstance(stored, bool)
        else:
            equal = (stored or 0) == (wanted or 0)
        if not equal:
            found[name] = (stored, wanted)
    return found


def shown_key(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return of a rollup's key what tells a person which one it is."""
    return {name: stored[name] for name in SHOWN_KEY if stored.get(name) is not None}
