"""Rollups as a reader yields them, a reader over some, and what lines add up to."""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from tests.sightings import make_record
from usage_ingest.chargeback.line import EXACT, Line, Subject
from usage_ingest.chargeback.rated import Asked, rated
from usage_ingest.chargeback.reference import Reference
from usage_ingest.record import TokenUsage
from usage_ingest.rollup import increments

DAY = "2026-11-20"
ORDINARY: dict[str, Any] = {
    "day": DAY,
    "subscription_id": "hr-copilot",
    "product_id": "ai-standard",
    "app_id": "app-1",
    "tags": {"team": "benefits"},
    "gateway": "apim-contoso",
    "provider": "openai",
    "api_kind": "chat",
    "model": "gpt-4o-2024-11-20",
    "deployment": "gpt-4o-prod",
    "region": "Sweden Central",
    "service_tier": "default",
    "spillover": False,
    "context_band": "128k",
    "streaming": False,
    "usage_estimated": False,
    "source": "event_hub",
}
Row = dict[str, Any]


def make_rollup(**overrides: Any) -> Row:
    """A rollup of one call; counters are those that are named, None leaves a field out."""
    row = ORDINARY | {"requests": 1} | overrides
    return {name: value for name, value in row.items() if value is not None}


def rollup_of(usage: TokenUsage, **overrides: Any) -> Row:
    """A rollup of one call that reported a usage."""
    return make_rollup(**increments(make_record(usage=usage)) | overrides)


def added(rollups: Iterable[Row]) -> Row:
    """Add up rollups of one key."""
    found: Row = {}
    for each in rollups:
        counters = {name: n for name, n in each.items() if type(n) is int}
        found |= {name: found.get(name, 0) + n for name, n in counters.items()}
        found = each | found
    return found


class Rollups:
    """A reader over rollups: it yields the days and the columns that it is asked for."""

    def __init__(self, *rows: Row) -> None:
        self.rows = rows
        self.segments: list[tuple[str, str]] = []
        self.columns: list[Sequence[str]] = []

    async def rollups(
        self, columns: Sequence[str], start: str, end: str, filters: Mapping[str, Sequence[Any]]
    ) -> AsyncIterator[Row]:
        assert not filters
        self.segments.append((start, end))
        self.columns.append(columns)
        wanted = {each.split(".")[0] for each in columns}
        for row in self.rows:
            if start <= row["day"] <= end:
                yield {name: value for name, value in row.items() if name in wanted}

    async def dead_letter_counts(self, start: str, end: str) -> AsyncIterator[Row]:
        raise AssertionError((start, end))
        yield {}

    async def check(self) -> None:
        raise AssertionError


async def lines_of(
    reference: Reference,
    *rows: Row,
    first: str = DAY,
    last: str | None = None,
    asked: Asked | None = None,
) -> list[Line]:
    """The lines of rollups."""
    start, end = date.fromisoformat(first), date.fromisoformat(last or first)
    found = rated(Rollups(*rows), reference, start, end, asked or Asked())
    return [line async for line in found]


def totals(lines: Iterable[Line]) -> dict[str | None, tuple[Decimal, Decimal, Decimal]]:
    """Cost, list cost and amount by currency, zeros left out."""
    sums: dict[str | None, list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 3)
    for line in lines:
        if line.currency is not None:
            money = (line.cost, line.list_cost, line.amount)
            held = sums[line.currency]
            sums[line.currency] = [
                EXACT.add(a, b) for a, b in zip(held, money, strict=True) if b is not None
            ]
    return {currency: (a, b, c) for currency, (a, b, c) in sums.items()}


def merged(lines: Iterable[Line]) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """Add up lines that differ in quantity and money only; those that come to nothing are gone."""
    sums: dict[tuple[Any, ...], list[Any]] = {}
    for line in lines:
        money = (line.quantity, line.cost or 0, line.list_cost or 0, line.amount or 0)
        key = (line.subject, line.payer, line.kind, line.charge, line.currency, line.rate)
        held = sums.setdefault(key, [Decimal(0)] * 4)
        sums[key] = [EXACT.add(a, Decimal(b)) for a, b in zip(held, money, strict=True)]
    return {key: tuple(found) for key, found in sums.items() if any(found)}


def quantities(lines: Iterable[Line]) -> Counter[str]:
    """How many of each kind."""
    found: Counter[str] = Counter()
    for line in lines:
        found[line.kind] += int(line.quantity)
    return found


def subject_fields(line: Line, *names: str) -> tuple[Any, ...]:
    return tuple(getattr(line.subject, name) for name in names)


assert set(Subject._fields) - {"tenant_id", "backend", "served_deployment"} <= set(ORDINARY)
