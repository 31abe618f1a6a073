"""The payloads of tests/data/bodies: whole answers and streams, as JSON or as text."""

import json
from collections.abc import Iterable
from typing import Final

from openai.types.image_gen_completed_event import ImageGenCompletedEvent
from openai.types.image_gen_completed_event import Usage as StreamedImageUsage
from openai.types.image_gen_partial_image_event import ImageGenPartialImageEvent
from openai.types.responses import (
    ResponseCompletedEvent,
    ResponseCreatedEvent,
    ResponseFailedEvent,
    ResponseIncompleteEvent,
    ResponseTextDeltaEvent,
)
from pydantic import BaseModel

from tests.data.vendors import anthropic_api, bedrock_api, google_api, openai_api
from tests.data.vendors.openai_api import responses_usage, short_usage
from tests.data.vendors.wire import Json, built

CHAT_ID: Final = "chatcmpl-D1a2b3c4d5e6f7"
RESPONSE_ID: Final = "resp_0a1b2c3d4e5f60718293a4b5c6d7e8f9"
# By hand: Azure's first chunk, whose empty names the openai SDK does not allow.
AZURE_FIRST: Final = {
    "choices": [],
    "created": 0,
    "id": "",
    "model": "",
    "object": "",
    "prompt_filter_results": [
        {
            "prompt_index": 0,
            "content_filter_results": {"hate": {"filtered": False, "severity": "safe"}},
        }
    ],
}
_ENDS: Final[dict[str, type[BaseModel]]] = {
    "completed": ResponseCompletedEvent,
    "incomplete": ResponseIncompleteEvent,
    "failed": ResponseFailedEvent,
}
_PICTURE: Final = {"b64_json": "cGxhbnRlZA=="}
_PNG: Final = {"background": "opaque", "output_format": "png", "quality": "high"}
_LOOK: Final = {**_PNG, "size": "1024x1024"}


def sse(events: Iterable[Json], end: str = "") -> str:
    """Return events as a stream; those with a type have it in a line of its own."""
    return "".join(f"{_line(each)}data: {json.dumps(each)}\n\n" for each in events) + end


def _line(event: Json) -> str:
    return f"event: {event['type']}\n" if "type" in event else ""


DONE: Final = "data: [DONE]\n\n"


def response_events(
    answer_id: str, status: str, usage: Json, said: str = "a", tools: Json | None = None
) -> list[Json]:
    """The events of a streamed response."""
    end, tool_usage = _ENDS[status], {"tool_usage": tools} if tools else {}
    delta = {
        "type": "response.output_text.delta",
        "sequence_number": 1,
        "item_id": "msg_1",
        "output_index": 0,
        "content_index": 0,
        "delta": said,
        "logprobs": [],
    }
    last = openai_api.response(answer_id, status, usage, **tool_usage)
    return [
        response_begun(answer_id),
        built(ResponseTextDeltaEvent, delta),
        built(end, {"type": f"response.{status}", "sequence_number": 2, "response": last}),
    ]


def response_begun(answer_id: str) -> Json:
    """The first event of a streamed response."""
    begun = openai_api.response(answer_id, "in_progress", None)
    return built(
        ResponseCreatedEvent, {"type": "response.created", "sequence_number": 0, "response": begun}
    )


def bodies() -> dict[str, Json | list[Json] | str]:
    """Return every payload by its file's name."""
    return {**_chats(), **_responses(), **_images(), **_openai_others(), **_others()}


def _chats() -> dict[str, Json | list[Json] | str]:
    common = {"service_tier": "default", "system_fingerprint": "fp_b54fe76834"}

    def chunk(text: str | None, usage: Json | None) -> Json:
        return openai_api.chunk(CHAT_ID, text, usage=usage, **common)

    used = short_usage(19, 2)
    said, last = [chunk("a", None), chunk("b", None)], chunk(None, used)
    choice = {"index": 0, "delta": {}, "finish_reason": "stop"}
    beside = openai_api.chunk(CHAT_ID, "", usage=used, choices=[choice], **common)
    whole = sse([AZURE_FIRST, *said, last], DONE)
    chat = openai_api.chat(used, "chatcmpl-D2a2b3c4d5e6f7")
    cut = sse([AZURE_FIRST, said[0]]) + f"data: {json.dumps(said[1])}"
    return {
        "chat.json": chat,
        "chat-cut-body.txt": json.dumps(chat, indent=2)[:180],
        "chat-cut.txt": cut[: cut.rindex('"fp_b54fe76834"') + len('"fp_b54fe76834"')],
        "chat-include-usage.txt": whole,
        "chat-include-usage-crlf.txt": whole.replace("\n", "\r\n"),
        "chat-usage-beside-choices.txt": sse([said[0], beside], DONE),
        "chat-without-usage.txt": sse(said, DONE),
    }


