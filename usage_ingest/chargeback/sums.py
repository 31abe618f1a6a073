"""Sums of lines: quantities and money by currency, kind and charge, exact. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple

from usage_ingest.chargeback.kinds import Kind
from usage_ingest.chargeback.line import EXACT, Charge, Line

MAX_UNIT_PRICES: Final = 50
"""Unit prices that one sum lists; more of them say no more."""
Quantity = int | Decimal
_ZERO: Final = Decimal(0)


class Doubt(StrEnum):
    """Why an amount is less sure than others; values are public names."""

    ESTIMATED = "estimated"  # the usage was counted by the gateway, not told by the API
    LIST_ESTIMATE = "list_estimate"  # the price is what a public list says
    OTHER_VENDOR = "other_vendor"  # the list's rate is of another vendor than the one that answered
    BASE_BAND = "base_band"  # the calls' length is not known: the price of short ones
    PARTS_OVERLAP = "parts_overlap"  # parts of a whole overlap: cached audio


class Part(NamedTuple):
    """What lines of a currency are added up by; `corrects` is the closed period of a correction."""

    kind: Kind
    charge: Charge
    corrects: str | None


@dataclass(slots=True)
class Sum:
    """Lines of one part in one currency; `doubtful` are amounts, which may overlap."""

    quantity: Quantity = 0
    amount: Decimal = _ZERO
    cost: Decimal = _ZERO
    list_cost: Decimal = _ZERO
    doubtful: dict[Doubt, Decimal] = field(default_factory=dict)
    unit_prices: set[Decimal] = field(default_factory=set)
    more_unit_prices: bool = False

    def add(self, line: Line) -> None:
        """Add a line that has money."""
        amount, rate = line.amount or _ZERO, line.rate
        self.quantity = added(self.quantity, line.quantity)
        self.amount = EXACT.add(self.amount, amount)
        self.cost = EXACT.add(self.cost, line.cost or _ZERO)
        self.list_cost = EXACT.add(self.list_cost, line.list_cost or _ZERO)
        for doubt in doubts(line):
            self.doubtful[doubt] = EXACT.add(self.doubtful.get(doubt, _ZERO), amount)
        if rate is not None and rate.unit_price not in self.unit_prices:
            self._price({rate.unit_price})

    def merge(self, other: "Sum") -> None:
        """Add another sum of the same part and currency."""
        self.quantity = added(self.quantity, other.quantity)
        self.amount = EXACT.add(self.amount, other.amount)
        self.cost = EXACT.add(self.cost, other.cost)
        self.list_cost = EXACT.add(self.list_cost, other.list_cost)
        for doubt, amount in other.doubtful.items():
            self.doubtful[doubt] = EXACT.add(self.doubtful.get(doubt, _ZERO), amount)
        self._price(other.unit_prices)
        self.more_unit_prices |= other.more_unit_prices

    def _price(self, unit_prices: set[Decimal]) -> None:
        for each in sorted(unit_prices - self.unit_prices):
            if len(self.unit_prices) < MAX_UNIT_PRICES:
                self.unit_prices.add(each)
            else:
                self.more_unit_prices = True


@dataclass(slots=True)
class Sums:
    """Lines of one group: money by currency and part, and what has no price."""

    money: dict[str, dict[Part, Sum]] = field(default_factory=dict)
    unpriced: dict[Part, Quantity] = field(default_factory=dict)

    def add(self, line: Line) -> None:
        """Add a line; one without an amount is unpriced, whatever its charge."""
        part = Part(line.kind, line.charge, line.corrects)
        if line.currency is None or line.amount is None:
            self.unpriced[part] = added(self.unpriced.get(part, 0), line.quantity)
            return
        parts = self.money.setdefault(line.currency, {})
        found = parts.get(part)
        if found is None:
            found = parts[part] = Sum()
        found.add(line)

    def merge(self, other: "Sums") -> None:
        """Add the sums of another group."""
        for currency, parts in other.money.items():
            mine = self.money.setdefault(currency, {})
            for part, found in parts.items():
                mine.setdefault(part, Sum()).merge(found)
        for part, quantity in other.unpriced.items():
            self.unpriced[part] = added(self.unpriced.get(part, 0), quantity)


def whole(sums: Iterable[Sum]) -> Sum:
    """Return the sum of all; its quantity is of different kinds and says nothing."""
    found = Sum()
    for each in sums:
        found.merge(each)
    return found


def added(first: Quantity, second: Quantity) -> Quantity:
    """Add quantities exactly; whole numbers stay integers."""
    if isinstance(first, int) and isinstance(second, int):
        return first + second
    return EXACT.add(Decimal(first), Decimal(second))


def doubts(line: Line) -> Sequence[Doubt]:
    """Return why a line's amount is less sure than others."""
    rate, estimated = line.rate, line.subject.usage_estimated
    if rate is not None and (rate.list_estimate or rate.other_vendor or rate.base_band):
        holds = (estimated, rate.list_estimate, rate.other_vendor, rate.base_band)
    elif estimated or line.parts_overlap:
        holds = (estimated, False, False, False)
    else:
        return []  # most lines: this runs for each
    return [doubt for doubt, held in zip(Doubt, (*holds, line.parts_overlap), strict=True) if held]
