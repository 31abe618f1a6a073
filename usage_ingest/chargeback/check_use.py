"""Use that reference documents do not cover: models without a price, unknown deployments. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from typing import NamedTuple

from usage_ingest.chargeback.line import Charge, Line
from usage_ingest.chargeback.price import STANDARD_TIERS, Price
from usage_ingest.chargeback.reference import Reference, current
from usage_ingest.chargeback.remark import Remark, said, span


class _Called(NamedTuple):
    """A deployment as calls name it."""

    deployment: str
    gateway: str
    backend: str | None


class _Priced(NamedTuple):
    """What a price would be of."""

    model: str | None
    version: str | None
    sku: str | None
    region: str | None
    service_tier: str | None


class _Unpriced(NamedTuple):
    """What has no price."""

    use: _Priced
    kind: str


class Use:
    """What lines tell of models and deployments in use.

    They are to be rated without estimates, those of each day apart.
    """

    def __init__(self) -> None:
        self._called: dict[_Called, set[str]] = {}
        self._unpriced: dict[_Unpriced, set[str]] = {}
        self._quantities = Counter[_Unpriced]()

    def add(self, line: Line) -> None:
        """Add a line; what nobody used is no use."""
        if line.charge is Charge.IDLE:
            return
        subject, day = line.subject, line.subject.day or ""
        name = subject.served_deployment or subject.deployment
        if name is not None:
            called = _Called(name, subject.gateway, subject.backend)
            self._called.setdefault(called, set()).add(day)
        if line.charge is Charge.UNPRICED:
            tier = subject.service_tier and subject.service_tier.lower()
            tier = None if tier in STANDARD_TIERS else tier
            use = _Priced(line.model, line.version, line.sku, line.region, tier)
            what = _Unpriced(use, line.kind.value)
            self._unpriced.setdefault(what, set()).add(day)
            self._quantities[what] += int(line.quantity)

    def deployments(self) -> set[str]:
        """Return the names of all that were called."""
        return {each.deployment for each in self._called}

    def unpriced(self, prices: Sequence[Price]) -> Iterator[Remark]:
        """Yield what has no price, with the day on which one ended."""
        ended = {
            each.key.model: each.through_day
            for each in sorted(current(prices), key=lambda each: each.from_day)
            if each.through_day is not None
        }
        for what, days in sorted(self._unpriced.items(), key=lambda each: str(each[0])):
            text = f"{self._quantities[what]:,} of kind {what.kind} on {span(days)} have no price"
            end = ended.get(what.use.model or "")
            if end is not None and end < min(days):
                text += f"; a price of the model ended on {end}"
            yield Remark("unpriced", said(what.use) if any(what.use) else "an unknown model", text)

    def undocumented(self, reference: Reference) -> Iterator[Remark]:
        """Yield deployments of which no document tells the model and SKU on a day."""
        snapshots = {
            day: reference.on(date.fromisoformat(day))
            for day in sorted(set[str]().union(*self._called.values()))
            if day
        }
        for called, days in sorted(self._called.items(), key=lambda each: str(each[0])):
            without = {day for day in days if day and snapshots[day].deployment(*called) is None}
            if without:
                text = f"no document tells its model and SKU on {span(without)}"
                yield Remark("undocumented", said(called), text)
