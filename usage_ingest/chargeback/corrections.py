"""What a closed period would differ by, had it been closed now. Pure.

A difference is taken line by line, of the same usage under the same payer, model and currency:
where one of these changed, what was is taken back whole, and what is now stands in a line of its
own. So the lines of a period and all of its corrections add up to what it is now, by every name
that lines are grouped by.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import NamedTuple

from usage_ingest.chargeback.kinds import Kind
from usage_ingest.chargeback.line import EXACT, Charge, Line, Subject
from usage_ingest.chargeback.owner import Payer


class Identity(NamedTuple):
    """What a difference is of; the unit price is not part of it, nor what it was made with."""

    subject: Subject
    payer: Payer
    kind: Kind
    charge: Charge
    model: str | None
    version: str | None
    sku: str | None
    region: str | None
    publisher: str | None
    resource_id: str | None
    currency: str | None


def identity(line: Line) -> Identity:
    """Return what a line, or a correction of it, is of."""
    return Identity(
        line.subject,
        line.payer,
        line.kind,
        line.corrected or line.charge,
        line.model,
        line.version,
        line.sku,
        line.region,
        line.publisher,
        line.resource_id,
        line.currency,
    )


@dataclass(slots=True)
class _Difference:
    """Now less before; `like` is the last line of its kind, one of now where there is any."""

    like: Line
    quantity: int | Decimal = 0
    cost: Decimal | None = None
    list_cost: Decimal | None = None
    amount: Decimal | None = None

    def add(self, line: Line) -> None:
        self.like = line
        self.quantity = _sum(self.quantity, line.quantity)
        self.cost = _money(self.cost, line.cost)
        self.list_cost = _money(self.list_cost, line.list_cost)
        self.amount = _money(self.amount, line.amount)

    def take_back(self, line: Line) -> None:
        self.quantity = _sum(self.quantity, -line.quantity)
        self.cost = _money(self.cost, _negative(line.cost))
        self.list_cost = _money(self.list_cost, _negative(line.list_cost))
        self.amount = _money(self.amount, _negative(line.amount))

    def is_nothing(self) -> bool:
        return not (self.quantity or self.cost or self.list_cost or self.amount)


def corrections(period: str, now: Iterable[Line], before: Iterable[Line]) -> list[Line]:
    """Return what is to be added to a closed period; what is the same is left out.

    Args:
        period: The closed period.
        now: Its lines as they would be now.
        before: Its lines as it was closed, and the corrections of it that were posted since.
    """
    found: dict[Identity, _Difference] = {}
    for line in now:
        found.setdefault(identity(line), _Difference(line)).add(line)
    for line in before:
        found.setdefault(identity(line), _Difference(line)).take_back(line)
    return [
        replace(
            each.like,
            charge=Charge.CORRECTION,
            corrected=of.charge,
            corrects=period,
            quantity=each.quantity,
            cost=each.cost,
            list_cost=each.list_cost,
            amount=each.amount,
        )
        for of, each in found.items()
        if not each.is_nothing()
    ]


def _sum(one: int | Decimal, other: int | Decimal) -> int | Decimal:
    if isinstance(one, int) and isinstance(other, int):
        return one + other
    return EXACT.add(one, other)


def _negative(amount: Decimal | None) -> Decimal | None:
    return None if amount is None else EXACT.minus(amount)


def _money(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    """Add up; None is not money."""
    if one is None or other is None:
        return one if other is None else other
    return EXACT.add(one, other)
