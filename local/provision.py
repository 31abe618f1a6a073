"""Creates the database and its containers: in an emulator, or in an account by its key."""

from collections.abc import Mapping
from typing import Any

from azure.core.credentials_async import AsyncTokenCredential
from azure.cosmos import PartitionKey
from azure.cosmos.aio import CosmosClient, DatabaseProxy
from azure.cosmos.exceptions import CosmosHttpResponseError, CosmosResourceExistsError

from usage_ingest.adapters.credentials import Credentials
from usage_ingest.containers import CONTAINERS
from usage_ingest.errors import ConfigError
from usage_ingest.settings import load_settings

_BAD_REQUEST, _FORBIDDEN = 400, 403


async def provision(
    endpoint: str,
    credential: str | AsyncTokenCredential,
    database: str,
    *,
    index_policy: bool = True,
) -> list[str]:
    """Create what is missing of the database; what is there stays as it is.

    Args:
        endpoint: The account.
        credential: Its key, or an identity that may create databases.
        database: The name.
        index_policy: Whether containers are created with their index policies; without, the
            endpoint indexes as it likes.

    Returns:
        The names of the containers that were created.

    Raises:
        ConfigError: The endpoint refuses, or holds a container that the app cannot use.
    """
    client = CosmosClient(endpoint, credential=credential)
    try:
        made = await client.create_database_if_not_exists(database)
        return [
            wanted["id"]
            for wanted in CONTAINERS
            if await _is_created(made, wanted, index_policy=index_policy)
        ]
    except CosmosHttpResponseError as error:
        raise _refusal(error, index_policy=index_policy) from error
    finally:
        await client.close()


async def _is_created(
    database: DatabaseProxy, wanted: dict[str, Any], *, index_policy: bool
) -> bool:
    """Create a container, or look whether the one that is there will do."""
    (path,) = wanted["partitionKey"]["paths"]
    options = {"indexing_policy": wanted["indexingPolicy"]} if index_policy else {}
    try:
        await database.create_container(
            wanted["id"], PartitionKey(path), default_ttl=wanted["defaultTtl"], **options
        )
    except CosmosResourceExistsError:
        found = await database.get_container_client(wanted["id"]).read()
        if found["partitionKey"]["paths"] != [path] or found.get("defaultTtl") is None:
            raise ConfigError(
                f"The container {wanted['id']} is there with another partition key than {path}, "
                "or without a time to live: delete it, or name another COSMOS_DATABASE"
            ) from None
        return False
    return True


def _refusal(error: CosmosHttpResponseError, *, index_policy: bool) -> ConfigError:
    first = str(error).splitlines()[0][:200]
    way_out = ""
    if error.status_code == _FORBIDDEN:
        way_out = "; identities of the data plane cannot create containers: give COSMOS_KEY"
    if error.status_code == _BAD_REQUEST and index_policy:
        way_out = "; an emulator may refuse index policies: try --without-index-policy"
    return ConfigError(f"Cosmos DB refuses ({error.status_code}): {first}{way_out}")


async def provision_named(settings: Mapping[str, str], *, index_policy: bool) -> None:
    """Create what is missing of the settings' database, and print what was created."""
    chosen, credentials = load_settings(settings), Credentials()
    key = chosen.cosmos_key
    try:
        created = await provision(
            chosen.cosmos_endpoint,
            key.get_secret_value() if key else credentials.default(),
            chosen.cosmos_database,
            index_policy=index_policy,
        )
    finally:
        await credentials.close()
    print(f"{chosen.cosmos_database}: created {', '.join(created) or 'nothing, all are there'}")
