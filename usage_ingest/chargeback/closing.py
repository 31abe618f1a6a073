"""Reads what a period is closed with: its own lines, then corrections of closed periods.

What the sources call stored, closed or collected is read before the rollups. What was read last is
what `completeness` and `Sums` tell of.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from usage_ingest.chargeback.line import EXACT, Charge, Line
from usage_ingest.chargeback.pending import pending
from usage_ingest.chargeback.period import first_day, last_day
from usage_ingest.chargeback.ports import ChargebackStores, Statement
from usage_ingest.chargeback.rated import Asked, rated
from usage_ingest.chargeback.reference import Reference
from usage_ingest.chargeback.statement import Tally
from usage_ingest.completeness import Sources, completeness
from usage_ingest.coverage import Seen, sources
from usage_ingest.plain import plain
from usage_ingest.summary_query import SummaryQuery

UNPRICED: Final = "unpriced"
"""Why a period is incomplete besides what completeness knows: usage without a price."""
MAX_LISTED: Final = 20
"""A head is read with every report: of long lists it keeps the beginning."""

Watch = Callable[[int], None]
"""Is told how many lines were read, as they are."""


@dataclass(slots=True)
class Sums:
    """What the lines of a period add up to, as they go by."""

    own: Tally = field(default_factory=Tally)
    corrections: dict[str, Tally] = field(default_factory=dict)
    """By the period that they are of."""
    unpriced: dict[tuple[str | None, str, str | None], Decimal] = field(default_factory=dict)
    """Quantities without a price, by model, kind and day, less what was taken back of them."""

    def add(self, line: Line) -> None:
        """Add a line."""
        tally = self.own
        if line.corrects is not None:
            tally = self.corrections.setdefault(line.corrects, Tally())
        tally.add(line)
        if Charge.UNPRICED in (line.charge, line.corrected):
            of, quantity = (line.model, line.kind.value, line.subject.day), Decimal(line.quantity)
            self.unpriced[of] = EXACT.add(self.unpriced.get(of, Decimal(0)), quantity)

    @property
    def lines(self) -> int:
        """How many lines there are."""
        return self.own.lines + sum(each.lines for each in self.corrections.values())

    def without_price(self) -> list[dict[str, Any]]:
        """Return what has no price, ready for JSON."""
        found: dict[tuple[str | None, str], Decimal] = {}
        for (model, kind, _), quantity in self.unpriced.items():
            if quantity > 0:
                before = found.get((model, kind), Decimal(0))
                found[model, kind] = EXACT.add(before, quantity)
        return [
            {"model": model, "kind": kind, "quantity": plain(quantity)}
            for (model, kind), quantity in sorted(found.items(), key=_order)
        ]


def _order(item: tuple[tuple[str | None, str], object]) -> tuple[str, str]:
    (model, kind), _ = item
    return model or "", kind


@dataclass(slots=True, kw_only=True)
class Closing:
    """One reading of a period; `begun_at` is before anything was read."""

    stores: ChargebackStores
    query: SummaryQuery
    begun_at: datetime
    closed: Sequence[Statement]
    imports: int
    reference: Reference
    known: Sources
    seen: Seen = field(default_factory=Seen)
    sums: Sums = field(default_factory=Sums)

    async def lines(
        self, tags: tuple[str, ...], watch: Watch, *, recheck: bool
    ) -> AsyncIterator[Line]:
        """Yield the lines: the period's own, by day, then corrections."""
        reader = self.stores.reports.reader
        asked = Asked(days=True, apps=True, tenants=True, tags=tags)
        own = rated(reader, self.reference, self.query.start, self.query.end, asked, self.seen.add)
        corrections = pending(self.stores, self.closed, self.reference, recheck=recheck)
        for found in (own, corrections):
            async for line in found:
                self.sums.add(line)
                watch(self.sums.lines)
                yield line

    def completeness(self) -> dict[str, Any]:
        """Return what the period says of itself, once its lines were read."""
        found = completeness(self.query, self.seen.counted(), self.known, self.begun_at)
        unpriced = self.sums.without_price()
        because = [*found["incomplete_because"], *([UNPRICED] if unpriced else [])]
        return {
            **found,
            UNPRICED: {"count": len(unpriced), "listed": unpriced},
            "complete": not because,
            "incomplete_because": because,
        }


async def begin(
    stores: ChargebackStores, period: str, closed: Sequence[Statement], now: datetime
) -> Closing:
    """Read what must be known before the lines of a period, up to today."""
    query = SummaryQuery(
        start=first_day(period), end=max(first_day(period), min(last_day(period), now.date()))
    )
    known = await sources(query, stores.reports)
    # Before the documents: one that comes between is looked at again when the next period closes.
    imports = await stores.reference.imports()
    return Closing(
        stores=stores,
        query=query,
        begun_at=now,
        closed=closed,
        imports=imports[-1].number if imports else 0,
        reference=await stores.reference.load(),
        known=known,
    )


def kept(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a head keeps of completeness: long lists are cut."""
    return {name: _cut(value) for name, value in told.items()}


def _cut(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, Mapping):
        return kept(value)
    if isinstance(value, list):
        return [_cut(each) for each in value[:MAX_LISTED]]
    return value
