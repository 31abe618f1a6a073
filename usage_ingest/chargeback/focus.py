"""A line -> a row of a FOCUS 1.2 cost and usage dataset. Pure.

The provider and the invoice issuer are who charges the owners: another one's invoice, Azure's
own, holds the same usage, and a row that is billed by a third party would have to cost nothing.
Provisioned throughput is a capacity reservation, used and unused; it is no commitment discount,
whose rows may not be billed. Corrections are charged on the day of their usage, and billed in the
period that posts them. docs/chargeback.md explains the columns.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from usage_ingest.chargeback.focus_columns import NEVER_FILLED, consumed, priced
from usage_ingest.chargeback.focus_resource import (
    is_idle,
    resource,
    service,
    sku,
    sold_of,
    sub_account,
    tags,
)
from usage_ingest.chargeback.kinds import Kind
from usage_ingest.chargeback.line import Charge, Line
from usage_ingest.chargeback.period import first_day, following
from usage_ingest.summary_csv import Cell

_DAY: Final = timedelta(days=1)
_ACCOUNT_TYPE: Final = "Organisation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Biller:
    """Who bills whom."""

    account_id: str
    account_name: str
    issuer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What the rows of a billing period have in common.

    `invoice_id` is the closed period's statement, None while it is open. `names` shows a value
    of a group, (cost_center, 4711), to people.
    """

    biller: Biller
    period: str
    invoice_id: str | None = None
    names: Mapping[tuple[str, str], str] = field(default_factory=dict)


def focus_row(line: Line, bill: Bill) -> dict[str, Cell]:
    """Return the row of a line that knows its day; its money is null where it has no price."""
    return {
        **dict.fromkeys(NEVER_FILLED),
        **_bill(bill),
        **_charge(line),
        **_money(line),
        **_quantities(line),
        **sku(line),
        **service(line),
        **resource(line),
        **sub_account(line, bill.names),
        "Tags": tags(line),
        "x_CorrectedPeriod": line.corrects,
        "x_Department": line.payer.department,
        "x_MarkupPercent": line.payer.markup_percent,
        "x_Owner": line.payer.owner,
        "x_TokenKind": line.kind.value,
    }


def _bill(bill: Bill) -> dict[str, Cell]:
    return {
        "BillingAccountId": bill.biller.account_id,
        "BillingAccountName": bill.biller.account_name,
        "BillingAccountType": _ACCOUNT_TYPE,
        "BillingPeriodStart": _moment(first_day(bill.period)),
        "BillingPeriodEnd": _moment(first_day(following(bill.period))),
        "InvoiceId": bill.invoice_id,
        "InvoiceIssuerName": bill.biller.issuer,
        "ProviderName": bill.biller.issuer,
    }


def _charge(line: Line) -> dict[str, Cell]:
    if line.subject.day is None:
        raise ValueError("a row needs the day of its line: read lines with their days")
    day = date.fromisoformat(line.subject.day)
    by_time = line.kind is Kind.PROVISIONED
    return {
        "ChargeCategory": "Usage",
        "ChargeClass": "Correction" if line.charge is Charge.CORRECTION else None,
        "ChargeDescription": _description(line),
        "ChargeFrequency": "Recurring" if by_time else "Usage-Based",
        "ChargePeriodStart": _moment(day),
        "ChargePeriodEnd": _moment(day + _DAY),
    }


def _moment(day: date) -> str:
    return f"{day.isoformat()}T00:00:00Z"


def _description(line: Line) -> str:
    text = f"{sold_of(line)}: {line.kind.value.replace('_', ' ')}"
    if line.kind is Kind.PROVISIONED:
        text = f"{text}, {'idle' if is_idle(line) else 'used'}"
    return f"Correction of {line.corrects}: {text}" if line.corrects else text


def _money(line: Line) -> dict[str, Cell]:
    return {
        "BilledCost": line.amount,
        "BillingCurrency": line.currency,
        "ContractedCost": line.cost,
        "EffectiveCost": line.cost,
        "ListCost": line.list_cost,
        "PricingCategory": None if line.amount is None else "Standard",
        "PricingCurrency": line.currency,
        "PricingCurrencyEffectiveCost": line.cost,
    }


def _quantities(line: Line) -> dict[str, Cell]:
    """Return what was used, and what is paid: of what nobody used, the day."""
    used, used_unit = consumed(line.kind, line.quantity)
    rate = line.rate
    price, list_price = (rate.unit_price, rate.list_unit_price) if rate else (None, None)
    paid: tuple[Decimal | None, str | None] = priced(line.kind, line.quantity)
    unused = None
    if is_idle(line):
        used, unused = Decimal(0), line.quantity
        paid, price, list_price = (Decimal(1), "Days"), line.cost, line.list_cost
        if line.charge is Charge.CORRECTION:  # of a day that is paid already
            paid, price, list_price = (None, None), None, None
    return {
        "ConsumedQuantity": used,
        "ConsumedUnit": used_unit,
        "ContractedUnitPrice": price,
        "ListUnitPrice": list_price,
        "PricingCurrencyContractedUnitPrice": price,
        "PricingCurrencyListUnitPrice": list_price,
        "PricingQuantity": paid[0],
        "PricingUnit": paid[1],
        "x_UnusedQuantity": unused,
    }
