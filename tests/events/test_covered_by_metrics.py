"""Events of products whose tokens count by metrics: the request stays, its tokens do not."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest

from tests.builders import (
    DIMENSIONS,
    NOON,
    make_ai_hub_event,
    make_event,
    make_kind,
    make_metric_row,
    make_usage,
)
from tests.sightings import make_rules, parse, record_of
from usage_ingest.errors import ConfigError
from usage_ingest.events.to_record import Rules
from usage_ingest.identity import BEGINNING, DatedValue, Identity
from usage_ingest.metric_profile import parsed
from usage_ingest.metrics.fold import records
from usage_ingest.metrics.shipped import SHIPPED
from usage_ingest.record import NO_USAGE, TOKEN_FIELDS, Flag, UsageRecord, UsageState
from usage_ingest.rollup import increments

FROM_DAY = "2026-11-20"
IMAGES: dict[str, Any] = {
    "EventTime": "2026-11-20T11:59:58Z",
    "AppSubscriptionKey": "a-key",
    "Request": '{"model": "gpt-image-1", "prompt": "a cat"}',
    "Response": '{"data": [{"b64_json": "cGE="}, {"b64_json": "cGE="}], "usage": '
    '{"input_tokens": 50, "output_tokens": 4160, "total_tokens": 4210}}',
}
SEARCHES = {"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 0}


def text_of(**covered: list[str]) -> str:
    return orjson.dumps({**SHIPPED["citadel"], "covers": "all", "covered": covered}).decode()


def covering(*, from_day: str = BEGINNING, **covered: list[str]) -> Rules:
    value = DatedValue(from_day, text_of(**covered))
    return make_rules(identity=Identity({"metric_profile/citadel": (value,)}))


COVERED = covering(product_id=["ai-standard", "AI-Retail"])


def test_a_covered_event_keeps_its_request_and_loses_its_tokens() -> None:
    event = make_event()
    plain, covered = record_of(event), record_of(event, rules=COVERED)

    assert covered.usage == NO_USAGE
    assert covered.usage_state is UsageState.AWAITING_METRICS
    assert covered.flags == (Flag.COVERED_BY_METRICS,)
    assert plain.usage.input_tokens == 100
    assert replace(covered, usage=plain.usage, usage_state=plain.usage_state, flags=()) == plain


def test_a_covered_event_is_counted_as_a_request_that_awaits_its_tokens() -> None:
    added = increments(record_of(make_event(), rules=COVERED))

    assert added["requests"] == added["requests_awaiting_metrics"] == 1
    assert "requests_without_usage" not in added
    assert not [name for name in added if name in TOKEN_FIELDS]


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(make_event(product_id="ai-standard"), id="by-id"),
        pytest.param(make_event(product_id="7", product_name="AI-Retail"), id="by-name"),
        pytest.param(make_ai_hub_event(), id="of-another-gateway"),
    ],
)
def test_a_product_is_known_by_its_id_or_its_name(event: dict[str, Any]) -> None:
    assert Flag.COVERED_BY_METRICS in record_of(event, rules=COVERED).flags


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(make_event(product_id="ai-premium"), id="another-product"),
        pytest.param(make_event(product_id=None), id="no-product"),
        pytest.param(make_event(product_id="AI-STANDARD"), id="other-letters"),
    ],
)
def test_an_event_of_a_product_that_is_not_covered_is_as_ever(event: dict[str, Any]) -> None:
    assert record_of(event, rules=COVERED) == record_of(event)
    assert record_of(event).usage.input_tokens == 100


def test_events_without_a_product_are_covered_by_a_dash() -> None:
    record = record_of(make_event(product_id=None), rules=covering(product_id=["-"]))

    assert record.flags == (Flag.COVERED_BY_METRICS,)


def test_a_subscription_may_be_covered_instead_of_a_product() -> None:
    rules = covering(subscription_id=["hr-copilot"])

    assert record_of(make_event(), rules=rules).usage == NO_USAGE
    assert record_of(make_event(subscription_id="other"), rules=rules).usage != NO_USAGE


@pytest.mark.parametrize(
    ("event_time", "covered"),
    [
        ("2026-11-19T23:59:59.9999999Z", False),
        ("2026-11-20T00:00:00Z", True),
        ("2026-11-20T11:59:58Z", True),
    ],
)
def test_days_before_covering_began_keep_their_tokens(event_time: str, *, covered: bool) -> None:
    """However late such an event is delivered: metrics of that day were not taken."""
    rules = covering(from_day=FROM_DAY, product_id=["ai-standard"])

    record = record_of(make_event(event_time=event_time), rules=rules, now=NOON)

    assert (record.usage == NO_USAGE) is covered
    assert (Flag.COVERED_BY_METRICS in record.flags) is covered


def test_an_event_is_read_the_same_however_late_it_is_replayed() -> None:
    event = make_event()

    now, later = (
        record_of(event, rules=COVERED, now=NOON + timedelta(days=days)) for days in (0, 30)
    )

    assert now == replace(later, ingested_at=NOON)


@pytest.mark.parametrize(
    ("event", "unit", "count"),
    [
        pytest.param(IMAGES, "images", 2, id="images"),
        pytest.param(
            make_event(
                provider="anthropic",
                api_kind="messages",
                product_id=None,
                usage=SEARCHES | {"server_tool_use": {"web_search_requests": 3}},
            ),
            "searches",
            3,
            id="searches",
        ),
    ],
)
def test_units_that_metrics_do_not_tell_stay(event: dict[str, Any], unit: str, count: int) -> None:
    """They are billed by the piece, and no metric counts them."""
    rules = covering(product_id=["-"])

    plain, covered = record_of(event), record_of(event, rules=rules)

    assert covered.usage.reported() == {unit: count}
    assert {unit, "input_tokens", "output_tokens"} <= plain.usage.reported().keys()
    assert covered.usage_state is UsageState.AWAITING_METRICS
    assert Flag.COVERED_BY_METRICS in covered.flags


def test_units_alone_take_nothing_from_metrics() -> None:
    event = make_event(usage={"type": "duration", "seconds": 12.5}, api_kind="audio")

    covered = record_of(event, rules=COVERED)

    assert covered == record_of(event)
    assert covered.usage_state is UsageState.REPORTED
    assert covered.usage.reported() == {"duration_ms": 12_500}


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(make_event(usage=None, streaming=True), id="streamed"),
        pytest.param(make_event(usage=None, status=429), id="refused"),
        pytest.param(make_event(method="GET"), id="read-back"),
        pytest.param(make_event(usage={}), id="without-usage"),
    ],
)
def test_an_event_that_tells_no_tokens_loses_none(event: dict[str, Any]) -> None:
    assert record_of(event, rules=COVERED) == record_of(event)


def test_tokens_of_zero_are_told_and_count_by_the_metrics_too() -> None:
    zeros = make_usage(
        prompt_tokens=0,
        completion_tokens=0,
        total_tokens=0,
        prompt_tokens_details=None,
        completion_tokens_details=None,
    )

    assert record_of(make_event(usage=zeros), rules=COVERED).flags == (Flag.COVERED_BY_METRICS,)


def test_other_flags_stay_beside_it() -> None:
    event = make_event(gateway_request_id=None, response_id=None, status="fine")

    flags = record_of(event, rules=COVERED).flags

    assert set(flags) == {Flag.COVERED_BY_METRICS, Flag.REDELIVERY_ONLY, Flag.ODD_VALUE}
    assert list(flags) == sorted(flags)


def test_no_identity_or_place_depends_on_what_is_covered() -> None:
    """A change of the list meets what is stored, and counts nothing beside it."""
    event = make_event()
    plain, covered = record_of(event), record_of(event, rules=COVERED)

    assert (covered.record_id, covered.day) == (plain.record_id, plain.day)
    assert covered.subscription_id == plain.subscription_id


def test_a_definition_that_is_none_holds_events_up() -> None:
    """Dead-lettering or guessing would lose tokens, or count them twice: a person is needed."""
    value = DatedValue(BEGINNING, text_of(product_id=[]))
    rules = make_rules(identity=Identity({"metric_profile/citadel": (value,)}))

    with pytest.raises(ConfigError, match="metric profile 'citadel'"):
        parse(make_event(), rules=rules)


@pytest.mark.parametrize("product", ["ai-standard", "ai-premium", None])
def test_a_call_that_both_channels_tell_counts_its_tokens_by_one(product: str | None) -> None:
    """The event flow and the metrics flow read one list."""
    text = orjson.dumps(
        {**SHIPPED["own"], "covers": "all", "covered": {"product_id": ["ai-standard"]}}
    ).decode()
    rules = make_rules(identity=Identity({"metric_profile/own": (DatedValue(BEGINNING, text),)}))
    row = make_metric_row(properties=DIMENSIONS | {"usage.product": product or "-"}, bin_start=NOON)

    event = record_of(make_event(product_id=product), rules=rules)
    metric = records([row], make_kind(parsed("own", text)), NOON)

    assert [counted_tokens(event), *map(counted_tokens, metric)].count(True) == 1


def counted_tokens(record: UsageRecord) -> bool:
    return bool(record.usage.input_tokens)
