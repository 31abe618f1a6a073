from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import make_ai_hub_event, make_event
from tests.data.regenerate import EXPECTED, HERE
from tests.gateways import (
    make_chargeback_event,
    make_fabric_event,
    make_monitoring_event,
    make_token_chargeback_event,
    make_toolkit_event,
)
from tests.sightings import any_text, json_values
from usage_ingest.errors import InvalidEventError
from usage_ingest.events.call import Call
from usage_ingest.events.envelope import elements
from usage_ingest.events.shapes import SHAPES, Shape, read_element
from usage_ingest.record import UsageRecord


def refusal(element: object) -> tuple[str, str]:
    with pytest.raises(InvalidEventError) as refused:
        read_element(element)
    return refused.value.reason, refused.value.path


def test_every_field_of_our_own_event_is_read() -> None:
    event = {
        "schema": "usage-ingest/1",
        "gateway_request_id": "0f8b6a2e-52f3-4a3b-9d0e-6f2f4c1d9a10",
        "event_time": "2026-11-20T15:04:05.1234567Z",
        "gateway": "apim-contoso",
        "gateway_id": "managed",
        "region": "Sweden Central",
        "subscription_id": "hr-copilot",
        "subscription_name": "HR Copilot",
        "product_id": "ai-standard",
        "product_name": "AI Standard",
        "api_id": "azure-openai",
        "api_name": "Azure OpenAI",
        "operation_id": "Responses_Create",
        "operation_name": "Creates a model response",
        "user_id": "1",
        "app_id": "app-1",
        "tenant_id": "tenant-1",
        "app_hint": "web",
        "end_user_id": "user-1",
        "session_id": "session-1",
        "tags": {"team": "benefits"},
        "provider": "openai",
        "api_kind": "responses",
        "deployment": "gpt-5",
        "request_model": "gpt-5",
        "streaming": False,
        "method": "POST",
        "background": True,
        "response_created": 1795187040,
        "status": 200,
        "latency_ms": 812,
        "response_id": "resp_1",
        "response_model": "gpt-5-2026-08-07",
        "object": "response",
        "service_tier": "default",
        "usage": {"input_tokens": 1},
        "backend": "aoai-1",
        "served_deployment": "gpt-5-2",
        "spillover_from": "gpt-5",
        "error_source": "set-header",
        "error_reason": "ExpressionValueEvaluationFailure",
    }

    call = read_element(event)

    taken = {
        "schema", "event_time", "gateway", "streaming", "background", "response_created", "status",
        "usage",
    }  # fmt: skip
    assert call.fields == {name: value for name, value in event.items() if name not in taken}
    assert call == Call(
        shape="own",
        fields=call.fields,
        gateway="apim-contoso",
        gateway_request_id="0f8b6a2e-52f3-4a3b-9d0e-6f2f4c1d9a10",
        response_id="resp_1",
        event_time="2026-11-20T15:04:05.1234567Z",
        created=1795187040,
        usage={"input_tokens": 1},
        streaming=False,
        background=True,
        method="POST",
        status=200,
    )


def test_keys_that_our_own_event_may_get_later_are_passed_over() -> None:
    event = make_event()

    assert read_element(event | {"carbon_grams": 3}) == read_element(event)


@pytest.mark.parametrize("schema", ["usage-ingest/2", "usage-ingest/", "usage-ingest/1.1"])
def test_a_later_version_of_our_own_event_is_refused(schema: str) -> None:
    assert refusal(make_event(schema=schema)) == ("unknown_shape", "schema")


@pytest.mark.parametrize(
    ("key", "value", "attribute"),
    [
        ("status", 99, "status"),
        ("status", 600, "status"),
        ("status", "OK", "status"),
        ("status", True, "status"),
        ("response_created", "yesterday", "created"),
        ("streaming", "perhaps", "streaming"),
        ("background", 1, "background"),
    ],
)
def test_a_value_that_cannot_be_read_is_left_out_and_flagged(
    key: str, value: object, attribute: str
) -> None:
    call = read_element(make_event(**{key: value}))

    assert getattr(call, attribute) is None
    assert call.odd


