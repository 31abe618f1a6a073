"""OpenAI's APIs: usage objects and whole answers, built with the openai SDK's classes."""

from typing import Any, Final

from openai.types import Completion, CompletionUsage, CreateEmbeddingResponse, ImagesResponse
from openai.types.audio import Transcription
from openai.types.audio.transcription import UsageDuration, UsageTokens
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.create_embedding_response import Usage as EmbeddingUsage
from openai.types.images_response import SvgUsage
from openai.types.images_response import Usage as ImageUsage
from openai.types.live.session_usage import SessionUsage
from openai.types.realtime import (
    ConversationItemInputAudioTranscriptionCompletedEvent,
    RealtimeResponseUsage,
    ResponseDoneEvent,
)
from openai.types.responses import Response, ResponseUsage

from tests.data.vendors.wire import Json, built

CREATED: Final = 1795187045
CHAT_MODEL: Final = "gpt-4o-2024-11-20"
RESPONSES_MODEL: Final = "gpt-5-2026-08-07"


def chat_usage(prompt: int, completion: int, asked: Any = "", answered: Any = "") -> Json:
    """Usage of a chat; details that are not named are left out."""
    fields: Json = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    fields |= {"prompt_tokens_details": asked} if asked != "" else {}
    fields |= {"completion_tokens_details": answered} if answered != "" else {}
    return built(CompletionUsage, fields)


def detailed_usage(prompt: int, completion: int, cached: int, reasoning: int = 0) -> Json:
    """Usage as a chat with gpt-4o has it."""
    return chat_usage(
        prompt,
        completion,
        {"cached_tokens": cached, "audio_tokens": 0},
        {
            "reasoning_tokens": reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    )


def short_usage(prompt: int, completion: int) -> Json:
    """Usage with one detail a side."""
    return chat_usage(prompt, completion, {"cached_tokens": 0}, {"reasoning_tokens": 0})


def chat(usage: Json, answer_id: str, text: str = "a", **overrides: Any) -> Json:
    """A chat completion."""
    message = {"role": "assistant", "content": text, "refusal": None}
    fields: Json = {
        "id": answer_id,
        "object": "chat.completion",
        "created": CREATED,
        "model": CHAT_MODEL,
        "service_tier": "default",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
        "usage": usage,
    }
    return built(ChatCompletion, fields | overrides)


def chunk(answer_id: str, text: str | None = None, **overrides: Any) -> Json:
    """A chunk of a streamed chat, with a piece of text or without choices."""
    delta = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    fields: Json = {
        "id": answer_id,
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": CHAT_MODEL,
        "choices": [] if text is None else [delta],
    }
    return built(ChatCompletionChunk, fields | overrides)


def completion(usage: Json, answer_id: str, model: str) -> Json:
    """A completion."""
    choice = {"index": 0, "text": "a", "finish_reason": "stop", "logprobs": None}
    fields = {
        "id": answer_id,
        "object": "text_completion",
        "created": CREATED,
        "model": model,
        "choices": [choice],
        "usage": usage,
    }
    return built(Completion, fields)


def embeddings(tokens: int, vector: list[float]) -> Json:
    """An embedding; it has no id."""
    fields = {
        "object": "list",
        "model": "text-embedding-3-large",
        "data": [{"object": "embedding", "index": 0, "embedding": vector}],
        "usage": built(EmbeddingUsage, {"prompt_tokens": tokens, "total_tokens": tokens}),
    }
    return built(CreateEmbeddingResponse, fields)


def responses_usage(asked: int, answered: int, reasoning: int, **asked_details: Any) -> Json:
    """Usage of the Responses API."""
    fields = {
        "input_tokens": asked,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0} | asked_details,
        "output_tokens": answered,
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": asked + answered,
    }
    return built(ResponseUsage, fields)


def before_cache_writes(usage: Json) -> Json:
    """By hand: services of older versions leave out what the class now requires."""
    cached = {"cached_tokens": usage["input_tokens_details"]["cached_tokens"]}
    return usage | {"input_tokens_details": cached}


