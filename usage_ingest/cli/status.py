"""`status`: what api/v1/status tells, as tables."""

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import click

from usage_ingest.cli.session import Session, connected
from usage_ingest.cli.table import age, moment, table
from usage_ingest.document import time_of
from usage_ingest.status import status as read_status
from usage_ingest.wiring import App


@click.command()
@connected
def status(session: Session) -> None:
    """Show lag and gaps by partition, watermarks, dead letters and uncovered streaming.

    It is what api/v1/status answers, asked of the stores themselves.
    Ends with 0, or with 1 when Cosmos DB or Event Hubs does not answer.

    \b
    Examples:
      python -m usage_ingest status
      python -m usage_ingest status --json | jq .event_hub.lag
      python -m usage_ingest status --settings .local/settings.json   # beside `make run`
    """  # noqa: D301 - click wants the character
    found = session.run(_status)
    session.show(found, "\n\n".join(_sections(found)))
    sys.exit(0 if found["status"] == "ok" else 1)


async def _status(app: App) -> dict[str, Any]:
    days = app.settings.dead_letter_ttl_days
    return await read_status(app.reports, app.reader, app.clock, days)


def _sections(found: Mapping[str, Any]) -> list[str]:
    """Return the tables; without Cosmos DB there is only the first."""
    sections = [f"{found['status']}, at {moment(found['at'])}", _dependencies(found)]
    if "event_hub" not in found:
        return sections
    now = time_of(found["at"])
    return [
        *sections,
        *_hub(found["event_hub"], now),
        *_metrics(found["metrics"]),
        _dead_letters(found["dead_letters"], found["dead_letters_since"]),
    ]


def _dependencies(found: Mapping[str, Any]) -> str:
    rows = [
        (name, "ok" if each["ok"] else "failed", each.get("text", ""))
        for name, each in found["dependencies"].items()
    ]
    return table(("dependency", "state", ""), rows)


def _hub(hub: Mapping[str, Any], now: datetime) -> list[str]:
    if not hub["partitions"]:
        return [
            "No partition has been looked at yet: nothing was ingested, and close_gaps has not run."
        ]
    open_gaps, lost_gaps = (_by_partition(hub[name]) for name in ("open_gaps", "lost_gaps"))
    rows = []
    for each in hub["partitions"]:
        place = _place(each)
        looked = each["checked_at"]
        rows.append(
            (
                each["hub"],
                each["partition_id"],
                each["last_enqueued"],
                each["stored_through"],
                each["lag"],
                open_gaps.get(place, 0),
                lost_gaps.get(place, 0),
                age((now - time_of(looked)).total_seconds()) + " ago" if looked else None,
            )
        )
    headers = ("hub", "partition", "last enqueued", "stored through", "lag", "open gaps")
    sections = [table((*headers, "lost gaps", "looked"), rows)]
    gaps = [("open", gap) for gap in hub["open_gaps"]] + [("lost", gap) for gap in hub["lost_gaps"]]
    if gaps:
        rows_of_gaps = [_gap(state, gap) for state, gap in gaps]
        sections.append(
            table(("gap", "partition", "first", "last", "events", "after", "before"), rows_of_gaps)
        )
    return sections


def _gap(state: str, gap: Mapping[str, Any]) -> tuple[object, ...]:
    where = (state, gap["partition_id"], str(gap["first"]), str(gap["last"]), gap["events"])
    return (*where, moment(gap["after"]), moment(gap["before"]))


def _by_partition(gaps: Sequence[Mapping[str, Any]]) -> dict[tuple[str, ...], int]:
    """Count the events of the gaps of each partition."""
    events: dict[tuple[str, ...], int] = {}
    for gap in gaps:
        events[_place(gap)] = events.get(_place(gap), 0) + gap["events"]
    return events


def _place(each: Mapping[str, Any]) -> tuple[str, ...]:
    return each["namespace"], each["hub"], each["partition_id"]


def _metrics(metrics: Mapping[str, Any]) -> list[str]:
    sections = []
    if metrics["watermarks"]:
        sections.append(watermarks(metrics["watermarks"]))
    if metrics["text"]:
        sections.append(f"metrics: {metrics['text']}")
    streaming = metrics["streaming"]
    rows = [
        (name.replace("_", " "), streaming[name]["count"], _first(streaming[name]["listed"]))
        for name in ("awaiting", "streaming_uncovered", "without_requests", "by_both")
    ]
    headers = (f"streamed requests since {metrics['streaming_since']}", "days", "")
    return [*sections, table(headers, rows)]


def _first(listed: Sequence[Mapping[str, Any]]) -> str:
    """Return the first few entries of a list: all of them stand in the JSON."""
    told = [
        f"{each['day']} {each['subscription'] or '-'}"
        + (f" ({each['requests']:,})" if "requests" in each else "")
        for each in listed[:3]
    ]
    return ", ".join([*told, "..."] if len(listed) > len(told) else told)


def watermarks(listed: Sequence[Mapping[str, Any]]) -> str:
    """Return the sources of metrics with how far each is."""
    rows = [
        (
            each["target"],
            each["profile"],
            "yes" if each["configured"] else "no",
            moment(each["collected_from"]),
            moment(each["collected_through"]),
            age(each["age_seconds"]),
            _notes(each),
        )
        for each in listed
    ]
    headers = ("target", "profile", "configured", "collected from", "collected through", "age")
    return table((*headers, "notes"), rows)


def _notes(mark: Mapping[str, Any]) -> str:
    told = [
        f"{name} {', '.join(days[:3])}{', ...' * (len(days) > 3)}"  # noqa: PLR2004
        for name, days in mark.items()
        if name.startswith("metric_") and days
    ]
    told += [
        f"skipped {moment(each['start'])} to {moment(each['end'])}"
        for each in mark.get("skipped", ())
    ]
    return "; ".join(told)


def _dead_letters(dead_letters: Mapping[str, Any], since: str) -> str:
    reasons = {**dead_letters["closed"], **dead_letters["open"]}
    if not reasons:
        return f"No dead letters since {since}."
    rows = [
        (reason, dead_letters["open"].get(reason, 0), dead_letters["closed"].get(reason, 0))
        for reason in sorted(reasons)
    ]
    return table((f"dead letters since {since}", "open", "closed"), rows)