@pytest.mark.parametrize("value", [-1, 1.5, "812 ms", 2**31, 10**18, float("inf")])
def test_a_latency_that_cannot_be_is_left_out_and_flagged(value: object) -> None:
    """One latency of 10^18 would spoil a rollup's sum for good."""
    call = read_element(make_event(latency_ms=value))

    assert call.fields["latency_ms"] is None
    assert call.odd


@pytest.mark.parametrize("nothing", [None, ""])
def test_what_is_left_out_is_not_odd(nothing: str | None) -> None:
    names = ("status", "latency_ms", "response_created", "streaming", "background", "event_time")

    call = read_element(make_event(**dict.fromkeys(names, nothing)))

    assert not call.odd
    assert (call.status, call.created, call.streaming, call.event_time) == (None, None, None, None)


def test_numbers_and_flags_of_our_own_event_may_come_as_text() -> None:
    call = read_element(
        make_event(
            status="200", latency_ms="812.0", streaming="true", response_created="1795187040"
        )
    )

    assert (call.status, call.fields["latency_ms"], call.streaming) == (200, 812, True)
    assert call.created == 1795187040
    assert not call.odd


@pytest.mark.parametrize("usage", ["12", 12, [1], True])
def test_usage_of_our_own_event_that_is_no_object_is_refused(usage: object) -> None:
    assert refusal(make_event(usage=usage)) == ("unknown_usage", "usage")


@pytest.mark.parametrize("value", [True, False, ["2026-11-20T15:04:05Z"], {"time": 1}])
def test_a_time_of_our_own_event_that_is_neither_text_nor_number_is_refused(value: object) -> None:
    assert refusal(make_event(event_time=value)) == ("impossible_time", "event_time")


def test_ids_enter_the_identity_as_they_were_sent() -> None:
    call = read_element(make_event(gateway_request_id=" A-1\n", response_id="x" * 300))

    assert (call.gateway_request_id, call.fields["gateway_request_id"]) == (" A-1\n", "A-1")
    assert (call.response_id, call.fields["response_id"]) == ("x" * 300, "x" * 256)


@pytest.mark.parametrize(
    ("overrides", "item"),
    [
        ({"api_kind": "realtime"}, "resp_1"),
        ({"api_kind": None, "object": "realtime.response"}, "resp_1"),
        ({"api_kind": "chat"}, None),
        ({"api_kind": "realtime", "response_id": None}, None),
    ],
)
def test_the_responses_of_a_realtime_session_are_told_apart(
    overrides: dict[str, Any], item: str | None
) -> None:
    """All of them are one gateway request: the session."""
    assert read_element(make_event(**{"response_id": "resp_1"} | overrides)).item == item


