"""How most usage objects are read: a table from a path of keys to a name in TokenUsage. Pure."""

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from usage_ingest.errors import InvalidEventError
from usage_ingest.events.fields import COUNTS, nested, token_count
from usage_ingest.record import IMPLAUSIBLE_COUNT

Row = tuple[str, tuple[str, ...]]
"""A TokenUsage name, and the keys from the usage object to the count."""
Table = tuple[tuple[tuple[str, ...], tuple[tuple[str, str], ...]], ...]
"""Rows by the object that they stand in: the keys to it, then (TokenUsage name, key) each."""


def table(*rows: Row) -> Table:
    """Make a table; its rows are read in their order."""
    grouped = groupby(rows, key=lambda row: row[1][:-1])
    return tuple(
        (within, tuple((name, keys[-1]) for name, keys in group)) for within, group in grouped
    )


def read_table(usage: Mapping[str, Any], table: Table) -> dict[str, int | None]:
    """Return the counts that the table finds; details may be absent or null."""
    found: dict[str, int | None] = {}
    for within, rows in table:
        inner = nested(usage, *within) if within else usage
        for name, key in rows:
            value = inner.get(key)
            if type(value) is int and value in COUNTS:  # nearly all are: no call for them
                found[name] = value
            elif value is not None:
                found[name] = token_count(value, "usage", *within, key)
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
