"""Ledgers to compare with their rollups, and what is done to them by hand."""

from collections.abc import Iterable
from typing import Any

from tests.builders import FakeHub, make_batch, make_event, make_usage
from tests.conftest import DATABASE, Stack
from tests.folds import fold, rollup_totals
from usage_ingest.adapters.cosmos import Cosmos
from usage_ingest.totals.rebuild import Rebuild
from usage_ingest.totals.verify import Outcome, Progress, Verify
from usage_ingest.wiring import App

DAY = "2026-11-20"


def make_events(count: int = 12) -> list[dict[str, Any]]:
    """Calls of two subscriptions and two deployments."""
    return [
        make_event(
            subscription_id=("hr-copilot", "finance-bot")[n % 2],
            deployment=("a", "b")[n // 2 % 2],
            usage=make_usage(prompt_tokens=100 + n, total_tokens=None),
        )
        for n in range(count)
    ]


def started(stack: Stack, database: str = DATABASE, **options: Any) -> App:
    return stack.start(reader=FakeHub(), COSMOS_DATABASE=database, **options)


async def ingest(app: App, events: Iterable[object], first: int = 0) -> None:
    await app.ingest.store(make_batch(*events, first=first))


def ignore(progress: Progress) -> None:
    """Watch a run without telling anybody."""


async def verify(app: App, *days: str, subscription: str | None = None) -> Outcome:
    settings = app.settings
    verb = Verify(app.totals, app.clock, settings.ledger_ttl_days, settings.rollup_tags)
    return await verb(days or (DAY,), subscription, ignore)


async def rebuild(app: App, *days: str, **options: Any) -> Outcome:
    settings = app.settings
    verb = Rebuild(app.totals, app.clock, settings.ledger_ttl_days, settings.rollup_tags)
    return await verb(days or (DAY,), options.pop("subscription", None), ignore, **options)


class ByHand:
    """Somebody with the portal open."""

    def __init__(self, stack: Stack, database: str = DATABASE) -> None:
        self._cosmos = Cosmos(stack.cosmos.endpoint, stack.cosmos.key, database)
        self._usage = self._cosmos.container("usage")

    async def documents(self, document_type: str) -> list[dict[str, Any]]:
        rows = self._usage.query_items("SELECT * FROM c")
        found = [dict(row) async for row in rows]
        return sorted(
            (row for row in found if row["type"] == document_type), key=lambda row: str(row["id"])
        )

    async def change(self, document: dict[str, Any], **fields: Any) -> None:
        """Replace a document; a field of None is taken out."""
        changed = {k: v for k, v in {**document, **fields}.items() if v is not None}
        await self._usage.replace_item(document["id"], changed)

    async def delete(self, document: dict[str, Any]) -> None:
        await self._usage.delete_item(document["id"], document["partitionKey"])

    async def create(self, document: dict[str, Any]) -> None:
        await self._usage.create_item(document)

    async def close(self) -> None:
        await self._cosmos.close()


async def assert_right(stack: Stack, database: str = DATABASE) -> None:
    ledger = await stack.documents("usage", database, type="usage")
    assert fold(ledger) == rollup_totals(await stack.documents("usage", database, type="rollup"))