def response(answer_id: str, status: str, usage: Json | None, **overrides: Any) -> Json:
    """A response; its tier is `auto` until it is known."""
    fields: Json = {
        "id": answer_id,
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "background": False,
        "model": RESPONSES_MODEL,
        "service_tier": "auto" if status == "in_progress" else "default",
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": usage,
    }
    return built(Response, fields | overrides)


def output(text: str) -> list[Json]:
    """What a response says."""
    content = {"type": "output_text", "text": text, "annotations": []}
    return [
        {
            "type": "message",
            "id": "msg_1",
            "status": "completed",
            "role": "assistant",
            "content": [content],
        }
    ]


def tool_usage(searches: int, image_gen: Json | None = None) -> Json:
    """What the tools of a response used; a tool that was not used has zeros."""
    none = {
        "input_tokens": 0,
        "input_tokens_details": {"image_tokens": 0, "text_tokens": 0},
        "output_tokens": 0,
        "total_tokens": 0,
    }
    return {"image_gen": image_gen or none, "web_search": {"num_requests": searches}}


IMAGE_USAGE: Final = built(
    ImageUsage,
    {
        "input_tokens": 50,
        "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
        "output_tokens": 4160,
        "output_tokens_details": {"image_tokens": 4160, "text_tokens": 0},
        "total_tokens": 4210,
    },
)
SVG_USAGE: Final = built(
    SvgUsage,
    {
        "model": RESPONSES_MODEL,
        "input_tokens": 210,
        "output_tokens": 900,
        "reasoning_tokens": 300,
        "total_tokens": 1110,
    },
)
TOKENS: Final = built(
    UsageTokens,
    {
        "type": "tokens",
        "input_tokens": 142,
        "input_token_details": {"audio_tokens": 138, "text_tokens": 4},
        "output_tokens": 36,
        "total_tokens": 178,
    },
)
DURATION: Final = built(UsageDuration, {"type": "duration", "seconds": 12.5})
LIVE_SESSION: Final = built(SessionUsage, {"seconds": 95.2})


def images(pictures: list[Json], **overrides: Any) -> Json:
    """Generated images; DALL-E's have no usage."""
    return built(ImagesResponse, {"created": CREATED, "data": pictures} | overrides)


def transcription(usage: Json) -> Json:
    """A transcription, by tokens or by its length."""
    return built(Transcription, {"text": "a", "usage": usage})


def realtime_usage(asked: int, answered: int, asked_details: Json, **overrides: Any) -> Json:
    """Usage of a response of a realtime session."""
    fields: Json = {
        "total_tokens": asked + answered,
        "input_tokens": asked,
        "output_tokens": answered,
        "input_token_details": asked_details,
    }
    return built(RealtimeResponseUsage, fields | overrides)


def realtime_response(answered: int) -> Json:
    """Usage by modality, with the cached tokens by modality too."""
    cached = {"text_tokens": 128, "audio_tokens": 512, "image_tokens": 0}
    asked = {
        "text_tokens": 320,
        "audio_tokens": 800,
        "image_tokens": 0,
        "cached_tokens": 640,
        "cached_tokens_details": cached,
    }
    details = {"text_tokens": 45, "audio_tokens": 180}
    return realtime_usage(1120, answered, asked, output_token_details=details)


def response_done(answer_id: str, usage: Json) -> Json:
    """The last event of a realtime response."""
    fields = {
        "type": "response.done",
        "event_id": "event_1",
        "response": {
            "object": "realtime.response",
            "id": answer_id,
            "status": "completed",
            "output": [],
            "usage": usage,
        },
    }
    return built(ResponseDoneEvent, fields)


def heard(item_id: str, usage: Json) -> Json:
    """The event of a realtime session that says what was said to it."""
    fields = {
        "type": "conversation.item.input_audio_transcription.completed",
        "event_id": "event_2",
        "item_id": item_id,
        "content_index": 0,
        "transcript": "a",
        "usage": usage,
    }
    return built(ConversationItemInputAudioTranscriptionCompletedEvent, fields)
