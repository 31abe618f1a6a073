"""A report as a page to read and to print: one file, without scripts or anything to load. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import Any, Final

from usage_ingest.chargeback.line import total
from usage_ingest.chargeback.page_chart import Bar, bars_chart, days_chart
from usage_ingest.chargeback.page_groups import groups_table, legend
from usage_ingest.chargeback.page_style import POLICY, STYLE
from usage_ingest.chargeback.page_tables import (
    kinds_table,
    prices_table,
    unpriced_groups_table,
    unpriced_table,
)
from usage_ingest.chargeback.page_text import (
    NOT_REPORTED,
    day_words,
    escaped,
    moment_words,
    money,
    name_of,
    period_words,
    words,
)
from usage_ingest.chargeback.page_trust import CHECK, Remark, remarks
from usage_ingest.totals.days import days_between

Report = Mapping[str, Any]


def to_page(report: Report) -> str:
    """Write the page."""
    title = f"Chargeback {_title(report)}"
    inner = "".join(
        (
            _header(report),
            _trust(remarks(report)),
            *_currencies(report),
            *_without_price(report),
            *_prices(report),
            _footer(report),
        )
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{escaped(POLICY)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escaped(title)}</title><style>{STYLE}</style></head>"
        f"<body>{inner}</body></html>\n"
    )


def _title(report: Report) -> str:
    if report["period"]:
        return period_words(report["period"])
    start, end = report["range"]["start_date"], report["range"]["end_date"]
    return day_words(start) if start == end else f"{day_words(start)} to {day_words(end)}"


def _header(report: Report) -> str:
    start, end = report["range"]["start_date"], report["range"]["end_date"]
    facts = {
        "Days": f"{day_words(start)} to {day_words(end)}, both included (UTC)",
        "For": _chosen(report["filters"]),
        "By": ", ".join(words(name) for name in report["group_by"]),
        "Generated": moment_words(report["generated_at"]),
    }
    listed = "".join(
        f"<dt>{escaped(name)}</dt><dd>{escaped(text)}</dd>" for name, text in facts.items()
    )
    return (
        '<header><p class="kicker">Chargeback statement for AI usage</p>'
        f'<h1>{escaped(_title(report))}</h1><dl class="facts">{listed}</dl>{_totals(report)}'
        "</header>"
    )


def _chosen(filters: Mapping[str, Sequence[str | None]]) -> str:
    """Say what was filtered by."""
    told = [
        f"{words(name)} {' or '.join(each or NOT_REPORTED for each in values)}"
        for name, values in filters.items()
    ]
    return "; ".join(told) or "all usage"


_NOT_WHOLE: Final = '<small class="check">Not complete: see below</small>'
"""Stands with a total, which people copy without reading on."""


def _totals(report: Report) -> str:
    lacks = not report["completeness"]["complete"]
    found = [
        f'<li>Total<b title="{escaped(each["amount"])}">{escaped(money(each["amount"]))} '
        f"{escaped(each['currency'])}</b>{_parts_of(each)}{_NOT_WHOLE if lacks else ''}</li>"
        for each in report["totals"]["charges"]
    ]
    return f'<ul class="totals">{"".join(found)}</ul>' if found else ""


def _parts_of(charges: Mapping[str, Any]) -> str:
    """Tell what of a total is no usage of the days themselves."""
    told = {"idle": "of it paid and not used", "corrections": "of it corrections"}
    return "".join(
        f"<small>{escaped(money(charges[name]))} {text}</small><br>"
        for name, text in told.items()
        if charges[name] != "0"
    )


def _trust(found: Sequence[Remark]) -> str:
    doubt = any(each.mark == CHECK for each in found)
    listed = "".join(
        f'<li class="{each.mark.lower()}"><span class="mark">{each.mark}</span>'
        f"{escaped(each.text)}{_details(each)}</li>"
        for each in found
    )
    return (
        f'<section class="trust{" doubt" if doubt else ""}">'
        f"<h2>How far can this be trusted?</h2><ul>{listed}</ul></section>"
    )


def _details(remark: Remark) -> str:
    listed = "".join(f"<li>{escaped(each)}</li>" for each in remark.details)
    return f"<ul>{listed}</ul>" if listed else ""


def _currencies(report: Report) -> Iterator[str]:
    groups, names = report["groups"], report["group_by"]
    if not report["totals"]["charges"]:
        used = bool(report["totals"]["unpriced"])
        text = "No usage has a price yet: see below." if used else "No usage on these days."
        yield f'<h2>Amounts</h2><p class="none">{text}</p>'
        return
    for n, charges in enumerate(report["totals"]["charges"]):
        currency = charges["currency"]
        yield f"<h2>Amounts by {escaped(_by(names))} ({escaped(currency)})</h2>"
        yield from _charts(report, charges, f"chart-{n}")
        if names:
            yield groups_table(groups, names, charges)
            yield legend(groups, currency)
        yield f"<h2>What was used, and at which prices ({escaped(currency)})</h2>"
        yield kinds_table(charges)


def _by(names: Sequence[str]) -> str:
    return " and ".join(words(name).lower() for name in names)


def _charts(report: Report, charges: Mapping[str, Any], identity: str) -> Iterator[str]:
    currency = charges["currency"]
    by_name = [name for name in report["group_by"] if name != "day"][:1]
    for name in by_name:
        bars = _bars(report["groups"], name, currency)
        if len(bars) > 1:
            yield bars_chart(identity, f"Amounts by {words(name).lower()}", currency, bars)
    amounts = {
        each["day"]: Decimal(each["amount"])
        for each in report["days"]
        if each["currency"] == currency
    }
    start, end = (date.fromisoformat(report["range"][of]) for of in ("start_date", "end_date"))
    if amounts and start < end:
        days = [Bar(day, amounts.get(day, Decimal(0))) for day in days_between(start, end)]
        corrected = Decimal(charges["corrections"]) != 0
        title = "Amounts by day, without corrections" if corrected else "Amounts by day"
        yield days_chart(f"{identity}-days", title, currency, days)


def _bars(groups: Sequence[Mapping[str, Any]], name: str, currency: str) -> list[Bar]:
    def value(group: Mapping[str, Any]) -> tuple[bool, str]:
        of = group["key"][name]
        return of is None, of or ""  # two values may have one name

    found = []
    for _, equal in groupby(sorted(groups, key=value), key=value):
        rows = list(equal)
        amounts = [
            Decimal(charges["amount"])
            for row in rows
            for charges in row["charges"]
            if charges["currency"] == currency
        ]
        if amounts:
            found.append(Bar(name_of(rows[0], name), total(amounts)))
    return found


def _without_price(report: Report) -> Iterator[str]:
    if report["unpriced"]["count"]:
        yield "<h2>Usage without a price</h2>"
        yield (
            "<p>It is in no amount above. Once it has a price, an open period includes it at once "
            "and a closed one as a correction.</p>"
        )
        yield unpriced_table(report["unpriced"])
        if report["group_by"]:
            yield unpriced_groups_table(report["groups"], report["group_by"])


def _prices(report: Report) -> Iterator[str]:
    if report["prices"]["count"]:
        yield "<h2>Versions of the prices</h2>"
        yield prices_table(report["prices"])


def _footer(report: Report) -> str:
    return (
        "<footer>Amounts are added up exactly and rounded for reading only: rows may not add up "
        "to the total by a cent. The exact amount is shown where the pointer rests on one, and "
        "in the report as JSON or CSV. Amounts of different currencies are never added. "
        f"Generated {escaped(moment_words(report['generated_at']))}.</footer>"
    )
