"""What the policies emit for each API, well or not, and the record that comes of it.

`send` holds every call against the contract, the limits and the caller's unchanged body.
"""

import json
from typing import Any

import pytest

from tests.policies.calls import (
    CHAT,
    EMBEDDINGS,
    JSON,
    MESSAGES,
    RESPONSE,
    RESPONSES,
    asked,
    body_on_file,
    decoded,
    encoded,
    make_response,
    send,
)
from tests.policies.gateway import Gateway
from usage_ingest.record import Flag, UsageState

MULTIPART = {"Content-Type": 'multipart/form-data; boundary="x"'}
FORM = b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n--x--\r\n'
SEARCHED = RESPONSE | {"tool_usage": {"web_search": {"num_requests": 2}}}
FOUNDRY = {"policy": "foundry-api"}
TRANSCRIPTIONS = "/openai/v1/audio/transcriptions"
APIS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "chat": (
        {},
        {
            "provider": "openai",
            "api_kind": "chat",
            "deployment": "gpt-4o-prod",
            "request_model": "gpt-4o",
            "response_model": "gpt-4o-2024-11-20",
        },
        {"input_tokens": 19, "output_tokens": 2, "total_tokens": 21},
    ),
    "chat by the v1 path": (
        {"url": "/openai/v1/chat/completions"},
        {"deployment": "gpt-4o", "request_model": "gpt-4o", "backend": "aoai-swc-1"},
        {"input_tokens": 19},
    ),
    "completions": (
        {"url": "/openai/deployments/d%20e/completions", "body": {"prompt": "planted"}},
        {"api_kind": "completions", "deployment": "d e", "request_model": None},
        {"input_tokens": 19},
    ),
    "embeddings": (
        {"url": EMBEDDINGS, "response": make_response(body_on_file("embeddings"))},
        {"api_kind": "embeddings", "object": "list"},
        {"output_tokens": None},
    ),
    "responses": (
        {"url": RESPONSES, "body": {"model": "gpt-5"}, "response": make_response(SEARCHED)},
        {
            "api_kind": "responses",
            "deployment": "gpt-5",
            "background": False,
            "service_tier": "priority",
            "response_id": "resp_1",
        },
        {"input_tokens": 4000, "reasoning_output_tokens": 640, "searches": 2},
    ),
    "images": (
        {
            "url": "/openai/v1/images/generations",
            "body": {"model": "gpt-image-2", "prompt": "planted"},
            "response": make_response(body_on_file("images")),
        },
        {"api_kind": "images", "deployment": "gpt-image-2"},
        {"image_output_tokens": body_on_file("images")["usage"]["output_tokens"]},
    ),
    "images as SVG": (
        {
            "url": "/openai/v1/images/generations",
            "body": {"model": "gpt-image-2"},
            "response": make_response(body_on_file("images-svg")),
        },
        {"api_kind": "images"},
        {},
    ),
    "an image edit, whose request is a form": (
        {
            "url": "/openai/deployments/img/images/edits",
            "body": FORM,
            "headers": MULTIPART,
            "response": make_response(body_on_file("images")),
        },
        {"api_kind": "images", "deployment": "img", "request_model": None},
        {},
    ),
    "audio, whose request is a form": (
        {
            "url": TRANSCRIPTIONS,
            "body": FORM,
            "headers": MULTIPART,
            "response": make_response(body_on_file("transcription")),
        },
        {"api_kind": "audio", "deployment": None, "request_model": None, "streaming": False},
        {},
    ),
    "audio by its length": (
        {
            "url": TRANSCRIPTIONS,
            "body": FORM,
            "headers": MULTIPART,
            "response": make_response(body_on_file("transcription-by-duration")),
        },
        {"api_kind": "audio"},
        {
            "duration_ms": round(
                body_on_file("transcription-by-duration")["usage"]["seconds"] * 1000
            )
        },
    ),
    "Anthropic messages": (
        {
            **FOUNDRY,
            "url": MESSAGES,
            "body": {"model": "claude-sonnet-5", "max_tokens": 9, "messages": []},
            "response": make_response(body_on_file("anthropic")),
        },
        {"provider": "anthropic", "api_kind": "messages", "deployment": "claude-sonnet-5"},
        {"output_tokens": body_on_file("anthropic")["usage"]["output_tokens"]},
    ),
    "model inference": (
        {
            **FOUNDRY,
            "url": "/models/chat/completions?api-version=2024-05-01-preview",
            "body": {"model": "DeepSeek-V4", "messages": []},
        },
        {
            "provider": "azure_ai",
            "api_kind": "chat",
            "deployment": "DeepSeek-V4",
            "backend": "foundry-swc-1",
        },
        {"input_tokens": 19},
    ),
    "embeddings of model inference": (
        {
            **FOUNDRY,
            "url": "/models/embeddings",
            "body": {"model": "embed-v4", "input": ["planted"]},
            "response": make_response(body_on_file("embeddings")),
        },
        {"provider": "azure_ai", "api_kind": "embeddings"},
        {},
    ),
}


