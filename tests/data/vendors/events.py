"""Events of the gateways around what the APIs answered: their own keys are written by hand."""

import json
from typing import Any, Final

from tests.data.vendors import anthropic_api, openai_api
from tests.data.vendors.bodies import DONE, response_events, sse
from tests.data.vendors.openai_api import detailed_usage, responses_usage, short_usage
from tests.data.vendors.wire import Json

_TIME: Final = "2026-11-20T15:04:05.1234567Z"
_PROMPT: Final = [{"role": "user", "content": "planted prompt"}]
_SAID: Final = "planted completion"
_POLLED: Final = responses_usage(36, 87, 64)


def events() -> dict[str, Json | list[Json]]:
    """Return every payload by its folder and name; a list is a file with an event a line."""
    return {**_fabric(), **_chargeback(), **_monitoring(), **_counts_alone()}


def _asked(model: str = "gpt-4o-prod", **overrides: Any) -> Json:
    return {"model": model, "messages": _PROMPT, "user": "planted-user", **overrides}


def _fabric_event(request: Json | str, response: Json | str, time: str = _TIME) -> Json:
    return {
        "EventTime": time,
        "AppSubscriptionKey": "planted-caller-key",
        "Request": request if isinstance(request, str) else json.dumps(request),
        "Response": response if isinstance(response, str) else json.dumps(response),
    }


def _fabric() -> dict[str, Json | list[Json]]:
    used = short_usage(19, 12)
    streamed: Json = {"stream": True, "stream_options": {"include_usage": True}}
    first = openai_api.chunk("", created=0, model="")
    piece, last = (
        openai_api.chunk("chatcmpl-F2", _SAID, usage=None),
        openai_api.chunk("chatcmpl-F2", usage=used),
    )
    claude = {"model": "claude-sonnet-5", "max_tokens": 64, "stream": True, "messages": _PROMPT}
    drawn = openai_api.images(
        [{"b64_json": "cGE="}, {"b64_json": "cGE="}],
        usage=openai_api.IMAGE_USAGE,
        svg_usage=openai_api.SVG_USAGE,
    )
    asked = {"model": "gpt-5-prod", "input": "planted prompt"}
    answered = response_events("resp_F3", "completed", _POLLED, _SAID, openai_api.tool_usage(2))
    return {
        "fabric/chat.json": _fabric_event(
            _asked(), openai_api.chat(used, "chatcmpl-F1a2b3", _SAID)
        ),
        "fabric/chat-stream.json": _fabric_event(
            _asked(**streamed), sse([first, piece, last], DONE)
        ),
        "fabric/embeddings.json": _fabric_event(
            {"model": "embedding-prod", "input": "planted prompt"},
            openai_api.embeddings(8, [0.1]),
        ),
        "fabric/images.json": _fabric_event(
            {"model": "gpt-image-2", "prompt": "planted prompt", "n": 2}, drawn
        ),
        "fabric/messages-stream.json": _fabric_event(claude, sse(anthropic_api.stream())),
        "fabric/responses-polls.jsonl": _polls(asked | {"background": True}),
        "fabric/responses-stream.json": _fabric_event(asked | {"stream": True}, sse(answered)),
    }


def _polls(asked: Json) -> list[Json]:
    queued = openai_api.response("resp_F4", "queued", None, background=True)
    done = openai_api.response("resp_F4", "completed", _POLLED, background=True)
    other = openai_api.response("resp_F3", "completed", _POLLED)
    return [
        _fabric_event(asked, queued),
        _fabric_event("", done, "2026-11-20T15:04:45.1Z"),
        _fabric_event("", done, "2026-11-20T15:04:55.1Z"),
        _fabric_event("", other, "2026-11-20T15:04:59.1Z"),
    ]


_BY_SUBSCRIPTION: Final = {"subscriptionId": "hr-copilot"}
_BY_TOKEN: Final = {
    "tenantId": "11111111-2222-3333-4444-555555555555",
    "clientAppId": "7b1f0d3c-6f0e-4c0b-8a52-0c1a2b3c4d5e",
    "audience": "api://ai-gateway",
}


def _posted(
    caller: Json, request: Json | str, response: Json | str, deployment: str = "gpt-4o-prod"
) -> Json:
    bodies = {"requestBody": request, "responseBody": response}
    return {**caller, **bodies, "deploymentId": deployment}


