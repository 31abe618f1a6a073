"""The verb that tells the state of the app in log lines, for alert rules and the workbook.

The timers call it when they have done their work. It reads what `status` reads, and whatever
goes wrong in it is a line too: it never fails a timer. Lines are named in telemetry.py.
"""

from collections import Counter
from collections.abc import Awaitable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from usage_ingest import telemetry
from usage_ingest.completeness import hub_state
from usage_ingest.dead_letter_counts import DeadLetterCounts
from usage_ingest.document import time_of
from usage_ingest.ports import Clock, ReportStores
from usage_ingest.status import dead_letters_since, streaming_since
from usage_ingest.streaming import Metrics

STREAMING_DAYS: Final = timedelta(days=3)
"""How far back streamed requests are looked at: a day settles soon after its end."""


async def tell_health(stores: ReportStores, clock: Clock, dead_letter_days: int) -> None:
    """Log how far every partition and source is, and what is missing.

    Args:
        stores: What is known of partitions, dead letters and metrics.
        clock: The time.
        dead_letter_days: How long dead letters are kept.
    """
    now = clock.now()
    await _told(_tell_hub(stores, now, dead_letter_days))
    await _told(_tell_watermarks(stores, now))


async def tell_streaming(stores: ReportStores, clock: Clock) -> None:
    """Log what streamed requests of the last days lack; nothing where none are collected."""
    if stores.sources:
        await _told(_tell_streaming(stores, clock.now()))


async def _told(step: Awaitable[None]) -> None:
    try:
        await step
    except Exception as error:  # noqa: BLE001 - a timer must not fail because of its telemetry
        text = telemetry.text_of(error)
        telemetry.event("health_failed", error=type(error).__name__, text=text)


async def _tell_hub(stores: ReportStores, now: datetime, dead_letter_days: int) -> None:
    first = now.date() - timedelta(days=dead_letter_days)
    letters = await dead_letters_since(stores, now, first)
    hub = hub_state(await stores.progress.all())
    for each in _partitions(hub, now):
        telemetry.event("partition_health", **each)
    telemetry.event("health", **_health(hub, letters, now))


def _health(hub: dict[str, Any], letters: DeadLetterCounts, now: datetime) -> dict[str, Any]:
    listed = letters.listed()
    newest = [each["mark_time"] for each in hub["partitions"] if each["mark_time"]]
    oldest = [each["noticed_at"] for each in hub["open_gaps"]]
    return {
        "partitions": len(hub["partitions"]),
        "lag": hub["lag"],
        "last_event_age_seconds": _age(max(newest, default=None), now),
        "open_gaps": len(hub["open_gaps"]),
        "open_gap_events": hub["gap_events_open"],
        "oldest_open_gap_seconds": _age(min(oldest, default=None), now),
        "lost_gaps": len(hub["lost_gaps"]),
        "lost_gap_events": hub["gap_events_lost"],
        "dead_letters_open": listed["total_open"],
        "dead_letters": [{"reason": name, "open": n} for name, n in listed["open"].items()],
    }


def _partitions(hub: dict[str, Any], now: datetime) -> list[dict[str, Any]]:
    gaps = {name: _by_partition(hub[name]) for name in ("open_gaps", "lost_gaps")}
    return [
        {
            "hub": each["hub"],
            "partition_id": each["partition_id"],
            "lag": each["lag"],
            **{name: found[_place(each)] for name, found in gaps.items()},
            "checked_age_seconds": _age(each["checked_at"], now),
            "last_event_age_seconds": _age(each["mark_time"], now),
        }
        for each in hub["partitions"]
    ]


def _by_partition(gaps: Sequence[dict[str, Any]]) -> Counter[tuple[str, str, str]]:
    return Counter(_place(gap) for gap in gaps)


def _place(found: dict[str, Any]) -> tuple[str, str, str]:
    return found["namespace"], found["hub"], found["partition_id"]


def _age(time: str | None, now: datetime) -> int | None:
    return None if time is None else int((now - time_of(time)).total_seconds())


async def _tell_watermarks(stores: ReportStores, now: datetime) -> None:
    metrics = await stores.metrics()
    for each in _watermarks(metrics, now):
        telemetry.event("watermark_health", **each)


def _watermarks(metrics: Metrics, now: datetime) -> list[dict[str, Any]]:
    """Return the sources that are collected; one that never was has no age."""
    stale = {(each.target, each.profile) for each in metrics.stale(now, now.date())}
    return [
        {
            "target": each["target"],
            "profile": each["profile"],
            "age_seconds": each["age_seconds"],
            "stale": (each["target"], each["profile"]) in stale,
        }
        for each in metrics.listed(now)
        if each["configured"]
    ]


async def _tell_streaming(stores: ReportStores, now: datetime) -> None:
    since = now.date() - STREAMING_DAYS
    streaming = await streaming_since(stores, now, since)
    listed = streaming.listed(await stores.metrics())
    telemetry.event(
        "streaming_health",
        since=since.isoformat(),
        awaiting=listed["awaiting"]["count"],
        awaiting_requests=_requests(listed["awaiting"]),
        uncovered=listed["streaming_uncovered"]["count"],
        uncovered_requests=_requests(listed["streaming_uncovered"]),
        without_requests=listed["without_requests"]["count"],
        by_both=listed["by_both"]["count"],
    )


def _requests(part: dict[str, Any]) -> int:
    return sum(each["requests"] for each in part["listed"])
