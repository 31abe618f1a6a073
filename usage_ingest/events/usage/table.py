"""How most usage objects are read: a table from a path of keys to a name in TokenUsage. Pure."""

from collections.abc import Mapping
from typing import Any

from usage_ingest.errors import InvalidEventError
from usage_ingest.events.fields import nested, token_count
from usage_ingest.record import IMPLAUSIBLE_COUNT

Table = tuple[tuple[str, tuple[str, ...]], ...]
"""(TokenUsage name, keys from the usage object to the count), one row each."""


def read_table(usage: Mapping[str, Any], table: Table) -> dict[str, int | None]:
    """Return the counts that the table finds; details may be absent or null."""
    found: dict[str, int | None] = {}
    for name, keys in table:
        value = nested(usage, *keys[:-1]).get(keys[-1])
        if value is not None:
            found[name] = token_count(value, ".".join(("usage", *keys)))
    return found


def add(*counts: int | None) -> int | None:
    """Add up what was reported; None where nothing was.

    Raises:
        InvalidEventError: The sum is above 100,000,000.
    """
    reported = [count for count in counts if count is not None]
    if sum(reported) > IMPLAUSIBLE_COUNT:
        raise InvalidEventError("implausible_count", "usage", "a sum above 100,000,000")
    return sum(reported) if reported else None
