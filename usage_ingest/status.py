"""The verb behind the status page: dependencies, lag and gaps by partition, dead letters."""

from collections.abc import Awaitable
from datetime import timedelta
from typing import Any

from usage_ingest.completeness import DeadLetterCounts, hub_state
from usage_ingest.document import time_text
from usage_ingest.errors import UsageIngestError
from usage_ingest.ports import Clock, HubReader, ProgressStore, ReportReader


async def status(
    reports: ReportReader,
    progress: ProgressStore,
    reader: HubReader,
    clock: Clock,
    dead_letter_days: int,
) -> dict[str, Any]:
    """Return the state of everything, ready for JSON; a dependency that fails is part of it.

    Args:
        reports: Reads the counts of dead letters.
        progress: How far each partition is stored.
        reader: Asked whether the hub answers.
        clock: The time.
        dead_letter_days: How long dead letters are kept: older ones cannot be replayed and are
            left to the summaries of their days.
    """
    dependencies = {
        "cosmos_db": await _state(reports.check()),
        "event_hubs": await _state(reader.partition_ids()),
    }
    found: dict[str, Any] = {
        "status": "ok" if all(each["ok"] for each in dependencies.values()) else "not ok",
        "at": time_text(clock.now()),
        "dependencies": dependencies,
    }
    if not dependencies["cosmos_db"]["ok"]:
        return found
    dead_letters = DeadLetterCounts()
    today = clock.now().date()
    first = today - timedelta(days=dead_letter_days)
    last = today + timedelta(days=1)
    async for document in reports.dead_letter_counts(first.isoformat(), last.isoformat()):
        dead_letters.add(document)
    return {
        **found,
        "dead_letters_since": first.isoformat(),
        "event_hub": hub_state(await progress.all()),
        "dead_letters": dead_letters.listed(),
    }


async def _state(check: Awaitable[object]) -> dict[str, Any]:
    try:
        await check
    except UsageIngestError as error:
        return {"ok": False, "text": str(error)}
    return {"ok": True}
