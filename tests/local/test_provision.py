"""`python -m local provision`: the database and its containers, created where they are missing."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from azure.cosmos import PartitionKey
from azure.cosmos.aio import CosmosClient

from local.cosmos import CosmosServer
from local.provision import provision, provision_named
from tests.conftest import make_environment
from usage_ingest.containers import CONTAINERS
from usage_ingest.errors import ConfigError

NAMES = [each["id"] for each in CONTAINERS]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[CosmosServer]:
    async with CosmosServer(tmp_path / "cosmos.db") as server:
        yield server


async def policies(server: CosmosServer) -> list[object]:
    async with CosmosClient(server.endpoint, server.key) as client:
        database = client.get_database_client("new")
        found = [await database.get_container_client(name).read() for name in NAMES]
    return [each["indexingPolicy"] for each in found]


async def test_everything_that_is_missing_is_created_as_the_code_relies_on(
    server: CosmosServer,
) -> None:
    assert await provision(server.endpoint, server.key, "new") == NAMES
    assert await provision(server.endpoint, server.key, "new") == []

    assert await policies(server) == [each["indexingPolicy"] for each in CONTAINERS]


async def test_index_policies_can_be_left_to_the_endpoint(server: CosmosServer) -> None:
    await provision(server.endpoint, server.key, "new", index_policy=False)

    wanted = [each["indexingPolicy"] for each in CONTAINERS]
    assert not [each for each in await policies(server) if each in wanted]


async def test_the_settings_say_where(
    server: CosmosServer, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = make_environment("Endpoint=sb://none", server.endpoint, server.key)

    await provision_named(settings, index_policy=True)
    await provision_named(settings, index_policy=True)

    assert capsys.readouterr().out.splitlines() == [
        f"usage-ingest: created {', '.join(NAMES)}",
        "usage-ingest: created nothing, all are there",
    ]


async def test_a_container_that_the_app_cannot_use_is_named(server: CosmosServer) -> None:
    async with CosmosClient(server.endpoint, server.key) as client:
        database = await client.create_database("new")
        await database.create_container("usage", PartitionKey("/id"), default_ttl=-1)

    with pytest.raises(ConfigError, match="usage is there with another partition key"):
        await provision(server.endpoint, server.key, "new")


async def test_a_wrong_key_is_said_in_a_line(server: CosmosServer) -> None:
    with pytest.raises(ConfigError, match="401"):
        await provision(server.endpoint, "d3Jvbmc=", "new")
