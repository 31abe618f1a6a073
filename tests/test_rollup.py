from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sightings import make_record, token_usages
from usage_ingest.record import NO_USAGE, Source, TokenUsage, UsageState
from usage_ingest.rollup import (
    COUNTERS,
    KEY_FIELDS,
    LATENCY_COUNTERS,
    OTHER,
    PATCH_LIMIT,
    RollupKey,
    context_band,
    increments,
    patches,
    rollup_document,
    rollup_id,
    rollup_key,
)

REQUEST_FIELDS: dict[str, Any] = {
    "subscription_id": "hr-copilot",
    "product_id": "ai-standard",
    "app_id": "app-1",
    "tenant_id": "tenant-1",
    "tags": {"team": "benefits", "environment": "test", "cost": "4711"},
    "gateway": "apim-contoso",
    "backend": "aoai-1",
    "provider": "openai",
    "api_kind": "chat",
    "request_model": "gpt-4o",
    "response_model": "gpt-4o-2024-11-20",
    "deployment": "gpt-4o-prod",
    "served_deployment": "gpt-4o-2",
    "region": "Sweden Central",
    "service_tier": "default",
    "spillover_from": "gpt-4o-prod",
    "streaming": False,
}
NEVER_A_KEY: dict[str, Any] = {
    "end_user_id": "k1:abc",
    "session_id": "session-1",
    "client_ip": "203.0.113.0/24",
    "user_id": "1",
    "gateway_request_id": "request-1",
    "response_id": "resp_1",
    "latency_ms": 5,
    "status": 429,
    "record_id": "f" * 32,
}


def make_key(**overrides: Any) -> RollupKey:
    return rollup_key(make_record(**REQUEST_FIELDS | overrides), ["team", "environment"])


def test_a_record_is_counted_under_who_and_what() -> None:
    assert make_key() == RollupKey(
        day="2026-11-20",
        subscription_id="hr-copilot",
        product_id="ai-standard",
        app_id="app-1",
        tenant_id="tenant-1",
        tags=(("team", "benefits"), ("environment", "test")),
        gateway="apim-contoso",
        backend="aoai-1",
        provider="openai",
        api_kind="chat",
        model="gpt-4o-2024-11-20",
        deployment="gpt-4o-prod",
        served_deployment="gpt-4o-2",
        region="Sweden Central",
        service_tier="default",
        spillover=True,
        context_band="128k",
        streaming=False,
        usage_estimated=False,
        source="event_hub",
    )


def test_nobody_and_no_single_call_has_a_rollup_of_its_own() -> None:
    assert make_key(**NEVER_A_KEY) == make_key()


@pytest.mark.parametrize("name", [name for name in KEY_FIELDS if name != "tags"])
def test_every_field_of_a_key_tells_rollups_apart(name: str) -> None:
    key = make_key()
    changes: dict[str, Any] = {"spillover": False, "usage_estimated": True}

    other = key._replace(**{name: changes.get(name, "other")})
    unknown = key._replace(**dict[str, Any]({name: None}))

    assert len({key.key_hash(), other.key_hash(), unknown.key_hash()}) == 3


def test_tags_tell_rollups_apart_by_name_and_value() -> None:
    pairs = [(), (("a", "b"),), (("a", "c"),), (("b", "b"),), (("a", "b"), ("c", "d"))]

    assert len({make_key()._replace(tags=tags).key_hash() for tags in pairs}) == len(pairs)


def test_golden_rollup_ids() -> None:
    key_hash = rollup_key(make_record(tags={"team": "benefits"}), ["team"]).key_hash()

    assert key_hash == "f3e3eef87a2d4bc5c44138e0d6d3cdf0"
    assert rollup_id(key_hash, 2) == "1fe3f3f19edee0e7ba3eb2ff34e0d922"
    assert len({rollup_id(key_hash, slot) for slot in range(4)}) == 4


def test_past_the_cap_apps_tenants_and_tags_become_other_and_nothing_else_does() -> None:
    key = make_key()

    collapsed = key.collapsed()

    assert collapsed == key._replace(
        app_id=OTHER,
        tenant_id=OTHER,
        tags=(("team", OTHER), ("environment", OTHER)),
    )
    assert collapsed.collapsed() == collapsed
    assert make_key(app_id=None, tenant_id=None, tags={}).collapsed().app_id is None