@pytest.mark.parametrize(("call", "fields", "usage"), APIS.values(), ids=list(APIS))
def test_an_answer_of_an_api_becomes_a_record_with_its_usage(
    gateway: Gateway, call: dict[str, Any], fields: dict[str, Any], usage: dict[str, Any]
) -> None:
    done = send(gateway, **call)

    assert {name: done.event.get(name) for name in fields} == fields
    assert {name: getattr(done.record.usage, name) for name in usage} == usage
    assert done.record.usage_state is UsageState.REPORTED
    assert done.metrics == []
    told = json.loads(decoded(done.told["answer"]) or b"")
    beside = {name: told[name] for name in ("tool_usage", "svg_usage") if name in told}
    assert done.event["usage"] == told["usage"] | beside


def test_usage_is_emitted_as_it_came(gateway: Gateway) -> None:
    usage = body_on_file("anthropic")["usage"] | {
        "unheard_of": {"a": [1, 2.5, None, True, {"b": "c"}]},
        "a_float": 0.1,
        "a_large_one": 2**53 + 1,
    }
    body = body_on_file("anthropic") | {"usage": usage}

    done = send(gateway, policy="foundry-api", url=MESSAGES, response=make_response(body))

    assert done.event["usage"] == usage
    assert list(done.event["usage"]) == list(usage)


def test_the_example_of_the_contract_is_whole(gateway: Gateway) -> None:
    """Every key that a chat call can have is there, from where the contract says."""
    token = {"azp": "7b1f0d3c", "tid": "1111", "oid": "2222", "sub": "3333", "name": "planted"}
    headers = {
        "x-usage-app": "hr-web",
        "x-usage-user": "planted-user",
        "x-usage-session": "s-1",
        "x-usage-tag-Team": "benefits",
        "X-Usage-Tag-Stage": "prod",
    }
    response = make_response(
        body_on_file("chat"),
        x_ms_deployment_name="gpt-4o-ptu",
        x_ms_spillover_from_deployment="gpt-4o-prod",
    )

    event = send(
        gateway, policy="openai-api+options", token=token, headers=headers, response=response
    ).event

    assert event["app_id"] == "7b1f0d3c"
    assert event["tenant_id"] == "1111"
    assert event["end_user_id"] == "2222"
    assert event["app_hint"] == "hr-web"
    assert event["session_id"] == "s-1"
    assert event["tags"] == {"stage": "prod", "team": "benefits"}
    assert event["served_deployment"] == "gpt-4o-ptu"
    assert event["spillover_from"] == "gpt-4o-prod"
    assert (event["user_id"], event["method"]) == ("1", "POST")
    assert (event["status"], event["latency_ms"]) == (200, 813)
    assert event["response_created"] == body_on_file("chat")["created"]
    assert event["gateway"] == "apim-contoso"
    assert event["gateway_id"] == "managed"
    assert event["region"] == "Sweden Central"


