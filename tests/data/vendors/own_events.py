"""Our own events, one file for each API: names and usage are taken from what the API answered."""

from typing import Any, Final

from tests.data.vendors import anthropic_api, azure_api, bedrock_api, google_api, openai_api
from tests.data.vendors.bodies import RESPONSE_ID
from tests.data.vendors.openai_api import before_cache_writes, detailed_usage, responses_usage
from tests.data.vendors.wire import Json

_IDS: Final = "0f8b6a2e-52f3-4a3b-9d0e-6f2f4c1d9a"
_SHORT_IDS: Final = "5c1f0d3c-6f0e-4c0b-8a52-0c1a2b3c4d"
_NAMES: Final = (
    ("response_created", "created"),
    ("response_created", "created_at"),
    ("response_id", "id"),
    ("response_model", "model"),
    ("object", "object"),
    ("service_tier", "service_tier"),
    ("usage", "usage"),
)


def own_events() -> dict[str, Json | list[Json]]:
    """Return every payload by its folder and name; a list is a file with an event a line."""
    return {**_openai(), **_responses(), **_openai_others(), **_others()}


def _event(number: int, second: str, operation: str, told: Json, answer: Json) -> Json:
    operation_id, _, operation_name = operation.partition(": ")
    return {
        "schema": "usage-ingest/1",
        "gateway_request_id": f"{_IDS}{number}",
        "event_time": f"2026-11-20T15:{second}.1234567Z",
        "gateway": "apim-contoso",
        "gateway_id": "managed",
        "region": "Sweden Central",
        "subscription_id": "hr-copilot",
        "subscription_name": "HR Copilot",
        "product_id": "ai-standard",
        "product_name": "AI Standard",
        "api_id": "azure-openai",
        "api_name": "Azure OpenAI",
        "operation_id": operation_id,
        **({"operation_name": operation_name} if operation_name else {}),
        "app_id": "7b1f0d3c-6f0e-4c0b-8a52-0c1a2b3c4d5e",
        "tenant_id": "11111111-2222-3333-4444-555555555555",
        "tags": {"team": "benefits"},
        **told,
        **_answered(answer),
    }


def _short_event(number: str, told: Json, answer: Json) -> Json:
    return {
        "schema": "usage-ingest/1",
        "gateway_request_id": f"{_SHORT_IDS}{number}",
        "event_time": "2026-11-20T15:04:05.1234567Z",
        "gateway": "apim-contoso",
        "region": "Sweden Central",
        "subscription_id": "hr-copilot",
        "product_id": "ai-standard",
        "streaming": False,
        "method": "POST",
        "status": 200,
        "latency_ms": 1421,
        **told,
        **_answered(answer),
    }


def _answered(answer: Json) -> Json:
    return {name: answer[key] for name, key in _NAMES if key in answer}


def _told(
    api_kind: str, deployment: str, latency: int, provider: str = "openai", **overrides: Any
) -> Json:
    told = {
        "provider": provider,
        "api_kind": api_kind,
        "deployment": deployment,
        "request_model": deployment.removesuffix("-prod"),
        "streaming": False,
        "method": "POST",
        "status": 200,
        "latency_ms": latency,
        "backend": "aoai-swc-1",
    }
    return told | overrides


def _openai() -> dict[str, Json | list[Json]]:
    chat = openai_api.chat(
        detailed_usage(1200, 80, 1024), "chatcmpl-Bx1a2b3c4d5e6f", created=1795187044
    )
    instruct = "gpt-35-turbo-instruct"
    completed = openai_api.completion(
        openai_api.chat_usage(15, 16), "cmpl-Bx2a2b3c4d5e6f", instruct
    )
    spilled = {"served_deployment": f"{instruct}-2", "spillover_from": instruct}
    details = detailed_usage(0, 0, 0)["completion_tokens_details"] | {"reasoning_tokens": 94}
    asked = {"text_tokens": 32, "audio_tokens": 0, "image_tokens": 0, "cached_tokens": 6}
    # By hand: xAI's total is the sum of three.
    apart = openai_api.chat_usage(32, 9, asked, details) | {"total_tokens": 135}
    grok = openai_api.chat(apart, "5c6f9d0e-8f4a-4d3b-a111-2b3c4d5e6f70", model="grok-4-0709")
    embedded = openai_api.embeddings(512, [0.1])
    chat_operation = "ChatCompletions_Create: Creates a completion for the chat message"
    return {
        "own/chat.json": _event(
            10, "04:05", chat_operation, _told("chat", "gpt-4o-prod", 812), chat
        ),
        "own/completions.json": _event(
            11,
            "04:06",
            "Completions_Create: Creates a completion for the provided prompt",
            _told("completions", instruct, 431, request_model="gpt-3.5-turbo-instruct", **spilled),
            _without(completed, "created"),
        ),
        "own/embeddings.json": _event(
            12,
            "04:07",
            "Embeddings_Create: Get a vector representation of a given input",
            _told("embeddings", "text-embedding-3-large", 64),
            embedded,
        ),
        "own/reasoning-outside-output.json": _event(
            19,
            "04:14",
            "Chat",
            _told("chat", "grok-4", 3120, "xai", backend="foundry-1"),
            _without(grok, "created", "service_tier"),
        ),
    }


def _without(answer: Json, *names: str) -> Json:
    return {name: value for name, value in answer.items() if name not in names}


