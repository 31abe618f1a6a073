"""The Responses API: `input_tokens` that include what was cached. Pure.

Source: the `ResponseUsage` model of the openai SDK. Anthropic's object has the same two names,
but its input leaves the cache out: it is told by its own keys and never read here. `tool_usage`
stands beside `usage` in the response (usage_ingest/events/body.py puts it inside): its billable
searches are `searches`; its images are another model's and flag the record `usage_apart`.
"""

from collections.abc import Mapping
from typing import Any, Final

from usage_ingest.events.fields import nested
from usage_ingest.events.usage.hint import Hint
from usage_ingest.events.usage.table import read_table, table

TOOLS: Final = "tool_usage"
_INPUT: Final = "input_tokens_details"
_WRITE: Final = "cache_write_tokens_details"
_OUTPUT: Final = "output_tokens_details"
_TABLE: Final = table(
    ("input_tokens", ("input_tokens",)),
    ("output_tokens", ("output_tokens",)),
    ("total_tokens", ("total_tokens",)),
    ("cached_input_tokens", (_INPUT, "cached_tokens")),
    ("cache_write_input_tokens", (_INPUT, "cache_write_tokens")),
    ("cache_write_30m_input_tokens", (_INPUT, _WRITE, "ttl_30m_tokens")),
    ("cache_write_12h_input_tokens", (_INPUT, _WRITE, "ttl_12h_tokens")),
    ("audio_input_tokens", (_INPUT, "audio_tokens")),
    ("image_input_tokens", (_INPUT, "image_tokens")),
    ("text_input_tokens", (_INPUT, "text_tokens")),
    ("reasoning_output_tokens", (_OUTPUT, "reasoning_tokens")),
    ("audio_output_tokens", (_OUTPUT, "audio_tokens")),
    ("image_output_tokens", (_OUTPUT, "image_tokens")),
    ("text_output_tokens", (_OUTPUT, "text_tokens")),
    ("searches", (TOOLS, "web_search", "num_requests")),
)
_IMAGE_COUNTS: Final = ("input_tokens", "output_tokens", "total_tokens")
_OTHERS: Final = frozenset(
    {
        "cache_creation_input_tokens",
        "cache_read_input_tokens",
        "cache_creation",
        "server_tool_use",
        "iterations",
        "type",
        "svg_usage",
        "input_token_details",
        "output_token_details",
        "seconds",
    }
)
"""Keys of other APIs whose objects also have `input_tokens`."""


def matches(usage: Mapping[str, Any], hint: Hint) -> bool:
    """Whether the object is of this API."""
    if (hint.provider or "").lower() == "anthropic":
        return False
    if "input_tokens" not in usage and "output_tokens" not in usage:
        return False
    return not _OTHERS & usage.keys() and "thinking_tokens" not in nested(usage, _OUTPUT)


def read(usage: Mapping[str, Any], hint: Hint) -> dict[str, int | None]:
    """Return the counts by their names in TokenUsage."""
    del hint
    return read_table(usage, _TABLE)


def has_images(usage: Mapping[str, Any]) -> bool:
    """Whether a tool generated images; a tool that was not used has zeros."""
    return any(nested(usage, TOOLS, "image_gen").get(name) for name in _IMAGE_COUNTS)
