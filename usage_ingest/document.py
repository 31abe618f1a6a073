"""Record <-> Cosmos document: the only place that spells a ledger document's fields. Pure.

The document is flat: operators and exports read `c.input_tokens`, not a nested object. What is
None is left out. `partitionKey`, `rollup_id` and `payload_hash` are the store's own.
"""

import functools
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from enum import Enum
from operator import attrgetter
from typing import Any, Final

from msgspec import to_builtins

from usage_ingest.record import (
    USAGE_FIELDS,
    Flag,
    Source,
    TokenUsage,
    UsageRecord,
    UsageState,
    payload_hash,
)
from usage_ingest.record_id import Coordinates, MetricBin

USAGE_TYPE: Final = "usage"
SECONDS_PER_DAY: Final = 86_400

_PLAIN: Final = tuple(
    each.name
    for each in fields(UsageRecord)
    if each.name
    not in {
        "record_id",
        "event_time",
        "ingested_at",
        "usage",
        "flags",
        "coordinates",
        "metric",
        "tags",
    }
)
"""Fields that are stored as they are, under their own names."""
_EACH_ITS_OWN: Final = (
    "element",
    "gateway_request_id",
    "response_id",
    "latency_ms",
    "session_id",
    "end_user_id",
)
_REPEATED: Final = tuple(name for name in _PLAIN if name not in _EACH_ITS_OWN)
"""Of them those that most records of a batch share with others: put together once."""
_own_values: Final = attrgetter(*_EACH_ITS_OWN)
_repeated_values: Final = attrgetter(*_REPEATED)


def time_text(moment: datetime) -> str:
    """Write a UTC time so that texts sort as the times do, to the microsecond."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    written: str = to_builtins(moment)
    return written if moment.microsecond else f"{written[:-1]}.000000Z"


@functools.lru_cache(maxsize=1_024)
def _stored(*values: object) -> dict[str, Any]:
    """Return the fields that repeat, as they are stored: to be copied, never changed."""
    return {
        name: value.value if isinstance(value, Enum) else value
        for name, value in zip(_REPEATED, values, strict=True)
        if value is not None
    }


def time_of(text: str) -> datetime:
    """Read what `time_text` wrote."""
    return datetime.fromisoformat(text)


def to_document(
    record: UsageRecord, cosmos_partition_key: str, rollup_id: str, ttl_days: int
) -> dict[str, Any]:
    """Return the ledger document of a record that is counted in `rollup_id`."""
    reported, hub = record.usage.reported(), record.coordinates
    own = zip(_EACH_ITS_OWN, _own_values(record), strict=True)
    document = _stored(*_repeated_values(record)).copy()
    document["id"] = record.record_id
    document["partitionKey"] = cosmos_partition_key
    document["type"] = USAGE_TYPE
    document["day"] = record.day
    document["ttl"] = ttl_days * SECONDS_PER_DAY
    document["payload_hash"] = payload_hash(reported)
    document["rollup_id"] = rollup_id
    document["event_time"] = time_text(record.event_time)
    document["ingested_at"] = time_text(record.ingested_at)
    document |= {name: value for name, value in own if value is not None}
    document |= reported
    if record.tags:
        document["tags"] = record.tags
    if record.flags:
        document["flags"] = [flag.value for flag in record.flags]
    if hub is not None:
        document |= coordinates_fields(hub)
    if record.metric is not None:
        document.update(_metric_fields(record.metric))
    return document


def coordinates_fields(hub: Coordinates) -> dict[str, Any]:
    """Return where an event stands, as stored with whatever was made of it."""
    written: dict[str, Any] = {"namespace": hub.namespace, "hub": hub.hub}
    if hub.partition_id is not None:
        written["partition_id"] = hub.partition_id
    if hub.sequence_number is not None:
        written["sequence_number"] = hub.sequence_number
    if hub.enqueued_time is not None:
        written["enqueued_time"] = time_text(hub.enqueued_time)
    return written


def from_document(document: Mapping[str, Any]) -> UsageRecord:
    """Read a ledger document back into the record that it was made of."""
    return UsageRecord(
        record_id=document["id"],
        event_time=time_of(document["event_time"]),
        ingested_at=time_of(document["ingested_at"]),
        usage=TokenUsage(**{name: document.get(name) for name in USAGE_FIELDS}),
        flags=tuple(Flag(flag) for flag in document.get("flags", ())),
        tags=dict(document.get("tags", {})),
        coordinates=coordinates_of(document) if "hub" in document else None,
        metric=_metric(document),
        **{name: document[name] for name in _PLAIN if name in document}
        | {
            "source": Source(document["source"]),
            "usage_state": UsageState(document["usage_state"]),
        },
    )


def coordinates_of(document: Mapping[str, Any]) -> Coordinates:
    """Read what `coordinates_fields` wrote."""
    enqueued = document.get("enqueued_time")
    return Coordinates(
        namespace=document["namespace"],
        hub=document["hub"],
        partition_id=document.get("partition_id"),
        sequence_number=document.get("sequence_number"),
        enqueued_time=time_of(enqueued) if enqueued else None,
    )


def _metric_fields(metric: MetricBin) -> dict[str, Any]:
    return {
        "component": metric.component,
        "metric_profile": metric.profile,
        "role_name": metric.role_name,
        "bin_seconds": metric.bin_seconds,
        "as_of": time_text(metric.as_of),
    }


def _metric(document: Mapping[str, Any]) -> MetricBin | None:
    if "as_of" not in document:
        return None
    return MetricBin(
        component=document["component"],
        profile=document["metric_profile"],
        role_name=document["role_name"],
        bin_seconds=document["bin_seconds"],
        as_of=time_of(document["as_of"]),
    )
