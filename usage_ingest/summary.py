"""The verb that turns rollups into a usage summary, with what it covers.

Rollups are folded as they are read, never listed. A number that nobody reported is None, one that
was reported as zero is 0; only the counters of requests, which are our own, start at 0.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from usage_ingest.completeness import completeness
from usage_ingest.coverage import ESTIMATED_FIELDS, Seen, sources
from usage_ingest.document import time_text
from usage_ingest.errors import InvalidQueryError
from usage_ingest.ports import ReportReader, ReportStores
from usage_ingest.record import USAGE_FIELDS
from usage_ingest.rollup import COUNTERS, LATENCY_ABOVE, LATENCY_BUCKETS, REQUEST_COUNTERS
from usage_ingest.streaming import STREAMING_COLUMNS, Streaming
from usage_ingest.summary_query import STORED_TAG, SummaryQuery, Value, stored_field

MAX_GROUPS: Final = 20_000
NARROWING: Final = frozenset({"day"})
"""Filters that hold for streamed requests and their metrics alike."""

_HISTOGRAM: Final = (*LATENCY_BUCKETS, (None, LATENCY_ABOVE))
_LAST_BOUND: Final = LATENCY_BUCKETS[-1][0]
Key = tuple[Value, ...]


@dataclass(slots=True)
class _Sums:
    """Counters added up, by name, and the part of the tokens that was estimated."""

    counters: dict[str, int] = field(default_factory=dict)
    estimated: dict[str, int] = field(default_factory=dict)

    def add(self, counters: Mapping[str, int], estimated: Mapping[str, int]) -> None:
        for sums, added in ((self.counters, counters), (self.estimated, estimated)):
            for name, value in added.items():
                sums[name] = sums.get(name, 0) + value


@dataclass(slots=True)
class _Fold:
    """The sums by group key, and what was seen of all that is in them."""

    groups: dict[Key, _Sums] = field(default_factory=dict)
    seen: Seen = field(default_factory=Seen)

    def totals(self) -> _Sums:
        totals = _Sums()
        for sums in self.groups.values():
            totals.add(sums.counters, sums.estimated)
        return totals


async def summarise(query: SummaryQuery, stores: ReportStores, now: datetime) -> dict[str, Any]:
    """Return the summary, ready for JSON.

    Raises:
        InvalidQueryError: The grouping gives more groups than a summary holds.
    """
    known = await sources(query, stores)
    fold = await _folded(query, _rollups(query, stores.reader))
    if not query.filters.keys() <= NARROWING:
        fold.seen.streaming = await _streaming(query, stores.reader)
    return {
        **_asked(query),
        "generated_at": time_text(now),
        "totals": _numbers(fold.totals()),
        "groups": _groups(query, fold),
        "completeness": completeness(query, fold.seen.counted(), known, now),
    }


async def _streaming(query: SummaryQuery, reader: ReportReader) -> Streaming:
    """Read streamed requests and their metrics whole: a filter may hold for one of them only."""
    wanted = query.filters.get("subscription")
    streaming = Streaming(wanted=wanted)
    stored = {stored_field(name): of for name, of in query.filters.items() if name in NARROWING}
    if wanted is not None:
        stored["subscription_id"] = (*wanted, None)  # metrics may name none
    start, end = query.start.isoformat(), query.end.isoformat()
    async for rollup in reader.rollups(STREAMING_COLUMNS, start, end, stored):
        streaming.add(rollup)
    return streaming


def is_complete(summary: Mapping[str, Any]) -> bool:
    """Whether nothing is known to be missing from the totals."""
    return summary["completeness"]["complete"] is True


def columns_of(query: SummaryQuery) -> tuple[str, ...]:
    """Return the columns of a rollup that the summary needs, each once."""
    names = (*query.group_by, *query.filters)
    fields = (
        "day",
        "subscription_id",
        "source",
        "streaming",
        "product_id",
        "usage_estimated",
        *(stored_field(name) for name in names),
        *COUNTERS,
    )
    return tuple(dict.fromkeys(fields))


def _rollups(query: SummaryQuery, reader: ReportReader) -> AsyncIterator[dict[str, Any]]:
    filters = {stored_field(name): values for name, values in query.filters.items()}
    start, end = query.start.isoformat(), query.end.isoformat()
    return reader.rollups(columns_of(query), start, end, filters)


async def _folded(query: SummaryQuery, rollups: AsyncIterator[dict[str, Any]]) -> _Fold:
    fold, fields = _Fold(), [stored_field(name) for name in query.group_by]
    async for rollup in rollups:
        counters = {name: int(rollup[name]) for name in COUNTERS if rollup.get(name) is not None}
        if not any(counters.values()):
            continue  # a correction has moved all of it elsewhere
        key = tuple(_value(rollup, name) for name in fields)
        if key not in fold.groups and len(fold.groups) == MAX_GROUPS:
            raise InvalidQueryError(
                "group_by",
                f"takes what gives at most {MAX_GROUPS} groups; narrow the range, filter, "
                "or group by fewer names",
            )
        fold.groups.setdefault(key, _Sums()).add(counters, _estimated(rollup, counters))
        fold.seen.add(rollup)
    return fold


def _value(rollup: Mapping[str, Any], name: str) -> Value:
    """Read a stored field; a tag's name may hold dots itself."""
    within: Mapping[str, Value] = rollup
    if name.startswith(STORED_TAG):
        within, name = rollup.get("tags") or {}, name.removeprefix(STORED_TAG)
    return within.get(name)