def test_what_is_only_claimed_is_no_application(gateway: Gateway) -> None:
    """Without a validated token the Authorization header says nothing, and a header hints."""
    headers = {"x-usage-app": "7b1f0d3c", "x-usage-user": "jo", "Authorization": "Bearer planted"}

    event = send(gateway, headers=headers).event

    assert "app_id" not in event
    assert "tenant_id" not in event
    assert event["app_hint"] == "7b1f0d3c"
    assert event["end_user_id"] == "jo"


def test_older_tokens_name_the_application_otherwise(gateway: Gateway) -> None:
    token = {"appid": "7b1f0d3c", "sub": "3333"}

    event = send(gateway, policy="openai-api+options", token=token).event

    assert (event["app_id"], event["end_user_id"]) == ("7b1f0d3c", "3333")
    assert "tenant_id" not in event


@pytest.mark.parametrize("missing", ["subscription", "product", "user", "operation", "gateway"])
def test_what_the_gateway_does_not_know_is_left_out(gateway: Gateway, missing: str) -> None:
    done = send(gateway, **{missing: None})

    assert not {f"{missing}_id", f"{missing}_name"} & done.event.keys()
    assert done.record.usage_state is UsageState.REPORTED


BODIES: dict[str, Any] = {
    "a JSON null": make_response({"id": "x", "usage": None}),
    "nulls in usage": make_response({"usage": {"prompt_tokens": None, "completion_tokens": None}}),
    "no usage": make_response({"id": "x"}),
    "usage that is none": make_response({"usage": [1, 2]}),
    "usage that is text": make_response({"usage": "19 tokens"}),
    "names of other types": make_response({"id": 7, "model": {"a": 1}, "object": None}),
    "an empty text": make_response(""),
    "no body": make_response(None),
    "no body and no content": make_response(None, status=204, kind=""),
    "HTML": make_response("<html>planted</html>", kind="text/html"),
    "HTML that says it is JSON": make_response("<html>planted</html>"),
    "an array": make_response([{"usage": {"prompt_tokens": 1}}]),
    "a number": make_response("42"),
    "a cut body": make_response('{"usage":{"prompt_tokens":1'),
    "binary": make_response(b"\x00\xff\xfe" * 100, kind="audio/mpeg"),
    "binary that says it is JSON": make_response(b"\x00\xff\xfe" * 100),
    "plain text": make_response("planted answer", kind="text/plain"),
}


@pytest.mark.parametrize("response", BODIES.values(), ids=list(BODIES))
def test_an_answer_without_usage_is_a_call_without_usage(
    gateway: Gateway, response: dict[str, Any]
) -> None:
    done = send(gateway, response=response)

    assert done.record.usage_state is UsageState.NONE
    assert done.record.usage.reported() == {}
    assert done.told["error"] is None


def test_an_empty_usage_object_stays_one(gateway: Gateway) -> None:
    done = send(gateway, response=make_response({"usage": {}}))

    assert done.event["usage"] == {}
    assert done.record.usage_state is UsageState.NONE


@pytest.mark.parametrize("status", [400, 401, 404, 408, 429, 500, 502, 503])
def test_a_failed_answer_is_an_event_with_its_status(gateway: Gateway, status: int) -> None:
    error = make_response({"error": {"code": "x", "message": "planted"}}, status=status)

    done = send(gateway, response=error)

    assert (done.event["status"], done.event["usage"]) == (status, None)
    assert (done.record.status, done.record.usage_state) == (status, UsageState.NONE)


def test_an_html_502_of_the_backend_is_an_event(gateway: Gateway) -> None:
    html = "<html><body>502 Bad Gateway, planted</body></html>"

    done = send(gateway, response=make_response(html, status=502, kind="text/html"))

    assert (done.record.status, done.record.usage_state) == (502, UsageState.NONE)


def test_an_answer_of_one_megabyte_passes_unchanged(gateway: Gateway) -> None:
    text = 'planted é😀\\" ' * 70_000
    body = body_on_file("chat") | {"choices": [{"message": {"content": text}}]}

    done = send(gateway, body=asked(messages=[text]), response=make_response(body))

    assert done.record.usage.input_tokens == 19