def test_every_field_of_an_ai_hub_event_is_read() -> None:
    call = read_element(
        make_ai_hub_event(id="chatcmpl-1", appId="app-1", sessionId="s-1", endUserId="user-1")
    )

    assert call == Call(
        shape="ai_hub",
        fields={
            "app_id": "app-1",
            "subscription_id": "finance-bot",
            "product_id": "AI-Retail",
            "product_name": "AI-Retail",
            "object": "chat.completion",
            "response_model": "gpt-4o-2024-11-20",
            "region": "Sweden Central",
            "gateway_id": "managed",
            "client_ip": "203.0.113.77",
            "operation_name": "ChatCompletions_Create",
            "session_id": "s-1",
            "end_user_id": "user-1",
            "backend": "openai-backend-0",
            "route": "SWC",
            "deployment": "chat",
            "response_id": "chatcmpl-1",
            "api_kind": "chat",
        },
        gateway="apim-hub",
        response_id="chatcmpl-1",
        event_time="11/20/2026 11:45:56 AM",
        usage={"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
        streaming=False,
    )


@pytest.mark.parametrize("stand_in", ["NA", "na", "N/A", " NA ", "Portal-Admin", "", None])
def test_the_stand_ins_of_ai_hub_are_not_values(stand_in: str | None) -> None:
    names = (
        "id",
        "appId",
        "subscriptionId",
        "gatewayName",
        "endUserId",
        "timestamp",
        "productName",
    )

    call = read_element(make_ai_hub_event(**dict.fromkeys(names, stand_in)))

    assert (call.response_id, call.gateway, call.event_time) == (None, None, None)
    assert call.fields["subscription_id"] is None
    assert call.fields["product_id"] is None
    assert call.fields["end_user_id"] is None


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        pytest.param({"model": "NA"}, None, id="no-model"),
        pytest.param({"targetService": "NA"}, None, id="no-object"),
        pytest.param({"model": "NA", "targetService": "NA"}, None, id="other-ai-service"),
        pytest.param(
            {}, {"prompt_tokens": 1, "completion_tokens": 0, "total_tokens": 1}, id="a-small-call"
        ),
    ],
)
def test_the_default_counts_of_ai_hub_count_only_for_a_known_model(
    overrides: dict[str, Any], expected: dict[str, int] | None
) -> None:
    defaults = {"promptTokens": 1, "responseTokens": 0, "totalTokens": 1}

    assert read_element(make_ai_hub_event(**defaults | overrides)).usage == expected
    as_text = {name: str(count) for name, count in defaults.items()}
    assert read_element(make_ai_hub_event(**as_text | overrides)).usage == expected


def test_other_counts_of_an_unknown_model_are_usage() -> None:
    call = read_element(make_ai_hub_event(model="NA", targetService="NA", promptTokens=7))

    assert call.usage == {"prompt_tokens": 7, "completion_tokens": 20, "total_tokens": 120}


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        (("318", "142", "460"), (318, 142, 460)),
        (("NA", "NA", 460), (None, None, 460)),
        ((None, 0, ""), (None, 0, None)),
    ],
)
def test_ai_hub_counts_are_numbers_or_not_reported(
    counts: tuple[object, ...], expected: tuple[int | None, ...]
) -> None:
    names = ("promptTokens", "responseTokens", "totalTokens")
    renamed = ("prompt_tokens", "completion_tokens", "total_tokens")

    usage = read_element(make_ai_hub_event(**dict(zip(names, counts, strict=True)))).usage

    assert usage is not None
    assert tuple(usage.get(name) for name in renamed) == expected


def test_a_bad_count_of_ai_hub_is_refused() -> None:
    assert refusal(make_ai_hub_event(promptTokens="1,234")) == ("bad_count", "promptTokens")


def test_rows_of_ai_hubs_streaming_export_are_refused() -> None:
    """Their tokens come by the metrics; sent back through a hub they would count twice."""
    event = make_ai_hub_event(id="streaming-2f6f3a0e-55b3-4bb0-a1df-7c1d2e3f4a5b")

    assert refusal(event) == ("counted_elsewhere", "id")


def test_rows_of_citadels_export_are_refused() -> None:
    """Hours of metrics under almost the fields of an event: a Logic App made them."""
    event = make_ai_hub_event(id="llm-2f6f3a0e-55b3-4bb0-a1df-7c1d2e3f4a5b", targetService="NA")

    assert refusal(event | {"customDimension1": ""}) == ("counted_elsewhere", "id")
    assert read_element(event).response_id == event["id"]  # a prefix that a policy may choose


def test_a_row_read_back_from_ai_hubs_store_is_read_like_its_event() -> None:
    event = make_ai_hub_event()
    stored = event | {"EventProcessedUtcTime": "2026-11-20T15:05:00Z", "PartitionId": 0}

    assert read_element(stored) == read_element(event)


