"""An account with one clock for the app and the store, in which months are closed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local.cosmos import CosmosServer
from tests.builders import FakeHub, FrozenClock, make_batch, make_event, make_usage
from tests.chargeback.builders import make_price
from tests.conftest import DATABASE, make_environment
from usage_ingest.adapters.cosmos import Cosmos
from usage_ingest.chargeback.close import Close, Outcome
from usage_ingest.chargeback.line import Line
from usage_ingest.chargeback.pending import pending
from usage_ingest.chargeback.period import first_day, last_day
from usage_ingest.chargeback.rated import Asked, rated
from usage_ingest.chargeback.reference_document import content_id, to_document
from usage_ingest.containers import CONTAINERS
from usage_ingest.settings import load_settings
from usage_ingest.wiring import App, build

NO_HUB = "Endpoint=sb://none;UseDevelopmentEmulator=true"
NEW_YEAR = datetime(2027, 1, 10, 12, tzinfo=UTC)
MILLION = 1_000_000


@dataclass
class Till:
    """One app over a store of its own, and what a test does with both."""

    cosmos: CosmosServer
    clock: FrozenClock
    environment: dict[str, str]
    app: App
    apps: list[App] = field(default_factory=list)
    events: int = 0

    def start(self, patience_seconds: float = 5.0) -> App:
        """Another instance of the app."""
        settings = load_settings(self.environment)
        self.apps.append(build(settings, self.clock, FakeHub(), patience_seconds))
        return self.apps[-1]

    async def use(self, day: str, millions: int = 1, **overrides: Any) -> None:
        """Ingest a call of a day."""
        self.clock.move(hours=1)
        moment = datetime.fromisoformat(f"{day}T12:00:00Z")
        usage = make_usage(
            prompt_tokens=millions * MILLION, completion_tokens=0, total_tokens=millions * MILLION
        ) | {"prompt_tokens_details": None}
        event = make_event(event_time=f"{day}T11:59:00Z", usage=usage) | overrides
        batch = make_batch(event, first=self.events, enqueued=moment)
        self.events += 1
        outcome = await self.app.ingest.store(batch)
        assert outcome.stored == 1, outcome

    async def price(self, from_day: str, amount: str) -> None:
        """Import a price of input."""
        self.clock.move(hours=1)
        price = make_price(
            "gpt-4o", from_day=from_day, unit_prices={"input": amount}, currency="EUR"
        )
        document = to_document(price)
        await self.app.reference.append("prices.yaml", content_id([document]), [document])

    async def close(self, period: str, accept: str | None = "a test", **how: Any) -> Outcome:
        self.clock.move(hours=1)
        return await closing(how.pop("app", self.app))(period, accept, **how)

    async def posted(self) -> list[Line]:
        """The lines of all statements."""
        found: list[Line] = []
        for head in await self.app.statements.all():
            found += [line async for line in self.app.statements.lines(head)]
        return found

    async def pending(self, *, recheck: bool = False) -> list[Line]:
        stores, closed = self.app.chargeback, await self.app.statements.all()
        reference = await stores.reference.load()
        return [line async for line in pending(stores, closed, reference, recheck=recheck)]

    async def now(self) -> list[Line]:
        """All closed periods as they would be now."""
        stores, closed = self.app.chargeback, await self.app.statements.all()
        days = first_day(closed[0].period), last_day(closed[-1].period)
        asked = Asked(days=True, apps=True, tenants=True, tags=("team",))
        reference = await stores.reference.load()
        found = rated(stores.reports.reader, reference, *days, asked)
        return [line async for line in found]

    async def documents(self, kind: str) -> list[dict[str, Any]]:
        """What there is of a type in `state`."""
        cosmos = Cosmos(self.cosmos.endpoint, self.cosmos.key, DATABASE)
        try:
            rows = cosmos.container("state").query_items("SELECT * FROM c", partition_key=kind)
            return [dict(row) async for row in rows]
        finally:
            await cosmos.close()


def closing(app: App) -> Close:
    return Close(stores=app.chargeback, clock=app.clock, tags=app.settings.rollup_tags)


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Till]:
    clock = FrozenClock(NEW_YEAR)
    cosmos = CosmosServer(path / "cosmos.db", clock=lambda: clock.now().timestamp())
    async with cosmos:
        cosmos.provision(DATABASE, list(CONTAINERS))
        environment = make_environment(NO_HUB, cosmos.endpoint, cosmos.key)
        app = build(load_settings(environment), clock, FakeHub(), 5.0)
        till = Till(cosmos, clock, environment, app, [app])
        try:
            yield till
        finally:
            cosmos.faults.clear()
            for each in till.apps:
                await each.close()