def _chargeback() -> dict[str, Json | list[Json]]:
    used = detailed_usage(1200, 80, 1024)
    asked: Json = {"model": "gpt-4o", "messages": _PROMPT}
    short_chunk = openai_api.chunk(
        "chatcmpl-CB2", created=1795187046, usage=openai_api.chat_usage(318, 142)
    )
    streamed = {"model": "gpt-5-prod", "input": "planted prompt", "stream": True}
    vector = openai_api.embeddings(8, [0.0023, -0.0091])
    embedded = _posted(_BY_SUBSCRIPTION, {"input": "planted prompt"}, vector, "embed-large")
    known = {"requestId": "0f8b6a2e-52f3-4a3b-9d0e-6f2f4c1d9a20", "timestamp": _TIME}
    by_text = _posted(
        _BY_SUBSCRIPTION,
        json.dumps(asked),
        json.dumps(openai_api.chat(used, "chatcmpl-CB5", _SAID)),
    )
    by_event = _posted(_BY_TOKEN, json.dumps(streamed), sse([_last_event("resp_CB6")]), "")
    return {
        "chargeback/bodies-as-text.jsonl": [by_text, by_event],
        "chargeback/chat.json": _posted(
            _BY_SUBSCRIPTION,
            {"messages": _PROMPT, "temperature": 0.2},
            openai_api.chat(used, "chatcmpl-CB1", _SAID),
        ),
        "chargeback/chat-by-token.json": _posted(
            _BY_TOKEN, asked, openai_api.chat(used, "chatcmpl-CB4", _SAID)
        ),
        "chargeback/chat-stream.json": _posted(
            _BY_SUBSCRIPTION, asked | {"stream": True}, short_chunk
        ),
        "chargeback/embeddings.jsonl": [embedded, embedded | known],
        "chargeback/responses-stream.json": _posted(
            _BY_TOKEN, streamed, _last_event("resp_CB3"), "responses"
        ),
    }


def _last_event(answer_id: str) -> Json:
    last = response_events(answer_id, "completed", _POLLED)[-1]
    said = {"created_at": 1795187047, "output": openai_api.output(_SAID)}
    answered = openai_api.response(answer_id, "completed", _POLLED, **said)
    return last | {"sequence_number": 41, "response": answered}


def _monitoring() -> dict[str, Json | list[Json]]:
    answer = openai_api.chat(detailed_usage(1318, 142, 1024, 64), "chatcmpl-M1", _SAID)
    event = {
        "SubscriptionId": "finance-bot",
        "EventTime": "20.11.2026 15:04:05",
        "ServiceName": "apim-monitoring",
        "RequestId": "8a1f0d3c-6f0e-4c0b-8a52-0c1a2b3c4d5e",
        "RequestIp": "203.0.113.77",
        "OperationName": "Creates a completion for the chat message",
        "Prompt": _PROMPT,
        "Response": answer["choices"],
        "Tokens": answer["usage"],
    }
    return {"monitoring/chat.json": event}


def _counts_alone() -> dict[str, Json | list[Json]]:
    """Events with counts alone, taken from an answer as these gateways do."""
    answer = openai_api.chat(openai_api.chat_usage(318, 142), "chatcmpl-C1a2b3c4d5e6f7")
    vector = openai_api.embeddings(512, [0.1])
    toolkit = {
        "Type": "Message",
        "EventTime": "11/20/2026 3:04:05 PM",
        "ServiceName": "apim-toolkit",
        "GatewayId": "managed",
        "RequestId": "7a1f0d3c-6f0e-4c0b-8a52-0c1a2b3c4d5e",
        "RequestIp": "203.0.113.77",
        "OperationName": "Creates a completion for the chat message",
        "SubscriptionId": "finance-bot",
        "TotalTokens": str(answer["usage"]["total_tokens"]),
    }
    called = {
        "appId": "7b1f0d3c-6f0e-4c0b-8a52-0c1a2b3c4d5e",
        "sessionId": "s-17",
        "endUserId": "22222222-aaaa-bbbb-cccc-333333333333",
        "deploymentName": "chat",
        "operationName": "Creates a completion for the chat message",
    }
    embedded = {
        "id": "5d0f2c1e-7a59-4e0b-a3a8-0f3a1b2c3d4e",
        "deploymentName": "embedding",
        "operationName": "Get a vector representation of a given input",
    }
    return {
        "toolkit/chat.json": toolkit,
        "ai_hub/chat.json": _ai_hub(answer, called),
        "ai_hub/embeddings.json": _ai_hub(vector, embedded),
    }


def _ai_hub(answer: Json, called: Json) -> Json:
    usage = answer["usage"]
    return {
        "id": answer.get("id"),
        "timestamp": "11/20/2026 3:04:05 PM",
        "appId": "NA",
        "subscriptionId": "finance-bot",
        "productName": "AI-Retail",
        "targetService": answer["object"],
        "model": answer["model"],
        "gatewayName": "apim-hub",
        "gatewayRegion": "Sweden Central",
        "aiGatewayId": "managed",
        "RequestIp": "203.0.113.77",
        "operationName": "NA",
        "sessionId": "NA",
        "endUserId": "NA",
        "backendId": "openai-backend-0",
        "routeLocation": "swedencentral",
        "routeName": "SWC",
        "deploymentName": "NA",
        "promptTokens": usage["prompt_tokens"],
        "responseTokens": usage.get("completion_tokens", 0),
        "totalTokens": usage["total_tokens"],
    } | called
