"""Rollups -> subjects with summed counters, as they are read. Pure.

Only what prices, owners and the report need is kept apart, so that sums are few; the rest of a
rollup's key is dropped. Counters are added up as they are, and rating is linear in them, so it does
not matter how rollups were cut. This runs for each rollup: it is written to be fast.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from usage_ingest.chargeback.kinds import RATED_COUNTERS
from usage_ingest.chargeback.line import Subject
from usage_ingest.chargeback.owner import OwnerRule
from usage_ingest.summary_query import STORED_TAG

_ALWAYS: Final = tuple(
    name for name in Subject._fields if name not in {"day", "app_id", "tenant_id", "tags"}
)


class Counted(NamedTuple):
    """A subject with its sums: counters of kinds.RATED_COUNTERS.

    `since` is the first day of what was added up; None is the first day of the segment.
    """

    subject: Subject
    sums: Mapping[str, int]
    since: str | None = None


class Apart(NamedTuple):
    """How the days of a subject are kept apart: by the days on which something begins.

    `shown` days are the subject's own day; others only choose what it is priced by.
    """

    starts: Sequence[str] = ()
    shown: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What lines keep beside what prices and owners need."""

    days: bool = False
    apps: bool = False
    tenants: bool = False
    tags: tuple[str, ...] = ()

    def with_owners(self, rules: Iterable[OwnerRule]) -> "Asked":
        """Add what the rules tell owners by."""
        keys = [rule.key for rule in rules]
        named = (name for key in keys for name, _ in key.tags)
        return replace(
            self,
            apps=self.apps or any(key.app is not None for key in keys),
            tenants=self.tenants or any(key.tenant is not None for key in keys),
            tags=tuple(dict.fromkeys((*self.tags, *sorted(named)))),
        )

    def fields(self) -> tuple[str, ...]:
        """Return the stored fields of a rollup's key that are kept apart, tags aside."""
        apart = ("app_id",) * self.apps + ("tenant_id",) * self.tenants
        return (*_ALWAYS, *apart)

    def columns(self) -> tuple[str, ...]:
        """Return the columns of a rollup that are needed."""
        tags = (STORED_TAG + name for name in self.tags)
        return ("day", *self.fields(), *tags, *RATED_COUNTERS)


@dataclass(slots=True)
class _Entry:
    """The sums of one subject by the start that their days are of; None where all is one."""

    subject: Subject
    apart: Apart
    sums: dict[str | None, dict[str, int]] = field(default_factory=dict)

    def start(self, day: str) -> str:
        """Return the last start up to a day."""
        starts = self.apart.starts
        return starts[bisect_right(starts, day) - 1]


class Fold:
    """The subjects of a segment of days; rollups are added."""

    def __init__(self, asked: Asked, apart: Callable[[Subject], Apart]) -> None:
        """Keep what is asked apart.

        Args:
            asked: What is kept, owners' needs included.
            apart: How a subject's days are kept apart.
        """
        self._fields = asked.fields()
        self._tags = asked.tags
        self._apart = apart
        self._entries: dict[tuple[Any, ...], _Entry] = {}

    def add(self, rollup: Mapping[str, Any]) -> None:
        """Add a rollup's counters to its subject."""
        get = rollup.get
        key = tuple(map(get, self._fields))
        if self._tags:
            key = (*key, self._tags_of(get("tags") or {}))
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = self._entry(key)
        start = entry.start(rollup["day"]) if entry.apart.starts else None
        sums = entry.sums.get(start)
        if sums is None:
            sums = entry.sums[start] = {}
        for name, count in zip(RATED_COUNTERS, map(get, RATED_COUNTERS), strict=True):
            if count:
                sums[name] = sums.get(name, 0) + count

    def counted(self) -> Iterator[Counted]:
        """Yield every subject with its sums, in the order in which they were met."""
        for entry in self._entries.values():
            for start, sums in entry.sums.items():
                day = start if entry.apart.shown else None
                yield Counted(entry.subject._replace(day=day), sums, start)

    def _tags_of(self, tags: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
        return tuple([(name, tags[name]) for name in self._tags if name in tags])

    def _entry(self, key: tuple[Any, ...]) -> _Entry:
        found: dict[str, Any] = dict.fromkeys(Subject._fields)
        found.update(zip(self._fields, key, strict=False))
        found["tags"] = key[-1] if self._tags else ()
        found["spillover"] = bool(found["spillover"])
        found["usage_estimated"] = bool(found["usage_estimated"])
        subject = Subject(**found)
        return _Entry(subject, self._apart(subject))
