"""chargeback.ports.RollupChanges: whether rollups of some days were written, by the store."""

from datetime import UTC, date, datetime, timedelta

import pytest

from tests.contract.stores import Stores
from usage_ingest.adapters.cosmos_changes import CosmosRollupChanges

pytestmark = pytest.mark.needs("own_database", "cross_partition_queries")
DAY = date(2026, 11, 20)
SECOND = timedelta(seconds=1)


async def written_at(stores: Stores) -> datetime:
    """When the store wrote the rollups of this test last."""
    rollups = await stores.documents("usage", type="rollup")
    return datetime.fromtimestamp(max(each["_ts"] for each in rollups), UTC)


async def test_a_rollup_that_was_written_is_a_change_of_its_day(stores: Stores) -> None:
    await stores.app.ingest.ledger.store(stores.records(stores.event()), 0)
    changes, moment = CosmosRollupChanges(stores.cosmos), await written_at(stores)

    assert await changes.changed_since(moment, DAY, DAY)
    assert await changes.changed_since(moment + SECOND * 0.9, DAY, DAY)
    assert await changes.changed_since(moment - SECOND, date(2026, 11, 1), date(2026, 11, 30))
    assert not await changes.changed_since(moment - SECOND, date(2026, 10, 1), date(2026, 10, 31))
    assert not await changes.changed_since(moment + SECOND * 1_000, DAY, DAY)


async def test_an_increment_of_a_rollup_is_a_change_too(stores: Stores) -> None:
    ledger = stores.app.ingest.ledger
    await ledger.store(stores.records(stores.event()), 0)
    (before,) = await stores.documents("usage", type="rollup")

    await ledger.store(stores.records(stores.event(), first=1), 0)

    (after,) = await stores.documents("usage", type="rollup")
    assert after["requests"] == 2
    assert after["_etag"] != before["_etag"]
    moment = datetime.fromtimestamp(after["_ts"], UTC)
    assert await CosmosRollupChanges(stores.cosmos).changed_since(moment, DAY, DAY)
