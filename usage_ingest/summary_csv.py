"""A summary as CSV: no cell of it is computed by a spreadsheet. Pure."""

import csv
import io
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from usage_ingest.record import USAGE_FIELDS
from usage_ingest.rollup import REQUEST_COUNTERS
from usage_ingest.summary_query import Value

Cell = Value | int | Decimal
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
"""How a cell starts that a spreadsheet would compute instead of show."""


def to_csv(summary: Mapping[str, Any]) -> str:
    """Write one row per group, or one row of totals where nothing is grouped; null is empty."""
    group_by = summary["group_by"]
    rows = summary["groups"] if group_by else [{"key": {}, **summary["totals"]}]
    numbers = (*REQUEST_COUNTERS, *USAGE_FIELDS)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow((*group_by, *numbers, "latency_average_ms"))
    for row in rows:
        key = (row["key"][name] for name in group_by)
        row_cells = (*key, *(row[name] for name in numbers), row["latency"]["average_ms"])
        writer.writerow(cells(row_cells))
    return text.getvalue()


def cells(values: Iterable[Cell]) -> list[str]:
    """Return the cells of a row: null is empty, a text is never a formula, a number is plain."""
    return [_cell(value) for value in values]


def _cell(value: Cell) -> str:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}"
    return "" if value is None else str(value)
