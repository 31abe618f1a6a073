"""The usage objects of the providers' APIs: one module each, tried in this order. Pure.

A module has `matches(usage, hint) -> bool` and `read(usage, hint) -> dict[str, int | None]`, which
names the counts after `TokenUsage`. A further API is one module and one line here.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, Protocol

from usage_ingest.errors import InvalidEventError
from usage_ingest.events.fields import text
from usage_ingest.events.usage import (
    anthropic,
    bedrock,
    chat,
    gemini,
    images,
    realtime,
    responses,
    transcription,
)
from usage_ingest.events.usage.hint import Hint
from usage_ingest.record import TokenUsage


class UsageReader(Protocol):
    """What a module of this package is."""

    def matches(self, usage: Mapping[str, Any], hint: Hint) -> bool:
        """Whether the object is of this API."""
        ...

    def read(self, usage: Mapping[str, Any], hint: Hint) -> dict[str, int | None]:
        """Return the counts by their names in TokenUsage; raise InvalidEventError."""
        ...


READERS: Final[tuple[UsageReader, ...]] = (
    chat,
    images,  # before responses: the same names, told apart by the hint
    responses,
    transcription,  # before realtime: both have `input_token_details`
    realtime,
    anthropic,
    bedrock,
    gemini,
)
NO_HINT: Final = Hint()
_TIERS: Final = ("service_tier", "serviceTier", "trafficType")


def read_usage(usage: Mapping[str, Any], hint: Hint = NO_HINT) -> tuple[TokenUsage, bool]:
    """Read a usage object.

    Returns:
        The usage, and whether it was consistent (parts that cannot be are None otherwise).

    Raises:
        InvalidEventError: A count is bad or implausible, or the object is of no known API.
    """
    reader = reader_of(usage, hint)
    if reader is None:
        raise InvalidEventError("unknown_usage", "usage", "of no API that is known")
    return with_reasoning(TokenUsage(**reader.read(usage, hint))).settled()


def reader_of(usage: Mapping[str, Any], hint: Hint) -> UsageReader | None:
    """Return what reads a usage object; None where it is of no known API."""
    return next((reader for reader in READERS if reader.matches(usage, hint)), None)


def service_tier(usage: Mapping[str, Any]) -> str | None:
    """Return the tier that a usage object names: some APIs say it there and nowhere else."""
    for key in _TIERS:
        if key in usage and (tier := text(usage[key])) is not None:
            return tier
    return None


def has_usage_apart(usage: Mapping[str, Any]) -> bool:
    """Whether the object carries another model's usage too, which is not in the counts."""
    return bool(usage.get(images.SVG)) or responses.has_images(usage) or anthropic.has_advice(usage)


def with_reasoning(usage: TokenUsage) -> TokenUsage:
    """Add reasoning to output where the total shows that the provider counts it apart."""
    reasoning, output = usage.reasoning_output_tokens, usage.output_tokens
    if not reasoning or output is None or usage.input_tokens is None:
        return usage
    apart = usage.input_tokens + output + reasoning
    if usage.total_tokens != apart:
        return usage
    return replace(usage, output_tokens=output + reasoning)
