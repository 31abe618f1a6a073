"""How a page shows texts and numbers: escaped, grouped by thousands, rounded for reading. Pure."""

import html
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any, Final

_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs"})  # they hide text, or turn its direction round
_CENT: Final = Decimal("0.01")
_ROUNDED: Final = Context(prec=80, rounding=ROUND_HALF_EVEN)
_MINUS: Final = "\N{MINUS SIGN}"
_MONTHS: Final = (
    "January February March April May June July August September October November December".split()
)
_SPELLED: Final = {"sku": "SKU", "unsplit": "Unsplit (total only)"}
_LONG_WORD: Final = 20  # characters, beyond which a column would be too wide
NOT_REPORTED: Final = "not reported"


def escaped(text: str) -> str:
    """Return a text as HTML and SVG take it, in elements and in quoted attributes."""
    shown = "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(each) in _UNSEEN else each
        for each in text
    )
    return html.escape(shown)


def number(count: Decimal | str | int) -> str:
    """Write a quantity: by thousands, a fraction to two digits."""
    found = Decimal(count)
    if found == found.to_integral_value():
        return f"{found:,.0f}".replace("-", _MINUS)
    return money(found)


def money(amount: Decimal | str) -> str:
    """Write an amount to two digits; what would look like nothing is below or above it."""
    exact = Decimal(amount)
    rounded = exact.quantize(_CENT, context=_ROUNDED)
    if exact and not rounded:
        return "<0.01" if exact > 0 else f">{_MINUS}0.01"
    return f"{rounded:,.2f}".replace("-", _MINUS) if rounded else "0.00"


def amount_cell(amount: str, tag: str = "td") -> str:
    """Return a cell with an amount to read, and the exact one beside the pointer."""
    return f'<{tag} class="n" title="{escaped(amount)}">{escaped(money(amount))}</{tag}>'


def percent(part: Decimal, of: Decimal) -> str:
    """Write a part of a whole."""
    if not of:
        return ""
    share = _ROUNDED.divide(part * 100, of)
    if share and abs(share) < Decimal("0.05"):
        return "<0.1 %" if share > 0 else f">{_MINUS}0.1 %"
    return f"{share:.1f} %".replace("-", _MINUS)


def shown(text: str) -> str:
    """Return a text as HTML that keeps to itself, whatever its direction; long words may break."""
    is_long = any(len(word) > _LONG_WORD for word in text.split())
    style = ' class="long"' if is_long else ""
    return f"<bdi{style}>{escaped(text)}</bdi>"


def name_of(group: Mapping[str, Any], of: str) -> str:
    """Return what a group is called by one of its names, as plain text."""
    value = group["key"][of]
    if value is None:
        return NOT_REPORTED
    return words(value) if of == "token_kind" else str(group["names"].get(of, value))


def named(group: Mapping[str, Any], of: str) -> str:
    """Return the same as HTML, with the value itself where it is called otherwise."""
    value, name = group["key"][of], name_of(group, of)
    if value is None:
        return f"<i>{NOT_REPORTED}</i>"
    if group["names"].get(of, value) == value:
        return shown(name)
    return f"{shown(name)} <small>{shown(value)}</small>"


def lacking(group: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what of a group lacks a price; what a correction took back of it does not."""
    return [line for line in group["unpriced"] if Decimal(line["quantity"]) > 0]


def words(name: str) -> str:
    """Write a public name as words: `cost_center` is Cost center, `tag:team` is Tag team."""
    text = name.replace("_", " ").replace("tag:", "tag ")
    return _SPELLED.get(name, text[:1].upper() + text[1:])


def heads(names: Iterable[str]) -> str:
    """Return the head cells of columns of texts."""
    return "".join(f'<th scope="col">{escaped(words(name))}</th>' for name in names)


def number_head(text: str) -> str:
    """Return the head cell of a column of numbers."""
    return f'<th scope="col" class="n">{escaped(text)}</th>'


def day_words(text: str) -> str:
    """Write a day: 3 November 2026."""
    day = date.fromisoformat(text)
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def period_words(period: str) -> str:
    """Write a period: November 2026."""
    year, month = period.split("-")
    return f"{_MONTHS[int(month) - 1]} {year}"


def moment_words(text: str) -> str:
    """Write a moment, to the minute: 3 November 2026, 14:05 UTC."""
    return f"{day_words(text[:10])}, {text[11:16]} UTC"
