"""Looks whether Cosmos DB holds what the app needs, and lets it read and write."""

import uuid
from collections.abc import Awaitable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeVar

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError
from azure.cosmos.exceptions import CosmosResourceNotFoundError

from usage_ingest.adapters.cosmos import STATE, Cosmos
from usage_ingest.errors import ConfigError, TransientError, UsageIngestError
from usage_ingest.findings import Finding, clock_finding, container_finding, failed, ok
from usage_ingest.ports import Clock

PROBE_TYPE: Final = "probe"
"""A logical partition of its own in `state`: nothing else reads it."""
_PROBE_SECONDS: Final = 60  # a probe that could not be deleted goes by itself
_ROLE: Final = (
    "Give this identity the data role with `az cosmosdb sql role assignment create "
    "--role-definition-id 00000000-0000-0000-0000-000000000002` on the account, or set COSMOS_KEY "
    "right for an emulator; look at the account's firewall too."
)
_REACH: Final = (
    "Look at COSMOS_ENDPOINT, the network and the account's firewall; where it is throttled, "
    "raise its throughput."
)
_CREATE: Final = (
    "Create it as README.md lists (identities of the data plane cannot), or look at "
    "COSMOS_DATABASE; for an emulator: `python -m local provision`."
)

T = TypeVar("T")


class CosmosCheck:
    """Asks the database of the settings; what fails is a finding, never an error."""

    def __init__(self, cosmos: Cosmos, database: str, clock: Clock) -> None:
        """Use the given connection; nothing is asked of the service."""
        self._cosmos = cosmos
        self._database = database
        self._clock = clock

    async def reach(self) -> tuple[Finding, Finding | None]:
        """Return whether the account answers, and how far its clock is off."""
        check, before = "Cosmos DB: account", self._clock.now()
        try:
            headers = await self._cosmos.patience.call(self._headers)
        except TransientError as error:
            return failed(check, str(error), _REACH), None
        except ConfigError as error:
            return failed(check, str(error), _ROLE), None
        middle = before + (self._clock.now() - before) / 2
        found = ok(check, "answers, and takes this identity")
        there = _date(headers)
        if there is None:
            return found, None
        return found, clock_finding("clock: Cosmos DB", "Cosmos DB", middle, there)

    async def _headers(self) -> Mapping[str, str]:
        """Ask for anything, whether it is there or not: only the headers matter."""
        try:
            found = await self._cosmos.container(STATE).read()
        except CosmosResourceNotFoundError as error:
            return dict(error.headers or {})
        headers: Mapping[str, str] = found.get_response_headers()
        return headers

    async def container(self, wanted: Mapping[str, Any]) -> Finding:
        """Return whether a container is there, as it must be, and can be read."""
        check = f"Cosmos DB: container {wanted['id']}"
        container = self._cosmos.container(wanted["id"])
        try:
            found = await self._cosmos.patience.call(lambda: _there(container.read()))
            if found is None:
                return failed(check, f"is missing in the database {self._database}", _CREATE)
            reading = container.read_item  # the right to read items is one of its own
            await self._cosmos.patience.call(
                lambda: _there(reading("doctor", partition_key=PROBE_TYPE))
            )
        except UsageIngestError as error:
            return failed(check, *_told(error))
        except HttpResponseError as error:
            return failed(check, f"cannot be read: {error.status_code}", _REACH)
        return container_finding(check, wanted, found)

    async def write(self) -> Finding:
        """Write, replace and delete a document that nothing else reads, guarded by its ETag."""
        check = "Cosmos DB: write"
        try:
            written = await self._cosmos.patience.call(lambda: _there(self._probe()))
        except UsageIngestError as error:
            return failed(check, *_told(error))
        except HttpResponseError as error:
            remedy = "Look at the container state above: its partition key must be /type."
            return failed(check, f"a probe in state is refused: {error.status_code}", remedy)
        if written is None:
            return failed(check, "the container state is missing", _CREATE)
        return ok(check, "a probe in state was written, replaced and deleted")

    async def _probe(self) -> bool:
        state, name = self._cosmos.container(STATE), f"doctor-{uuid.uuid4().hex}"
        probe = {"id": name, "type": PROBE_TYPE, "ttl": _PROBE_SECONDS}
        unchanged = MatchConditions.IfNotModified
        made = await state.create_item(probe)
        kept = await state.replace_item(name, probe, etag=made["_etag"], match_condition=unchanged)
        await state.delete_item(name, PROBE_TYPE, etag=kept["_etag"], match_condition=unchanged)
        return True


async def _there(asked: Awaitable[T]) -> T | None:
    """Return an answer, or None where nothing is there."""
    try:
        return await asked
    except CosmosResourceNotFoundError:
        return None


def _told(error: UsageIngestError) -> tuple[str, str]:
    text = str(error)
    if isinstance(error, TransientError):
        return text, _REACH
    return text, _ROLE


def _date(headers: Mapping[str, str]) -> datetime | None:
    """Return the time of an answer; the header has whole seconds: it is half of one later."""
    text = next((value for name, value in headers.items() if name.lower() == "date"), None)
    if text is None:
        return None
    try:
        return parsedate_to_datetime(text).astimezone(UTC) + timedelta(seconds=0.5)
    except ValueError:
        return None
