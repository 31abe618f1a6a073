"""Audio transcription: tokens, or the length of the audio, as `type` says. Pure.

Source: `UsageTokens` and `UsageDuration` of the openai SDK. Seconds without `type` "duration" are
not read: the running totals of a live session look like that, and must not be summed.
"""

from collections.abc import Mapping
from typing import Any, Final

from usage_ingest.events.fields import seconds_as_ms
from usage_ingest.events.usage.hint import Hint
from usage_ingest.events.usage.table import read_table, table

_DETAILS: Final = "input_token_details"
_TABLE: Final = table(
    ("input_tokens", ("input_tokens",)),
    ("output_tokens", ("output_tokens",)),
    ("total_tokens", ("total_tokens",)),
    ("audio_input_tokens", (_DETAILS, "audio_tokens")),
    ("text_input_tokens", (_DETAILS, "text_tokens")),
)


def matches(usage: Mapping[str, Any], hint: Hint) -> bool:
    """Whether the object is of this API."""
    del hint
    return usage.get("type") in ("tokens", "duration")


def read(usage: Mapping[str, Any], hint: Hint) -> dict[str, int | None]:
    """Return the counts by their names in TokenUsage."""
    del hint
    if usage["type"] == "tokens":
        return read_table(usage, _TABLE)
    return {"duration_ms": seconds_as_ms(usage.get("seconds"), "usage.seconds")}
