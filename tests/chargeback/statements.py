"""Statements with keyword overrides."""

from collections.abc import AsyncIterator, Iterable
from typing import Any

from tests.builders import NOON
from usage_ingest.chargeback.line import Line
from usage_ingest.chargeback.ports import Statement


def make_statement(**overrides: Any) -> Statement:
    """The head of a period before anything of it was written."""
    fields: dict[str, Any] = {
        "number": 1,
        "period": "2026-11",
        "id": "attempt-1",
        "closed_at": NOON,
        "read_from": NOON,
        "accepted": None,
        "lines": 0,
        "totals": {},
        "completeness": {"complete": True, "incomplete_because": []},
        "imports": 0,
        "tags": ("team",),
    }
    return Statement(**fields | overrides)


async def each_of(lines: Iterable[Line]) -> AsyncIterator[Line]:
    """Lines as a reader yields them."""
    for line in lines:
        yield line
