"""ports.IdentityStore: the first HMAC key is recorded, and holds whatever the settings say later.

There is one for the whole database: these tests need one that nobody else uses.
"""

from datetime import timedelta

import pytest

from tests.builders import NOON
from tests.contract.stores import Stores
from usage_ingest.events.progress import Progress

TODAY = NOON.date().isoformat()
pytestmark = pytest.mark.needs("own_database")


@pytest.fixture
async def fresh(stores: Stores) -> Stores:
    """The stores before anything was stored: earlier tests of the run may have written."""
    state = stores.cosmos.container("state")
    for row in [dict(row) async for row in state.query_items("SELECT c.id, c.type FROM c")]:
        await state.delete_item(row["id"], partition_key=row["type"])
    return stores


async def test_without_keys_nothing_is_recorded(fresh: Stores) -> None:
    identity = await fresh.app.ingest.identity.load()

    assert identity.hmac_key_id(TODAY) is None
    assert "hmac_key" not in identity.values


async def test_the_first_key_is_fixed_however_the_setting_is_ordered_later(fresh: Stores) -> None:
    first = await fresh.connect(PRIVACY_HMAC_KEYS="k1=one").ingest.identity.load()
    later = await fresh.connect(PRIVACY_HMAC_KEYS="k2=two,k1=one").ingest.identity.load()

    assert first.hmac_key_id(TODAY) == "k1"
    assert later.hmac_key_id("0001-01-01") == "k1"


async def test_a_key_that_comes_after_something_was_stored_holds_from_three_days_on(
    fresh: Stores,
) -> None:
    """What was stored without a key stays where it is when it is stored again."""
    await fresh.app.reports.progress.write(
        Progress(
            namespace=fresh.own, hub="usage", partition_id="0", stored_through=1, mark_time=NOON
        )
    )

    identity = await fresh.connect(PRIVACY_HMAC_KEYS="k1=one").ingest.identity.load()

    from_day = NOON.date() + timedelta(days=3)
    assert identity.hmac_key_id((from_day - timedelta(days=1)).isoformat()) is None
    assert identity.hmac_key_id(from_day.isoformat()) == "k1"
