"""What a closed period would differ by, had it been closed now. Pure.

A difference is taken line by line, of the same usage under the same payer, model and currency:
where one of these changed, what was is taken back whole, and what is now stands in a line of its
own. So the lines of a period and all of its corrections add up to what it is now, by every name
that lines are grouped by.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import NamedTuple

from usage_ingest.chargeback.kinds import Kind
from usage_ingest.chargeback.line import EXACT, Charge, Line, Subject
from usage_ingest.chargeback.owner import Payer
from usage_ingest.chargeback.sums import added


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
class _Pair:
    """Lines of one identity: as they are now, and as they were posted."""

    now: list[Line] = field(default_factory=list)
    before: list[Line] = field(default_factory=list)

    def is_same(self) -> bool:
        """Whether one line is as it was: so it is with nearly all."""
        if len(self.now) != 1 or len(self.before) != 1:
            return False
        return _numbers(self.now[0]) == _numbers(self.before[0])


def _numbers(line: Line) -> tuple[int | Decimal | None, ...]:
    return line.quantity, line.cost, line.list_cost, line.amount


def corrections(period: str, now: Iterable[Line], before: Iterable[Line]) -> list[Line]:
    """Return what is to be added to a closed period; what is the same is left out.

    Args:
        period: The closed period.
        now: Its lines as they would be now.
        before: Its lines as it was closed, and the corrections of it that were posted since.
    """
    pairs: dict[Identity, _Pair] = {}
    for line in now:
        pairs.setdefault(identity(line), _Pair()).now.append(line)
    for line in before:
        pairs.setdefault(identity(line), _Pair()).before.append(line)
    differing = (each for each in pairs.values() if not each.is_same())
    found = (_difference(period, each) for each in differing)
    return [line for line in found if any(_numbers(line))]


def _difference(period: str, pair: _Pair) -> Line:
    """Return now less before; it is told like the last line of now, where there is any."""
    like = (pair.now or pair.before)[-1]
    quantity: int | Decimal = 0
    money: list[Decimal | None] = [None, None, None]
    for lines, sign in ((pair.now, 1), (pair.before, -1)):
        for line in lines:
            quantity = added(quantity, line.quantity if sign > 0 else _negative(line.quantity))
            told = (line.cost, line.list_cost, line.amount)
            money = [_money(one, other, sign) for one, other in zip(money, told, strict=True)]
    cost, list_cost, amount = money
    return replace(
        like,
        charge=Charge.CORRECTION,
        corrected=like.corrected or like.charge,
        corrects=period,
        quantity=quantity,
        cost=cost,
        list_cost=list_cost,
        amount=amount,
    )


def _negative(quantity: int | Decimal) -> int | Decimal:
    return -quantity if isinstance(quantity, int) else EXACT.minus(quantity)


def _money(one: Decimal | None, other: Decimal | None, sign: int) -> Decimal | None:
    """Add up; None is not money."""
    if other is None:
        return one
    return EXACT.add(one or Decimal(0), other if sign > 0 else EXACT.minus(other))