def _estimated(rollup: Mapping[str, Any], counters: Mapping[str, int]) -> dict[str, int]:
    if not rollup.get("usage_estimated"):
        return {}
    return {name: counters[name] for name in ESTIMATED_FIELDS if name in counters}


def _asked(query: SummaryQuery) -> dict[str, Any]:
    start, end = query.start.isoformat(), query.end.isoformat()
    return {
        "range": {"start_date": start, "end_date": end, "time_zone": "UTC"},
        "group_by": list(query.group_by),
        "filters": {name: list(values) for name, values in query.filters.items()},
    }


def _groups(query: SummaryQuery, fold: _Fold) -> list[dict[str, Any]]:
    if not query.group_by:
        return []
    return [
        {"key": dict(zip(query.group_by, key, strict=True)), **_numbers(fold.groups[key])}
        for key in sorted(fold.groups, key=_order)
    ]


def _order(key: Key) -> list[tuple[bool, str]]:
    return [(value is None, str(value)) for value in key]


def _numbers(sums: _Sums) -> dict[str, Any]:
    return {
        **{name: sums.counters.get(name, 0) for name in REQUEST_COUNTERS},
        **{name: sums.counters.get(name) for name in USAGE_FIELDS},
        "latency": _latency(sums.counters),
        "estimated": {name: sums.estimated.get(name) for name in ESTIMATED_FIELDS},
    }


def _latency(counters: Mapping[str, int]) -> dict[str, int | None]:
    """Return the average and upper bounds; a bound above the last bucket is told by `_above`."""
    count = sum(counters.get(name, 0) for _, name in _HISTOGRAM)
    if count <= 0:
        names = (
            "average_ms",
            *(f"p{p}_ms_{end}" for p in (50, 95) for end in ("at_most", "above")),
        )
        return dict.fromkeys(names)
    average = (counters.get("latency_ms_sum", 0) + count // 2) // count
    latency: dict[str, int | None] = {"average_ms": average}
    for percent in (50, 95):
        bound = _bound(counters, -(-count * percent // 100))
        latency[f"p{percent}_ms_at_most"] = bound
        latency[f"p{percent}_ms_above"] = _LAST_BOUND if bound is None else None
    return latency


def _bound(counters: Mapping[str, int], rank: int) -> int | None:
    """Return the bound of the bucket that holds the request of this rank by latency."""
    for bound, name in _HISTOGRAM:
        rank -= counters.get(name, 0)
        if rank <= 0:
            return bound
    return None
