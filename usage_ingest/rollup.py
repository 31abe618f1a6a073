"""A day's totals: the key that a record is counted under, and what it adds. Pure.

A rollup lies in the same logical partition as the ledger documents that it counts, so that one
transactional batch writes both. Counters are flat integers; one that nobody reported is absent.
"""

import functools
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Any, Final, NamedTuple

from usage_ingest.call_counters import CALL_COUNTERS, call_counters
from usage_ingest.record import USAGE_FIELDS, Source, UsageRecord, UsageState
from usage_ingest.record_id import digest

ROLLUP_TYPE: Final = "rollup"
OTHER: Final = "(other)"
MAX_KEYS: Final = 500
"""Keys of one logical partition after which new apps, tenants and tags become `(other)`."""
PATCH_LIMIT: Final = 10
"""Cosmos DB takes at most this many operations in one patch."""

REQUEST_COUNTERS: Final = (
    "requests",
    "failed_requests",
    "rate_limited_requests",
    "requests_without_usage",
    "requests_awaiting_metrics",
)
LATENCY_BUCKETS: Final = (
    (250, "latency_le_250_ms"),
    (500, "latency_le_500_ms"),
    (1_000, "latency_le_1000_ms"),
    (2_500, "latency_le_2500_ms"),
    (5_000, "latency_le_5000_ms"),
    (10_000, "latency_le_10000_ms"),
    (30_000, "latency_le_30000_ms"),
    (60_000, "latency_le_60000_ms"),
)
"""Each request with a latency is in exactly one bucket: above the bound before, up to this."""
LATENCY_ABOVE: Final = "latency_above_60000_ms"
LATENCY_COUNTERS: Final = (
    "latency_ms_sum",
    *(name for _, name in LATENCY_BUCKETS),
    LATENCY_ABOVE,
)
_BOUNDS: Final = tuple(bound for bound, _ in LATENCY_BUCKETS)
COUNTERS: Final = (*REQUEST_COUNTERS, *LATENCY_COUNTERS, *USAGE_FIELDS, *CALL_COUNTERS)

_BAND_BOUNDS: Final = (128_000, 200_000, 272_000)
_BANDS: Final = ("128k", "200k", "272k", "above_272k")
_FAILED: Final = 400
_RATE_LIMITED: Final = 429


class RollupKey(NamedTuple):
    """What a rollup is of. Never an end user or a session: those would have no bound."""

    day: str
    subscription_id: str | None
    product_id: str | None
    app_id: str | None
    tenant_id: str | None
    tags: tuple[tuple[str, str], ...]
    gateway: str
    backend: str | None
    provider: str | None
    api_kind: str | None
    model: str | None
    deployment: str | None
    served_deployment: str | None
    region: str | None
    service_tier: str | None
    spillover: bool
    context_band: str | None
    streaming: bool | None
    usage_estimated: bool
    source: str

    def collapsed(self) -> "RollupKey":
        """Return the key with what may have any number of values put under `(other)`."""
        return self._replace(
            app_id=self.app_id and OTHER,
            tenant_id=self.tenant_id and OTHER,
            tags=tuple((name, OTHER) for name, _ in self.tags),
        )

    def fields(self) -> dict[str, Any]:
        """Return the key as stored: by name, what is unknown left out."""
        stored = self._asdict()
        stored["tags"] = dict(self.tags) or None
        return {name: value for name, value in stored.items() if value is not None}

    def key_hash(self) -> str:
        """Return a hash that two keys share exactly when they are equal."""
        return _key_hash(self)


KEY_FIELDS: Final = RollupKey._fields


@functools.lru_cache(maxsize=4_096)  # most events of a batch are counted under few keys
def _key_hash(key: RollupKey) -> str:
    tags = (part for pair in key.tags for part in pair)
    values = (getattr(key, name) for name in KEY_FIELDS if name != "tags")
    texts = (None if value is None else str(value) for value in values)
    return digest("rollup", *texts, *tags)


_SOURCES: Final = {source: source.value for source in Source}
_who: Final = attrgetter(*KEY_FIELDS[1:5])
_where: Final = attrgetter(*KEY_FIELDS[6:15])


def context_band(input_tokens: int | None) -> str | None:
    """Return the band of one call's input that prices may depend on."""
    if input_tokens is None:
        return None
    return _BANDS[bisect_left(_BAND_BOUNDS, input_tokens)]


def rollup_key(record: UsageRecord, tag_names: Iterable[str]) -> RollupKey:
    """Return the key that a record is counted under; only the listed tags enter it."""
    band = None if _is_summed(record) else context_band(record.usage.input_tokens)
    who, tags, where = _who(record), record.tags, _where(record)
    listed = tuple([(name, tags[name]) for name in tag_names if name in tags])
    is_spillover = record.spillover_from is not None
    how = (is_spillover, band, record.streaming, record.usage_estimated, _SOURCES[record.source])
    return RollupKey._make((record.day, *who, listed, *where, *how))


@functools.lru_cache(maxsize=4_096)
def rollup_id(key_hash: str, slot: int) -> str:
    """Return the id of the document that a slot of hub partitions counts a key in."""
    return digest("rollup-slot", key_hash, slot)


def increments(record: UsageRecord) -> dict[str, int]:
    """Return what a record adds to its rollup; metrics add tokens and no requests."""
    added = {} if _is_summed(record) else _request(record)
    reported = record.usage.reported()
    added.update(reported)
    added.update(call_counters(reported))
    return added


def _is_summed(record: UsageRecord) -> bool:
    """Whether the record sums up an unknown number of calls."""
    return record.source is Source.METRICS


def _request(record: UsageRecord) -> dict[str, int]:
    added = {"requests": 1}
    if record.status is not None and record.status >= _FAILED:
        added["failed_requests"] = 1
        if record.status == _RATE_LIMITED:
            added["rate_limited_requests"] = 1
    if record.usage_state is UsageState.NONE:
        added["requests_without_usage"] = 1
    elif record.usage_state is UsageState.AWAITING_METRICS:
        added["requests_awaiting_metrics"] = 1
    if record.latency_ms is not None:
        added["latency_ms_sum"] = record.latency_ms
        added[_bucket(record.latency_ms)] = 1
    return added


def _bucket(latency_ms: int) -> str:
    return LATENCY_COUNTERS[1 + bisect_left(_BOUNDS, latency_ms)]


def rollup_document(
    key: RollupKey, slot: int, cosmos_partition_key: str, counters: Mapping[str, int]
) -> dict[str, Any]:
    """Return a new rollup document; it has no ttl: totals outlive the ledger."""
    key_hash = key.key_hash()
    return {
        "id": rollup_id(key_hash, slot),
        "partitionKey": cosmos_partition_key,
        "type": ROLLUP_TYPE,
        "key": key_hash,
        "slot": slot,
        **key.fields(),
        **counters,
    }


def patches(counters: Mapping[str, int]) -> list[list[dict[str, Any]]]:
    """Return the counters as increments, in lists that one patch each can hold."""
    steps = [{"op": "incr", "path": f"/{name}", "value": value} for name, value in counters.items()]
    return [steps[at : at + PATCH_LIMIT] for at in range(0, len(steps), PATCH_LIMIT)]
