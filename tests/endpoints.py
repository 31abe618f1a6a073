"""The endpoints that contract/ and e2e/ run against: the local stand-ins, and those that are named.

Environment variables name an emulator or an account, apart from the app's own settings: tests
never run against what a shell happens to point to. `python -m tests.endpoints` says what is
missing, for `make emulators-test`.
"""

import asyncio
import os
import sys
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest
from azure.core.credentials_async import AsyncTokenCredential
from azure.cosmos.aio import CosmosClient

from local.provision import provision
from usage_ingest.adapters.credentials import Credentials
from usage_ingest.event_settings import CONNECTION, NAMESPACE

_PREFIX: Final = "USAGE_INGEST_TEST_"
COSMOS_ENDPOINT: Final = f"{_PREFIX}COSMOS_ENDPOINT"
COSMOS_KEY: Final = f"{_PREFIX}COSMOS_KEY"
COSMOS_DATABASE: Final = f"{_PREFIX}COSMOS_DATABASE"
HUB_CONNECTION: Final = f"{_PREFIX}EVENT_HUB_CONNECTION"
HUB_NAMESPACE: Final = f"{_PREFIX}EVENT_HUB_NAMESPACE"
HUB_NAME: Final = f"{_PREFIX}EVENT_HUB_NAME"
LACKS: Final = f"{_PREFIX}LACKS"

SETTING_OF: Final = {
    COSMOS_ENDPOINT: "COSMOS_ENDPOINT",
    COSMOS_KEY: "COSMOS_KEY",
    COSMOS_DATABASE: "COSMOS_DATABASE",
    HUB_CONNECTION: CONNECTION,
    HUB_NAMESPACE: NAMESPACE,
    HUB_NAME: "EVENT_HUB_NAME",
}
"""The variables, and the app's settings that they become."""

LACKING: Final[Mapping[str, str]] = {
    "index_policy": "the Cosmos DB emulator (vnext) takes index policies and does not apply them",
    "cross_partition_queries": "a query over all logical partitions is not served",
    "own_database": "what holds for a whole database is not tried in one that others may use",
    "large_events": "events above 256 KB are refused (Event Hubs Basic)",
}
"""What an endpoint may lack, and the reason that its tests are skipped with."""

STAND_IN: Final = pytest.param("stand-in", marks=pytest.mark.stand_in)


def named(*variables: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether one of the variables is set."""
    return any(environment.get(each, "").strip() for each in variables)


def cosmos_places() -> list[Any]:
    """The parameters of a suite over Cosmos DB."""
    return [STAND_IN, "named"] if named(COSMOS_ENDPOINT) else [STAND_IN]


def hub_places() -> list[Any]:
    """The parameters of a suite over Event Hubs."""
    return [STAND_IN, "named"] if named(HUB_CONNECTION, HUB_NAMESPACE) else [STAND_IN]


def stack_places() -> list[Any]:
    """The parameters of a suite over both."""
    return [STAND_IN] if missing() else [STAND_IN, "named"]


def settings_named(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the app's settings that the variables give; the database may be missing."""
    given = {
        "EVENT_HUB_NAME": "usage",
        "EVENT_HUB_CONSUMER_GROUP": "functions",
        "EVENT_HUB_REREAD_CONSUMER_GROUP": "reread",
        "ROLLUP_TAGS": "team",
    }
    for variable, setting in SETTING_OF.items():
        if named(variable, environment=environment):
            given[setting] = environment[variable]
    return given


def lacking(environment: Mapping[str, str] = os.environ) -> frozenset[str]:
    """Return what the named endpoints lack; raises ValueError for a name that nothing needs."""
    listed = {each.strip() for each in environment.get(LACKS, "").split(",") if each.strip()}
    if unknown := sorted(listed - set(LACKING)):
        raise ValueError(f"{LACKS}: {', '.join(unknown)} is none of {', '.join(LACKING)}")
    if named(COSMOS_DATABASE, environment=environment):
        listed.add("own_database")
    return frozenset(listed)


def skip_what_is_lacking(request: pytest.FixtureRequest) -> None:
    """Skip a test of a named endpoint that needs what the endpoint lacks, by name."""
    absent = lacking()
    for mark in request.node.iter_markers("needs"):
        for capability in mark.args:
            if capability in absent:
                pytest.skip(reason_of(capability))


def reason_of(capability: str) -> str:
    return f"lacks {capability}: {LACKING[capability]}"


def is_declared_lack(reason: str) -> bool:
    """Whether a test was skipped for something that the table declares."""
    return reason in {reason_of(each) for each in LACKING}


@pytest.fixture(scope="session")
def named_settings() -> Iterator[dict[str, str]]:
    """The app's settings over the named endpoints, with a database for this run."""
    given = settings_named()
    if "COSMOS_DATABASE" in given:
        yield given
        return
    given["COSMOS_DATABASE"] = f"usage-ingest-test-{uuid.uuid4().hex[:12]}"
    # In a thread: whether this thread's event loop runs is pytest-asyncio's business.
    with ThreadPoolExecutor(1) as aside:
        aside.submit(asyncio.run, _create_database(given)).result()
        yield given
        aside.submit(asyncio.run, _delete_database(given)).result()


async def _create_database(given: Mapping[str, str]) -> None:
    async with _credential(given) as credential:
        await provision(
            given["COSMOS_ENDPOINT"],
            credential,
            given["COSMOS_DATABASE"],
            index_policy="index_policy" not in lacking(),
        )


async def _delete_database(given: Mapping[str, str]) -> None:
    async with _credential(given) as credential:
        client = CosmosClient(given["COSMOS_ENDPOINT"], credential=credential)
        try:
            await client.delete_database(given["COSMOS_DATABASE"])
        finally:
            await client.close()


@asynccontextmanager
async def _credential(given: Mapping[str, str]) -> AsyncIterator[str | AsyncTokenCredential]:
    credentials = Credentials()
    try:
        yield given.get("COSMOS_KEY") or credentials.default()
    finally:
        await credentials.close()


def missing(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return what has to be set before the suites can run against named endpoints."""
    found = []
    if not named(COSMOS_ENDPOINT, environment=environment):
        found.append(f"{COSMOS_ENDPOINT}: the Cosmos DB emulator or account (and {COSMOS_KEY})")
    if not named(HUB_CONNECTION, HUB_NAMESPACE, environment=environment):
        found.append(f"{HUB_CONNECTION} (or {HUB_NAMESPACE}, with your identity): Event Hubs")
    return found


def main() -> int:
    try:
        lacking()
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if absent := missing():
        lines = ["No endpoints are named. Set these, or source emulators/settings.env:", *absent]
        sys.stderr.write("\n  ".join(lines) + "\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