@pytest.mark.parametrize(
    ("input_tokens", "band"),
    [
        (None, None),
        (0, "128k"),
        (128_000, "128k"),
        (128_001, "200k"),
        (200_000, "200k"),
        (200_001, "272k"),
        (272_000, "272k"),
        (272_001, "above_272k"),
    ],
)
def test_a_context_band_reaches_up_to_its_bound(input_tokens: int | None, band: str | None) -> None:
    assert context_band(input_tokens) == band


def test_metrics_add_tokens_but_neither_requests_nor_a_context_band() -> None:
    """A row sums up an unknown number of calls."""
    record = make_record(source=Source.METRICS, usage=TokenUsage(input_tokens=900_000), status=429)

    assert rollup_key(record, []).context_band is None
    assert increments(record) == {"input_tokens": 900_000}


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        pytest.param({}, {"requests": 1}, id="reported"),
        pytest.param({"status": 399}, {"requests": 1}, id="redirected"),
        pytest.param({"status": 400}, {"requests": 1, "failed_requests": 1}, id="failed"),
        pytest.param(
            {"status": 429},
            {"requests": 1, "failed_requests": 1, "rate_limited_requests": 1},
            id="rate-limited",
        ),
        pytest.param(
            {"usage_state": UsageState.NONE},
            {"requests": 1, "requests_without_usage": 1},
            id="without-usage",
        ),
        pytest.param(
            {"usage_state": UsageState.AWAITING_METRICS},
            {"requests": 1, "requests_awaiting_metrics": 1},
            id="awaiting-metrics",
        ),
        pytest.param(
            {"latency_ms": 0},
            {"requests": 1, "latency_ms_sum": 0, "latency_le_250_ms": 1},
            id="no-latency-at-all",
        ),
        pytest.param(
            {"latency_ms": 250},
            {"requests": 1, "latency_ms_sum": 250, "latency_le_250_ms": 1},
            id="at-a-bound",
        ),
        pytest.param(
            {"latency_ms": 251},
            {"requests": 1, "latency_ms_sum": 251, "latency_le_500_ms": 1},
            id="above-a-bound",
        ),
        pytest.param(
            {"latency_ms": 60_001},
            {"requests": 1, "latency_ms_sum": 60_001, "latency_above_60000_ms": 1},
            id="above-all",
        ),
    ],
)
def test_a_request_adds_what_it_was(overrides: dict[str, Any], expected: dict[str, int]) -> None:
    record = make_record(**{"usage": NO_USAGE} | overrides)

    assert increments(record) == expected


def test_zero_tokens_are_added_and_unreported_ones_are_not() -> None:
    record = make_record(usage=TokenUsage(input_tokens=5, output_tokens=0))

    assert increments(record) == {"requests": 1, "input_tokens": 5, "output_tokens": 0}


@given(token_usages, st.none() | st.integers(0, 2**31), st.none() | st.integers(100, 599))
def test_every_increment_is_a_known_counter_and_a_latency_is_in_one_bucket(
    usage: TokenUsage, latency_ms: int | None, status: int | None
) -> None:
    added = increments(make_record(usage=usage, latency_ms=latency_ms, status=status))

    assert set(added) <= set(COUNTERS)
    buckets = [name for name in LATENCY_COUNTERS if name in added and name != "latency_ms_sum"]
    assert len(buckets) == (latency_ms is not None)
    assert added["requests"] == 1


def test_a_rollup_document_has_its_key_and_its_counters_and_no_ttl() -> None:
    key = make_key(backend=None, tags={"team": "benefits"})

    document = rollup_document(key, 2, "hr-copilot|2026-11-20|0", {"requests": 1})

    assert document["id"] == rollup_id(key.key_hash(), 2)
    assert document["partitionKey"] == "hr-copilot|2026-11-20|0"
    assert (document["type"], document["key"], document["slot"]) == ("rollup", key.key_hash(), 2)
    assert (document["requests"], document["tags"]) == (1, {"team": "benefits"})
    assert document["spillover"] is True
    assert "backend" not in document
    assert "ttl" not in document


def test_no_counter_has_the_name_of_a_key_field() -> None:
    assert not set(COUNTERS) & {*KEY_FIELDS, "id", "partitionKey", "type", "key", "slot"}


@pytest.mark.parametrize(("counters", "sizes"), [(0, []), (10, [10]), (11, [10, 1])])
def test_increments_are_split_into_patches_that_cosmos_takes(
    counters: int, sizes: list[int]
) -> None:
    steps = patches({f"counter-{number}": number for number in range(counters)})

    assert [len(each) for each in steps] == sizes
    assert max(sizes, default=0) <= PATCH_LIMIT
    if counters:
        assert steps[0][0] == {"op": "incr", "path": "/counter-0", "value": 0}
