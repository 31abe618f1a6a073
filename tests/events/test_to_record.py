from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.builders import NOON, make_ai_hub_event, make_event, make_usage
from tests.sightings import HASHING, KEYS, letter_of, make_rules, record_of
from usage_ingest.events.privacy import Privacy
from usage_ingest.record import NO_USAGE, Flag, Source, TokenUsage, UsageState

CREATED = 1795175990  # 2026-11-20T11:59:50Z
POLLED: dict[str, Any] = {
    "background": True,
    "response_id": "resp_1",
    "response_created": CREATED,
    "usage": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15},
}


def test_a_call_becomes_a_record() -> None:
    record = record_of(make_event(event_time="2026-11-20T11:59:58Z", end_user_id="user-1"))

    assert record.event_time == datetime(2026, 11, 20, 11, 59, 58, tzinfo=UTC)
    assert (record.day, record.ingested_at) == ("2026-11-20", NOON)
    assert record.source is Source.EVENT_HUB
    assert record.usage_state is UsageState.REPORTED
    assert record.usage == TokenUsage(
        input_tokens=100,
        cached_input_tokens=64,
        output_tokens=20,
        reasoning_output_tokens=0,
        total_tokens=120,
    )
    assert record.model == "gpt-4o-2024-11-20"
    assert record.flags == ()
    assert not record.usage_estimated
    assert record.end_user_id is None


@pytest.mark.parametrize(
    ("overrides", "state"),
    [
        pytest.param({"streaming": True, "status": 200}, "awaiting_metrics", id="streamed"),
        pytest.param({"streaming": True, "status": 299}, "awaiting_metrics", id="streamed-299"),
        pytest.param({"streaming": True, "status": 429}, "none", id="streamed-and-refused"),
        pytest.param({"streaming": True, "status": 304}, "none", id="streamed-304"),
        pytest.param({"streaming": True, "status": None}, "none", id="streamed-without-a-status"),
        pytest.param({"streaming": False, "status": 200}, "none", id="answered-without-usage"),
        pytest.param({"streaming": None, "status": 200}, "none", id="streaming-not-known"),
        pytest.param({"streaming": True, "usage": {}}, "awaiting_metrics", id="empty-usage"),
        pytest.param(
            {"streaming": True, "usage": {"prompt_tokens": None}},
            "awaiting_metrics",
            id="usage-of-nulls",
        ),
    ],
)
def test_a_call_without_usage_awaits_metrics_only_when_it_was_streamed_well(
    overrides: dict[str, Any], state: str
) -> None:
    record = record_of(make_event(**{"usage": None} | overrides))

    assert record.usage_state == state
    assert record.usage == NO_USAGE


@pytest.mark.parametrize("method", ["GET", "get"])
def test_a_get_reads_back_what_was_billed_before(method: str) -> None:
    record = record_of(make_event(method=method))

    assert (record.usage, record.usage_state) == (NO_USAGE, UsageState.NONE)
    assert record.flags == (Flag.READ_BACK,)


def test_a_get_without_usage_is_not_a_read_back() -> None:
    assert record_of(make_event(method="GET", usage=None)).flags == ()


def test_a_get_of_a_stream_awaits_no_metrics() -> None:
    record = record_of(make_event(method="GET", usage=None, streaming=True))

    assert record.usage_state is UsageState.NONE


def test_all_polls_of_a_background_response_are_one_record_at_its_creation() -> None:
    first = record_of(
        make_event(**POLLED | {"usage": None}, event_time="2026-11-20T11:59:51Z", method="POST")
    )
    later = record_of(make_event(**POLLED, event_time="2026-11-20T11:59:58Z", method="GET"))

    assert first.record_id == later.record_id
    assert first.event_time == later.event_time == datetime.fromtimestamp(CREATED, UTC)
    assert (first.usage_state, later.usage_state) == (UsageState.NONE, UsageState.REPORTED)


def test_polls_on_both_sides_of_midnight_count_on_the_day_of_creation() -> None:
    late = datetime(2026, 11, 21, 0, 1, tzinfo=UTC)
    poll = make_event(**POLLED, event_time="2026-11-21T00:00:30Z", method="GET")

    assert record_of(poll, enqueued_time=late, now=late).day == "2026-11-20"


def test_a_poll_without_its_creation_time_has_no_identity() -> None:
    letter = letter_of(make_event(**POLLED | {"response_created": None}))

    assert (letter.reason, letter.path) == ("no_identity", "response_created")


def test_a_poll_without_a_response_id_takes_no_usage() -> None:
    """Its polls cannot be told to be one: each would be billed."""
    record = record_of(make_event(**POLLED | {"response_id": None}, method="GET"))

    assert record.usage == NO_USAGE
    assert record.flags == (Flag.READ_BACK,)


def test_without_a_time_of_its_own_an_event_takes_the_bodys() -> None:
    record = record_of(make_event(event_time=None, response_created=CREATED))

    assert record.event_time == datetime.fromtimestamp(CREATED, UTC)
    assert record.flags == (Flag.TIME_FROM_BODY,)


