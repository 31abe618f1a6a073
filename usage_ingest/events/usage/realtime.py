"""Realtime responses: details under `input_token_details`, in the singular. Pure.

Source: the `RealtimeResponseUsage` model of the openai SDK. Cached tokens are part of the input;
how they split into text, audio and images has no name in the record and is used only where
`cached_tokens` itself is missing.
"""

from collections.abc import Mapping
from typing import Any, Final

from usage_ingest.events.usage.hint import Hint
from usage_ingest.events.usage.table import add, read_table, table

_INPUT: Final = "input_token_details"
_CACHED: Final = "cached_tokens_details"
_OUTPUT: Final = "output_token_details"
_TABLE: Final = table(
    ("input_tokens", ("input_tokens",)),
    ("output_tokens", ("output_tokens",)),
    ("total_tokens", ("total_tokens",)),
    ("cached_input_tokens", (_INPUT, "cached_tokens")),
    ("audio_input_tokens", (_INPUT, "audio_tokens")),
    ("image_input_tokens", (_INPUT, "image_tokens")),
    ("text_input_tokens", (_INPUT, "text_tokens")),
    ("audio_output_tokens", (_OUTPUT, "audio_tokens")),
    ("text_output_tokens", (_OUTPUT, "text_tokens")),
)
_CACHED_TABLE: Final = table(
    ("text", (_INPUT, _CACHED, "text_tokens")),
    ("audio", (_INPUT, _CACHED, "audio_tokens")),
    ("image", (_INPUT, _CACHED, "image_tokens")),
)


def matches(usage: Mapping[str, Any], hint: Hint) -> bool:
    """Whether the object is of this API."""
    del hint
    return _INPUT in usage or _OUTPUT in usage


def read(usage: Mapping[str, Any], hint: Hint) -> dict[str, int | None]:
    """Return the counts by their names in TokenUsage."""
    del hint
    found = read_table(usage, _TABLE)
    split = read_table(usage, _CACHED_TABLE)
    if found.get("cached_input_tokens") is None:
        found["cached_input_tokens"] = add(*split.values())
    return found
