import json
from typing import Any

import pytest
from hypothesis import given

from tests.gateways import make_chat_body, make_fabric_event
from tests.sightings import (
    HASHING,
    KEYS,
    any_text,
    json_values,
    make_rules,
    parse,
    record_of,
    to_bytes,
)
from usage_ingest.events.call import Call
from usage_ingest.events.privacy import Privacy
from usage_ingest.events.shapes import read_element
from usage_ingest.record import Flag, UsageRecord, UsageState

STREAMED = {"model": "gpt-4o-prod", "stream": True}


def stream(*chunks: dict[str, Any]) -> str:
    return "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"


def response_of(**overrides: Any) -> dict[str, Any]:
    return make_chat_body(
        id="resp_1", object="response", usage={"input_tokens": 3, "output_tokens": 2}, **overrides
    )


def test_every_field_of_a_fabric_event_is_read() -> None:
    body = make_chat_body(id="chatcmpl-1")

    call = read_element(make_fabric_event(STREAMED | {"stream": False}, body))

    assert call == Call(
        shape="fabric",
        fields={
            "request_model": "gpt-4o-prod",
            "deployment": "gpt-4o-prod",
            "response_id": "chatcmpl-1",
            "response_model": "gpt-4o-2024-11-20",
            "object": "chat.completion",
            "service_tier": "default",
            "api_kind": "chat",
        },
        response_id="chatcmpl-1",
        event_time="2026-11-20T11:59:58.1234567Z",
        created=1795175998,
        usage=body["usage"],
        streaming=False,
        status=200,
        caller_key="a caller's key",
    )
    assert "a caller's key" not in repr(call)


def test_a_streamed_body_has_its_usage_in_the_last_chunk() -> None:
    body = make_chat_body(choices=[], usage=None)
    usage = make_chat_body()["usage"]

    call = read_element(make_fabric_event(STREAMED, stream(body, body | {"usage": usage})))

    assert (call.usage, call.streaming) == (usage, True)


@pytest.mark.parametrize(
    ("request_body", "response", "streaming"),
    [
        pytest.param({"model": "m"}, "{}", False, id="not-asked-for"),
        pytest.param({"model": "m", "stream": None}, "{}", False, id="null"),
        pytest.param({"model": "m", "stream": True}, "{", True, id="asked-for"),
        pytest.param({"model": "m", "stream": "often"}, "{}", None, id="odd"),
        pytest.param('{"model": "m", "str', "{}", None, id="request-cut"),
        pytest.param('{"model": "m", "str', stream(), True, id="request-cut-body-streamed"),
    ],
)
def test_a_call_was_streamed_when_its_bodies_say_so(
    request_body: object, response: str, streaming: bool | None
) -> None:
    assert read_element(make_fabric_event(request_body, response)).streaming is streaming


@pytest.mark.parametrize(
    "response",
    [
        json.dumps(make_chat_body())[:-20],
        "<html><body>502 Bad Gateway</body></html>",
        "",
        None,
        5,
        stream(make_chat_body(usage=None)),
    ],
    ids=["cut", "html", "empty", "null", "number", "stream-without-usage"],
)
def test_a_streamed_call_without_usage_has_tokens_that_nobody_knows(response: object) -> None:
    """Awaiting metrics, not none: its day is not complete. Only answers with 200 are written."""
    streamed = record_of(make_fabric_event(STREAMED, Response=response))
    whole = record_of(make_fabric_event(STREAMED | {"stream": False}, Response="{}"))

    assert (streamed.usage_state, streamed.status) == (UsageState.AWAITING_METRICS, 200)
    assert whole.usage_state is UsageState.NONE


def test_all_polls_of_a_background_response_are_one_record() -> None:
    polls = [
        make_fabric_event("", response_of(background=True), EventTime=f"2026-11-20T11:{minute}:00Z")
        for minute in (57, 58)
    ]

    first, second = (record_of(poll) for poll in polls)

    assert first.record_id == second.record_id
    assert first.usage_state is UsageState.REPORTED


def test_a_stored_response_that_is_fetched_is_a_read_back() -> None:
    """A GET has no body; without this every look at a response would be billed."""
    fetched = record_of(make_fabric_event("", response_of(background=False)))
    created = record_of(make_fabric_event(None, response_of(background=False)))

    assert (fetched.flags, fetched.usage_state) == ((Flag.READ_BACK,), UsageState.NONE)
    assert created.usage_state is UsageState.REPORTED


def test_a_stored_chat_completion_that_is_fetched_is_a_read_back_too() -> None:
    assert record_of(make_fabric_event("")).flags == (Flag.READ_BACK,)


def test_a_call_whose_request_was_left_out_keeps_its_usage() -> None:
    event = make_fabric_event(Request=None, Response=json.dumps(response_of()))

    assert record_of(event).usage_state is UsageState.REPORTED


def test_images_are_counted_and_a_second_models_usage_is_told_of() -> None:
    body = {
        "data": [{"b64_json": "a"}, {"b64_json": "b"}],
        "usage": {"input_tokens": 50, "output_tokens": 4160, "total_tokens": 4210},
        "svg_usage": {"model": "gpt-5", "input_tokens": 9, "output_tokens": 9},
    }

    record = record_of(make_fabric_event({"model": "gpt-image-2"}, body))

    assert (record.usage.images, record.usage.input_tokens) == (2, 50)
    assert (record.api_kind, record.request_model) == ("images", "gpt-image-2")
    assert Flag.USAGE_APART in record.flags


def test_images_alone_are_usage() -> None:
    record = record_of(make_fabric_event({"model": "dall-e-3"}, {"data": [{"url": "a"}]}))

    assert (record.usage.reported(), record.usage_state) == ({"images": 1}, UsageState.REPORTED)


def test_the_keyed_hash_of_the_callers_key_stands_for_the_subscription() -> None:
    rules = make_rules(identity=HASHING, privacy=Privacy(end_user_id="keep", keys=KEYS))

    hashed = record_of(make_fabric_event(), rules=rules)
    other = record_of(make_fabric_event(AppSubscriptionKey="another"), rules=rules)

    assert hashed.subscription_id == rules.privacy.hashed(
        "a caller's key", "2026-11-20", rules.identity
    )
    assert hashed.subscription_id != other.subscription_id


def test_without_a_key_to_hash_with_the_callers_key_is_dropped() -> None:
    assert record_of(make_fabric_event()).subscription_id is None


@pytest.mark.parametrize("key", ["", "  ", None, True, ["a"], {"a": 1}])
def test_a_call_without_a_key_has_no_subscription(key: object) -> None:
    rules = make_rules(identity=HASHING, privacy=Privacy(keys=KEYS))

    assert record_of(make_fabric_event(AppSubscriptionKey=key), rules=rules).subscription_id is None


@given(any_text | json_values, any_text | json_values)
def test_any_two_bodies_are_read(request: object, response: object) -> None:
    (parsed,) = parse(to_bytes(make_fabric_event(Request=request, Response=response)))

    assert isinstance(parsed, UsageRecord) or parsed.reason != "internal_error"
