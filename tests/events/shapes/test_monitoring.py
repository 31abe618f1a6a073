import pytest

from tests.gateways import make_monitoring_event
from tests.sightings import letter_of, record_of
from usage_ingest.events.call import Call
from usage_ingest.events.shapes import read_element
from usage_ingest.record import TokenUsage, UsageState


def test_every_field_of_a_monitoring_event_is_read() -> None:
    event = make_monitoring_event(RequestId="8a1f0d3c")

    assert read_element(event) == Call(
        shape="monitoring",
        fields={
            "subscription_id": "finance-bot",
            "gateway_request_id": "8a1f0d3c",
            "client_ip": "203.0.113.77",
            "operation_name": "ChatCompletions_Create",
        },
        gateway="apim-monitoring",
        gateway_request_id="8a1f0d3c",
        event_time="20/11/2026 11:45:56",
        usage=event["Tokens"],
    )


def test_the_details_of_the_usage_object_come_through() -> None:
    tokens = {
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "total_tokens": 120,
        "prompt_tokens_details": {"cached_tokens": 64},
        "completion_tokens_details": {"reasoning_tokens": 8},
    }

    assert record_of(make_monitoring_event(Tokens=tokens)).usage == TokenUsage(
        input_tokens=100,
        cached_input_tokens=64,
        output_tokens=20,
        reasoning_output_tokens=8,
        total_tokens=120,
    )


def test_an_error_without_tokens_is_a_call_without_usage() -> None:
    record = record_of(make_monitoring_event(Tokens=None, Response=None))

    assert (record.usage_state, record.status) == (UsageState.NONE, None)


@pytest.mark.parametrize("tokens", ["120", 120, [120], True])
def test_tokens_that_are_no_object_are_refused(tokens: object) -> None:
    letter = letter_of(make_monitoring_event(Tokens=tokens))

    assert (letter.reason, letter.path) == ("unknown_usage", "Tokens")


@pytest.mark.parametrize("name", ["ServiceName", "RequestId", "Prompt", "Response", "Tokens"])
def test_an_event_without_one_of_its_fields_is_of_no_known_gateway(name: str) -> None:
    event = make_monitoring_event()
    del event[name]

    assert letter_of(event).reason == "unknown_shape"
