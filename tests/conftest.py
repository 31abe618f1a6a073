"""The local stand-ins, and the app over the real SDKs against them."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from local.cosmos import CosmosServer
from local.event_hubs import EventHubsServer, HubSpec
from local.log_analytics import LogAnalyticsServer
from tests.builders import COMPONENT, NOON, WORKSPACE, FrozenClock
from tests.declared import _declared_lines  # noqa: F401 - a fixture
from tests.endpoints import named_settings  # noqa: F401 - a fixture
from tests.skips import pytest_make_collect_report, pytest_runtest_makereport  # noqa: F401 - hooks
from usage_ingest import telemetry
from usage_ingest.adapters.cosmos import Cosmos
from usage_ingest.containers import CONTAINERS
from usage_ingest.ports import HubReader
from usage_ingest.settings import load_settings
from usage_ingest.wiring import App, build

settings.register_profile(
    "default", deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
settings.load_profile("default")

HUB = "usage"
DATABASE = "usage-ingest"


@dataclass
class Stack:
    """The stand-ins, and apps over them; each app is an instance with caches of its own."""

    cosmos: CosmosServer
    hubs: EventHubsServer
    clock: FrozenClock
    environment: dict[str, str]
    start: Callable[..., App]
    app: App
    databases: int = 0

    def new_database(self) -> str:
        """Make an empty database beside the others; COSMOS_DATABASE names it."""
        self.databases += 1
        name = f"{DATABASE}-{self.databases}"
        self.cosmos.provision(name, list(CONTAINERS))
        return name

    async def documents(
        self, container: str, database: str = DATABASE, **where: Any
    ) -> list[dict[str, Any]]:
        """Every document of a container with these fields, read through the SDK."""
        cosmos = Cosmos(self.cosmos.endpoint, self.cosmos.key, database)
        try:
            rows = cosmos.container(container).query_items("SELECT * FROM c")
            found = [dict(row) async for row in rows]
        finally:
            await cosmos.close()
        return [row for row in found if all(row.get(name) == v for name, v in where.items())]


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    """Stand-ins on free ports with one hub of two partitions, and one app over them."""
    groups = ("functions", "reread")
    hubs = EventHubsServer(tmp_path / "hubs.db", {HUB: HubSpec(2, groups)})
    cosmos = CosmosServer(tmp_path / "cosmos.db")
    async with hubs, cosmos:
        cosmos.provision(DATABASE, list(CONTAINERS))
        clock = FrozenClock()
        environment = make_environment(hubs.connection_string(), cosmos.endpoint, cosmos.key)
        apps: list[App] = []

        def start(
            patience_seconds: float = 5.0, reader: HubReader | None = None, **overrides: str
        ) -> App:
            chosen = load_settings(environment | overrides)
            apps.append(build(chosen, clock, reader, patience_seconds))
            return apps[-1]

        yield Stack(cosmos, hubs, clock, environment, start, start())
        cosmos.faults.clear()
        for app in apps:
            await app.close()


@dataclass
class Logs:
    """The stand-in for Log Analytics: one workspace of one component, with a clock of its own."""

    server: LogAnalyticsServer
    clock: FrozenClock


@pytest.fixture
async def logs(tmp_path: Path) -> AsyncIterator[Logs]:
    """Log Analytics on a free port, two hours after noon."""
    clock = FrozenClock(NOON + timedelta(hours=2))
    workspaces = {WORKSPACE: [COMPONENT]}
    async with LogAnalyticsServer(tmp_path / "logs.db", workspaces, clock=clock.now) as server:
        yield Logs(server, clock)


def make_environment(connection: str, endpoint: str, key: str) -> dict[str, str]:
    return {
        "EventHubConnection": connection,
        "EVENT_HUB_NAME": HUB,
        "EVENT_HUB_CONSUMER_GROUP": "functions",
        "EVENT_HUB_REREAD_CONSUMER_GROUP": "reread",
        "CLOSE_GAPS_SCHEDULE": "0 */5 * * * *",
        "METRICS_SCHEDULE": "0 */15 * * * *",
        "COSMOS_ENDPOINT": endpoint,
        "COSMOS_KEY": key,
        "COSMOS_DATABASE": DATABASE,
        "ROLLUP_TAGS": "team",
    }


@pytest.fixture(autouse=True)
def _fresh_counters() -> None:
    telemetry.counters.clear()
    telemetry.said.clear()