def _responses() -> dict[str, Json | list[Json] | str]:
    used, asked = responses_usage(36, 87, 64), responses_usage(36, 0, 0)
    searched = openai_api.tool_usage(2)
    drawn = openai_api.tool_usage(0, openai_api.IMAGE_USAGE)
    completed = response_events(RESPONSE_ID, "completed", used)
    return {
        "responses-completed.txt": sse(completed),
        "responses-cut.txt": sse([response_begun(RESPONSE_ID)]),
        "responses-failed.txt": sse(response_events(RESPONSE_ID, "failed", asked)),
        "responses-incomplete.txt": sse(response_events(RESPONSE_ID, "incomplete", used)),
        "responses-last-event.json": completed[-1],
        "responses-searches.txt": sse(
            response_events(RESPONSE_ID, "completed", used, tools=searched)
        ),
        "responses-images.json": openai_api.response(
            RESPONSE_ID, "completed", used, tool_usage=drawn
        ),
    }


def _images() -> dict[str, Json | list[Json] | str]:
    counts = ("input_tokens", "input_tokens_details", "output_tokens", "total_tokens")
    used = {name: openai_api.IMAGE_USAGE[name] for name in counts}
    partial = {"type": "image_generation.partial_image", "partial_image_index": 0}
    completed = {"type": "image_generation.completed", "created_at": openai_api.CREATED}
    events = [
        built(
            ImageGenPartialImageEvent,
            partial | {"b64_json": "cGE=", "created_at": 1795187044} | _LOOK,
        ),
        built(
            ImageGenCompletedEvent,
            completed | {"b64_json": "cGE=", "usage": built(StreamedImageUsage, used)} | _LOOK,
        ),
    ]
    return {
        "images.json": openai_api.images(
            [_PICTURE, _PICTURE], **_LOOK, usage=openai_api.IMAGE_USAGE
        ),
        "images-stream.txt": sse(events),
        "images-svg.json": openai_api.images(
            [_PICTURE],
            output_format="svg",
            usage=openai_api.IMAGE_USAGE,
            svg_usage=openai_api.SVG_USAGE,
        ),
        "images-without-usage.json": openai_api.images([{"url": "https://example.invalid/1.png"}]),
    }


def _openai_others() -> dict[str, Json | list[Json] | str]:
    realtime = openai_api.realtime_response(225)
    return {
        "embeddings.json": openai_api.embeddings(5, [0.25, -0.5]),
        "realtime-heard.json": openai_api.heard("item_CQ3", openai_api.DURATION),
        "realtime-response-done.json": openai_api.response_done("resp_CQ1", realtime),
        "transcription.json": openai_api.transcription(openai_api.TOKENS),
        "transcription-by-duration.json": openai_api.transcription(openai_api.DURATION),
    }


def _others() -> dict[str, Json | list[Json] | str]:
    whole, cut = anthropic_api.stream(), anthropic_api.stream(cut=True)
    chunks = [google_api.answer(4), google_api.answer(12), google_api.answer(20, 5)]
    return {
        "anthropic.json": anthropic_api.message(
            anthropic_api.EVERY_DETAIL, "msg_01XFDUDYJgAACzvnptvVoYEL"
        ),
        "anthropic-stream.txt": sse(whole),
        "anthropic-stream-cut.txt": sse(cut),
        "bedrock.json": bedrock_api.answer(),
        # AWS sends these events in a framing of its own; a gateway renders them as SSE.
        "bedrock-stream.txt": sse(bedrock_api.stream()),
        "gemini.json": chunks[-1],
        "gemini-array.json": [google_api.answer(4), google_api.answer(20)],
        "gemini-stream.txt": sse(chunks),
        "gemini-stream-cut.txt": sse(chunks[:2]) + 'data: {"candidates": [{"con',
    }