def _responses() -> dict[str, Json | list[Json]]:
    used = responses_usage(
        4000,
        900,
        640,
        cached_tokens=1024,
        cache_write_tokens=2048,
        cache_write_tokens_details={"ttl_30m_tokens": 1024, "ttl_12h_tokens": 1024},
    )
    answer = openai_api.response(
        RESPONSE_ID, "completed", used, created_at=1795187039, service_tier="priority"
    )
    told = _told("responses", "gpt-5-prod", 9120, backend="aoai-swc-2", background=False)
    read_back = told | {"method": "GET", "latency_ms": 38}
    return {
        "own/responses.json": _event(
            13, "04:08", "Responses_Create: Creates a model response", told, answer
        ),
        "own/read-back.json": _event(
            18, "05:02", "Responses_Get: Retrieves a model response", read_back, answer
        ),
        "own/background-polls.jsonl": _background_polls(),
    }


def _background_polls() -> list[Json]:
    used = before_cache_writes(responses_usage(60506, 22883, 20416))
    common = {"background": True, "created_at": 1795187040, "model": "o3-deep-research-2025-06-26"}
    answer_id = "resp_b0b1b2b3b4b5b6b7b8b9babbbcbdbebf"
    queued = openai_api.response(answer_id, "queued", None, **common)
    done = openai_api.response(answer_id, "completed", None, **common) | {"usage": used}
    told = _told("responses", "o3-deep-research", 310, backend="aoai-swc-2", background=True)
    polls = [
        ("04:00", "Responses_Create: Creates a model response", "POST", 310, queued),
        ("04:30", "Responses_Get: Retrieves a model response", "GET", 41, queued),
        ("04:50", "Responses_Get: Retrieves a model response", "GET", 47, done),
        ("04:55", "Responses_Get: Retrieves a model response", "GET", 39, done),
    ]
    return [
        _event(
            number,
            second,
            operation,
            told | {"method": method, "latency_ms": latency},
            _without(answer, "service_tier"),
        )
        for number, (second, operation, method, latency, answer) in enumerate(polls, 20)
    ]


def _openai_others() -> dict[str, Json | list[Json]]:
    audio = {"provider": "openai", "api_kind": "audio"}
    realtime = {"provider": "openai", "api_kind": "realtime", "request_model": "gpt-realtime"}
    heard = openai_api.heard("item_CQ3", openai_api.TOKENS)
    drawn = openai_api.images([{"b64_json": "cGE="}], usage=openai_api.IMAGE_USAGE)
    painted = {"provider": "openai", "api_kind": "images"}
    painted |= {"request_model": "gpt-image-2", "deployment": "gpt-image-2"}
    return {
        "own/images.json": _short_event("07", painted, _without(drawn, "created")),
        "own/realtime.jsonl": [
            _short_event("08", realtime, _realtime("resp_CQ1", 225)),
            _short_event("08", realtime, _realtime("resp_CQ2", 230)),
            _short_event(
                "08",
                realtime | {"request_model": "gpt-4o-transcribe"},
                {"id": heard["item_id"], "usage": heard["usage"]},
            ),
        ],
        "own/transcriptions.jsonl": [
            _short_event(
                "05",
                audio | {"request_model": "gpt-4o-transcribe"},
                openai_api.transcription(openai_api.TOKENS),
            ),
            _short_event(
                "06",
                audio | {"request_model": "whisper-1"},
                openai_api.transcription(openai_api.DURATION),
            ),
        ],
    }


def _realtime(answer_id: str, answered: int) -> Json:
    usage = openai_api.realtime_response(answered)
    response: Json = openai_api.response_done(answer_id, usage)["response"]
    return response


def _others() -> dict[str, Json | list[Json]]:
    claude = {
        "provider": "anthropic",
        "api_kind": "messages",
        "request_model": "claude-sonnet-5",
        "deployment": "claude-sonnet-5",
    }
    message = anthropic_api.message(anthropic_api.EVERY_DETAIL, "msg_01XFDUDYJgAACzvnptvVoYEL")
    foundry = {"provider": "azure_ai", "api_kind": "chat", "request_model": "DeepSeek-V4"}
    gemini = {"provider": "google", "api_kind": "generate_content"}
    gemini |= {"request_model": "gemini-3-pro", "response_model": "gemini-3-pro-001"}
    gemini |= {"response_id": "mAqfaLHkJd3sxN8P2ca6yQE"}
    converse = {"provider": "bedrock", "api_kind": "converse"}
    inside = bedrock_api.answer() | {"usage": bedrock_api.CACHE_INSIDE}
    inferred = azure_api.chat("9d1c2b3a4f5e60718293a4b5c6d7e8f9", "deepseek-v4")
    return {
        "own/messages.json": _short_event("01", claude, message),
        "own/gemini.json": _short_event("02", gemini, {"usage": google_api.EVERY_DETAIL}),
        "own/model-inference.json": _short_event("09", foundry, _without(inferred, "created")),
        "own/bedrock.jsonl": [
            _short_event(
                "03",
                converse | {"request_model": "eu.anthropic.claude-sonnet-5-v1:0"},
                bedrock_api.answer(),
            ),
            _short_event("04", converse | {"request_model": "openai.gpt-5.6"}, inside),
        ],
    }
