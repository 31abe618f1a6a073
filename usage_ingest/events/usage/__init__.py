"""The usage objects of the providers' APIs: one module each, tried in this order. Pure.

A module has `matches(usage, provider) -> bool` and `read(usage) -> dict[str, int | None]`, which
names the counts after `TokenUsage`. A further API is one module and one line here.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, Protocol

from usage_ingest.errors import InvalidEventError
from usage_ingest.events.usage import chat, responses
from usage_ingest.record import TokenUsage


class UsageReader(Protocol):
    """What a module of this package is."""

    def matches(self, usage: Mapping[str, Any], provider: str | None) -> bool:
        """Whether the object is of this API."""
        ...

    def read(self, usage: Mapping[str, Any]) -> dict[str, int | None]:
        """Return the counts by their names in TokenUsage; raise InvalidEventError."""
        ...


READERS: Final[tuple[UsageReader, ...]] = (chat, responses)


def read_usage(usage: Mapping[str, Any], provider: str | None = None) -> tuple[TokenUsage, bool]:
    """Read a usage object.

    Returns:
        The usage, and whether it was consistent (parts that cannot be are None otherwise).

    Raises:
        InvalidEventError: A count is bad or implausible, or the object is of no known API.
    """
    reader = next((each for each in READERS if each.matches(usage, provider)), None)
    if reader is None:
        raise InvalidEventError("unknown_usage", "usage", "of no API that is known")
    return _with_reasoning(TokenUsage(**reader.read(usage))).settled()


def _with_reasoning(usage: TokenUsage) -> TokenUsage:
    """Add reasoning to output where the total shows that the provider counts it apart."""
    reasoning, output = usage.reasoning_output_tokens, usage.output_tokens
    if not reasoning or output is None:
        return usage
    apart = (usage.input_tokens or 0) + output + reasoning
    if usage.total_tokens != apart:
        return usage
    return replace(usage, output_tokens=output + reasoning)
