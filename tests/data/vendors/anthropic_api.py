"""Anthropic Messages: usage objects, answers and events, built with the anthropic SDK's classes."""

from typing import Any, Final

from anthropic.types import (
    Message,
    MessageDeltaUsage,
    RawContentBlockDeltaEvent,
    RawContentBlockStartEvent,
    RawMessageDeltaEvent,
    RawMessageStartEvent,
    RawMessageStopEvent,
    Usage,
)
from anthropic.types.beta import BetaUsage

from tests.data.vendors.wire import Json, built

MODEL: Final = "claude-sonnet-5-20260514"
EVERY_DETAIL: Final = built(
    Usage,
    {
        "input_tokens": 2095,
        "cache_creation_input_tokens": 1024,
        "cache_read_input_tokens": 8192,
        "cache_creation": {"ephemeral_5m_input_tokens": 512, "ephemeral_1h_input_tokens": 512},
        "output_tokens": 503,
        "output_tokens_details": {"thinking_tokens": 320},
        "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 1},
        "service_tier": "standard",
        "speed": "standard",
        "inference_geo": "eu",
    },
)


def usage(**fields: Any) -> Json:
    """Usage of a message."""
    return built(Usage, fields)


def iteration(kind: str, asked: int, answered: int, **overrides: Any) -> Json:
    """One of the samplings of a message."""
    return {
        "type": kind,
        "input_tokens": asked,
        "output_tokens": answered,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
    } | overrides


def iterated_usage(*iterations: Json) -> Json:
    """Usage of a message with several samplings: its own counts are those of the messages."""
    told = [each for each in iterations if each["type"] == "message"]
    fields = {
        "input_tokens": sum(each["input_tokens"] for each in told),
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": sum(each["output_tokens"] for each in told),
        "service_tier": "standard",
        "iterations": list(iterations),
    }
    return built(BetaUsage, fields)


def message(used: Json, answer_id: str) -> Json:
    """A whole message."""
    return built(Message, _message(used, answer_id, stop_reason="end_turn"))


def stream(cut: bool = False) -> list[Json]:
    """The events of a streamed message; the counts of its deltas are running totals."""
    begun = usage(
        input_tokens=25,
        cache_creation_input_tokens=0,
        cache_read_input_tokens=4096,
        cache_creation={"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        output_tokens=1,
        service_tier="standard",
    )
    start = {"type": "message_start", "message": _message(begun, "msg_01A", stop_reason=None)}
    empty = {"type": "text", "text": ""}
    block = {"type": "content_block_start", "index": 0, "content_block": empty}
    piece = {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": "a"},
    }
    events = [
        built(RawMessageStartEvent, start),
        built(RawContentBlockStartEvent, block),
        {"type": "ping"},  # by hand: the SDK has no class for it
        built(RawContentBlockDeltaEvent, piece),
    ]
    if cut:
        return events
    searched = {"web_search_requests": 1, "web_fetch_requests": 0}
    return [
        *events,
        _delta(output_tokens=9),
        _delta(input_tokens=None, output_tokens=15, server_tool_use=searched),
        built(RawMessageStopEvent, {"type": "message_stop"}),
    ]


def _message(used: Json, answer_id: str, stop_reason: str | None) -> Json:
    return {
        "id": answer_id,
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [],
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": used,
    }


def _delta(**counts: Any) -> Json:
    end = {"stop_reason": "end_turn", "stop_sequence": None}
    used = built(MessageDeltaUsage, counts)
    return built(RawMessageDeltaEvent, {"type": "message_delta", "delta": end, "usage": used})
