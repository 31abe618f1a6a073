"""Lines: one kind of usage of one subject, with what it costs and who pays. Pure.

Every report, statement and export is made of lines, and nothing else adds money up.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from enum import StrEnum
from functools import partial
from operator import attrgetter
from typing import Final, NamedTuple

from usage_ingest.chargeback.kinds import Kind
from usage_ingest.chargeback.owner import Payer
from usage_ingest.parameters import TAG

EXACT: Final = Context(prec=80, traps=[InvalidOperation, DivisionByZero, Overflow, Inexact])
"""Money is computed in this context: whatever could not be written exactly raises."""


class Subject(NamedTuple):
    """Whose usage, of what. `day` is None where a report does not ask for days.

    `tags` holds the tags that the report or an owner's rule asks for, `app_id` and `tenant_id`
    likewise: what is not asked for is None, so that sums stay few. All else is as in rollups.
    """

    day: str | None
    subscription_id: str | None
    product_id: str | None
    app_id: str | None
    tenant_id: str | None
    tags: tuple[tuple[str, str], ...]
    gateway: str
    backend: str | None
    provider: str | None
    model: str | None
    deployment: str | None
    served_deployment: str | None
    region: str | None
    service_tier: str | None
    spillover: bool
    context_band: str | None
    usage_estimated: bool
    source: str


class Charge(StrEnum):
    """How a line came to its amount."""

    USAGE = "usage"  # quantity times unit price
    UNPRICED = "unpriced"  # there is no price: the amounts are None, never 0
    PROVISIONED = "provisioned"  # a user's share of a provisioned deployment
    IDLE = "idle"  # what of a provisioned deployment nobody used
    CORRECTION = "correction"  # what a closed period would differ by, had it been closed now


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """The price that a line was made with.

    `price_id` is the document's id; of a list estimate it names the list and the model. Unit
    prices are for kinds.Unit.priced. `revision` is the number of the import, 0 for estimates.
    """

    price_id: str
    source: str
    revision: int
    unit_price: Decimal
    list_unit_price: Decimal
    list_estimate: bool = False
    other_vendor: bool = False
    base_band: bool = False  # the context band of the calls is not known: the base price


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Some usage and its money, exact and unrounded.

    `model`, `version`, `sku`, `region`, `publisher` and `resource_id` are of the deployment's
    document where it tells them, else of the call. `cost` is quantity times unit price,
    `list_cost` the same by the list, `amount` what the payer is charged: cost with markup.
    Of an unpriced line `rate`, `currency` and all three are None. `corrects` is the closed
    period (YYYY-MM) that a correction is of, `corrected` how its amount is charged there.
    """

    subject: Subject
    payer: Payer
    kind: Kind
    charge: Charge
    quantity: int | Decimal
    model: str | None
    version: str | None = None
    sku: str | None = None
    region: str | None = None
    publisher: str | None = None
    resource_id: str | None = None
    rate: Rate | None = None
    currency: str | None = None
    cost: Decimal | None = None
    list_cost: Decimal | None = None
    amount: Decimal | None = None
    parts_overlap: bool = False
    corrects: str | None = None
    corrected: Charge | None = None


def total(amounts: Iterable[Decimal | None]) -> Decimal:
    """Add up money exactly; what is None is not money."""
    found = Decimal(0)
    for amount in amounts:
        if amount is not None:
            found = EXACT.add(found, amount)
    return found


LINE_FIELDS: Final = {
    "subscription": "subscription_id",
    "product": "product_id",
    "app": "app_id",
    "tenant": "tenant_id",
    "deployment": "deployment",
    "day": "day",
}
"""Public names of groups that are fields of a line's subject."""
_OF_LINE: Final = {"model": "model", "region": "region", "token_kind": "kind.value"}
_OF_PAYER: Final = {"owner": "owner", "cost_center": "cost_center", "department": "department"}
GROUPS: Final = (*_OF_PAYER, *LINE_FIELDS, *_OF_LINE)
"""Public names that reports group and filter by; `tag:<name>` beside them."""


def value_of(line: Line, name: str) -> str | None:
    """Return what a line has in a group; None is not reported."""
    return getter(name)(line)


def getter(name: str) -> Callable[[Line], str | None]:
    """Return what reads a group's value of a line: for many lines it is looked up once."""
    if name.startswith(TAG):
        return partial(_tag, name.removeprefix(TAG))
    if name in _OF_PAYER:
        return attrgetter(f"payer.{_OF_PAYER[name]}")
    if name in _OF_LINE:
        return attrgetter(_OF_LINE[name])
    return attrgetter(f"subject.{LINE_FIELDS[name]}")


def _tag(name: str, line: Line) -> str | None:
    return dict(line.subject.tags).get(name)


def takes(filters: Mapping[str, Collection[str | None]], line: Line) -> bool:
    """Whether every filter takes a line."""
    return all(value_of(line, name) in values for name, values in filters.items())
