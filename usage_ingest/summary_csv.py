"""A summary as CSV: no cell of it is computed by a spreadsheet. Pure."""

import csv
import io
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from usage_ingest.plain import plain
from usage_ingest.record import USAGE_FIELDS
from usage_ingest.rollup import REQUEST_COUNTERS
from usage_ingest.summary_query import Value

Cell = Value | int | Decimal
_UNSEEN: Final = r"[\s\u00ad\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]*"
_SIGN: Final = r"[=+\-@\uff1d\uff0b\uff0d\uff20]"
_FORMULA: Final = re.compile(rf"^(?=[\t\r\n]|{_UNSEEN}{_SIGN})|(?<=[;\t\r\n])(?={_UNSEEN}{_SIGN})")
"""Where a text begins that a spreadsheet would compute instead of show: it may pass over what is
not seen, take wide forms for narrow ones, and part cells at semicolons, as in much of Europe."""


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
        return _text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return plain(value)
    return "" if value is None else str(value)


@lru_cache(maxsize=4096)  # a file repeats its texts in most rows
def _text(value: str) -> str:
    return _FORMULA.sub("'", value)
