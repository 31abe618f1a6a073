"""Who used provisioned deployments on which days -> their lines, and those of what is idle. Pure.

Each deployment's day is shared by its users (`chargeback.capacity`): quantities are weighted
tokens, the list cost is the cost. What nobody used is a line of its own, also of a day without any
use. Its subject is the deployment itself: its gateway is `(any)` where the document names none, its
source is `reference`, and nobody's rule applies: its owner is `unallocated`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Final, NamedTuple

from usage_ingest.chargeback.capacity import Share, share
from usage_ingest.chargeback.charged import Usage
from usage_ingest.chargeback.deployment import Deployment, Provisioned
from usage_ingest.chargeback.kinds import Kind
from usage_ingest.chargeback.line import EXACT, Charge, Line, Rate, Subject, total
from usage_ingest.chargeback.owner import NOBODY, Payer
from usage_ingest.chargeback.price import region_name
from usage_ingest.chargeback.served import Served

ANY_GATEWAY: Final = "(any)"
REFERENCE: Final = "reference"
"""The source of subjects that no call told of."""


class Use(NamedTuple):
    """A subject's part of a deployment's day, in weighted tokens."""

    subject: Subject
    payer: Payer
    answered: Served
    tokens: Decimal


@dataclass(slots=True)
class Pools:
    """The uses of each deployment by day."""

    uses: dict[tuple[str, str | None], list[Use]] = field(default_factory=dict)

    def add(self, deployment: Deployment, use: Use) -> None:
        """Add what a subject used on its day; nothing is no use."""
        if use.tokens:
            self.uses.setdefault((deployment.id, use.subject.day), []).append(use)

    def lines(self, deployments: Iterable[Deployment], days: Iterable[date]) -> Iterator[Line]:
        """Yield the lines of every provisioned deployment and day."""
        held = [(each, each.provisioned) for each in deployments if each.provisioned]
        for day in days:
            for deployment, provisioned in held:
                yield from self._day(deployment, provisioned, day)

    def _day(self, deployment: Deployment, provisioned: Provisioned, day: date) -> Iterator[Line]:
        uses = self.uses.get((deployment.id, day.isoformat()), ())
        shared = share(provisioned, day, total(use.tokens for use in uses))
        rate = _rate(deployment, shared)
        for use in uses:
            cost = EXACT.multiply(use.tokens, shared.unit_price)
            used = Usage(use.subject, use.payer, use.answered, Kind.PROVISIONED, use.tokens)
            yield used.charged(Charge.PROVISIONED, rate, provisioned.currency, cost, cost)
        if shared.idle_cost or shared.idle_quantity:
            idle = _idle(deployment, day, shared.idle_quantity)
            cost = shared.idle_cost
            yield idle.charged(Charge.IDLE, rate, provisioned.currency, cost, cost)


def _rate(deployment: Deployment, shared: Share) -> Rate:
    return Rate(
        price_id=deployment.id,
        source=deployment.source,
        revision=deployment.revision,
        unit_price=shared.unit_price,
        list_unit_price=shared.unit_price,
    )


def _idle(deployment: Deployment, day: date, quantity: Decimal) -> Usage:
    key, region = deployment.key, region_name(deployment.region)
    known: dict[str, Any] = dict.fromkeys(Subject._fields) | {
        "day": day.isoformat(),
        "tags": (),
        "gateway": key.gateway or ANY_GATEWAY,
        "backend": key.backend,
        "model": deployment.model,
        "deployment": key.deployment,
        "region": deployment.region,
        "spillover": False,
        "usage_estimated": False,
        "source": REFERENCE,
    }
    answered = Served(
        model=deployment.model,
        version=deployment.version,
        sku=deployment.sku,
        region=region,
        publisher=deployment.publisher,
        resource_id=deployment.resource_id,
        provisioned=deployment,
    )
    subject = Subject(**known)
    return Usage(subject, NOBODY, answered, Kind.PROVISIONED, quantity)
