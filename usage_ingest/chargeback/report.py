"""The verb that turns rollups and prices into a chargeback report, with what it covers.

Lines are folded as they come, never listed. Amounts of different currencies are never added.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from usage_ingest.chargeback.closing import UNPRICED
from usage_ingest.chargeback.owner import NameKey
from usage_ingest.chargeback.ports import ChargebackStores
from usage_ingest.chargeback.read_range import ReadRange, is_drawn, periods_document, read_range
from usage_ingest.chargeback.reference import Reference, on_day
from usage_ingest.chargeback.report_document import (
    days_document,
    ordered,
    prices_document,
    sums_document,
    unpriced_document,
)
from usage_ingest.chargeback.report_fold import Key, ReportFold
from usage_ingest.chargeback.report_query import ReportQuery
from usage_ingest.chargeback.sums import Doubt
from usage_ingest.document import time_text

DROPPED: Final = (
    "What gateways dropped before the event hub is not seen here: "
    "watch their own metric EventHubDroppedEvents."
)

Names = Mapping[NameKey, str]


async def report(query: ReportQuery, stores: ChargebackStores, now: datetime) -> dict[str, Any]:
    """Return the report, ready for JSON.

    Raises:
        InvalidQueryError: The grouping gives more groups than a report holds.
    """
    read = await read_range(query, stores, now)
    fold = ReportFold(query.group_by)
    async for line in read.lines():
        fold.add(line)
    totals = sums_document(fold.totals())
    return {
        **_asked(query),
        "periods": periods_document(read),
        "generated_at": time_text(now),
        "totals": totals,
        "groups": _groups(query, fold, _names(read.reference, query)),
        "days": days_document(fold) if is_drawn(query) else [],
        "unpriced": unpriced_document(fold),
        "corrections": _corrections(read, fold),
        "prices": prices_document(fold),
        "completeness": _completeness(read, fold, totals),
    }


def is_complete(found: Mapping[str, Any]) -> bool:
    """Whether nothing is known to be missing from the amounts."""
    return found["completeness"]["complete"] is True


def _asked(query: ReportQuery) -> dict[str, Any]:
    start, end = query.start.isoformat(), query.end.isoformat()
    return {
        "range": {"start_date": start, "end_date": end, "time_zone": "UTC"},
        "period": query.period,
        "group_by": list(query.group_by),
        "filters": {name: list(values) for name, values in query.filters.items()},
    }


def _groups(query: ReportQuery, fold: ReportFold, names: Names) -> list[dict[str, Any]]:
    if not query.group_by:
        return []
    return [
        {
            "key": dict(zip(query.group_by, key, strict=True)),
            "names": _named(query, key, names),
            **sums_document(fold.groups[key]),
        }
        for key in sorted(fold.groups, key=ordered)
    ]


def _names(reference: Reference, query: ReportQuery) -> Names:
    """Return the names to show on the last day of the range."""
    return {each.key: each.name for each in on_day(reference.names, query.end.isoformat())}


def _named(query: ReportQuery, key: Key, names: Names) -> dict[str, str]:
    found = {
        of: names.get(NameKey(of, value))
        for of, value in zip(query.group_by, key, strict=True)
        if value is not None
    }
    return {of: name for of, name in found.items() if name is not None}


def _corrections(read: ReadRange, fold: ReportFold) -> dict[str, Any]:
    """Return which closed periods the amounts correct, and whose corrections are elsewhere."""
    left_out = [
        {
            "posted_in": span.period,
            "state": "posted",
            "text": f"corrections that {span.period} posted when it was closed: "
            "they are of no day of it; ask for the whole period",
        }
        for span in read.spans
        if span.statement is not None and not span.whole
    ]
    if read.first_open and not read.shows_pending:
        left_out.append(
            {
                "posted_in": read.first_open,
                "state": "pending",
                "text": "corrections of closed periods that are not posted yet: "
                f"ask for period={read.first_open}, which will post them",
            }
        )
    return {
        "of": sorted(fold.corrected),
        "not_posted_yet": read.shows_pending,
        "left_out": left_out,
    }


def _completeness(read: ReadRange, fold: ReportFold, totals: Mapping[str, Any]) -> dict[str, Any]:
    found, unpriced = read.completeness(), fold.without_price()
    frozen = [span.statement.completeness for span in read.spans if span.statement is not None]
    reasons = dict.fromkeys(code for each in (*frozen, found) for code in _because(each))
    because = [code for code in reasons if code != UNPRICED]  # a filter may leave it out
    because += [UNPRICED] if unpriced else []
    return {
        **found,
        "complete": not because,
        "incomplete_because": because,
        UNPRICED: {"count": len(unpriced)},
        "priced_by_estimate": any(
            each["doubtful"][Doubt.LIST_ESTIMATE]["amount"] != "0" for each in totals["charges"]
        ),
        "dropped_by_gateways": {"seen": False, "text": DROPPED},
    }


def _because(completeness: Mapping[str, Any]) -> list[str]:
    return list(completeness.get("incomplete_because", ()))
