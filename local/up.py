"""`python -m local up`: stand-ins, host and demo traffic, until Ctrl-C."""

import json
import random
from pathlib import Path

import aiohttp
from azure.core.exceptions import AzureError
from azure.eventhub.exceptions import EventHubError

from local.commands import publish, publish_metrics, wait_a_little
from local.environment import HUB, WORKSPACE, Ports
from local.price_book import import_price_book
from local.stack import start_host, start_stand_ins, until_stopped
from local.traffic import Traffic, utc_now

_TIMERS = "*/15 * * * * *"
_BURST_SECONDS = 2.0


async def up(data: Path, ports: Ports, *, demo: bool, rate: int) -> None:
    """Run everything until stopped.

    Args:
        data: Where the stand-ins and the host keep their files.
        ports: Where to listen.
        demo: Whether to send demo traffic.
        rate: Demo events a second.

    Raises:
        SystemExit: A port is taken, or a process could not start.
    """
    if taken := ports.taken():
        raise SystemExit("\n".join(taken))
    settings = ports.settings(_TIMERS)
    stopped = until_stopped()
    stand_ins = await start_stand_ins(data, ports)
    try:
        host = await start_host(data, ports, settings, "--panel")
        try:
            file = _write_settings(data, settings)
            if demo:
                await import_price_book(settings)
            _print_addresses(data, ports, file)
            while not await wait_a_little(_BURST_SECONDS, stopped):
                if demo:
                    await _send_burst(settings, max(1, round(rate * _BURST_SECONDS)))
        finally:
            print("stopping ...")
            await host.stop()
    finally:
        await stand_ins.stop()
    print("stopped; the data stays in", data)


async def _send_burst(settings: dict[str, str], events: int) -> None:
    traffic = Traffic(random.Random(), utc_now())
    try:
        await publish(settings, traffic.events(events))
        await publish_metrics(settings["METRICS_ENDPOINT"], traffic.metrics)
    except (EventHubError, AzureError, aiohttp.ClientError) as error:
        print(f"demo traffic waits: {error}")


def _write_settings(data: Path, settings: dict[str, str]) -> str:
    """Write what the commands need to find this stack; return the file, as one would type it."""
    file = data / "settings.json"
    file.write_text(json.dumps({"IsEncrypted": False, "Values": settings}, indent=2) + "\n")
    try:
        return str(file.relative_to(Path.cwd()))
    except ValueError:
        return str(file)


def _print_addresses(data: Path, ports: Ports, file: str) -> None:
    site = f"http://127.0.0.1:{ports.http}/api/v1"
    print(
        f"""
usage-ingest is running on this machine

  summary      {site}/usage/summary?group_by=subscription,model
  cost         {site}/chargeback/report?group_by=owner,model
  cost, page   {site}/chargeback/report?format=html
  status       {site}/status
  health       {site}/health
  events       {site}/events   (POST)
  Event Hubs   sb://localhost:{ports.event_hubs}   event hub {HUB}
  Cosmos DB    http://127.0.0.1:{ports.cosmos}
  metrics      http://127.0.0.1:{ports.log_analytics}   Log Analytics, workspace {WORKSPACE}
  data         {data}

In another terminal: `.venv/bin/python -m usage_ingest status --settings {file}`,
`.venv/bin/python -m local containers`, or `... send FILE` with JSON lines.
Ctrl-C stops everything.
""",
        flush=True,
    )
