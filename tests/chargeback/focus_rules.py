"""The rules of FOCUS 1.2 that an export can be held to, each by the name of its requirement.

Names and contents follow the requirements of the specification's cost and usage dataset. The code
below knows nothing of how rows are made: it reads the CSV.
"""

import csv
import io
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Any, Final, NamedTuple

Row = dict[str, str]

MANDATORY: Final = """
BilledCost BillingAccountId BillingAccountName BillingCurrency BillingPeriodEnd BillingPeriodStart
ChargeCategory ChargeClass ChargeDescription ChargePeriodEnd ChargePeriodStart ContractedCost
EffectiveCost InvoiceIssuerName ListCost PricingQuantity PricingUnit ProviderName PublisherName
ServiceCategory ServiceName
""".split()
NULLABLE_MANDATORY: Final = {"BillingAccountName", "ChargeClass", "PricingQuantity", "PricingUnit"}
CONDITIONAL: Final = """
BillingAccountType CapacityReservationId CapacityReservationStatus CommitmentDiscountCategory
CommitmentDiscountId CommitmentDiscountName CommitmentDiscountQuantity CommitmentDiscountStatus
CommitmentDiscountType CommitmentDiscountUnit ConsumedQuantity ConsumedUnit ContractedUnitPrice
ListUnitPrice PricingCategory PricingCurrency PricingCurrencyContractedUnitPrice
PricingCurrencyEffectiveCost PricingCurrencyListUnitPrice RegionId RegionName ResourceId
ResourceName ResourceType SkuId SkuMeter SkuPriceDetails SkuPriceId SubAccountId SubAccountName
SubAccountType Tags
""".split()
RECOMMENDED: Final = ["AvailabilityZone", "ChargeFrequency", "InvoiceId", "ServiceSubcategory"]

NEVER_NULL: Final = [
    *(name for name in MANDATORY if name not in NULLABLE_MANDATORY),
    "BillingAccountName",
    "BillingAccountType",
    "ChargeFrequency",
    "PricingCurrency",
    "PricingCurrencyEffectiveCost",
    "ServiceSubcategory",
]
DECIMALS: Final = """
BilledCost ConsumedQuantity ContractedCost ContractedUnitPrice EffectiveCost ListCost ListUnitPrice
PricingCurrencyContractedUnitPrice PricingCurrencyEffectiveCost PricingCurrencyListUnitPrice
PricingQuantity
""".split()
TIMES: Final = ["BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd"]
ALLOWED: Final = {
    "ChargeCategory": {"Usage", "Purchase", "Tax", "Credit", "Adjustment"},
    "ChargeClass": {"", "Correction"},
    "ChargeFrequency": {"One-Time", "Recurring", "Usage-Based"},
    "PricingCategory": {"", "Standard", "Dynamic", "Committed", "Other"},
    "CapacityReservationStatus": {"", "Used", "Unused"},
    "ServiceCategory": {"AI and Machine Learning"},  # of 17, the one that this is
    "ServiceSubcategory": {
        "AI Platforms",
        "Bots",
        "Generative AI",
        "Machine Learning",
        "Natural Language Processing",
        "Other (AI and Machine Learning)",
    },
}
PAIRED: Final = [  # the second is null exactly where the first is
    ("ConsumedQuantity", "ConsumedUnit"),
    ("PricingQuantity", "PricingUnit"),
    ("RegionId", "RegionName"),
    ("ResourceId", "ResourceType"),
    ("SubAccountId", "SubAccountName"),
    ("SubAccountId", "SubAccountType"),
    ("SkuId", "SkuMeter"),
    ("CapacityReservationId", "CapacityReservationStatus"),
]
NOT_NULL_OF_USAGE: Final = """
ConsumedQuantity ContractedUnitPrice ListUnitPrice PricingCategory
PricingCurrencyContractedUnitPrice PricingCurrencyListUnitPrice PricingQuantity SkuId SkuPriceId
""".split()
SAME: Final = [  # where both currencies are the same
    ("PricingCurrencyContractedUnitPrice", "ContractedUnitPrice"),
    ("PricingCurrencyEffectiveCost", "EffectiveCost"),
    ("PricingCurrencyListUnitPrice", "ListUnitPrice"),
]
OF_COMMITMENTS: Final = [name for name in CONDITIONAL if name.startswith("CommitmentDiscount")]
PRODUCTS: Final = [
    ("ListUnitPrice", "ListCost"),
    ("ContractedUnitPrice", "ContractedCost"),
]
ONE_PARENT: Final = [
    ("ServiceName", "ServiceCategory"),
    ("ServiceName", "ServiceSubcategory"),
    ("SkuPriceId", "SkuId"),
    ("SkuPriceId", "SkuPriceDetails"),
]
_NUMBER: Final = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_UNIT: Final = re.compile(
    r"([1-9]\d* )?(Tokens|Images|Searches|Years|Months|Days|Hours|Minutes|Seconds)"
)
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_COLUMN: Final = re.compile(r"(x_)?([A-Z][a-z0-9]*)+")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


