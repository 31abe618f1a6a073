"""Sums of lines -> what a report shows of them, ready for JSON. Pure.

Money is text, exact; a quantity is an integer, but for weighted tokens of a provisioned
deployment, which may have a fraction and are text as well.
"""

from collections.abc import Iterable, Mapping
from decimal import Context, Decimal
from typing import Any, Final

from usage_ingest.chargeback.kinds import Kind, unit
from usage_ingest.chargeback.line import Charge, total
from usage_ingest.chargeback.report_fold import PriceUsed, ReportFold
from usage_ingest.chargeback.sums import Doubt, Part, Quantity, Sum, Sums, whole
from usage_ingest.plain import plain

_SHARE: Final = Decimal("0.0001")
_ROUNDED: Final = Context(prec=100)
"""Of next to nothing, all that was taken back may be a share: it has many digits."""


def sums_document(sums: Sums) -> dict[str, Any]:
    """Return the money of a group by currency, and its usage that has no price."""
    return {
        "charges": [_charges(currency, sums.money[currency]) for currency in sorted(sums.money)],
        "unpriced": [
            {**_part(part), "quantity": _quantity(part.kind, sums.unpriced[part])}
            for part in sorted(sums.unpriced, key=_order)
        ],
    }


def unpriced_document(fold: ReportFold) -> dict[str, Any]:
    """Return what lacks a price, so that one knows which."""
    found = fold.without_price()
    listed = [
        {
            **missing._asdict(),
            "unit": unit(missing.kind).counted,
            "quantity": _quantity(missing.kind, found[missing]),
        }
        for missing in sorted(found, key=ordered)
    ]
    return {"count": len(listed), "more": fold.more_unpriced, "listed": listed}


def prices_document(fold: ReportFold) -> dict[str, Any]:
    """Return the versions of the prices that the amounts were made with."""
    listed = [_price(each) for each in sorted(fold.prices.values(), key=ordered)]
    return {"count": len(listed), "more": fold.more_prices, "listed": listed}


def days_document(fold: ReportFold) -> list[dict[str, str]]:
    """Return the amounts by currency and day."""
    return [
        {"currency": currency, "day": day, "amount": plain(fold.days[currency, day])}
        for currency, day in sorted(fold.days)
    ]


def _charges(currency: str, parts: Mapping[Part, Sum]) -> dict[str, Any]:
    found = whole(parts.values())
    return {
        "currency": currency,
        **_money(found),
        "idle": plain(_amount_of(parts, Charge.IDLE)),
        "corrections": plain(_amount_of(parts, Charge.CORRECTION)),
        "doubtful": {
            doubt: {
                "amount": plain(found.doubtful.get(doubt, Decimal(0))),
                "share": _share(found.doubtful.get(doubt, Decimal(0)), found.amount),
            }
            for doubt in Doubt
        },
        "lines": [_line(part, parts[part]) for part in sorted(parts, key=_order)],
    }


def _line(part: Part, found: Sum) -> dict[str, Any]:
    return {
        **_part(part),
        "quantity": _quantity(part.kind, found.quantity),
        "per": unit(part.kind).priced,
        "unit_prices": [plain(each) for each in sorted(found.unit_prices)],
        "more_unit_prices": found.more_unit_prices,
        **_money(found),
        "doubtful": {doubt: plain(amount) for doubt, amount in sorted(found.doubtful.items())},
    }


def _part(part: Part) -> dict[str, Any]:
    return {
        "kind": part.kind,
        "charge": part.charge,
        "corrects": part.corrects,
        "unit": unit(part.kind).counted,
    }


def _money(found: Sum) -> dict[str, str]:
    return {
        "amount": plain(found.amount),
        "cost": plain(found.cost),
        "list_cost": plain(found.list_cost),
    }


def _amount_of(parts: Mapping[Part, Sum], charge: Charge) -> Decimal:
    return total(found.amount for part, found in parts.items() if part.charge is charge)


def _share(amount: Decimal, of: Decimal) -> str | None:
    """Return a part of a whole, to four digits; of nothing there is none."""
    if not of:
        return None
    return plain(_ROUNDED.divide(amount, of).quantize(_SHARE, context=_ROUNDED))


def _quantity(kind: Kind, quantity: Quantity) -> int | str:
    return plain(Decimal(quantity)) if kind is Kind.PROVISIONED else int(quantity)


def _price(used: PriceUsed) -> dict[str, Any]:
    return {
        "id": used.price_id,
        "source": used.source,
        "import": used.revision or None,
        "list_estimate": used.list_estimate,
        "other_vendor": used.other_vendor,
    }


_KINDS: Final = list(Kind)
_CHARGES: Final = list(Charge)


def _order(part: Part) -> tuple[int, int, str]:
    return _CHARGES.index(part.charge), _KINDS.index(part.kind), part.corrects or ""


def ordered(values: Iterable[object]) -> list[tuple[bool, str]]:
    """Return what a key is sorted by: texts, with what is not reported last."""
    return [(value is None, str(value)) for value in values]
