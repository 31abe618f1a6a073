import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gateways import (
    make_chargeback_event,
    make_chat_body,
    make_token_chargeback_event,
)
from tests.sightings import any_text, json_values, letter_of, parse, record_of, to_bytes
from usage_ingest.events.call import Call
from usage_ingest.events.shapes import read_element
from usage_ingest.record import Flag, UsageRecord, UsageState

COMPLETED = {
    "type": "response.completed",
    "response": {
        "id": "resp_1",
        "object": "response",
        "created_at": 1795175990,
        "model": "gpt-5",
        "usage": {"input_tokens": 36, "output_tokens": 87, "total_tokens": 123},
    },
}


def pasted(**overrides: str) -> bytes:
    """Write an event as the policy does: by pasting texts."""
    texts = {"request": '{"model": "gpt-4o"}', "response": '{"id": "a"}', "deployment": "d"}
    texts |= overrides
    written = (
        f'"subscriptionId": "mine", "requestBody": {texts["request"]}, '
        f'"responseBody": {texts["response"]}, "deploymentId": "{texts["deployment"]}"'
    )
    return b"{%b}" % written.encode()


def test_every_field_of_a_chargeback_event_is_read() -> None:
    body = make_chat_body(id="chatcmpl-1")

    call = read_element(make_chargeback_event(responseBody=body))

    assert call == Call(
        shape="chargeback",
        fields={
            "subscription_id": "finance-bot",
            "tenant_id": None,
            "app_id": None,
            "gateway_request_id": None,
            "deployment": "gpt-4o-prod",
            "request_model": "gpt-4o",
            "response_id": "chatcmpl-1",
            "response_model": "gpt-4o-2024-11-20",
            "object": "chat.completion",
            "service_tier": "default",
            "api_kind": "chat",
        },
        response_id="chatcmpl-1",
        created=1795175998,
        usage=body["usage"],
        streaming=False,
        pasted=True,
    )


def test_the_other_gateway_says_what_the_token_says() -> None:
    call = read_element(make_token_chargeback_event())

    assert (call.fields["tenant_id"], call.fields["app_id"]) == ("tenant-1", "app-1")
    assert call.fields["subscription_id"] is None


def test_bodies_may_come_as_text() -> None:
    event = make_chargeback_event()
    as_text = {key: json.dumps(event[key]) for key in ("requestBody", "responseBody")}

    assert read_element(event | as_text) == read_element(event)


@pytest.mark.parametrize(
    "response",
    [COMPLETED, json.dumps(COMPLETED), f"event: a\ndata: {json.dumps(COMPLETED)}\n\n"],
    ids=["object", "text", "sse"],
)
def test_the_last_chunk_of_a_streamed_response_has_the_usage(response: object) -> None:
    record = record_of(make_chargeback_event(responseBody=response))

    assert (record.usage.input_tokens, record.usage.output_tokens) == (36, 87)
    assert (record.response_id, record.api_kind) == ("resp_1", "responses")
    assert (record.streaming, record.status) == (True, 200)


def test_a_last_chunk_without_usage_is_awaited() -> None:
    """A chunk comes with status 200 only; what it used is told by nothing but the metric."""
    chunk = make_chat_body(object="chat.completion.chunk", usage=None)

    assert record_of(make_chargeback_event(responseBody=chunk)).usage_state is (
        UsageState.AWAITING_METRICS
    )


@pytest.mark.parametrize(
    ("request_body", "streaming"),
    [
        ({"model": "m"}, False),
        ({"model": "m", "stream": True}, True),
        ('{"model": "m", "stream": true}', True),
        ({"model": "m", "stream": "often"}, None),
        (None, None),
        ("cut {", None),
    ],
)
def test_a_whole_answer_was_streamed_when_the_request_says_so(
    request_body: object, streaming: bool | None
) -> None:
    assert read_element(make_chargeback_event(requestBody=request_body)).streaming is streaming


@pytest.mark.parametrize(
    ("deployment", "model", "expected"),
    [
        ("gpt-4o-prod", "gpt-4o", "gpt-4o-prod"),
        ("responses", "gpt-5-prod", "gpt-5-prod"),
        ("", "gpt-5-prod", "gpt-5-prod"),
        ("chat", None, "chat"),
        ("", None, None),
    ],
)
def test_a_piece_of_the_path_that_is_no_deployment_gives_way_to_the_model(
    deployment: str, model: str | None, expected: str | None
) -> None:
    call = read_element(
        make_chargeback_event(deploymentId=deployment, requestBody={"model": model})
    )

    assert call.fields["deployment"] == expected


