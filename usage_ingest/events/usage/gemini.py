"""Gemini: `usageMetadata`, with thoughts outside the candidates. Pure.

Source: `GenerateContentResponseUsageMetadata` and, for Live, `UsageMetadata` of the google-genai
SDK. The prompt includes what was cached; thoughts are added to the output and the results of
tools to the input. A count of zero may be left out by the service: what is reported is added up.
Video and documents have no part of their own in the record; they are in the whole.
"""

from collections.abc import Mapping
from typing import Any, Final

from usage_ingest.events.fields import token_count
from usage_ingest.events.usage.hint import Hint
from usage_ingest.events.usage.table import add, read_table, table

_TABLE: Final = table(
    ("prompt", ("promptTokenCount",)),
    ("tools", ("toolUsePromptTokenCount",)),
    ("candidates", ("candidatesTokenCount",)),
    ("response", ("responseTokenCount",)),
    ("thoughts", ("thoughtsTokenCount",)),
    ("cached", ("cachedContentTokenCount",)),
    ("total", ("totalTokenCount",)),
)
_NAMED: Final = frozenset(key for _, rows in _TABLE for _, key in rows)
_MODALITIES: Final = {"TEXT": "text", "IMAGE": "image", "AUDIO": "audio"}


def matches(usage: Mapping[str, Any], hint: Hint) -> bool:
    """Whether the object is of this API."""
    del hint
    return bool(_NAMED & usage.keys())


def read(usage: Mapping[str, Any], hint: Hint) -> dict[str, int | None]:
    """Return the counts by their names in TokenUsage; output includes thoughts."""
    del hint
    found = read_table(usage, _TABLE)
    answered = found.get("candidates")
    if answered is None:
        answered = found.get("response")
    return {
        "input_tokens": add(found.get("prompt"), found.get("tools")),
        "cached_input_tokens": found.get("cached"),
        "output_tokens": add(answered, found.get("thoughts")),
        "reasoning_output_tokens": found.get("thoughts"),
        "total_tokens": found.get("total"),
        **_parts(usage, "input", "promptTokensDetails", "toolUsePromptTokensDetails"),
        **_parts(usage, "output", "candidatesTokensDetails", "responseTokensDetails"),
    }


def _parts(usage: Mapping[str, Any], whole: str, *keys: str) -> dict[str, int | None]:
    """Add up the details by modality."""
    found: dict[str, int | None] = {}
    for key in keys:
        details = usage.get(key)
        for each in details if isinstance(details, list) else []:
            modality = each.get("modality") if isinstance(each, Mapping) else None
            part = _MODALITIES.get(modality) if isinstance(modality, str) else None
            if part is not None:
                name = f"{part}_{whole}_tokens"
                count = token_count(each.get("tokenCount"), f"usage.{key}.tokenCount")
                found[name] = add(found.get(name), count)
    return found
