import pytest

from tests.gateways import make_toolkit_event
from tests.sightings import letter_of, record_of
from usage_ingest.events.call import Call
from usage_ingest.events.shapes import read_element
from usage_ingest.record import TokenUsage, UsageState


def test_every_field_of_a_toolkit_event_is_read() -> None:
    call = read_element(make_toolkit_event(RequestId="7a1f0d3c"))

    assert call == Call(
        shape="toolkit",
        fields={
            "subscription_id": "finance-bot",
            "gateway_id": "managed",
            "gateway_request_id": "7a1f0d3c",
            "client_ip": "203.0.113.77",
            "operation_name": "ChatCompletions_Create",
        },
        gateway="apim-toolkit",
        gateway_request_id="7a1f0d3c",
        event_time="11/20/2026 11:45:56 AM",
        usage={"total_tokens": 120},
    )


@pytest.mark.parametrize("total", ["120", 120, "120.0", " 120 "])
def test_a_total_alone_leaves_input_and_output_unknown(total: object) -> None:
    record = record_of(make_toolkit_event(TotalTokens=total))

    assert record.usage == TokenUsage(total_tokens=120)
    assert (record.model, record.streaming, record.status) == (None, None, None)
    assert record.flags == ()


@pytest.mark.parametrize("total", ["", None])
def test_a_call_without_a_total_has_no_usage(total: object) -> None:
    assert record_of(make_toolkit_event(TotalTokens=total)).usage_state is UsageState.NONE


@pytest.mark.parametrize("total", ["1,460", "many", -1, 1.5, True])
def test_a_bad_total_is_refused_and_its_place_named(total: object) -> None:
    letter = letter_of(make_toolkit_event(TotalTokens=total))

    assert (letter.reason, letter.path) == ("bad_count", "TotalTokens")


def test_the_gateways_request_makes_the_record_recognisable() -> None:
    event = make_toolkit_event()

    assert record_of(event).record_id == record_of(event, sequence_number=9).record_id
    assert record_of(event).record_id != record_of(make_toolkit_event()).record_id


@pytest.mark.parametrize("kind", ["message", "Other", None, 1])
def test_only_messages_are_of_this_gateway(kind: object) -> None:
    assert letter_of(make_toolkit_event(Type=kind)).reason == "unknown_shape"
