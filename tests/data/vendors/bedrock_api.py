"""Bedrock Converse: answers held against the shapes of botocore's service model."""

from typing import Any, Final

from tests.data.vendors.wire import Bedrock, Json

_BEDROCK: Final = Bedrock()
_METRICS: Final = {"latencyMs": 551}


def usage(asked: int, answered: int, total: int, **cache: Any) -> Json:
    """Usage of a converse call."""
    fields = {"inputTokens": asked, "outputTokens": answered, "totalTokens": total}
    return _BEDROCK.built("TokenUsage", fields | cache)


def lifetimes(**counts: int) -> list[Json]:
    """Cache writes by lifetime: `ttl_5m` is 5m."""
    return [
        {"ttl": name.removeprefix("ttl_"), "inputTokens": count} for name, count in counts.items()
    ]


CACHE_OUTSIDE: Final = usage(
    6,
    314,
    2368,
    cacheReadInputTokens=1024,
    cacheWriteInputTokens=1024,
    cacheDetails=lifetimes(ttl_5m=1000, ttl_1h=24),
)
CACHE_INSIDE: Final = usage(2054, 314, 2368, cacheReadInputTokens=1024, cacheWriteInputTokens=512)


def answer() -> Json:
    """A whole answer."""
    fields = {
        "output": {"message": {"role": "assistant", "content": [{"text": "a"}]}},
        "stopReason": "end_turn",
        "usage": CACHE_OUTSIDE,
        "metrics": _METRICS,
    }
    return _BEDROCK.built("ConverseResponse", fields)


def stream() -> list[Json]:
    """The events of a streamed answer, each under its name."""
    events: list[tuple[str, str, Json]] = [
        ("messageStart", "MessageStartEvent", {"role": "assistant"}),
        (
            "contentBlockDelta",
            "ContentBlockDeltaEvent",
            {"delta": {"text": "a"}, "contentBlockIndex": 0},
        ),
        ("messageStop", "MessageStopEvent", {"stopReason": "end_turn"}),
        (
            "metadata",
            "ConverseStreamMetadataEvent",
            {"usage": CACHE_INSIDE, "metrics": _METRICS},
        ),
    ]
    return [{name: _BEDROCK.built(shape, fields)} for name, shape, fields in events]
