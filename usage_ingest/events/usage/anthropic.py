"""Anthropic Messages: `input_tokens` that leave out what was cached. Pure.

Source: the `Usage` and `MessageDeltaUsage` models of the anthropic SDK. Input is the sum of the
three counts. The split of cache writes by lifetime may be smaller than their total: both are kept
as they are. Thinking is part of the output. Of `iterations`, those that compact the context are
not in the counts above and are added to them; an adviser's are another model's: they have a price
of their own and flag the record `usage_apart`.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from usage_ingest.events.fields import nested
from usage_ingest.events.usage.hint import Hint
from usage_ingest.events.usage.table import add, read_table, table

_TABLE: Final = table(
    ("input_tokens", ("input_tokens",)),
    ("cached_input_tokens", ("cache_read_input_tokens",)),
    ("cache_write_input_tokens", ("cache_creation_input_tokens",)),
    ("cache_write_5m_input_tokens", ("cache_creation", "ephemeral_5m_input_tokens")),
    ("cache_write_1h_input_tokens", ("cache_creation", "ephemeral_1h_input_tokens")),
    ("output_tokens", ("output_tokens",)),
    ("reasoning_output_tokens", ("output_tokens_details", "thinking_tokens")),
    ("searches", ("server_tool_use", "web_search_requests")),
)
_NAMED: Final = frozenset({"input_tokens", "output_tokens"})
_OWN: Final = frozenset(
    {
        "cache_creation_input_tokens",
        "cache_read_input_tokens",
        "cache_creation",
        "server_tool_use",
        "iterations",
    }
)
_WHOLES: Final = ("input_tokens", "output_tokens")
_OTHERS: Final = frozenset(
    {"input_tokens_details", "input_token_details", "output_token_details", "type"}
)
"""Beside one of these nobody can tell whether the input includes the cache."""


def matches(usage: Mapping[str, Any], hint: Hint) -> bool:
    """Whether the object is of this API: by its own keys, else by its provider."""
    if _OTHERS & usage.keys():
        return False
    if _OWN & usage.keys() or "thinking_tokens" in nested(usage, "output_tokens_details"):
        return True
    return bool(_NAMED & usage.keys()) and (hint.provider or "").lower() == "anthropic"


def read(usage: Mapping[str, Any], hint: Hint) -> dict[str, int | None]:
    """Return the counts by their names in TokenUsage; input includes the cache."""
    del hint
    found = _counts(usage)
    for iteration in _iterations(usage, "compaction"):
        for name, count in _counts(iteration).items():
            if name not in _WHOLES or found.get(name) is not None:
                found[name] = add(found.get(name), count)
    return found


def has_advice(usage: Mapping[str, Any]) -> bool:
    """Whether another model was asked for advice."""
    return any(_iterations(usage, "advisor_message"))


def _iterations(usage: Mapping[str, Any], kind: str) -> Iterator[Mapping[str, Any]]:
    entries = usage.get("iterations")
    for each in entries if isinstance(entries, list) else []:
        if isinstance(each, Mapping) and each.get("type") == kind:
            yield each


def _counts(usage: Mapping[str, Any]) -> dict[str, int | None]:
    found = read_table(usage, _TABLE)
    if found.get("input_tokens") is None:
        return found
    written = found.get("cache_write_input_tokens")
    if written is None:
        written = add(
            found.get("cache_write_5m_input_tokens"), found.get("cache_write_1h_input_tokens")
        )
    found["input_tokens"] = add(found["input_tokens"], written, found.get("cached_input_tokens"))
    return found
