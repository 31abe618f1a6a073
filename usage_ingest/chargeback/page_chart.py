"""Charts of a page, drawn as SVG: amounts by group and by day. Pure."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from usage_ingest.chargeback.line import total
from usage_ingest.chargeback.page_text import escaped, money

MAX_BARS: Final = 12
"""Rows of a chart; what does not fit is told in the last one."""
_WIDTH: Final = 900
_LABEL: Final = 250  # the column of names, and the one of amounts
_VALUE: Final = 120
_ROW: Final = 26
_HEIGHT: Final = 190
_CUT: Final = 36  # characters of a name that fit
_MARGIN: Final = 20  # so that the first day's name is whole
_WIDEST: Final = Decimal(48)
_TICKS: Final = 8  # days that are named, at most


class Bar(NamedTuple):
    """One amount with its name."""

    name: str
    amount: Decimal


def largest(bars: Sequence[Bar]) -> tuple[list[Bar], list[Bar]]:
    """Return the largest amounts first, and those that do not fit."""
    ordered = sorted(bars, key=lambda each: (-abs(each.amount), each.name))
    shown = ordered[: MAX_BARS if len(ordered) <= MAX_BARS else MAX_BARS - 1]
    return shown, ordered[len(shown) :]


def bars_chart(identity: str, title: str, currency: str, bars: Sequence[Bar]) -> str:
    """Draw amounts side by side, one in each row; those that do not fit are one row of text."""
    shown, left = largest(bars)
    most = max((abs(each.amount) for each in shown), default=Decimal(0))
    rows = [_row(n, each, currency, most) for n, each in enumerate(shown)]
    told = "; ".join(f"{each.name}: {money(each.amount)} {currency}" for each in shown)
    if left:
        others = f"{len(left):,} others: {money(total(each.amount for each in left))} in all"
        told += f"; {others}"
        rows.append(
            f'<text class="soft" x="{_LABEL}" y="{len(shown) * _ROW + 17}">{escaped(others)}</text>'
        )
    return _svg(identity, f"{title} ({currency})", told, len(rows) * _ROW + 4, "".join(rows))


def days_chart(identity: str, title: str, currency: str, bars: Sequence[Bar]) -> str:
    """Draw amounts of days that follow each other, with the highest one's amount as scale."""
    most = max((each.amount for each in bars), default=Decimal(0))
    step = min(Decimal(_WIDTH - _VALUE - _MARGIN) / len(bars), _WIDEST)
    columns = "".join(_column(n, each, currency, most, step) for n, each in enumerate(bars))
    base, every = _HEIGHT - 24, -(-len(bars) // _TICKS)
    names = "".join(
        f'<text class="soft" x="{_round(_MARGIN + step * n + step / 2)}" y="{_HEIGHT - 6}" '
        f'text-anchor="middle">{escaped(each.name[5:])}</text>'
        for n, each in enumerate(bars)
        if n % every == 0
    )
    right = _WIDTH - _VALUE
    scale = (
        f'<line class="line" x1="0" y1="20" x2="{right}" y2="20"/>'
        f'<line class="line" x1="0" y1="{base}" x2="{right}" y2="{base}"/>'
        f'<text class="soft" x="{right + 8}" y="24">{escaped(money(most))}</text>'
        f'<text class="soft" x="{right + 8}" y="{base + 4}">0.00 {escaped(currency)}</text>'
    )
    first, last = bars[0].name, bars[-1].name
    told = f"{first} to {last}; the highest day has {money(most)} {currency}"
    inner = scale + columns + names
    return _svg(identity, f"{title} ({currency})", told, _HEIGHT, inner)


def _row(n: int, bar: Bar, currency: str, most: Decimal) -> str:
    room = _WIDTH - _LABEL - _VALUE
    width = _round(abs(bar.amount) * room / most) if most else "0"
    y = n * _ROW
    name = bar.name if len(bar.name) <= _CUT else f"{bar.name[: _CUT - 1]}\N{HORIZONTAL ELLIPSIS}"
    style = "bar" if bar.amount >= 0 else "below"
    return (
        f"<g><title>{escaped(f'{bar.name}: {money(bar.amount)} {currency}')}</title>"
        f'<text x="{_LABEL - 10}" y="{y + 17}" text-anchor="end">{escaped(name)}</text>'
        f'<rect class="{style}" x="{_LABEL}" y="{y + 4}" width="{width}" height="{_ROW - 8}"/>'
        f'<text x="{_round(Decimal(width) + _LABEL + 8)}" y="{y + 17}">'
        f"{escaped(money(bar.amount))}</text></g>"
    )


def _column(n: int, bar: Bar, currency: str, most: Decimal, step: Decimal) -> str:
    room = _HEIGHT - 24 - 20
    height = Decimal(_round(max(bar.amount, Decimal(0)) * room / most)) if most else Decimal(0)
    return (
        f"<g><title>{escaped(f'{bar.name}: {money(bar.amount)} {currency}')}</title>"
        f'<rect class="bar" x="{_round(_MARGIN + step * n + step / 10)}" y="{20 + room - height}" '
        f'width="{_round(step * 8 / 10)}" height="{height}"/></g>'
    )


def _svg(identity: str, title: str, told: str, height: int, inner: str) -> str:
    return (
        f"<figure><figcaption>{escaped(title)}</figcaption>"
        f'<svg role="img" viewBox="0 0 {_WIDTH} {height}" '
        f'aria-labelledby="{identity}-title {identity}-desc">'
        f'<title id="{identity}-title">{escaped(title)}</title>'
        f'<desc id="{identity}-desc">{escaped(told)}</desc>{inner}</svg></figure>'
    )


def _round(number: Decimal) -> str:
    return f"{number:.1f}"
