"""The connection to Cosmos DB: containers, patience with a busy store, refusals in clear words."""

import asyncio
import base64
from collections.abc import Sequence
from typing import Any, Final
from urllib.request import getproxies

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.core.pipeline.transport import AioHttpTransport
from azure.cosmos.aio import ContainerProxy, CosmosClient
from azure.cosmos.exceptions import CosmosBatchOperationError, CosmosClientTimeoutError

from usage_ingest.adapters.patience import Patience, Sleep, brief
from usage_ingest.errors import ConfigError, TransientError

USAGE: Final = "usage"
DEAD_LETTERS: Final = "dead-letters"
STATE: Final = "state"
REFERENCE: Final = "reference"

BUSY: Final = frozenset({408, 410, 429, 449, 500, 502, 503, 504})
"""Statuses after which the same request may succeed."""
CONFLICT: Final = 409
NOT_FOUND: Final = 404
PRECONDITION: Final = 412
REFUSED_ITEM: Final = frozenset({400, 413})
_FORBIDDEN: Final = frozenset({401, 403})
_WRITE_REGION_MOVED: Final = 3
_OWNER_MISSING: Final = 1003
_PARTITION_FULL: Final = 1014

Operation = tuple[str, tuple[Any, ...]] | tuple[str, tuple[Any, ...], dict[str, Any]]
Refusal = tuple[int | None, int]
"""The operation of a batch that failed (None: the batch as a whole is refused), its status."""


def cosmos_patience(limit_seconds: float = 60.0, sleep: Sleep = asyncio.sleep) -> Patience:
    """Return how long a busy store is waited for."""
    return Patience("Cosmos DB", _wait_told, limit_seconds, sleep)


def _wait_told(error: Exception) -> float:
    """Return how many seconds the store asks to wait.

    Raises:
        TransientError: Waiting now does not help, but later may.
        ConfigError: The store refuses this identity, or a container is missing.
        Exception: The SDK's error itself, which no waiting can mend.
    """
    _raise_refusal(error)
    return _seconds_told(error)


def _raise_refusal(error: Exception) -> None:
    if isinstance(error, ClientAuthenticationError):
        raise ConfigError(f"No token for Cosmos DB: {brief(error)}") from error
    if isinstance(
        error, ServiceRequestError | ServiceResponseError | CosmosClientTimeoutError | OSError
    ):
        return
    if not isinstance(error, HttpResponseError):
        raise error
    status, sub_status = error.status_code, getattr(error, "sub_status", None)
    if status in BUSY or (status in _FORBIDDEN and sub_status == _WRITE_REGION_MOVED):
        return
    if status in _FORBIDDEN and sub_status == _PARTITION_FULL:
        raise TransientError(
            "A logical partition of Cosmos DB is full (20 GB): give the subscription more shards"
        ) from error
    if status in _FORBIDDEN:
        raise ConfigError(
            f"Cosmos DB refuses this identity ({status}): grant it the data role 'Cosmos DB "
            "Built-in Data Contributor' on the account, or check COSMOS_KEY and the firewall"
        ) from error
    if status == NOT_FOUND and sub_status == _OWNER_MISSING:
        raise ConfigError(
            "A Cosmos DB database or container is missing: COSMOS_DATABASE must hold "
            f"{USAGE}, {DEAD_LETTERS}, {STATE} and {REFERENCE}"
        ) from error
    raise error


def _seconds_told(error: Exception) -> float:
    """Read the seconds from the header, or from a batch's operation."""
    headers = getattr(error, "headers", None) or {}
    waits = [headers.get("x-ms-retry-after-ms")]
    if isinstance(error, CosmosBatchOperationError):
        responses = error.operation_responses or []
        waits += [each.get("retryAfterMilliseconds") for each in responses]
    return max((float(each) / 1000 for each in waits if each is not None), default=0.0)


class Cosmos:
    """The account's database; connects at the first request."""

    def __init__(
        self,
        endpoint: str,
        credential: AsyncTokenCredential | str,
        database: str,
        patience: Patience | None = None,
    ) -> None:
        """Keep what is needed to connect; `credential` is a key only for local endpoints.

        Raises:
            ConfigError: The key is none.
        """
        if isinstance(credential, str):
            _check_key(credential)
        self._client = CosmosClient(
            endpoint,
            credential=credential,
            # A busy store is waited for by Patience: the SDK cannot see a 429 inside a batch.
            retry_throttle_total=1,
            retry_throttle_backoff_max=1,
            retry_connect=0,
            # Where the environment names no proxy it is not asked for one, and for ~/.netrc, in
            # threads, at each request: a fifth of what a request costs.
            transport=AioHttpTransport(use_env_settings=bool(getproxies())),
        )
        self._database = self._client.get_database_client(database)
        self.patience = patience or cosmos_patience()

    def container(self, name: str) -> ContainerProxy:
        """Return a container; nothing is asked of the service."""
        return self._database.get_container_client(name)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def _copied(operation: Operation) -> Operation:
    return operation if len(operation) == 2 else (*operation[:2], dict(operation[2]))  # noqa: PLR2004 - no options


def _check_key(key: str) -> None:
    try:
        base64.b64decode(key, validate=True)
    except ValueError as error:
        raise ConfigError("COSMOS_KEY: is not the key of an account (base64)") from error


async def try_batch(
    container: ContainerProxy,
    patience: Patience,
    cosmos_partition_key: str,
    operations: Sequence[Operation],
) -> Refusal | None:
    """Write a transactional batch: all of it, or nothing.

    Args:
        container: Where to.
        patience: How long a busy store is waited for.
        cosmos_partition_key: The logical partition of all operations.
        operations: At most 100; left as they are.

    Returns:
        None when it was written, else what was refused.

    Raises:
        TransientError: The store is busy, or answers what nobody expects.
        ConfigError: The store refuses this deployment.
    """

    async def request() -> object:
        # Copies: the SDK takes the options out of what it is given.
        made = [_copied(each) for each in operations]
        # What was written is known: its documents need not be sent back and parsed.
        return await container.execute_item_batch(
            made, partition_key=cosmos_partition_key, no_response=True
        )

    try:
        await patience.call(request)
    except CosmosBatchOperationError as error:
        return error.error_index, int(error.status_code or 0)
    except HttpResponseError as error:
        if error.status_code in REFUSED_ITEM:
            return None, error.status_code
        raise TransientError(f"Cosmos DB answers a batch with {error.status_code}") from error
    return None
