"""An event hub for one test: what is sent to it, and readers of it."""

import uuid

from azure.eventhub import EventData

from local.commands import producer
from usage_ingest.adapters.credentials import Credentials
from usage_ingest.ports import HubReader, PartitionProperties
from usage_ingest.settings import load_settings
from usage_ingest.wiring import App, build

PARTITION = "1"


class Hub:
    """Others may have sent to it, and may do so meanwhile: a test looks at its own events."""

    def __init__(self, settings: dict[str, str]) -> None:
        self.settings = settings
        self.own = f"t{uuid.uuid4().hex[:10]}"
        self._apps: list[App] = []
        self.reader = self.connect()

    def connect(self, **overrides: str) -> HubReader:
        """Another reader, with settings of its own."""
        self._apps.append(build(load_settings(self.settings | overrides)))
        return self._apps[-1].reader

    async def close(self) -> None:
        for app in self._apps:
            await app.close()

    async def send(self, *bodies: bytes) -> tuple[int, int]:
        """Send to the partition; return the range of sequence numbers that holds them."""
        before = await self.reader.properties(PARTITION)
        credentials = Credentials()
        try:
            async with producer(load_settings(self.settings), credentials) as client:
                batch = await client.create_batch(partition_id=PARTITION)
                for each in bodies:
                    batch.add(EventData(each))
                await client.send_batch(batch)
        finally:
            await credentials.close()
        after = await self.reader.properties(PARTITION)
        return before.last_enqueued + 1, after.last_enqueued

    async def properties(self) -> PartitionProperties:
        return await self.reader.properties(PARTITION)
