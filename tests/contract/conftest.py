"""Each port over the real SDKs: on the local stand-ins, and on the endpoints that are named."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import cast

import pytest

from local.cosmos import CosmosServer
from local.event_hubs import EventHubsServer, HubSpec
from tests.conftest import DATABASE, HUB, make_environment
from tests.contract.hub import Hub
from tests.contract.stores import Stores
from tests.endpoints import cosmos_places, hub_places, settings_named, skip_what_is_lacking
from usage_ingest.containers import CONTAINERS

NO_COSMOS = {"COSMOS_ENDPOINT": "http://127.0.0.1:9", "COSMOS_KEY": "bm9uZQ=="}
NO_HUB = {"EventHubConnection": "Endpoint=sb://none;UseDevelopmentEmulator=true"}


@pytest.fixture(params=cosmos_places())
def cosmos_settings(request: pytest.FixtureRequest) -> dict[str, str] | None:
    """The settings of the account that is named; None for the stand-in."""
    if request.param == "stand-in":
        return None
    skip_what_is_lacking(request)
    given = cast("dict[str, str]", request.getfixturevalue("named_settings"))
    hub = [name for name in given if name.startswith("EventHubConnection")]
    return {name: value for name, value in given.items() if name not in hub} | NO_HUB


@pytest.fixture
async def stores(cosmos_settings: dict[str, str] | None, tmp_path: Path) -> AsyncIterator[Stores]:
    """The ports over an empty stand-in, or over the database that this run has where named."""
    async with AsyncExitStack() as stack:
        given = cosmos_settings
        if given is None:
            cosmos = await stack.enter_async_context(CosmosServer(tmp_path / "cosmos.db"))
            cosmos.provision(DATABASE, list(CONTAINERS))
            connection = NO_HUB["EventHubConnection"]
            given = make_environment(connection, cosmos.endpoint, cosmos.key)
        opened = Stores(given)
        stack.push_async_callback(opened.close)
        yield opened


@pytest.fixture(params=hub_places())
def hub_settings(request: pytest.FixtureRequest) -> dict[str, str] | None:
    """The settings of the event hub that is named; None for the stand-in."""
    if request.param == "stand-in":
        return None
    skip_what_is_lacking(request)
    return settings_named() | NO_COSMOS


@pytest.fixture
async def hub(hub_settings: dict[str, str] | None, tmp_path: Path) -> AsyncIterator[Hub]:
    """An event hub that may hold events of others."""
    async with AsyncExitStack() as stack:
        given = hub_settings
        if given is None:
            specs = {HUB: HubSpec(2, ("functions", "reread"))}
            server = await stack.enter_async_context(EventHubsServer(tmp_path / "hubs.db", specs))
            given = make_environment(server.connection_string(), **_as_arguments(NO_COSMOS))
        opened = Hub(given)
        stack.push_async_callback(opened.close)
        yield opened


def _as_arguments(cosmos: dict[str, str]) -> dict[str, str]:
    return {"endpoint": cosmos["COSMOS_ENDPOINT"], "key": cosmos["COSMOS_KEY"]}
