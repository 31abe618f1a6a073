"""The table of a page that shows amounts by group, with subtotals. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Any, Final

from usage_ingest.chargeback.line import Charge, total
from usage_ingest.chargeback.page_text import (
    amount_cell,
    escaped,
    heads,
    lacking,
    named,
    number,
    number_head,
    percent,
)
from usage_ingest.chargeback.sums import Doubt
from usage_ingest.plain import plain

_DAY: Final = "day"
_TOKENS: Final = "Tokens"
_MARKS: Final = {
    Doubt.ESTIMATED: "e",
    Doubt.LIST_ESTIMATE: "l",
    Doubt.OTHER_VENDOR: "v",
    Doubt.BASE_BAND: "b",
    Doubt.PARTS_OVERLAP: "o",
}
_UNPRICED: Final = "u"
_LEGEND: Final = {
    "e": "some usage is estimated by the gateway",
    "l": "some prices are public list prices",
    "v": "some prices are those of another vendor",
    "b": "some prices are those of short requests, as the length is not known",
    "o": "parts of some usage overlap",
    "u": "some usage has no price and is not in the amount",
}

Group = Mapping[str, Any]


def groups_table(groups: Sequence[Group], names: Sequence[str], charges: Mapping[str, Any]) -> str:
    """Return the amounts of one currency: by the first name, and within it by the others."""
    currency, whole = charges["currency"], Decimal(charges["amount"])
    found = [each for each in groups if _amount(each, currency) is not None]
    sections = [
        list(rows) for _, rows in groupby(found, key=lambda each: str(each["key"][names[0]] or ""))
    ]
    if names[0] != _DAY:
        sections.sort(key=lambda rows: -_sum(rows, currency))
    body = "".join(_section(rows, names, currency, whole) for rows in sections)
    foot = (
        f'<th scope="row" colspan="{len(names)}">Total</th>'
        f"{_tokens(found, currency)}{amount_cell(charges['amount'])}<td></td>"
    )
    columns = (heads(names), number_head("Tokens"), number_head(f"Amount ({currency})"))
    return (
        "<table><caption>Tokens and amounts of usage that has a price.</caption>"
        f"<thead><tr>{''.join(columns)}{number_head('Share')}</tr></thead>"
        f"{body}<tfoot><tr>{foot}</tr></tfoot></table>"
    )


def legend(groups: Sequence[Group], currency: str) -> str:
    """Return what the marks in the table of a currency mean."""
    marks = sorted({mark for group in groups for mark in _marks(group, currency)})
    listed = "; ".join(f"<sup>{mark}</sup> {escaped(_LEGEND[mark])}" for mark in marks)
    return f"<p><small>{listed}.</small></p>" if listed else ""


def _marks(group: Group, currency: str) -> list[str]:
    """Return the marks of a group that has amounts in a currency, see _LEGEND."""
    found = []
    for charges in group["charges"]:
        if charges["currency"] == currency:
            doubtful = charges["doubtful"]
            found = [mark for of, mark in _MARKS.items() if doubtful[of]["amount"] != "0"]
            found += [_UNPRICED] if lacking(group) else []
    return found


def _section(rows: Sequence[Group], names: Sequence[str], currency: str, whole: Decimal) -> str:
    ordered = list(rows)
    if names[-1] != _DAY:
        ordered.sort(key=lambda each: -_sum([each], currency))
    if len(names) == 1:
        return f"<tbody>{''.join(_row(each, names, currency, whole) for each in ordered)}</tbody>"
    subtotal = _sum(rows, currency)
    head = (
        f'<tr class="sub"><th scope="rowgroup" colspan="{len(names)}">{named(rows[0], names[0])}'
        f"</th>{_tokens(rows, currency)}{amount_cell(plain(subtotal))}"
        f'<td class="n">{escaped(percent(subtotal, whole))}</td></tr>'
    )
    return f"<tbody>{head}{''.join(_row(each, names, currency, whole) for each in ordered)}</tbody>"


def _row(group: Group, names: Sequence[str], currency: str, whole: Decimal) -> str:
    marks = " ".join(_marks(group, currency))
    note = f" <sup>{marks}</sup>" if marks else ""
    shown = [named(group, name) for name in names]
    if len(names) > 1:
        shown[0] = ""  # the row above says it
        cells = f'<td></td><th scope="row">{shown[1]}{note}</th>'
        cells += "".join(f"<td>{each}</td>" for each in shown[2:])
    else:
        cells = f'<th scope="row">{shown[0]}{note}</th>'
    amount = _amount(group, currency) or Decimal(0)
    return (
        f"<tr>{cells}{_tokens([group], currency)}{amount_cell(plain(amount))}"
        f'<td class="n">{escaped(percent(amount, whole))}</td></tr>'
    )


def _tokens(groups: Iterable[Group], currency: str) -> str:
    """Return a cell with the tokens that were used and paid in a currency, call by call."""
    counted = [
        int(line["quantity"])
        for group in groups
        for charges in group["charges"]
        if charges["currency"] == currency
        for line in charges["lines"]
        if line["unit"] == _TOKENS and line["charge"] == Charge.USAGE
    ]
    return f'<td class="n">{number(sum(counted)) if counted else ""}</td>'


def _amount(group: Group, currency: str) -> Decimal | None:
    for charges in group["charges"]:
        if charges["currency"] == currency:
            return Decimal(charges["amount"])
    return None


def _sum(groups: Sequence[Group], currency: str) -> Decimal:
    return total(_amount(each, currency) for each in groups)
