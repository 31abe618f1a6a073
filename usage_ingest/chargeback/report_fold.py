"""The fold of lines into a report's groups, as they come. Pure.

What is kept is bounded: groups by MAX_GROUPS, lists beside them by MAX_LISTED.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, NamedTuple

from usage_ingest.chargeback.kinds import Kind
from usage_ingest.chargeback.line import EXACT, Charge, Line, Rate, getter
from usage_ingest.chargeback.sums import Quantity, Sums, added
from usage_ingest.errors import InvalidQueryError

MAX_GROUPS: Final = 20_000
MAX_LISTED: Final = 1_000
"""Prices that were used, and usage without a price, that a report lists."""
Key = tuple[str | None, ...]


class PriceUsed(NamedTuple):
    """Which price lines were made with; `revision` is the number of its import."""

    price_id: str
    source: str
    revision: int
    list_estimate: bool
    other_vendor: bool


class Unpriced(NamedTuple):
    """What a price would be looked up by, where there is none."""

    model: str | None
    version: str | None
    sku: str | None
    region: str | None
    deployment: str | None
    service_tier: str | None
    kind: Kind


@dataclass(slots=True)
class ReportFold:
    """What a report is made of; lines are added one by one and not kept."""

    group_by: Sequence[str]
    groups: dict[Key, Sums] = field(default_factory=dict)
    prices: dict[tuple[str, int], PriceUsed] = field(default_factory=dict)
    """By id and revision."""
    more_prices: bool = False
    unpriced: dict[tuple[Unpriced, str | None], Quantity] = field(default_factory=dict)
    """By the month that it is of: a correction takes back what its own month lacked."""
    more_unpriced: bool = False
    days: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    """Amounts by currency and day, where lines have days; corrections are of other days."""
    corrected: set[str] = field(default_factory=set)
    _getters: list[Callable[[Line], str | None]] = field(init=False)

    def __post_init__(self) -> None:
        """Look up once what reads a line's key."""
        self._getters = [getter(name) for name in self.group_by]

    def add(self, line: Line) -> None:
        """Add a line.

        Raises:
            InvalidQueryError: The grouping gives more groups than a report holds.
        """
        key = tuple([get(line) for get in self._getters])
        sums = self.groups.get(key)
        if sums is None:
            sums = self.groups[key] = self._another()
        sums.add(line)
        if line.rate is not None:
            self._used(line.rate)
        if line.amount is None:
            self._missing(line)
        if line.corrects is not None:
            self.corrected.add(line.corrects)
        self._day(line)

    def without_price(self) -> dict[Unpriced, Quantity]:
        """Return what lacks a price; what a correction took back of it does not."""
        found: dict[Unpriced, Quantity] = {}
        for (missing, _), quantity in self.unpriced.items():
            if quantity > 0:
                found[missing] = added(found.get(missing, 0), quantity)
        return found

    def totals(self) -> Sums:
        """Return the sums of all groups."""
        totals = Sums()
        for sums in self.groups.values():
            totals.merge(sums)
        return totals

    def _another(self) -> Sums:
        if len(self.groups) == MAX_GROUPS:
            raise InvalidQueryError(
                "group_by",
                f"takes what gives at most {MAX_GROUPS} groups; narrow the range, filter, "
                "or group by fewer names",
            )
        return Sums()

    def _used(self, rate: Rate) -> None:
        key = rate.price_id, rate.revision
        if key in self.prices:
            return
        if len(self.prices) == MAX_LISTED:
            self.more_prices = True
        else:
            self.prices[key] = PriceUsed(
                rate.price_id, rate.source, rate.revision, rate.list_estimate, rate.other_vendor
            )

    def _missing(self, line: Line) -> None:
        missing = Unpriced(
            line.model,
            line.version,
            line.sku,
            line.region,
            line.subject.served_deployment or line.subject.deployment,
            line.subject.service_tier,
            line.kind,
        )
        day = line.subject.day
        key = missing, line.corrects or (day and day[:7])
        if key not in self.unpriced and len(self.unpriced) == MAX_LISTED:
            self.more_unpriced = True
        else:
            self.unpriced[key] = added(self.unpriced.get(key, 0), line.quantity)

    def _day(self, line: Line) -> None:
        day, currency = line.subject.day, line.currency
        if day is None or currency is None or line.amount is None:
            return
        if line.charge is not Charge.CORRECTION:
            before = self.days.get((currency, day), Decimal(0))
            self.days[currency, day] = EXACT.add(before, line.amount)
