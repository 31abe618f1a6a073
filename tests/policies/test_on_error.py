"""Failed calls: refused by the gateway or a policy, or by a backend that does not answer."""

from typing import Any

import pytest

from tests.policies.calls import asked, make_response, send
from tests.policies.gateway import Gateway
from usage_ingest.record import NO_USAGE_HASH, Repeat, UsageState, repeat

FAILURES: dict[str, tuple[dict[str, Any], int, str, str]] = {
    "no subscription key": (
        {
            "fail": {
                "at": "authorization",
                "source": "authorization",
                "reason": "SubscriptionKeyNotFound",
                "status": 401,
            },
            "subscription": None,
            "product": None,
            "user": None,
        },
        401,
        "authorization",
        "SubscriptionKeyNotFound",
    ),
    "no operation": (
        {
            "fail": {
                "at": "authorization",
                "source": "configuration",
                "reason": "OperationNotFound",
                "status": 404,
            },
            "operation": None,
            "api": None,
            "product": None,
        },
        404,
        "configuration",
        "OperationNotFound",
    ),
    "too many tokens": (
        {
            "policy": "openai-api+options",
            "token": {"azp": "app-1"},
            "fail": {
                "at": "llm-token-limit",
                "source": "llm-token-limit",
                "reason": "TokenLimitExceeded",
                "status": 429,
            },
        },
        429,
        "llm-token-limit",
        "TokenLimitExceeded",
    ),
    "no token": (
        {"policy": "openai-api+options"},
        401,
        "validate-azure-ad-token",
        "TokenNotPresent",
    ),
    "a backend that cannot be reached": (
        {"response": None},
        500,
        "forward-request",
        "BackendConnectionFailure",
    ),
    "a backend that is too slow": (
        {
            "fail": {
                "at": "forward-request",
                "source": "forward-request",
                "reason": "Timeout",
                "status": 504,
            }
        },
        504,
        "forward-request",
        "Timeout",
    ),
}


@pytest.mark.parametrize(
    ("call", "status", "source", "reason"), FAILURES.values(), ids=list(FAILURES)
)
def test_a_failed_call_is_an_event_with_status_source_and_reason(
    gateway: Gateway, call: dict[str, Any], status: int, source: str, reason: str
) -> None:
    done = send(gateway, **call)

    assert done.event["usage"] is None
    assert (done.event["status"], done.record.status) == (status, status)
    assert (done.event["error_source"], done.event["error_reason"]) == (source, reason)
    assert done.record.usage_state is UsageState.NONE
    assert done.told["events"][0]["section"] == "on-error"


def test_what_was_known_before_the_failure_is_in_its_event(gateway: Gateway) -> None:
    call, *_ = FAILURES["too many tokens"]

    event = send(gateway, **call, body=asked(stream=True)).event

    assert event["app_id"] == "app-1"
    assert event["deployment"] == "gpt-4o-prod"
    assert event["request_model"] == "gpt-4o"
    assert event["streaming"] is True
    assert event["subscription_id"] == "hr-copilot"


def test_what_was_not_reached_is_left_out(gateway: Gateway) -> None:
    call, *_ = FAILURES["no subscription key"]

    event = send(gateway, **call).event

    unknown = {"streaming", "deployment", "provider", "api_kind", "backend", "subscription_id"}
    assert not unknown & event.keys()
    assert event["api_id"] == "azure-openai"


def test_a_call_whose_answer_is_lost_has_no_status(gateway: Gateway) -> None:
    gone = {
        "at": "forward-request",
        "source": "forward-request",
        "reason": "ClientConnectionFailure",
        "status": 0,
    }

    done = send(gateway, fail=gone, body=asked(stream=True))

    assert "status" not in done.event
    assert done.record.usage_state is UsageState.NONE


def test_an_error_after_the_event_was_logged_takes_nothing_away(gateway: Gateway) -> None:
    late = {"at": "after-outbound", "source": "set-header", "reason": "X", "status": 500}

    done = send(gateway, fail=late)

    first, second = done.records
    assert [each["section"] for each in done.told["events"]] == ["outbound", "on-error"]
    assert first.record_id == second.record_id
    assert first.usage_state is UsageState.REPORTED
    assert (second.usage_state, second.status) == (UsageState.NONE, 500)
    assert second.usage.payload_hash() == NO_USAGE_HASH
    later = second.usage.payload_hash()
    assert repeat(first.usage.payload_hash(), later) is Repeat.REPEATED


def test_an_error_after_a_streamed_call_was_logged_is_a_repeat(gateway: Gateway) -> None:
    late = {"at": "after-outbound", "source": "x", "reason": "Y", "status": 500}
    stream = make_response("data: [DONE]\n\n", kind="text/event-stream")

    done = send(gateway, fail=late, body=asked(stream=True), response=stream)

    first, second = done.records
    assert first.record_id == second.record_id
    assert first.usage_state is UsageState.AWAITING_METRICS
    assert repeat(first.usage.payload_hash(), second.usage.payload_hash()) is Repeat.REPEATED
