"""The connection to Cosmos DB: containers, patience with a busy store, refusals in clear words."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.request import getproxies

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.core.pipeline.transport import AioHttpTransport
from azure.cosmos.aio import ContainerProxy, CosmosClient
from azure.cosmos.exceptions import CosmosBatchOperationError, CosmosClientTimeoutError

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
_FIRST_WAIT: Final = 0.05
_LONGEST_WAIT: Final = 5.0

T = TypeVar("T")
Operation = tuple[str, tuple[Any, ...]] | tuple[str, tuple[Any, ...], dict[str, Any]]
Refusal = tuple[int | None, int]
"""The operation of a batch that failed (None: the batch as a whole is refused), its status."""
Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a busy store is waited for, in seconds, before the host is asked to retry."""

    limit_seconds: float = 60.0
    sleep: Sleep = asyncio.sleep

    async def call(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Make a request, again while the store is busy, as it says or with growing waits.

        Args:
            attempt: Makes the request anew: the SDK changes what it is given.

        Raises:
            TransientError: The store stayed busy or out of reach.
            ConfigError: The store refuses this identity, or a container is missing.
            HttpResponseError: Any other answer, as the SDK raises it.
        """
        end, wait = time.monotonic() + self.limit_seconds, _FIRST_WAIT
        while True:
            try:
                return await attempt()
            except (AzureError, OSError) as error:
                _raise_refusal(error)
                pause = max(_wait_told(error), wait * (1 + random.random()))
                if time.monotonic() + pause > end:
                    raise TransientError(
                        f"Cosmos DB is busy or out of reach: {_brief(error)}"
                    ) from error
            await self.sleep(pause)
            wait = min(wait * 2, _LONGEST_WAIT)


def _raise_refusal(error: Exception) -> None:
    """Raise what no waiting can mend: the SDK's error itself, or a ConfigError."""
    if isinstance(error, ClientAuthenticationError):
        raise ConfigError(f"No token for Cosmos DB: {_brief(error)}") from error
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


def _wait_told(error: Exception) -> float:
    """Return the seconds that the store asks to wait, from its header or a batch's operation."""
    headers = getattr(error, "headers", None) or {}
    waits = [headers.get("x-ms-retry-after-ms")]
    if isinstance(error, CosmosBatchOperationError):
        responses = error.operation_responses or []
        waits += [each.get("retryAfterMilliseconds") for each in responses]
    return max((float(each) / 1000 for each in waits if each is not None), default=0.0)


def _brief(error: Exception) -> str:
    status = getattr(error, "status_code", None)
    first = str(error).splitlines()[0][:200] if str(error) else ""
    return f"{type(error).__name__}{f' {status}' if status else ''}: {first}"


class Cosmos:
    """The account's database; connects at the first request."""

    def __init__(
        self,
        endpoint: str,
        credential: AsyncTokenCredential | str,
        database: str,
        patience: Patience | None = None,
    ) -> None:
        """Keep what is needed to connect; `credential` is a key only for local endpoints."""
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
        self.patience = patience or Patience()

    def container(self, name: str) -> ContainerProxy:
        """Return a container; nothing is asked of the service."""
        return self._database.get_container_client(name)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def _copied(operation: Operation) -> Operation:
    return operation if len(operation) == 2 else (*operation[:2], dict(operation[2]))  # noqa: PLR2004 - no options


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
