"""totals.ports.TotalsStore and DayStore: rollups with the documents that they count."""

from typing import Any

import pytest

from tests.contract.stores import Stores
from usage_ingest.totals.ports import Write

DAY = "2026-11-20"
across = pytest.mark.needs("cross_partition_queries")


async def fill(stores: Stores) -> str:
    """Store two records under two rollups; return their logical partition."""
    events = [stores.event(deployment=name) for name in "ab"]
    await stores.app.ingest.ledger.store(stores.records(*events), 0)
    return f"{stores.own}-hr-copilot|{DAY}|0"


def changed(rollup: dict[str, Any], **fields: Any) -> Write:
    kept = {name: each for name, each in rollup.items() if not name.startswith("_")}
    return Write(kept | fields, rollup["_etag"])


@across
async def test_the_logical_partitions_of_a_day_are_found(stores: Stores) -> None:
    partition = await fill(stores)
    totals = stores.app.totals

    assert await totals.partitions(DAY, f"{stores.own}-hr-copilot") == [partition]
    assert partition in await totals.partitions(DAY, None)
    assert await totals.partitions(DAY, f"{stores.own}-hr") == []
    assert await totals.partitions("2026-11-19", f"{stores.own}-hr-copilot") == []


async def test_rollups_and_their_documents_are_read(stores: Stores) -> None:
    partition = await fill(stores)
    totals = stores.app.totals

    rollups = await totals.rollups(partition)
    first = rollups[0]["id"]
    everything = [each async for page in totals.ledger(partition, None) for each in page]
    named = [each async for page in totals.ledger(partition, [first]) for each in page]

    assert await totals.etags(partition) == {each["id"]: each["_etag"] for each in rollups}
    assert {each["rollup_id"] for each in everything} == {each["id"] for each in rollups}
    assert [each["rollup_id"] for each in named] == [first]


async def test_rollups_are_written_under_their_etags_all_or_none(stores: Stores) -> None:
    partition = await fill(stores)
    totals = stores.app.totals
    one, two = await totals.rollups(partition)

    assert await totals.write(partition, [changed(one, requests=5)])
    stale = [changed(two, requests=6), changed(one, requests=7)]
    assert not await totals.write(partition, stale)

    requests = {each["id"]: each["requests"] for each in await totals.rollups(partition)}
    assert requests == {one["id"]: 5, two["id"]: 1}


async def test_a_rollup_that_is_there_is_not_created_nor_one_that_is_gone_replaced(
    stores: Stores,
) -> None:
    partition = await fill(stores)
    totals = stores.app.totals
    one, _ = await totals.rollups(partition)
    write = changed(one)

    assert not await totals.write(partition, [Write(write.document, None)])
    await stores.cosmos.container("usage").delete_item(one["id"], partition)
    assert not await totals.write(partition, [write])
    assert await totals.write(partition, [Write(write.document, None)])


@across
async def test_the_documents_of_a_day_are_read_by_type(stores: Stores) -> None:
    await fill(stores)
    own = f"{stores.own}-hr-copilot"

    for kind in ("usage", "rollup"):
        pages = stores.app.totals.documents(kind, DAY, own)
        found = [each async for page in pages for each in page]
        assert [each["type"] for each in found] == [kind] * 2
