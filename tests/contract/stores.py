"""The ports over one Cosmos database, for one test."""

import uuid
from typing import Any

from tests.builders import FakeHub, FrozenClock, make_event
from tests.sightings import make_rules, parse, record_of
from usage_ingest.adapters.cosmos import Cosmos
from usage_ingest.adapters.credentials import Credentials
from usage_ingest.connections import connected
from usage_ingest.events.dead_letter import DeadLetter
from usage_ingest.record import UsageRecord
from usage_ingest.settings import load_settings
from usage_ingest.wiring import App, build


class Stores:
    """The database may hold what others wrote: `own` begins what a test names itself.

    A test's subscriptions begin with it; it is the hub partition of a test's dead letters and
    the namespace of its progress.
    """

    def __init__(self, settings: dict[str, str]) -> None:
        self.settings = settings
        self.own = f"t{uuid.uuid4().hex[:10]}"
        self.clock = FrozenClock()
        self._credentials = Credentials()
        self.cosmos: Cosmos = connected(load_settings(settings), self._credentials)
        self._apps: list[App] = []
        self.app = self.connect()

    def connect(self, **overrides: str) -> App:
        """The ports as another instance of the app has them, with caches of its own."""
        chosen = load_settings(self.settings | overrides)
        self._apps.append(build(chosen, self.clock, FakeHub()))
        return self._apps[-1]

    async def close(self) -> None:
        await self._forget_state()
        for app in self._apps:
            await app.close()
        await self.cosmos.close()
        await self._credentials.close()

    async def _forget_state(self) -> None:
        """Delete this test's progress and shards: a status and its lag are over all there is."""
        state = self.cosmos.container("state")
        rows = state.query_items(
            "SELECT c.id, c.type FROM c WHERE c.namespace = @own OR CONTAINS(c.name, @own)",
            parameters=[{"name": "@own", "value": self.own}],
        )
        for row in [dict(row) async for row in rows]:
            await state.delete_item(row["id"], partition_key=row["type"])

    def event(self, **overrides: Any) -> dict[str, Any]:
        """An event of a subscription of this test; `subscription_id` is put after `own`."""
        event = make_event(**overrides)
        return event | {"subscription_id": f"{self.own}-{event['subscription_id']}"}

    def record(self, event: dict[str, Any], **how: Any) -> UsageRecord:
        return record_of(event, partition_id=self.own, **how)

    def records(self, *events: dict[str, Any], first: int = 0, **how: Any) -> list[UsageRecord]:
        """The records of events that stand one after the other in a hub partition."""
        numbered = enumerate(events, first)
        return [self.record(event, sequence_number=number, **how) for number, event in numbered]

    def letters(
        self, *elements: object, first: int = 0, keep_raw: bool = False
    ) -> list[DeadLetter]:
        """The dead letters of bad events that stand one after the other in a hub partition."""
        rules = make_rules(keep_raw=keep_raw)
        found: list[DeadLetter] = []
        for number, element in enumerate(elements, first):
            for each in parse(element, rules=rules, sequence_number=number, partition_id=self.own):
                assert isinstance(each, DeadLetter), each
                found.append(each)
        return found

    async def documents(self, container: str, **where: Any) -> list[dict[str, Any]]:
        """This test's documents of `usage` or `dead-letters` with these fields."""
        rows = self.cosmos.container(container).query_items(
            "SELECT * FROM c WHERE CONTAINS(c.partitionKey, @own)",
            parameters=[{"name": "@own", "value": self.own}],
        )
        found = [dict(row) async for row in rows]
        return [row for row in found if all(row.get(name) == v for name, v in where.items())]
