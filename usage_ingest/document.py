"""Record <-> Cosmos document: the only place that spells a ledger document's fields. Pure.

The document is flat: operators and exports read `c.input_tokens`, not a nested object. What is
None is left out. `partitionKey`, `rollup_id` and `payload_hash` are the store's own.
"""

from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, Final

import orjson

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
        "source",
        "usage_state",
        "usage_estimated",
    }
)
"""Fields that are stored as they are, under their own names."""
_plain_values: Final = attrgetter(*_PLAIN)


def time_text(moment: datetime) -> str:
    """Write a UTC time so that texts sort as the times do, to the microsecond."""
    written = orjson.dumps(moment.astimezone(UTC), option=orjson.OPT_UTC_Z)[1:-2].decode()
    return f"{written}Z" if moment.microsecond else f"{written}.000000Z"


def time_of(text: str) -> datetime:
    """Read what `time_text` wrote."""
    return datetime.fromisoformat(text)


def to_document(
    record: UsageRecord, cosmos_partition_key: str, rollup_id: str, ttl_days: int
) -> dict[str, Any]:
    """Return the ledger document of a record that is counted in `rollup_id`."""
    reported = record.usage.reported()
    plain = zip(_PLAIN, _plain_values(record), strict=True)
    document: dict[str, Any] = {
        "id": record.record_id,
        "partitionKey": cosmos_partition_key,
        "type": USAGE_TYPE,
        "day": record.day,
        "ttl": ttl_days * SECONDS_PER_DAY,
        "payload_hash": payload_hash(reported),
        "rollup_id": rollup_id,
        "event_time": time_text(record.event_time),
        "ingested_at": time_text(record.ingested_at),
        "source": record.source.value,
        "usage_state": record.usage_state.value,
        "usage_estimated": record.usage_estimated,
    }
    document.update({name: value for name, value in plain if value is not None})
    document.update(reported)
    if record.tags:
        document["tags"] = record.tags
    if record.flags:
        document["flags"] = [flag.value for flag in record.flags]
    if record.coordinates is not None:
        document.update(coordinates_fields(record.coordinates))
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
        source=Source(document["source"]),
        usage_state=UsageState(document["usage_state"]),
        usage_estimated=document["usage_estimated"],
        usage=TokenUsage(**{name: document.get(name) for name in USAGE_FIELDS}),
        flags=tuple(Flag(flag) for flag in document.get("flags", ())),
        tags=dict(document.get("tags", {})),
        coordinates=coordinates_of(document) if "hub" in document else None,
        metric=_metric(document),
        **{name: document[name] for name in _PLAIN if name in document},
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
