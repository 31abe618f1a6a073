from dataclasses import fields
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import NOON
from tests.sightings import make_record, token_usages
from usage_ingest.document import from_document, time_of, time_text, to_document
from usage_ingest.record import (
    USAGE_FIELDS,
    Flag,
    Source,
    TokenUsage,
    UsageRecord,
    UsageState,
)
from usage_ingest.record_id import Coordinates, MetricBin

names = st.none() | st.text(min_size=1, max_size=12)
moments = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)).map(  # noqa: DTZ001 - made aware
    lambda naive: naive.replace(tzinfo=UTC)
)
coordinates = st.builds(
    Coordinates,
    namespace=st.text(max_size=8),
    hub=st.text(max_size=8),
    partition_id=st.none() | st.just("3"),
    sequence_number=st.none() | st.integers(0, 2**53),
    enqueued_time=st.none() | moments,
)
metric_bins = st.builds(
    MetricBin,
    component=st.text(max_size=8),
    profile=st.just("own"),
    role_name=st.text(max_size=8),
    bin_seconds=st.integers(60, 86_400),
    as_of=moments,
)
_TYPED: dict[str, Any] = {
    "record_id": st.text("0123456789abcdef", min_size=32, max_size=32),
    "shape": st.sampled_from(["own", "ai_hub"]),
    "source": st.sampled_from(Source),
    "event_time": moments,
    "ingested_at": moments,
    "usage": token_usages,
    "usage_state": st.sampled_from(UsageState),
    "usage_estimated": st.booleans(),
    "flags": st.lists(st.sampled_from(Flag), unique=True).map(tuple),
    "coordinates": st.none() | coordinates,
    "metric": st.none() | metric_bins,
    "element": st.integers(0, 10_000),
    "gateway": st.text(min_size=1, max_size=12),
    "tags": st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=8), max_size=8),
    "streaming": st.none() | st.booleans(),
    "background": st.none() | st.booleans(),
    "status": st.none() | st.integers(100, 599),
    "latency_ms": st.none() | st.integers(0, 2**31),
}
records = st.builds(
    UsageRecord, **{each.name: _TYPED.get(each.name, names) for each in fields(UsageRecord)}
)


@given(records)
def test_a_record_is_itself_again_after_being_stored_as_json(record: UsageRecord) -> None:
    document = to_document(record, "hr-copilot|2026-11-20|0", "rollup-1", 400)

    assert from_document(orjson.loads(orjson.dumps(document))) == record


@given(records)
def test_what_the_store_adds_to_a_document_is_no_part_of_the_record(record: UsageRecord) -> None:
    document = to_document(record, "hr-copilot|2026-11-20|0", "rollup-1", 400)

    assert from_document(document | {"_etag": "x", "_ts": 1, "_rid": "y"}) == record


def test_a_document_is_flat_and_leaves_out_what_is_not_known() -> None:
    record = make_record(
        usage=TokenUsage(input_tokens=100, output_tokens=0),
        flags=(Flag.READ_BACK,),
        tags={"team": "benefits"},
        status=200,
    )

    assert to_document(record, "hr-copilot|2026-11-20|0", "rollup-1", 400) == {
        "id": "0123456789abcdef0123456789abcdef",
        "partitionKey": "hr-copilot|2026-11-20|0",
        "type": "usage",
        "day": "2026-11-20",
        "ttl": 34_560_000,
        "payload_hash": record.usage.payload_hash(),
        "rollup_id": "rollup-1",
        "event_time": "2026-11-20T12:00:00.000000Z",
        "ingested_at": "2026-11-20T12:00:00.000000Z",
        "source": "event_hub",
        "usage_state": "reported",
        "usage_estimated": False,
        "shape": "own",
        "element": 0,
        "gateway": "apim-contoso",
        "subscription_id": "hr-copilot",
        "status": 200,
        "input_tokens": 100,
        "output_tokens": 0,
        "tags": {"team": "benefits"},
        "flags": ["read_back"],
        "namespace": "contoso.servicebus.windows.net",
        "hub": "usage",
        "partition_id": "3",
        "sequence_number": 4711,
        "enqueued_time": "2026-11-20T12:00:00.000000Z",
    }


def test_no_stored_field_has_two_meanings() -> None:
    """Record, usage, coordinates and the store's own fields lie side by side."""
    own = {"id", "partitionKey", "type", "day", "ttl", "payload_hash", "rollup_id"}
    places = {each.name for each in fields(Coordinates)}
    record = {each.name for each in fields(UsageRecord)}

    assert not own & (record | places | set(USAGE_FIELDS))
    assert not record & (places | set(USAGE_FIELDS))


@given(moments, moments)
def test_stored_times_read_back_and_sort_as_the_times_do(one: datetime, other: datetime) -> None:
    assert time_of(time_text(one)) == one
    assert (time_text(one) < time_text(other)) == (one < other)


def test_the_first_year_is_written_with_four_digits() -> None:
    """Event Hubs says that an empty partition's last event was enqueued in the year 1."""
    first = datetime(1, 1, 1, tzinfo=UTC)

    assert time_text(first) == "0001-01-01T00:00:00.000000Z"
    assert time_of(time_text(first)) == first


def test_a_time_of_another_zone_is_stored_as_utc() -> None:
    elsewhere = NOON.astimezone(timezone(timedelta(hours=-5)))

    assert time_text(elsewhere) == time_text(NOON) == "2026-11-20T12:00:00.000000Z"
