"""The verb behind the status page: dependencies, lag and gaps by partition, dead letters."""

from collections.abc import Awaitable
from typing import Any, Final

from usage_ingest.completeness import DeadLetterCounts, hub_state
from usage_ingest.document import time_text
from usage_ingest.errors import UsageIngestError
from usage_ingest.ports import Clock, HubReader, ProgressStore, ReportReader

_FIRST_DAY: Final = "0001-01-01"
_LAST_DAY: Final = "9999-12-31"


async def status(
    reports: ReportReader, progress: ProgressStore, reader: HubReader, clock: Clock
) -> dict[str, Any]:
    """Return the state of everything, ready for JSON; a dependency that fails is part of it."""
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
    async for document in reports.dead_letter_counts(_FIRST_DAY, _LAST_DAY):
        dead_letters.add(document)
    return {
        **found,
        "event_hub": hub_state(await progress.all()),
        "dead_letters": dead_letters.listed(),
    }


async def _state(check: Awaitable[object]) -> dict[str, Any]:
    try:
        await check
    except UsageIngestError as error:
        return {"ok": False, "text": str(error)}
    return {"ok": True}
