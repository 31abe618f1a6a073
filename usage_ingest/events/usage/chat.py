"""Chat completions, completions, embeddings and model inference: `prompt_tokens`. Pure.

Source: the `CompletionUsage` model of the openai SDK. Cached and cache-writing tokens are part
of the prompt; reasoning and rejected predictions are part of the completion.
"""

from collections.abc import Mapping
from typing import Any, Final

from usage_ingest.events.usage.hint import Hint
from usage_ingest.events.usage.table import read_table, table

_PROMPT: Final = "prompt_tokens_details"
_COMPLETION: Final = "completion_tokens_details"
_TABLE: Final = table(
    ("input_tokens", ("prompt_tokens",)),
    ("output_tokens", ("completion_tokens",)),
    ("total_tokens", ("total_tokens",)),
    ("cached_input_tokens", (_PROMPT, "cached_tokens")),
    ("cache_write_input_tokens", (_PROMPT, "cache_write_tokens")),
    ("audio_input_tokens", (_PROMPT, "audio_tokens")),
    ("image_input_tokens", (_PROMPT, "image_tokens")),
    ("text_input_tokens", (_PROMPT, "text_tokens")),
    ("reasoning_output_tokens", (_COMPLETION, "reasoning_tokens")),
    ("audio_output_tokens", (_COMPLETION, "audio_tokens")),
    ("text_output_tokens", (_COMPLETION, "text_tokens")),
    ("accepted_prediction_output_tokens", (_COMPLETION, "accepted_prediction_tokens")),
    ("rejected_prediction_output_tokens", (_COMPLETION, "rejected_prediction_tokens")),
)
_OTHERS: Final = frozenset({"input_tokens", "output_tokens", "type"})


def matches(usage: Mapping[str, Any], hint: Hint) -> bool:
    """Whether the object is of this API; a total alone is taken for one of it."""
    del hint  # the keys decide
    if "prompt_tokens" in usage or "completion_tokens" in usage:
        return True
    return "total_tokens" in usage and not _OTHERS & usage.keys()


def read(usage: Mapping[str, Any], hint: Hint) -> dict[str, int | None]:
    """Return the counts by their names in TokenUsage."""
    del hint
    return read_table(usage, _TABLE)