class Problem(NamedTuple):
    rule: str
    row: int | None
    column: str


RowRule = Callable[[Row], Iterator[tuple[str, str]]]
"""Yields the names of rules that a row breaks, and the columns."""


def problems(text: str) -> list[Problem]:
    """Return all rules that a file breaks; row None is of the file as a whole."""
    header, *records = list(csv.reader(io.StringIO(text, newline="")))
    found = list(_columns(header))
    rows = [dict(zip(header, each, strict=True)) for each in records]
    for number, row in enumerate(rows):
        for rule in ROW_RULES:
            found += [Problem(name, number, column) for name, column in rule(row)]
    return found + list(_parents(rows))


def _columns(header: Sequence[str]) -> Iterator[Problem]:
    for name in (*MANDATORY, *CONDITIONAL, *RECOMMENDED):
        if name not in header:
            yield Problem("present", None, name)
    known = {*MANDATORY, *CONDITIONAL, *RECOMMENDED}
    for name in header:
        if name not in known and not name.startswith("x_"):
            yield Problem("custom_prefix", None, name)
        if not _COLUMN.fullmatch(name) or len(name) > 50:
            yield Problem("column_name", None, name)
    custom = [name.startswith("x_") for name in header]
    if custom != sorted(custom):
        yield Problem("custom_last", None, header[custom.index(True)])


def _nulls(row: Row) -> Iterator[tuple[str, str]]:
    for name in NEVER_NULL:
        if not row[name].strip():
            yield "not_null", name
    for first, second in PAIRED:
        if bool(row[first]) != bool(row[second]):
            yield "paired", second


def _nulls_that_depend(row: Row) -> Iterator[tuple[str, str]]:
    if row["ChargeCategory"] == "Usage" and row["ChargeClass"] != "Correction":
        for name in NOT_NULL_OF_USAGE:
            if not row[name]:
                yield "not_null_of_usage", name
    if not row["SkuPriceId"] and row["SkuPriceDetails"]:
        yield "details_of_price", "SkuPriceDetails"
    if not row["ResourceId"] and row["ResourceName"]:
        yield "name_of_resource", "ResourceName"
    for name in OF_COMMITMENTS:
        if row[name] and not row["CommitmentDiscountId"]:
            yield "of_commitment", name


def _formats(row: Row) -> Iterator[tuple[str, str]]:
    for name in DECIMALS:
        if row[name] and not _NUMBER.fullmatch(row[name]):
            yield "number", name
    for name in TIMES:
        if not _TIME.fullmatch(row[name]):
            yield "time", name
    for name in ("ConsumedUnit", "PricingUnit"):
        if row[name] and not _UNIT.fullmatch(row[name]):
            yield "unit", name