def test_time_and_identity_are_those_of_the_response() -> None:
    record = record_of(make_chargeback_event())
    again = record_of(make_chargeback_event(responseBody=make_chat_body(id=record.response_id)))

    assert record.flags == (Flag.TIME_FROM_BODY,)
    assert record.record_id == again.record_id


def test_a_response_without_id_is_known_by_its_place_in_the_hub() -> None:
    body = {"object": "list", "model": "m", "usage": {"prompt_tokens": 8, "total_tokens": 8}}

    record = record_of(make_chargeback_event(responseBody=body))

    assert set(record.flags) == {Flag.REDELIVERY_ONLY, Flag.TIME_FROM_ENQUEUED}
    assert (record.api_kind, record.usage.input_tokens) == ("embeddings", 8)


def test_two_keys_that_the_policy_may_add_identify_such_a_response() -> None:
    added = {"requestId": "a-1", "timestamp": "2026-11-20T11:59:58.1234567Z"}

    record = record_of(make_chargeback_event(responseBody={"object": "list"}, **added))

    assert record.flags == ()
    assert record.gateway_request_id == "a-1"


@pytest.mark.parametrize("response", [None, "", "<html>", {"error": {"code": "429"}}, [], 5])
def test_an_answer_without_usage_is_a_record_without_usage(response: object) -> None:
    assert record_of(make_chargeback_event(responseBody=response)).usage_state is UsageState.NONE


def test_an_event_with_an_empty_response_is_no_json() -> None:
    """What the policies write where they found nothing to parse."""
    assert letter_of(pasted(response="")).reason == "not_json"


@pytest.mark.parametrize(
    "deployment",
    [
        'd", "subscriptionId": "another',
        'd", "responseBody": {"usage": {"prompt_tokens": 0}}, "deploymentId": "e',
        'd", "deploymentId": "e',
    ],
)
def test_a_key_that_a_caller_repeats_is_refused(deployment: str) -> None:
    """The later one would stand: a call could be put on another's account, or be free."""
    letter = letter_of(pasted(deployment=deployment))

    assert letter.reason == "repeated_key"
    assert not letter.whole


@pytest.mark.parametrize(
    "text",
    [
        '"schema": "usage-ingest/1", "subscription_id": "another", "usage": {"prompt_tokens": 9}',
        '"records": [{"schema": "usage-ingest/1", "subscription_id": "another"}]',
        '"promptTokens": 1, "responseTokens": 0, "totalTokens": 1, "aiGatewayId": "a"',
        '"AppSubscriptionKey": "a", "Request": "", "Response": ""',
        '"note": ""',
    ],
)
def test_an_event_of_another_gateway_that_a_caller_pastes_is_refused(text: str) -> None:
    assert letter_of(pasted(deployment=f'd", {text}, "y": "')).reason == "unknown_shape"
    assert letter_of(pasted(request=f"{{}}, {text}")).reason == "unknown_shape"


def test_a_key_may_be_repeated_inside_a_body() -> None:
    """It is the caller's own JSON there, which the provider has read."""
    assert record_of(pasted(request='{"model": "a", "model": "b"}')).request_model == "b"


def test_of_several_events_only_the_one_with_a_repeated_key_is_refused() -> None:
    both = b"[" + pasted() + b"," + pasted(deployment='d", "deploymentId": "e') + b"]"

    good, bad = parse(both)

    assert isinstance(good, UsageRecord)
    assert getattr(bad, "reason", None) == "repeated_key"


def test_a_very_long_number_does_not_stop_the_search_for_repeated_keys() -> None:
    parsed = parse(pasted(request=f'{{"seed": 1{"0" * 5_000}}}'))

    assert getattr(parsed[0], "reason", "none") != "internal_error"


@given(any_text | json_values, any_text | json_values, st.booleans())
def test_any_two_bodies_are_read(request: object, response: object, by_token: bool) -> None:
    make = make_token_chargeback_event if by_token else make_chargeback_event
    changes: dict[str, Any] = {"requestBody": request, "responseBody": response}

    (parsed,) = parse(to_bytes(make(**changes)))

    assert isinstance(parsed, UsageRecord) or parsed.reason != "internal_error"
