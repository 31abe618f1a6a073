"""The app over the endpoint, as the host would run it: its settings are the environment."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import orjson
from azure.cosmos.aio import ContainerProxy, CosmosClient

from benchmarks import endpoint
from benchmarks.events import PARTITION
from usage_ingest import wiring
from usage_ingest.adapters.cosmos import USAGE, Cosmos
from usage_ingest.adapters.cosmos_state import CosmosProgressStore
from usage_ingest.events.progress import Progress
from usage_ingest.wiring import App

_KEY: Final = "a2V5"
_DATABASE: Final = "usage-ingest"
_HUB: Final = "usage"
_LOCAL_HUB: Final = (
    "Endpoint=sb://localhost;SharedAccessKeyName=k;SharedAccessKey=k;UseDevelopmentEmulator=true"
)


@dataclass(frozen=True, slots=True)
class Bench:
    """The app, another client like its own, the ledger by a client as it comes, the address."""

    app: App
    cosmos: Cosmos
    plain: ContainerProxy
    address: str

    async def sent(self) -> list[dict[str, Any]]:
        """Return the batches that the endpoint was sent since the last time; it forgets all."""
        async with aiohttp.request("DELETE", f"{self.address}/_sent") as answer:
            found: list[dict[str, Any]] = orjson.loads(await answer.read())
            return found

    async def sent_so_far(self) -> list[dict[str, Any]]:
        """Return the batches that the endpoint was sent since it forgot."""
        async with aiohttp.request("GET", f"{self.address}/_sent") as answer:
            found: list[dict[str, Any]] = orjson.loads(await answer.read())
            return found

    async def feed(self, rollups: list[dict[str, Any]]) -> None:
        """Give the endpoint what it answers to a report's query."""
        body = orjson.dumps(rollups)
        async with aiohttp.request("POST", f"{self.address}/_feed", data=body):
            return

    async def begin(self) -> None:
        """Record where the partition begins: no event hub is there to be asked."""
        await CosmosProgressStore(self.cosmos).write(beginning())


@asynccontextmanager
async def running() -> AsyncIterator[Bench]:
    """Run an endpoint, and the app of this process over it."""
    with endpoint.running() as address:
        os.environ.update(environment(address))
        cosmos = Cosmos(address, _KEY, _DATABASE)
        async with CosmosClient(address, _KEY) as client:
            ledger = client.get_database_client(_DATABASE).get_container_client(USAGE)
            bench = Bench(wiring.running(), cosmos, ledger, address)
            await bench.begin()
            await bench.app.reports.progress.read("localhost", _HUB, PARTITION)
            try:
                yield bench
            finally:
                await wiring.stop()
                await cosmos.close()


def beginning() -> Progress:
    """Return the progress of a partition of which nothing is stored yet."""
    return Progress(
        namespace="localhost",
        hub=_HUB,
        partition_id=PARTITION,
        stored_through=-1,
        mark_time=None,
    )


def environment(address: str) -> dict[str, str]:
    """Return the app's settings."""
    return {
        "EventHubConnection": _LOCAL_HUB,
        "EVENT_HUB_NAME": _HUB,
        "EVENT_HUB_CONSUMER_GROUP": "functions",
        "EVENT_HUB_REREAD_CONSUMER_GROUP": "reread",
        "CLOSE_GAPS_SCHEDULE": "0 */5 * * * *",
        "COSMOS_ENDPOINT": address,
        "COSMOS_KEY": _KEY,
        "COSMOS_DATABASE": _DATABASE,
        "ROLLUP_TAGS": "team",
    }
