"""Streamed calls: the body is never touched, the tokens come from the metric."""

import json
from typing import Any

import pytest

from tests.builders import NOON, make_kind, make_metric_row
from tests.policies.calls import (
    CHAT,
    MESSAGES,
    RESPONSES,
    SSE,
    Outcome,
    asked,
    body_on_file,
    make_response,
    send,
)
from tests.policies.gateway import Gateway
from usage_ingest.metrics.fold import records
from usage_ingest.record import UsageState

STREAM = make_response('data: {"choices":[]}\n\ndata: [DONE]\n\n', kind=SSE)
STREAMED: dict[str, dict[str, Any]] = {
    "chat": {"url": CHAT, "body": asked(stream=True)},
    "responses": {"url": RESPONSES, "body": {"model": "gpt-5", "stream": True}},
    "images": {"url": "/openai/v1/images/generations", "body": {"model": "i", "stream": True}},
    "messages": {
        "policy": "foundry-api",
        "url": MESSAGES,
        "body": {"model": "claude-sonnet-5", "stream": True},
    },
    "model inference": {
        "policy": "foundry-api",
        "url": "/models/chat/completions",
        "body": {"model": "DeepSeek-V4", "stream": True},
    },
}
ASKING = {"policy": "openai-api+usage", "response": STREAM}


@pytest.mark.parametrize("call", STREAMED.values(), ids=list(STREAMED))
def test_a_streamed_call_is_one_event_without_usage_and_one_metric(
    gateway: Gateway, call: dict[str, Any]
) -> None:
    done = send(gateway, **call, response=STREAM)

    assert (done.event["streaming"], done.event["usage"]) == (True, None)
    assert done.record.usage_state is UsageState.AWAITING_METRICS
    assert (done.told["reads"], done.told["buffered"]) == (0, False)
    assert len(done.metrics) == 1


@pytest.mark.parametrize("status", [400, 429, 500])
def test_a_streamed_call_that_failed_awaits_nothing(gateway: Gateway, status: int) -> None:
    error = make_response({"error": "planted"}, status=status)

    done = send(gateway, body=asked(stream=True), response=error)

    assert (done.event["streaming"], done.event["status"]) == (True, status)
    assert done.record.usage_state is UsageState.NONE
    assert done.told["reads"] == 0


@pytest.mark.parametrize("kind", [SSE, "TEXT/EVENT-STREAM", "application/vnd.amazon.eventstream"])
def test_a_stream_that_was_not_asked_for_in_json_is_not_read_either(
    gateway: Gateway, kind: str
) -> None:
    """A form can ask for one too: no metric was emitted, and the record says that it waits."""
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    stream = make_response("data: [DONE]\n\n", kind=kind)

    done = send(gateway, body=b"--x--", headers=form, response=stream)

    assert done.event["streaming"] is True
    assert done.told["reads"] == 0
    assert done.metrics == []
    assert done.record.usage_state is UsageState.AWAITING_METRICS


@pytest.mark.parametrize("query", ["stream=true&starting_after=7", "stream=True"])
def test_a_stream_that_is_taken_up_again_is_not_counted_again(gateway: Gateway, query: str) -> None:
    done = send(
        gateway, url=f"{RESPONSES}/resp_1?{query}", method="GET", body=None, response=STREAM
    )

    assert (done.event["streaming"], done.told["buffered"]) == (True, False)
    assert done.metrics == []
    assert done.record.usage_state is UsageState.NONE


@pytest.mark.parametrize("stream", [False, None, "true", 1, {}])
def test_only_true_is_streaming(gateway: Gateway, stream: object) -> None:
    done = send(gateway, body=asked(stream=stream))

    assert done.event["streaming"] is False
    assert done.metrics == []


def test_event_and_metric_name_the_same_caller(gateway: Gateway) -> None:
    token = {"azp": "app-1", "tid": "t"}
    done = send(
        gateway,
        policy="openai-api+options",
        token=token,
        body=asked(stream=True),
        response=STREAM,
    )

    metered = record_by_metric(done)
    names = ("subscription_id", "product_id", "app_id", "deployment", "request_model")
    assert [getattr(metered, name) for name in names] == [
        getattr(done.record, name) for name in names
    ]
    assert None not in [getattr(metered, name) for name in names]
    assert (metered.gateway, metered.region) == (done.record.gateway, done.record.region)


def test_a_dimension_that_is_not_known_is_a_dash_and_none_in_the_record(gateway: Gateway) -> None:
    done = send(
        gateway,
        url=RESPONSES,
        subscription=None,
        product=None,
        body={"stream": True},
        response=STREAM,
    )

    (metric,) = done.metrics
    assert set(metric["dimensions"].values()) == {"-"}
    metered = record_by_metric(done)
    assert (metered.subscription_id, metered.request_model, metered.app_id) == (None, None, None)


def record_by_metric(done: Outcome) -> Any:
    (metric,) = done.metrics
    row = make_metric_row(properties=metric["dimensions"] | {"_MS.AggregationIntervalMs": "60000"})
    (metered,) = records([row], make_kind(), NOON)
    return metered


def test_usage_is_asked_for_in_front_of_a_body_that_stays_as_it_is(gateway: Gateway) -> None:
    written = ' {"stream": true, "model":"gpt-4o", "at": "2026-01-01T00:00:00.000Z", "n": 1.0} '

    done = send(gateway, body=written, **ASKING)

    added = '"stream_options":{"include_usage":true},'
    assert done.forwarded == written.replace("{", "{" + added, 1).encode()
    assert json.loads(done.forwarded)["stream_options"] == {"include_usage": True}
    assert done.event["request_model"] == "gpt-4o"


OTHERS: dict[str, dict[str, Any]] = {
    "not streamed": {"body": asked(), "response": make_response(body_on_file("chat"))},
    "streamed by its path, with a body that is not": {
        "url": f"{CHAT}&stream=true",
        "body": asked(),
    },
    "of the caller's choice": {"body": asked(stream=True, stream_options={"include_usage": False})},
    "with options of the caller": {"body": asked(stream=True, stream_options={})},
    "with a null of the caller": {"body": asked(stream=True, stream_options=None)},
    "of Responses": {"url": RESPONSES, "body": {"model": "gpt-5", "stream": True}},
    "of images": {"url": "/openai/v1/images/generations", "body": {"stream": True}},
    "of completions": {"url": "/openai/deployments/d/completions", "body": {"stream": True}},
    "of messages": {"policy": "foundry-api+usage", "url": MESSAGES, "body": {"stream": True}},
    "without the named value": {"policy": "openai-api", "body": asked(stream=True)},
}


@pytest.mark.parametrize("call", OTHERS.values(), ids=list(OTHERS))
def test_usage_is_not_asked_for_in_a_request(gateway: Gateway, call: dict[str, Any]) -> None:
    done = send(gateway, **{**ASKING, **call})

    assert done.forwarded == json.dumps(call["body"]).encode()
