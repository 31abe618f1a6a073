"""The columns of a FOCUS 1.2 export, and the units and pairs that it takes. Pure.

https://focus.finops.org/focus-specification/v1-2/ says what each column may hold. Columns whose
names start with `x_` are ours.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import orjson

from usage_ingest.chargeback.kinds import Kind, unit

_FOCUS: Final = """
AvailabilityZone BilledCost BillingAccountId BillingAccountName BillingAccountType BillingCurrency
BillingPeriodEnd BillingPeriodStart CapacityReservationId CapacityReservationStatus ChargeCategory
ChargeClass ChargeDescription ChargeFrequency ChargePeriodEnd ChargePeriodStart
CommitmentDiscountCategory CommitmentDiscountId CommitmentDiscountName CommitmentDiscountQuantity
CommitmentDiscountStatus CommitmentDiscountType CommitmentDiscountUnit ConsumedQuantity ConsumedUnit
ContractedCost ContractedUnitPrice EffectiveCost InvoiceId InvoiceIssuerName ListCost ListUnitPrice
PricingCategory PricingCurrency PricingCurrencyContractedUnitPrice PricingCurrencyEffectiveCost
PricingCurrencyListUnitPrice PricingQuantity PricingUnit ProviderName PublisherName RegionId
RegionName ResourceId ResourceName ResourceType ServiceCategory ServiceName ServiceSubcategory SkuId
SkuMeter SkuPriceDetails SkuPriceId SubAccountId SubAccountName SubAccountType Tags
"""
_OURS: Final = """
x_CorrectedPeriod x_Department x_HostProviderName x_MarkupPercent x_Owner x_TokenKind
x_UnusedQuantity
"""
NEVER_FILLED: Final = tuple(
    name for name in _FOCUS.split() if name.startswith(("AvailabilityZone", "CommitmentDiscount"))
)
"""Columns of what there is not here: they are there, and null, as tables expect them."""
COLUMNS: Final = (*_FOCUS.split(), *_OURS.split())
"""All columns of the specification, in the order that it advises: by name, ours last."""
MONEY: Final = frozenset(
    """
    BilledCost BillingCurrency ContractedCost ContractedUnitPrice EffectiveCost InvoiceId ListCost
    ListUnitPrice PricingCategory PricingCurrency PricingCurrencyContractedUnitPrice
    PricingCurrencyEffectiveCost PricingCurrencyListUnitPrice SkuPriceDetails SkuPriceId
    """.split()
)
"""What only a price gives a row."""
UNPRICED_COLUMNS: Final = tuple(
    name for name in COLUMNS if name not in MONEY and name not in NEVER_FILLED
)
"""The columns of the file of what has no price."""

_UNITS: Final = {
    # the specification: a whole number, then the plural of a unit that it knows
    "1M Tokens": "1000000 Tokens",
    "1 Token": "Tokens",
    "1 Second": "Seconds",
    "1 Image": "Images",
    "1 Search": "Searches",
}
_MILLISECONDS: Final = "Milliseconds"  # below its smallest unit of time, which is the second


def priced(kind: Kind, quantity: int | Decimal) -> tuple[Decimal, str]:
    """Return a quantity in what unit prices are for, which times the price is the exact cost."""
    known = unit(kind)
    sign, digits, exponent = Decimal(quantity).as_tuple()
    scaled = Decimal((sign, digits, int(exponent) - known.power))
    return scaled, _UNITS[known.priced]


def consumed(kind: Kind, quantity: int | Decimal) -> tuple[Decimal, str]:
    """Return how much was used, in a unit that the specification knows."""
    counted = unit(kind).counted
    if counted == _MILLISECONDS:
        return priced(kind, quantity)
    return Decimal(quantity), counted


def as_json(values: Mapping[str, object]) -> str | None:
    """Write a column of names and values; what is None is not told, and nothing told is null."""
    told = {name: value for name, value in values.items() if value is not None}
    return orjson.dumps(told, option=orjson.OPT_SORT_KEYS).decode() if told else None
