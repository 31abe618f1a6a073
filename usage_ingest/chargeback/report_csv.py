"""A report as CSV: a row for each group, currency, kind and charge. Pure.

No cell of it is computed by a spreadsheet, and amounts are exact. It begins with a byte order
mark, without which Excel does not read it as UTF-8.
"""

import csv
import io
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from usage_ingest.chargeback.sums import Doubt
from usage_ingest.summary_csv import Cell, cells

MARK: Final = "\ufeff"
COLUMNS: Final = (
    "charge",
    "corrects",
    "kind",
    "unit",
    "quantity",
    "currency",
    "per",
    "unit_price",
    "unit_prices",
    "cost",
    "list_cost",
    "amount",
    *(f"amount_{doubt}" for doubt in Doubt),
)
"""The columns after those of the group, in this order. `unit_prices` counts them; `unit_price` is
the price where there is one only."""


def to_csv(report: Mapping[str, Any]) -> str:
    """Write the rows; what has no price has empty amounts."""
    group_by = report["group_by"]
    text = io.StringIO()
    writer = csv.writer(text)
    named = [name for name in group_by if name not in _NOT_NAMED]
    writer.writerow((*group_by, *(f"{name}_name" for name in named), *COLUMNS))
    for group in report["groups"] if group_by else [{"key": {}, "names": {}, **report["totals"]}]:
        key = [group["key"][name] for name in group_by]
        names = [group["names"].get(name) for name in named]
        for row in _rows(group):
            writer.writerow(cells((*key, *names, *(row.get(name) for name in COLUMNS))))
    return MARK + text.getvalue()


_NOT_NAMED: Final = frozenset({"day", "token_kind"})
"""Groups whose values have no other name to show."""


def _rows(group: Mapping[str, Any]) -> Iterator[dict[str, Cell]]:
    for charges in group["charges"]:
        for line in charges["lines"]:
            yield {**_usage(line), "currency": charges["currency"], **_money(line)}
    for line in group["unpriced"]:
        yield _usage(line)


def _usage(line: Mapping[str, Any]) -> dict[str, Cell]:
    return {
        "charge": line["charge"],
        "corrects": line["corrects"],
        "kind": line["kind"],
        "unit": line["unit"],
        "quantity": Decimal(line["quantity"]),
    }


def _money(line: Mapping[str, Any]) -> dict[str, Cell]:
    prices = line["unit_prices"]
    only = prices[0] if len(prices) == 1 and not line["more_unit_prices"] else None
    return {
        "per": line["per"],
        "unit_price": None if only is None else Decimal(only),
        "unit_prices": len(prices),
        **{name: Decimal(line[name]) for name in ("cost", "list_cost", "amount")},
        **{f"amount_{doubt}": Decimal(line["doubtful"].get(doubt, 0)) for doubt in Doubt},
    }
