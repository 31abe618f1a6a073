"""Provisioned throughput: what a day costs, and how it is shared by those who used it. Pure.

A day costs 24 hours of the amount, or the month's amount over its days: cut at 20 decimals, with
the remainder on the month's last day, so that a whole month is the amount to the last digit.

Tokens are weighted: `input - cached + cached * cached_weight + output * output_weight`, and what is
known by its total only counts as it is. One weighted token costs the day's cost over the larger of
what was used and what the deployment can take in a day, cut at 24 decimals. Without a known
capacity the users of a day share all of it. What they do not pay is idle, to the last digit: unused
capacity, a day without any use, and what the cut at 24 decimals left.
"""

from calendar import monthrange
from collections.abc import Mapping
from datetime import date
from decimal import ROUND_DOWN, Context, Decimal
from typing import Final, NamedTuple

from usage_ingest.chargeback.deployment import Provisioned
from usage_ingest.chargeback.kinds import Kind, split
from usage_ingest.chargeback.line import EXACT

_CUT: Final = Context(prec=80, rounding=ROUND_DOWN)
_DAY_DIGITS: Final = Decimal(1).scaleb(-20)
_RATE_DIGITS: Final = Decimal(1).scaleb(-24)
_HOURS: Final = 24
_NOTHING: Final = Decimal(0)
_CACHED: Final = frozenset({Kind.CACHED_INPUT})


class Share(NamedTuple):
    """What a weighted token of a day costs, and what of the day nobody used."""

    unit_price: Decimal
    idle_quantity: Decimal
    idle_cost: Decimal


def day_cost(provisioned: Provisioned, day: date) -> Decimal:
    """Return what a day of the deployment costs, used or not."""
    if provisioned.per == "hour":
        return EXACT.multiply(provisioned.amount, Decimal(_HOURS))
    days = monthrange(day.year, day.month)[1]
    one = _cut(provisioned.amount, Decimal(days), _DAY_DIGITS)
    if day.day < days:
        return one
    return EXACT.subtract(provisioned.amount, EXACT.multiply(one, Decimal(days - 1)))


def weighted(counters: Mapping[str, int], provisioned: Provisioned) -> Decimal:
    """Return how many tokens the counters weigh."""
    kinds = split(counters, _CACHED)
    weights = {
        Kind.INPUT: Decimal(1),
        Kind.UNSPLIT: Decimal(1),
        Kind.CACHED_INPUT: provisioned.cached_weight,
        Kind.OUTPUT: provisioned.output_weight,
    }
    found = _NOTHING
    for kind, weight in weights.items():
        found = EXACT.add(found, EXACT.multiply(Decimal(kinds.get(kind, 0)), weight))
    return found


def share(provisioned: Provisioned, day: date, used: Decimal) -> Share:
    """Return how a day's cost falls to all that was used on it.

    Args:
        provisioned: What the deployment costs.
        day: The day.
        used: The weighted tokens of all users of the day.
    """
    cost = day_cost(provisioned, day)
    capacity = Decimal((provisioned.tokens_per_hour or 0) * _HOURS)
    shared_by = max(used, capacity)
    unit_price = _cut(cost, shared_by, _RATE_DIGITS) if shared_by else _NOTHING
    return Share(
        unit_price=unit_price,
        idle_quantity=EXACT.subtract(max(used, capacity), used) if capacity else _NOTHING,
        idle_cost=EXACT.subtract(cost, EXACT.multiply(used, unit_price)),
    )


def _cut(amount: Decimal, by: Decimal, digits: Decimal) -> Decimal:
    return _CUT.divide(amount, by).quantize(digits, context=_CUT)