def _values(row: Row) -> Iterator[tuple[str, str]]:
    if not _CURRENCY.fullmatch(row["BillingCurrency"]):
        yield "currency", "BillingCurrency"
    if row["PricingCurrency"] == row["BillingCurrency"]:
        for name, other in SAME:
            if row[name] != row[other]:
                yield "same_currency", name
    for name, allowed in ALLOWED.items():
        if row[name] not in allowed:
            yield "allowed", name


def _pairs(row: Row) -> Iterator[tuple[str, str]]:
    for name in ("Tags", "SkuPriceDetails"):
        keys = _keys(row[name]) if row[name] else []
        if keys is None or len(set(keys)) != len(keys):
            yield "key_value", name
        elif name == "SkuPriceDetails" and not all(key.startswith(("x_", "F_")) for key in keys):
            yield "custom_key", name


def _keys(text: str) -> list[str] | None:
    """Return the names of an object of plain values, as often as they stand there."""
    flat: list[str] = []

    def kept(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        flat.extend(name for name, _ in pairs)
        return dict(pairs)

    try:
        value = json.loads(text, object_pairs_hook=kept)
    except ValueError:
        return None
    if not isinstance(value, dict) or any(isinstance(v, dict | list) for v in value.values()):
        return None
    return flat


def _money(row: Row) -> Iterator[tuple[str, str]]:
    if row["ChargeClass"] == "Correction":
        return  # discrepancies may exist
    for price, cost in PRODUCTS:
        if row[price] and row["PricingQuantity"]:
            product = Fraction(row[price]) * Fraction(row["PricingQuantity"])
            if product != Fraction(row[cost]):
                yield "product", cost
        if row[price].startswith("-"):
            yield "price_not_negative", price
    if row["ProviderName"] != row["InvoiceIssuerName"] and Fraction(row["BilledCost"]):
        yield "third_party", "BilledCost"


def _periods(row: Row) -> Iterator[tuple[str, str]]:
    billed, billed_end, start, end = (
        datetime.fromisoformat(row[name]) if _TIME.fullmatch(row[name]) else None for name in TIMES
    )
    if billed is None or billed_end is None or start is None or end is None:
        return  # said already
    if not (billed.day == billed_end.day == 1 and 28 <= (billed_end - billed).days <= 31):
        yield "month", "BillingPeriodEnd"
    if not start < end:
        yield "half_open", "ChargePeriodEnd"
    if row["ChargeClass"] == "Correction":
        if end > billed:
            yield "correction_is_of_earlier", "ChargePeriodEnd"
    elif not billed <= start < end <= billed_end:
        yield "within_billing_period", "ChargePeriodStart"


def _reserved(row: Row) -> Iterator[tuple[str, str]]:
    unused = row["CapacityReservationStatus"] == "Unused"
    if unused and row["ConsumedQuantity"] not in {"", "0"}:
        yield "unused_is_not_consumed", "ConsumedQuantity"
    if row["CapacityReservationId"] and row["CapacityReservationId"] != row["ResourceId"]:
        yield "reservation_is_resource", "CapacityReservationId"
    if row["PricingCategory"] == "Committed" and not row["CommitmentDiscountId"]:
        yield "commitment", "PricingCategory"


def _formulas(row: Row) -> Iterator[tuple[str, str]]:
    """Not of the specification: no cell is computed by a spreadsheet."""
    for name, value in row.items():
        if value.startswith(_FORMULA) and not _NUMBER.fullmatch(value):
            yield "formula", name


ROW_RULES: Final[tuple[RowRule, ...]] = (
    _nulls,
    _nulls_that_depend,
    _formats,
    _values,
    _pairs,
    _money,
    _periods,
    _reserved,
    _formulas,
)


def _parents(rows: Sequence[Row]) -> Iterator[Problem]:
    for child, parent in ONE_PARENT:
        known: dict[str, set[str]] = defaultdict(set)
        for row in rows:
            if row[child]:
                known[row[child]].add(row[parent])
        if any(len(parents) > 1 for parents in known.values()):
            yield Problem("one_parent", None, child)
