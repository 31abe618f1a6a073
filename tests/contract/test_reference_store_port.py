"""chargeback.ports.ReferenceStore: imports are whole, numbered, and written once.

Reports read all of the container: these tests need one that nobody else uses.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from tests.chargeback.builders import make_deployment, make_name, make_price, make_rule
from tests.contract.stores import Stores
from usage_ingest.chargeback.ports import Import
from usage_ingest.chargeback.reference import current
from usage_ingest.chargeback.reference_document import (
    Noun,
    content_id,
    stored_document,
    to_document,
)
from usage_ingest.wiring import App

pytestmark = pytest.mark.needs("own_database")


@pytest.fixture
async def fresh(stores: Stores) -> Stores:
    """The stores before anything was imported: earlier tests of the run may have written."""
    reference = stores.cosmos.container("reference")
    for row in [dict(row) async for row in reference.query_items("SELECT c.id, c.type FROM c")]:
        await reference.delete_item(row["id"], partition_key=row["type"])
    return stores


async def append(app: App, nouns: Sequence[Noun], source: str = "prices.yaml") -> Import:
    documents = [to_document(each) for each in nouns]
    return await app.reference.append(source, content_id(documents), documents)


async def models(app: App) -> list[tuple[str, int]]:
    return sorted((each.key.model, each.revision) for each in (await app.reference.load()).prices)


async def test_without_imports_there_is_nothing(fresh: Stores) -> None:
    found = await fresh.app.reference.load()

    assert not [*found.prices, *found.deployments, *found.owners, *found.names]
    assert await fresh.app.reference.imports() == []


async def test_what_is_imported_is_read_back_by_another_instance(fresh: Stores) -> None:
    nouns: list[Noun] = [
        make_price(),
        make_deployment(sku="GlobalStandard"),
        make_rule(),
        make_name(),
    ]

    done = await append(fresh.app, nouns)

    assert (done.number, done.source, done.imported_at) == (1, "prices.yaml", fresh.clock.now())
    assert done.counts == {"price": 1, "deployment": 1, "owner": 1, "name": 1}
    app = fresh.connect()
    assert await app.reference.imports() == [done]
    found = await app.reference.load()
    read: list[Noun] = [*found.prices, *found.deployments, *found.owners, *found.names]
    assert [each.id for each in read] == [each.id for each in nouns]
    assert {each.revision for each in read} == {1}


async def test_the_same_content_again_writes_nothing(fresh: Stores) -> None:
    first = await append(fresh.app, [make_price(), make_rule()])

    again = await append(fresh.connect(), [make_rule(), make_price()], source="other.csv")

    assert again == first
    assert await fresh.app.reference.imports() == [first]


async def test_a_later_import_corrects_an_earlier_and_is_seen_by_who_loaded_before(
    fresh: Stores,
) -> None:
    await append(fresh.app, [make_price(unit_prices={"input": "2"})])
    reader = fresh.connect()
    assert await models(reader) == [("gpt-4o", 1)]

    await append(fresh.app, [make_price(unit_prices={"input": "3"})])

    (price,) = current((await reader.reference.load()).prices)
    assert (price.revision, str(next(iter(price.unit_prices.values())))) == (2, "3")


async def test_equal_documents_of_two_imports_are_two_revisions(fresh: Stores) -> None:
    """A price goes back to what it was when a later import says so."""
    await append(fresh.app, [make_price()])
    await append(fresh.app, [make_price(), make_rule()])

    assert await models(fresh.app) == [("gpt-4o", 1), ("gpt-4o", 2)]


async def test_more_than_a_batch_of_one_type_is_one_import(fresh: Stores) -> None:
    nouns = [make_price(f"model-{number}") for number in range(250)]

    done = await append(fresh.app, nouns)

    assert done.counts == {"price": 250}
    assert len((await fresh.connect().reference.load()).prices) == 250


async def test_large_documents_are_spread_over_batches_that_the_store_takes(
    fresh: Stores,
) -> None:
    nouns = [make_price(f"model-{number}", source="x" * 40_000) for number in range(100)]

    await append(fresh.app, nouns)

    assert len((await fresh.app.reference.load()).prices) == 100


async def test_imports_at_once_take_numbers_of_their_own(fresh: Stores) -> None:
    apps = [fresh.connect() for _ in range(4)]

    done = await asyncio.gather(
        *(append(app, [make_price(f"model-{at}")]) for at, app in enumerate(apps))
    )

    assert sorted(each.number for each in done) == [1, 2, 3, 4]
    numbers = {f"model-{at}": each.number for at, each in enumerate(done)}
    assert dict(await models(fresh.app)) == numbers


async def test_the_same_import_at_once_is_one(fresh: Stores) -> None:
    apps = [fresh.connect() for _ in range(4)]

    done = await asyncio.gather(*(append(app, [make_price(), make_rule()]) for app in apps))

    assert {each.number for each in done} == {1}
    assert len(await fresh.app.reference.imports()) == 1
    assert await models(fresh.app) == [("gpt-4o", 1)]


async def test_an_import_that_was_not_finished_is_invisible_until_it_is_repeated(
    fresh: Stores,
) -> None:
    nouns: list[Noun] = [make_price("cut"), make_rule()]
    await write_without_header(fresh, [to_document(each) for each in nouns])
    await append(fresh.app, [make_price("whole")])
    assert await models(fresh.app) == [("whole", 1)]

    done = await append(fresh.app, nouns)

    assert done.number == 2
    assert await models(fresh.app) == [("cut", 2), ("whole", 1)]


async def write_without_header(stores: Stores, documents: list[dict[str, Any]]) -> None:
    container = stores.cosmos.container("reference")
    for each in documents:
        await container.create_item(stored_document(each, content_id(documents)))
