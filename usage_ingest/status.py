"""The verb behind the status page: dependencies, lag and gaps by partition, dead letters."""

from collections.abc import Awaitable
from datetime import date, datetime, timedelta
from typing import Any, Final

from usage_ingest.completeness import hub_state
from usage_ingest.dead_letter_counts import DeadLetterCounts
from usage_ingest.document import time_text
from usage_ingest.errors import UsageIngestError
from usage_ingest.ports import Clock, HubReader, ReportStores
from usage_ingest.streaming import STREAMING_COLUMNS, Streaming, metrics_state

STREAMING_DAYS: Final = timedelta(days=7)
"""How far back streamed requests are looked at: older days are left to their summaries."""


async def status(
    stores: ReportStores, reader: HubReader, clock: Clock, dead_letter_days: int
) -> dict[str, Any]:
    """Return the state of everything, ready for JSON; a dependency that fails is part of it.

    Args:
        stores: What is known of partitions, dead letters and metrics.
        reader: Asked whether the hub answers.
        clock: The time.
        dead_letter_days: How long dead letters are kept: older ones cannot be replayed and are
            left to the summaries of their days.
    """
    dependencies = {
        "cosmos_db": await _state(stores.reader.check()),
        "event_hubs": await _state(reader.partition_ids()),
    }
    found: dict[str, Any] = {
        "status": "ok" if all(each["ok"] for each in dependencies.values()) else "not ok",
        "at": time_text(clock.now()),
        "dependencies": dependencies,
    }
    if not dependencies["cosmos_db"]["ok"]:
        return found
    first = clock.now().date() - timedelta(days=dead_letter_days)
    dead_letters = await dead_letters_since(stores, clock.now(), first)
    return {
        **found,
        "dead_letters_since": first.isoformat(),
        "event_hub": hub_state(await stores.progress.all()),
        "metrics": await _metrics(stores, clock.now()),
        "dead_letters": dead_letters.listed(),
    }


async def dead_letters_since(stores: ReportStores, now: datetime, first: date) -> DeadLetterCounts:
    """Return the dead letters of events that were enqueued on a day or later."""
    found = DeadLetterCounts()
    last = now.date() + timedelta(days=1)
    async for document in stores.reader.dead_letter_counts(first.isoformat(), last.isoformat()):
        found.add(document)
    return found


async def streaming_since(stores: ReportStores, now: datetime, first: date) -> Streaming:
    """Return streamed requests and their tokens of the days from one on."""
    found, last = Streaming(), now.date().isoformat()
    async for rollup in stores.reader.rollups(STREAMING_COLUMNS, first.isoformat(), last, {}):
        found.add(rollup)
    return found


async def _metrics(stores: ReportStores, now: datetime) -> dict[str, Any]:
    """Return the watermarks, and what streamed requests of the last days lack."""
    metrics, last = await stores.metrics(), now.date()
    first = last - STREAMING_DAYS
    streaming = await streaming_since(stores, now, first)
    return {
        **metrics_state(metrics, now, first, last),
        "streaming_since": first.isoformat(),
        "streaming": streaming.listed(metrics),
    }


async def _state(check: Awaitable[object]) -> dict[str, Any]:
    try:
        await check
    except UsageIngestError as error:
        return {"ok": False, "text": str(error)}
    return {"ok": True}
