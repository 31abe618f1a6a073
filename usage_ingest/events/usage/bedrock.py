"""Bedrock Converse: `inputTokens` that leave the cache out, for most models. Pure.

By its contract the cache stands outside the input; for OpenAI's models it is inside. The total
shows it where it has the cache in it; otherwise the model decides, and without one the total.
"""

from collections.abc import Mapping
from typing import Any, Final

from usage_ingest.events.fields import token_count
from usage_ingest.events.usage.hint import Hint
from usage_ingest.events.usage.table import add, read_table, table

_TABLE: Final = table(
    ("input_tokens", ("inputTokens",)),
    ("output_tokens", ("outputTokens",)),
    ("total_tokens", ("totalTokens",)),
    ("cached_input_tokens", ("cacheReadInputTokens",)),
    ("cache_write_input_tokens", ("cacheWriteInputTokens",)),
)
_LIFETIMES: Final = {
    "5m": "cache_write_5m_input_tokens",
    "30m": "cache_write_30m_input_tokens",
    "1h": "cache_write_1h_input_tokens",
    "12h": "cache_write_12h_input_tokens",
}
_NAMED: Final = frozenset({"inputTokens", "outputTokens", "totalTokens"})


def matches(usage: Mapping[str, Any], hint: Hint) -> bool:
    """Whether the object is of this API."""
    del hint
    return bool(_NAMED & usage.keys())


def read(usage: Mapping[str, Any], hint: Hint) -> dict[str, int | None]:
    """Return the counts by their names in TokenUsage; input includes the cache."""
    found = read_table(usage, _TABLE)
    lifetimes = _lifetimes(usage.get("cacheDetails"))
    found |= lifetimes
    written = found.get("cache_write_input_tokens")
    if written is None:
        written = add(*lifetimes.values())
    cache = add(found.get("cached_input_tokens"), written)
    tokens = found.get("input_tokens")
    if cache and tokens is not None and _is_outside(found, tokens, cache, hint):
        found["input_tokens"] = add(tokens, cache)
    return found


def _lifetimes(details: object) -> dict[str, int | None]:
    found: dict[str, int | None] = {}
    for each in details if isinstance(details, list) else []:
        ttl = each.get("ttl") if isinstance(each, Mapping) else None
        name = _LIFETIMES.get(ttl) if isinstance(ttl, str) else None
        if name is not None:
            count = token_count(each.get("inputTokens"), "usage.cacheDetails.inputTokens")
            found[name] = add(found.get(name), count)
    return found


def _is_outside(found: Mapping[str, int | None], tokens: int, cache: int, hint: Hint) -> bool:
    apart = tokens + (found.get("output_tokens") or 0)
    if found.get("total_tokens") == apart + cache:
        return True
    if hint.names("anthropic", "claude"):
        return True
    if hint.names("openai", "gpt"):
        return False
    return found.get("total_tokens") != apart or cache > tokens
