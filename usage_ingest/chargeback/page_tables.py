"""The tables of a page: usage by kind and price, what has no price, versions of prices. Pure."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from usage_ingest.chargeback.line import Charge
from usage_ingest.chargeback.page_text import (
    NOT_REPORTED,
    amount_cell,
    escaped,
    heads,
    lacking,
    named,
    number,
    number_head,
    shown,
    words,
)

MAX_PRICES: Final = 200

Group = Mapping[str, Any]


def kinds_table(charges: Mapping[str, Any]) -> str:
    """Return what was used of each kind in a currency, and at which unit prices."""
    rows = "".join(
        f'<tr><th scope="row">{escaped(_kind_words(each))}</th>'
        f'<td class="n">{number(each["quantity"])}</td><td>{escaped(each["unit"])}</td>'
        f'<td class="n">{_unit_prices(each)}</td><td>{escaped(each["per"])}</td>'
        f"{amount_cell(each['amount'])}</tr>"
        for each in charges["lines"]
    )
    currency = escaped(charges["currency"])
    return (
        f"<table><caption>Unit prices are without what is added for the owner.</caption><thead>"
        '<tr><th scope="col">Kind</th><th scope="col" class="n">Quantity</th>'
        '<th scope="col">Unit</th><th scope="col" class="n">Unit price</th>'
        f'<th scope="col">Per</th><th scope="col" class="n">Amount ({currency})</th></tr></thead>'
        f"<tbody>{rows}</tbody><tfoot>"
        f'<tr><th scope="row" colspan="5">Total</th>{amount_cell(charges["amount"])}</tr>'
        "</tfoot></table>"
    )


def unpriced_table(found: Mapping[str, Any]) -> str:
    """Return the usage that has no price, by what a price would be looked up with."""
    names = ("model", "version", "sku", "region", "deployment", "service_tier")
    used = [name for name in names if any(each[name] for each in found["listed"])]
    rows = "".join(
        f"<tr>{''.join(_value_cell(each[name]) for name in used)}"
        f"<td>{escaped(words(each['kind']))}</td>"
        f'<td class="n">{number(each["quantity"])}</td><td>{escaped(each["unit"])}</td></tr>'
        for each in found["listed"]
    )
    more = "<p>There is more of it than is listed here.</p>" if found["more"] else ""
    return (
        f"<table><thead><tr>{heads((*used, 'kind'))}"
        f"{number_head('Quantity')}{heads(('unit',))}</tr></thead>"
        f"<tbody>{rows}</tbody></table>{more}"
    )


def unpriced_groups_table(groups: Sequence[Group], names: Sequence[str]) -> str:
    """Return whose usage has no price."""
    rows = "".join(
        f"<tr>{''.join(f'<td>{named(group, name)}</td>' for name in names)}"
        f"<td>{escaped(words(line['kind']))}</td>"
        f'<td class="n">{number(line["quantity"])}</td><td>{escaped(line["unit"])}</td></tr>'
        for group in groups
        for line in lacking(group)
    )
    return (
        "<table><caption>Whose it is.</caption>"
        f"<thead><tr>{heads((*names, 'kind'))}"
        f"{number_head('Quantity')}{heads(('unit',))}</tr></thead>"
        f"<tbody>{rows}</tbody></table>"
    )


def prices_table(found: Mapping[str, Any]) -> str:
    """Return which versions of prices were used."""
    rows = "".join(
        f'<tr><th scope="row">{shown(each["id"])}</th><td>{shown(each["source"])}</td>'
        f'<td class="n">{"" if each["import"] is None else number(each["import"])}</td></tr>'
        for each in found["listed"][:MAX_PRICES]
    )
    left = max(0, found["count"] - MAX_PRICES)
    more = f"<p>{number(left)} more are in the report as JSON.</p>" if left else ""
    return (
        '<table><thead><tr><th scope="col">Price</th><th scope="col">Source</th>'
        '<th scope="col" class="n">Import</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>{more}"
    )


def _kind_words(line: Mapping[str, Any]) -> str:
    kind = words(line["kind"])
    if line["charge"] == Charge.IDLE:
        return f"{kind}, idle"
    if line["charge"] == Charge.CORRECTION:
        return f"{kind}, correction of {line['corrects']}"
    return kind


def _unit_prices(line: Mapping[str, Any]) -> str:
    prices = line["unit_prices"]
    if len(prices) > 2 or line["more_unit_prices"]:  # noqa: PLR2004 - a cell holds two
        return f"{escaped(_short(prices[0]))} to {escaped(_short(prices[-1]))}"
    return "<br>".join(escaped(_short(each)) for each in prices)


def _short(price: str) -> str:
    """Write a unit price: as it is, unless it is a share that goes on and on."""
    digits = 8
    return price if len(price) <= 2 * digits else f"{Decimal(price):.{digits}g}"


def _value_cell(value: str | None) -> str:
    return f"<td>{f'<i>{NOT_REPORTED}</i>' if value is None else shown(value)}</td>"
