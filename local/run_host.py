"""Runs function_app in the local host, with a calm panel of what it does."""

import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from local.environment import ROOT
from local.host import FunctionsHost
from local.stack import READY, until_stopped
from usage_ingest import telemetry, wiring
from usage_ingest.errors import UsageIngestError
from usage_ingest.events.progress import Progress
from usage_ingest.metrics.watermark import Watermark

_PANEL_SECONDS = 10.0


async def run_host(
    settings: dict[str, str],
    data: Path,
    http_port: int,
    *,
    checkpoint_on_failure: bool,
    panel: bool,
) -> None:
    """Drive the app until stopped; the settings are those of the environment."""
    os.environ.update(settings)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s  %(message)s", stream=sys.stderr)
    logging.getLogger("local").setLevel(logging.INFO)
    import function_app  # noqa: PLC0415 - as the host does: after the settings are in place

    wiring.running()  # a wrong setting is said now, not at the first event
    host = FunctionsHost(
        function_app.app,
        settings,
        data / "host.db",
        ROOT / "host.json",
        http_port,
        checkpoint_on_failure=checkpoint_on_failure,
    )
    stopped = until_stopped()
    await host.start()
    print(READY, flush=True)
    showing = asyncio.create_task(_show_panel()) if panel else None
    await stopped.wait()
    if showing is not None:
        showing.cancel()
    await host.stop()
    await wiring.stop()


async def _show_panel() -> None:
    """Print a line now and then, when something has changed."""
    shown = ""
    while True:
        await asyncio.sleep(_PANEL_SECONDS)
        line = f"{_counted()}   {await _sources()}"
        if line != shown:
            print(line, flush=True)
        shown = line


def _counted() -> str:
    names = {
        "received": "events_received",
        "stored": "records_stored",
        "repeated": "records_repeated",
        "dead letters": "dead_letters_stored",
    }
    return "   ".join(f"{name} {telemetry.counters[counter]:,}" for name, counter in names.items())


async def _sources() -> str:
    stores = wiring.running().reports
    try:
        return f"{_lag(await stores.progress.all())}   {_collected(await stores.watermarks.all())}"
    except UsageIngestError as error:
        return f"store: {error}"


def _collected(marks: Sequence[Watermark]) -> str:
    if not marks:
        return "metrics not collected yet"
    return f"metrics up to {min(each.collected_through for each in marks):%H:%M:%S}"


def _lag(partitions: Sequence[Progress]) -> str:
    lags = [each.lag for each in partitions if not each.archived]
    known = [lag for lag in lags if lag is not None]
    gaps = sum(gap.events for each in partitions for gap in each.open_gaps)
    lag = f"{sum(known):,}" if known else "not looked at yet"
    return f"lag {lag}" + (f"   in gaps {gaps:,}" if gaps else "")