def test_a_get_reads_back_and_is_not_counted_again(gateway: Gateway) -> None:
    done = send(
        gateway,
        url=f"{RESPONSES}/resp_1?api-version=v1",
        method="GET",
        body=None,
        response=make_response(RESPONSE),
    )

    assert done.event["method"] == "GET"
    assert done.record.usage_state is UsageState.NONE
    assert done.record.flags == (Flag.READ_BACK,)


def test_all_polls_of_a_background_response_are_one_record(gateway: Gateway) -> None:
    made = RESPONSE | {"background": True, "usage": None}
    finished = RESPONSE | {"background": True}

    begun = send(gateway, url=RESPONSES, body={"background": True}, response=make_response(made))
    polls = [
        send(
            gateway,
            url=f"{RESPONSES}/resp_1",
            method="GET",
            body=None,
            response=make_response(each),
        )
        for each in (made, finished, finished)
    ]

    assert begun.event["background"] is True
    assert begun.event["response_created"] == RESPONSE["created_at"]
    assert len({each.record.record_id for each in (begun, *polls)}) == 1
    assert [each.record.usage_state for each in polls] == ["none", "reported", "reported"]


def test_a_list_of_models_is_a_call_without_usage(gateway: Gateway) -> None:
    models = make_response({"object": "list", "data": [{"id": "gpt-4o"}]})

    done = send(gateway, url="/openai/v1/models", method="GET", body=None, response=models)

    assert done.record.usage_state is UsageState.NONE
    assert "api_kind" not in done.event


@pytest.mark.parametrize(
    "body",
    ["", "{", "planted", "[]", "null", '"x"', b"\xff\xfe", {"model": 7, "stream": "yes"}, None],
)
def test_a_request_that_is_not_as_expected_is_forwarded_as_it_is(
    gateway: Gateway, body: object
) -> None:
    done = send(gateway, policy="openai-api+usage", body=body)

    assert done.event["streaming"] is False
    assert "request_model" not in done.event
    assert done.forwarded == decoded(encoded(body))
    assert done.event["deployment"] == "gpt-4o-prod"


def test_a_policy_that_sets_no_variables_still_names_the_backend(gateway: Gateway) -> None:
    done = send(gateway, policy="bare")

    assert done.event["backend"] == "model.contoso.com"
    assert not {"provider", "api_kind"} & done.event.keys()
    assert done.record.usage.input_tokens == 19


def test_the_query_is_never_part_of_a_deployment(gateway: Gateway) -> None:
    done = send(gateway, url="/openai/deployments/a?x=/deployments/planted")

    assert done.event["deployment"] == "a"


def test_a_request_without_a_content_type_is_read_as_json(gateway: Gateway) -> None:
    done = send(gateway, headers={"Content-Type": ""}, body=asked(stream=True))

    assert done.event["streaming"] is True


def test_the_time_is_the_same_text_in_every_event_of_a_call(gateway: Gateway) -> None:
    first = send(gateway, request_id="0f8b6a2e-52f3-4a3b-9d0e-6f2f4c1d9a10")
    again = send(gateway, request_id="0f8b6a2e-52f3-4a3b-9d0e-6f2f4c1d9a10")

    assert first.record.record_id == again.record.record_id
    assert first.event == again.event


def test_json_of_any_kind_is_read(gateway: Gateway) -> None:
    for kind in (JSON, "application/json", "application/vnd.x+json", "APPLICATION/JSON"):
        done = send(gateway, response=make_response(body_on_file("chat"), kind=kind))
        assert done.record.usage.input_tokens == 19


def test_calls_of_a_subscription_spread_over_four_keys(gateway: Gateway) -> None:
    keys = {send(gateway, url=CHAT).told["events"][0]["key"] for _ in range(8)}

    assert keys == {f"hr-copilot-{number}" for number in range(4)}