@pytest.mark.parametrize(
    "element",
    [
        pytest.param({}, id="empty"),
        pytest.param({"schema": 1}, id="schema-that-is-no-text"),
        pytest.param({"schema": "other/1"}, id="schema-of-somebody-else"),
        pytest.param({"category": "GatewayLogs", "properties": {}}, id="azure-monitor-log"),
        pytest.param({"promptTokens": 1, "totalTokens": 1}, id="half-an-ai-hub-event"),
        pytest.param({"records": [make_event()]}, id="records-inside-an-array"),
    ],
)
def test_an_element_of_no_known_gateway_is_refused(element: dict[str, Any]) -> None:
    assert refusal(element) == ("unknown_shape", "")


@pytest.mark.parametrize("element", [None, "text", 5, 1.5, True, [make_event()]])
def test_an_element_that_is_no_object_is_refused(element: object) -> None:
    assert refusal(element) == ("not_an_object", "")


def elements_on_file(folder: Path) -> list[Any]:
    found: list[Any] = []
    for path in sorted(folder.glob("*.json*")):
        if not path.name.endswith(EXPECTED):
            whole = path.read_bytes()
            bodies = whole.splitlines() if path.suffix == ".jsonl" else [whole]
            found += [each for body in bodies for each in elements(body)]
    return [each for each in found if isinstance(each, dict)]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__.rpartition(".")[2])
def test_every_event_on_file_is_of_its_own_gateway_alone(shape: Shape) -> None:
    own_name = str(shape.__name__).rpartition(".")[2]  # type: ignore[attr-defined]

    found = [
        [each for each in SHAPES if each.matches(element)]
        for element in elements_on_file(HERE / own_name)
    ]

    mixed = own_name == "own"  # its arrays hold events of others too
    assert [shape] in found
    assert all(len(each) <= 1 if mixed else each == [shape] for each in found)


@pytest.mark.parametrize("folder", ["usage", "bodies"])
def test_no_usage_object_and_no_body_on_file_is_an_event(folder: str) -> None:
    for element in elements_on_file(HERE / folder):
        assert not [each for each in SHAPES if each.matches(element)]


REAL_EVENTS: list[dict[str, Any]] = [
    make_event(),
    make_ai_hub_event(),
    make_fabric_event(),
    make_toolkit_event(),
    make_monitoring_event(),
    make_chargeback_event(),
    make_token_chargeback_event(),
]


def test_no_event_is_of_two_gateways() -> None:
    for event in REAL_EVENTS:
        assert len([shape for shape in SHAPES if shape.matches(event)]) == 1


@given(
    st.sampled_from(REAL_EVENTS),
    st.dictionaries(
        st.sampled_from([key for event in REAL_EVENTS for key in event]) | any_text, json_values
    ),
)
def test_every_field_that_a_shape_reads_is_a_field_of_the_record(
    event: dict[str, Any], changes: dict[str, Any]
) -> None:
    try:
        call = read_element(event | changes)
    except InvalidEventError:
        return
    assert set(call.fields) <= {each.name for each in fields(UsageRecord)}
    assert not {name for name, value in call.fields.items() if value == ""}


@pytest.mark.parametrize(
    ("counts", "target", "expected"),
    [
        pytest.param((1, 0, 5120), "response", {"total_tokens": 5120}, id="responses"),
        pytest.param((1, 0, 4200), "NA", {"total_tokens": 4200}, id="images"),
        pytest.param((1, 0, 1), "response", None, id="responses-without-usage"),
        pytest.param(
            (1, 0, 1),
            "list",
            {"prompt_tokens": 1, "completion_tokens": 0, "total_tokens": 1},
            id="an-embedding-of-one-token",
        ),
    ],
)
def test_a_default_count_of_ai_hub_is_no_count(
    counts: tuple[int, int, int], target: str, expected: dict[str, int] | None
) -> None:
    """The Responses API and images have a total only; each default stands for itself."""
    prompt, response, total = counts

    call = read_element(
        make_ai_hub_event(
            targetService=target, promptTokens=prompt, responseTokens=response, totalTokens=total
        )
    )

    assert call.usage == expected
