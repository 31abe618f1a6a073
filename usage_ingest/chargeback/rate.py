"""Subjects with their counters -> lines, by what holds on the days. Pure, linear and exact.

- What answered tells the model, SKU and region (`chargeback.served`); they, the service tier and
  the context band choose the price: the most specific of the day, else a public list's.
- A part with a price of its own is priced apart from its whole, any other stays in its whole
  (`chargeback.kinds`). Cost is quantity times unit price, list cost the same by the list's unit
  price where the price names one. Nothing is rounded.
- The payer is that of the most specific rule; the amount is the cost with the payer's markup.
- A kind without a price is a line of charge `unpriced`, whose money is None.
- Calls whose context band is not known (those of metrics) have the base price, and say so.
- Tokens of a provisioned deployment share what a day of it costs (`chargeback.provisioned`); what
  is paid beside tokens (searches) is priced as ever.
"""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Final

from usage_ingest.chargeback.capacity import weighted
from usage_ingest.chargeback.charged import Usage
from usage_ingest.chargeback.fold import Counted
from usage_ingest.chargeback.kinds import Kind, split, unit
from usage_ingest.chargeback.line import Line, Rate, Subject
from usage_ingest.chargeback.owner import Payer
from usage_ingest.chargeback.price import Price
from usage_ingest.chargeback.provisioned import Pools, Use
from usage_ingest.chargeback.reference import Snapshot
from usage_ingest.chargeback.served import Served, served

_TOKENS: Final = unit(Kind.INPUT).counted


def rate(counted: Iterable[Counted], snapshot: Snapshot, days: Iterable[date]) -> Iterator[Line]:
    """Yield the lines of subjects, and those of what nobody used.

    Args:
        counted: The subjects of the days with their sums; those of provisioned deployments by day.
        snapshot: What holds on all of the days.
        days: The days: each of them is paid for by each provisioned deployment.
    """
    pools = Pools()
    for each in counted:
        answered, payer = served(each.subject, snapshot), _payer(each.subject, snapshot)
        deployment = answered.provisioned
        if deployment and deployment.provisioned:
            tokens = weighted(each.sums, deployment.provisioned)
            pools.add(deployment, Use(each.subject, payer, answered, tokens))
        since = date.fromisoformat(each.since) if each.since else None
        price = snapshot.price(answered.use(each.subject), since)
        yield from _priced(each, payer, answered, price)
    yield from pools.lines(snapshot.deployments, days)


def _priced(
    counted: Counted, payer: Payer, answered: Served, price: Price | None
) -> Iterator[Line]:
    subject = counted.subject
    unit_prices = price.unit_prices if price else {}
    for kind, quantity in split(counted.sums, unit_prices.keys()).items():
        is_tokens = unit(kind).counted == _TOKENS
        if is_tokens and answered.provisioned:
            continue  # paid by time, whoever used them
        usage = Usage(subject, payer, answered, kind, quantity)
        if price is None or kind not in unit_prices:
            yield usage.unpriced()
        else:
            base_band = is_tokens and subject.context_band is None
            yield usage.priced(_rate(price, kind, base_band=base_band), price.currency)


def _rate(price: Price, kind: Kind, *, base_band: bool) -> Rate:
    unit_price = price.unit_prices[kind]
    return Rate(
        price_id=price.id,
        source=price.source,
        revision=price.revision,
        unit_price=unit_price,
        list_unit_price=(price.list_unit_prices or {}).get(kind, unit_price),
        list_estimate=price.list_estimate,
        other_vendor=price.other_vendor,
        base_band=base_band,
    )


def _payer(subject: Subject, snapshot: Snapshot) -> Payer:
    return snapshot.payer(
        subject.subscription_id,
        subject.product_id,
        subject.app_id,
        subject.tenant_id,
        dict(subject.tags),
    )