def test_without_any_time_an_event_takes_its_enqueued_time() -> None:
    record = record_of(make_event(event_time=None))

    assert record.event_time == NOON
    assert record.flags == (Flag.REDELIVERY_ONLY, Flag.TIME_FROM_ENQUEUED)


def test_without_any_time_at_all_an_event_has_no_identity() -> None:
    letter = letter_of(make_event(event_time=None), enqueued_time=None)

    assert (letter.reason, letter.path) == ("no_identity", "event_time")


def test_an_event_without_any_id_is_flagged_as_recognised_in_redelivery_only() -> None:
    record = record_of(make_event(gateway_request_id=None, response_id=None))

    assert record.flags == (Flag.REDELIVERY_ONLY,)


@pytest.mark.parametrize(
    ("age", "too_old"),
    [(timedelta(days=399), False), (timedelta(days=399, seconds=1), True)],
    ids=["as-old-as-the-ledger-less-a-day", "older"],
)
def test_an_event_older_than_the_ledger_less_a_day_is_refused(
    age: timedelta, too_old: bool
) -> None:
    event = make_event(event_time=(NOON - age).isoformat())

    if too_old:
        assert letter_of(event).reason == "too_old"
    else:
        assert record_of(event).event_time == NOON - age


def test_an_old_event_is_judged_by_the_time_it_is_ingested() -> None:
    event = make_event(event_time="2026-11-20T11:00:00Z")

    letter = letter_of(event, now=NOON + timedelta(days=9), rules=make_rules(ledger_ttl_days=10))

    assert letter.reason == "too_old"


@pytest.mark.parametrize("gateway", [None, "", "  "])
def test_without_a_gateway_the_hub_stands_for_it(gateway: str | None) -> None:
    assert record_of(make_event(gateway=gateway)).gateway == "usage"


def test_a_gateway_of_control_characters_is_shown_as_the_hub() -> None:
    assert record_of(make_event(gateway="\x01")).gateway == "usage"


def test_impossible_parts_flag_the_record() -> None:
    record = record_of(make_event(usage=make_usage(prompt_tokens_details={"cached_tokens": 999})))

    assert record.flags == (Flag.INCONSISTENT_USAGE,)
    assert record.usage.cached_input_tokens is None


def test_a_value_that_could_not_be_read_flags_the_record() -> None:
    assert record_of(make_event(status="fine")).flags == (Flag.ODD_VALUE,)


def test_people_are_stored_as_the_deployment_says() -> None:
    privacy = Privacy(end_user_id="hash", client_ip="truncate", keys=KEYS)
    event = make_ai_hub_event(endUserId="user-1", RequestIp="203.0.113.77")

    kept = record_of(event, rules=make_rules(identity=HASHING, privacy=privacy))
    default = record_of(event)

    assert kept.end_user_id is not None
    assert kept.end_user_id.startswith("k1:")
    assert kept.client_ip == "203.0.113.0/24"
    assert (default.end_user_id, default.client_ip) == (None, None)


def test_the_key_of_the_events_day_hashes_its_people_however_late_it_arrives() -> None:
    rules = make_rules(identity=HASHING, privacy=Privacy(keys=KEYS))
    event = make_event(end_user_id="user-1")

    at_once = record_of(event, rules=rules)
    late = record_of(event, rules=rules, now=NOON + timedelta(days=30))

    assert at_once.end_user_id == late.end_user_id


def test_an_estimate_is_never_made() -> None:
    for event in (make_event(), make_ai_hub_event(), make_event(usage=None, streaming=True)):
        assert not record_of(event).usage_estimated


def test_the_model_of_a_call_decides_how_its_usage_is_read() -> None:
    usage = {"inputTokens": 2000, "outputTokens": 30, "cacheReadInputTokens": 1500}
    asked = make_event(usage=usage, response_model=None, request_model="openai.gpt-5.6")

    answered = asked | {"response_model": "eu.anthropic.claude-sonnet-5-v1:0"}
    deployed = asked | {"request_model": None, "deployment": "claude-prod"}

    found = [record_of(each).usage.input_tokens for each in (asked, answered, deployed)]
    assert found == [2000, 3500, 3500]


def test_a_tier_that_only_the_usage_names_is_taken_from_it() -> None:
    usage = {"input_tokens": 1, "cache_read_input_tokens": 0, "service_tier": "batch"}

    assert record_of(make_event(usage=usage)).service_tier == "batch"
    assert record_of(make_event(usage=usage, service_tier="flex")).service_tier == "flex"


def test_usage_of_a_second_model_flags_the_record() -> None:
    usage = {"input_tokens": 1, "output_tokens": 2, "svg_usage": {"input_tokens": 9}}

    record = record_of(make_event(usage=usage))

    assert record.flags == (Flag.USAGE_APART,)
    assert record.usage.input_tokens == 1


def test_two_responses_of_one_realtime_session_are_two_records() -> None:
    first = make_event(api_kind="realtime", response_id="resp_1")

    second = record_of(first | {"response_id": "resp_2"})

    assert record_of(first).record_id != second.record_id
    assert record_of(first, sequence_number=1).record_id == record_of(first).record_id
