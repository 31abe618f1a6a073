"""Where the local stack listens, and the settings that point the app to it."""

import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from local.event_hubs import HubSpec
from usage_ingest.event_settings import CONNECTION

ROOT = Path(__file__).resolve().parent.parent
DATABASE = "usage-ingest"
HUB = "usage"
GROUPS = ("functions", "reread")
HUBS: Mapping[str, HubSpec] = {HUB: HubSpec(4, GROUPS)}
WORKSPACE = "00000000-0000-4000-8000-000000000001"
COMPONENT = (
    "/subscriptions/00000000-0000-4000-8000-000000000002/resourceGroups/local"
    "/providers/microsoft.insights/components/apim-contoso"
)
"""The workspace of the Log Analytics stand-in, and the component whose rows it holds."""
EMULATOR_KEY = (
    "C2y6yDjf5/R+ob0N8A7Cgv30VRDJIWEHLM+4QDU5DE2nQ9nDuVTqobD4b8mGGyPMbIZnqyMsEcaGQy67XIw/Jw=="
)
"""The published key of Microsoft's emulator: no secret."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of the local stack, all on 127.0.0.1."""

    event_hubs: int = 5672
    cosmos: int = 8081
    http: int = 7071
    log_analytics: int = 8082

    def taken(self) -> list[str]:
        """Return what cannot listen because its port is in use, and how to choose another."""
        wanted = {
            "--event-hubs-port": self.event_hubs,
            "--cosmos-port": self.cosmos,
            "--http-port": self.http,
            "--log-analytics-port": self.log_analytics,
        }
        return [
            f"port {port} is in use: stop what listens there, or choose another with {option}"
            for option, port in wanted.items()
            if not _is_free(port)
        ]

    def settings(self, timers: str) -> dict[str, str]:
        """Return the settings of the app over this stack; `timers` is the schedule of both."""
        return {
            "AzureWebJobsStorage": "UseDevelopmentStorage=true",
            CONNECTION: (
                f"Endpoint=sb://localhost:{self.event_hubs};SharedAccessKeyName=local;"
                "SharedAccessKey=local;UseDevelopmentEmulator=true"
            ),
            "EVENT_HUB_NAME": HUB,
            "EVENT_HUB_CONSUMER_GROUP": GROUPS[0],
            "EVENT_HUB_REREAD_CONSUMER_GROUP": GROUPS[1],
            "CLOSE_GAPS_SCHEDULE": timers,
            "METRICS_SCHEDULE": timers,
            "METRICS_TARGETS": WORKSPACE,
            "METRICS_ENDPOINT": f"http://127.0.0.1:{self.log_analytics}",
            "METRICS_SETTLING_DELAY": "00:00:02",
            "METRICS_OVERLAP": "00:05:00",
            "METRICS_INITIAL_LOOKBACK": "72:00:00",
            "COSMOS_ENDPOINT": f"http://127.0.0.1:{self.cosmos}",
            "COSMOS_KEY": EMULATOR_KEY,
            "COSMOS_DATABASE": DATABASE,
            "ROLLUP_TAGS": "team",
        }


def free_ports() -> Ports:
    """Return ports that nobody uses now."""
    sockets = [socket.socket() for _ in fields(Ports)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return Ports(*(each.getsockname()[1] for each in sockets))
    finally:
        for each in sockets:
            each.close()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def environment() -> dict[str, str]:
    """Return the settings as Core Tools would: local.settings.json (or its sample), then ours."""
    own, sample = ROOT / "local.settings.json", ROOT / "local.settings.json.sample"
    content: dict[str, Any] = json.loads((own if own.exists() else sample).read_text())
    return {**content["Values"], **os.environ}
