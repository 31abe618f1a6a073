"""The example price book against the demo traffic that it is for."""

import random
from pathlib import Path

import pytest

from local.price_book import EXAMPLE, import_price_book
from local.traffic import CHAT_MODELS, EMBEDDINGS, TEAMS, Traffic
from tests.builders import NOON, make_batch
from tests.conftest import Stack
from usage_ingest.chargeback.check import check
from usage_ingest.chargeback.check_use import Use
from usage_ingest.chargeback.imports.own import read_yaml
from usage_ingest.chargeback.price import Price, PriceKey
from usage_ingest.chargeback.rated import Asked, rated


def test_every_model_of_the_traffic_has_a_price_that_is_said_to_be_no_real_one() -> None:
    found = read_yaml(EXAMPLE.read_text(encoding="utf-8"), EXAMPLE.name)

    assert found.problems == []
    prices = {each.noun.key for each in found.nouns if isinstance(each.noun, Price)}
    sku = "GlobalStandard"
    assert prices >= {PriceKey(model, sku=sku) for model in CHAT_MODELS}
    assert prices >= {PriceKey(model, sku=sku, service_tier="priority") for model in CHAT_MODELS}
    assert PriceKey(EMBEDDINGS) in prices
    assert {each.noun.source for each in found.nouns} == {"example, not a real price list"}


async def test_it_is_imported_once(stack: Stack) -> None:
    first = await import_price_book(stack.environment)
    again = await import_price_book(stack.environment)

    assert again == first
    found = await stack.app.reference.load()
    assert {each.key.value for each in found.names} == set(TEAMS)


async def test_a_file_that_is_wrong_ends_the_program(stack: Stack, tmp_path: Path) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text("prices: 5\n")

    with pytest.raises(SystemExit, match=r"prices\.yaml:1: prices: takes a list"):
        await import_price_book(stack.environment, file)


async def test_it_covers_all_that_the_traffic_uses(stack: Stack) -> None:
    await import_price_book(stack.environment)
    traffic = Traffic(random.Random(7), NOON)
    bodies = [each.body for each in traffic.events(300)]
    await stack.app.ingest.batch(make_batch(*bodies))

    use, day = Use(), NOON.date()
    reference = await stack.app.reference.load()
    async for line in rated(stack.app.reports.reader, reference, day, day, Asked(days=True)):
        use.add(line)

    assert use.deployments() == {*(f"{each}-prod" for each in (*CHAT_MODELS, EMBEDDINGS)), "chat"}
    assert check(reference, use, day, day, ()) == []
