"""One line: a quantity of a subject at a rate, and what its payer is charged. Pure and exact."""

from decimal import Decimal
from typing import Any, NamedTuple

from usage_ingest.chargeback.kinds import Kind, unit
from usage_ingest.chargeback.line import EXACT, Charge, Line, Rate, Subject
from usage_ingest.chargeback.owner import Payer
from usage_ingest.chargeback.served import Served

_ONE = Decimal(1)


class Usage(NamedTuple):
    """Some of one kind of a subject, who pays for it, and what answered."""

    subject: Subject
    payer: Payer
    answered: Served
    kind: Kind
    quantity: int | Decimal

    def unpriced(self) -> Line:
        """Return the line of what has no price: its money is None."""
        return Line(charge=Charge.UNPRICED, **self._fields_of_line())

    def priced(self, rate: Rate, currency: str) -> Line:
        """Return the line of a quantity times a unit price."""
        cost = self._times(rate.unit_price)
        is_list = rate.list_unit_price == rate.unit_price
        list_cost = cost if is_list else self._times(rate.list_unit_price)
        return self.charged(Charge.USAGE, rate, currency, cost, list_cost)

    def charged(
        self, charge: Charge, rate: Rate, currency: str, cost: Decimal, list_cost: Decimal
    ) -> Line:
        """Return the line of a cost."""
        return Line(
            charge=charge,
            rate=rate,
            currency=currency,
            cost=cost,
            list_cost=list_cost,
            amount=with_markup(cost, self.payer.markup_percent),
            **self._fields_of_line(),
        )

    def _times(self, unit_price: Decimal) -> Decimal:
        whole = EXACT.multiply(Decimal(self.quantity), unit_price)
        return EXACT.scaleb(whole, -unit(self.kind).power)

    def _fields_of_line(self) -> dict[str, Any]:
        return {
            "subject": self.subject,
            "payer": self.payer,
            "kind": self.kind,
            "quantity": self.quantity,
            "model": self.answered.model,
            "version": self.answered.version,
            "sku": self.answered.sku,
            "region": self.answered.region,
            "publisher": self.answered.publisher,
            "resource_id": self.answered.resource_id,
            "parts_overlap": self.quantity < 0,
        }


def with_markup(cost: Decimal, percent: Decimal) -> Decimal:
    """Return a cost with so many percent added."""
    if not percent:
        return cost
    return EXACT.multiply(cost, EXACT.add(_ONE, EXACT.scaleb(percent, -2)))
