"""The verb that answers a query of a report over HTTP: a text in the format that was asked for."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from usage_ingest.chargeback.focus import Biller
from usage_ingest.chargeback.focus_export import as_text
from usage_ingest.chargeback.page import to_page
from usage_ingest.chargeback.page_style import HEADERS
from usage_ingest.chargeback.ports import ChargebackStores
from usage_ingest.chargeback.report import is_complete, report
from usage_ingest.chargeback.report_csv import to_csv
from usage_ingest.chargeback.report_query import Format, ReportQuery


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is answered, whole."""

    body: str
    mimetype: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Form:
    """How a report is written in a format."""

    write: Callable[[Mapping[str, Any]], str]
    mimetype: str
    headers: Mapping[str, str]


_FORMS: Final[dict[Format, _Form]] = {
    "json": _Form(json.dumps, "application/json", {}),
    "csv": _Form(to_csv, "text/csv", {}),
    "html": _Form(to_page, "text/html", HEADERS),
}


async def answer(
    query: ReportQuery, stores: ChargebackStores, biller: Biller, now: datetime
) -> Answer:
    """Return the report; headers say whether it is complete, and how much lacks a price.

    Raises:
        InvalidQueryError: It has more groups or rows than an answer holds.
    """
    if query.format == "focus":
        return await _focus(query, stores, biller, now)
    found = await report(query, stores, now)
    form = _FORMS[query.format]
    headers = {
        "X-Usage-Complete": "true" if is_complete(found) else "false",
        "X-Usage-Unpriced": str(found["unpriced"]["count"]),
        **form.headers,
    }
    if query.format == "csv":
        headers |= _attached(query)
    return Answer(body=form.write(found), mimetype=form.mimetype, headers=headers)


async def _focus(
    query: ReportQuery, stores: ChargebackStores, biller: Biller, now: datetime
) -> Answer:
    """Return FOCUS rows, which have no place for what the report says of itself: headers do."""
    found = await as_text(query, stores, biller, now)
    complete = found.complete and (query.allow_unpriced or not found.without_price)
    headers = {
        "X-Usage-Complete": "true" if complete else "false",
        "X-Usage-Unpriced": str(found.without_price),
        **_attached(query),
    }
    return Answer(body=found.text, mimetype="text/csv", headers=headers)


def _attached(query: ReportQuery) -> dict[str, str]:
    name = f"{_file_name(query)}{'-focus' if query.format == 'focus' else ''}.csv"
    return {"Content-Disposition": f'attachment; filename="{name}"'}


def _file_name(query: ReportQuery) -> str:
    return f"chargeback-{query.period or f'{query.start}-to-{query.end}'}"
