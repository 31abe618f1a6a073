"""Nouns <-> reference documents."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import NOON
from tests.chargeback.builders import make_deployment, make_name, make_price, make_rule
from usage_ingest.chargeback.deployment import Deployment, DeploymentKey, Provisioned
from usage_ingest.chargeback.kinds import Kind
from usage_ingest.chargeback.owner import DisplayName, NameKey, OwnerKey, OwnerRule, Payer
from usage_ingest.chargeback.ports import Import
from usage_ingest.chargeback.price import Price, PriceKey
from usage_ingest.chargeback.reference import Reference
from usage_ingest.chargeback.reference_document import (
    Noun,
    content_id,
    identified,
    import_document,
    import_of,
    reference_of,
    stored_document,
    to_document,
    type_of,
)

texts = st.text(min_size=1, max_size=12)
maybe = st.none() | texts
money = st.decimals(0, 10**9, allow_nan=False, allow_infinity=False, places=12)
days = st.integers(0, 4_000).map(lambda n: (date(2020, 1, 1) + timedelta(n)).isoformat())
prices = st.dictionaries(st.sampled_from(list(Kind)), money, max_size=4)
dated = {
    "id": st.just(""),
    "from_day": days,
    "through_day": st.none() | days,
    "source": texts,
    "withdrawn": st.booleans(),
}
provisioned = st.builds(
    Provisioned,
    amount=money,
    per=st.sampled_from(["hour", "month"]),
    currency=texts,
    units=st.none() | st.integers(1, 10**6),
    tokens_per_hour=st.none() | st.integers(1, 10**12),
    cached_weight=money,
    output_weight=money,
)
tags = st.dictionaries(texts, texts, max_size=3).map(lambda some: tuple(sorted(some.items())))
nouns: st.SearchStrategy[Noun] = st.one_of(
    st.builds(
        Price,
        key=st.builds(PriceKey, texts, *[maybe] * 5, st.none() | st.integers(0, 10**6)),
        currency=texts,
        unit_prices=prices,
        list_unit_prices=st.none() | prices,
        **dated,
    ),
    st.builds(
        Deployment,
        key=st.builds(DeploymentKey, texts, maybe, maybe),
        model=maybe,
        version=maybe,
        sku=maybe,
        region=maybe,
        publisher=maybe,
        resource_id=maybe,
        provisioned=st.none() | provisioned,
        **dated,
    ),
    st.builds(
        OwnerRule,
        key=st.builds(OwnerKey, *[maybe] * 4, tags),
        payer=st.builds(Payer, texts, maybe, maybe, money),
        **dated,
    ),
    st.builds(DisplayName, key=st.builds(NameKey, texts, texts), name=texts, **dated),
)
FIRST = Import(number=7, id="one", source="a.yaml", imported_at=NOON, counts={"price": 1})


def read_back(noun: Noun, imported: Import = FIRST) -> Noun:
    """What a noun is after it was stored as JSON and read again."""
    stored = orjson.loads(orjson.dumps(stored_document(to_document(noun), imported.id)))
    found = reference_of({type_of(noun): [stored]}, [imported])
    (only,) = all_of(found)
    return only


def all_of(found: Reference) -> list[Noun]:
    return [*found.prices, *found.deployments, *found.owners, *found.names]


@given(noun=nouns)
def test_what_is_stored_is_read_back_with_the_number_of_its_import(noun: Noun) -> None:
    assert read_back(noun) == replace(identified(noun), revision=7)


@given(noun=nouns)
def test_an_id_is_of_the_content_alone(noun: Noun) -> None:
    assert identified(replace(noun, id="other", revision=9)).id == identified(noun).id
    assert identified(replace(noun, source=noun.source + "!")).id != identified(noun).id


def test_equal_content_has_one_id_however_it_is_written() -> None:
    first = make_price(unit_prices={"input": "2.50", "output": "10"})
    second = make_price(unit_prices={"output": "10.0", "input": "2.5"})

    assert first.id == second.id
    assert to_document(first) == to_document(second)


def test_an_import_is_the_same_in_any_order_and_another_with_one_more() -> None:
    one, two = to_document(make_price()), to_document(make_rule())

    assert content_id([one, two]) == content_id([two, one])
    assert content_id([one, two]) != content_id([one])


def test_each_import_has_documents_of_its_own() -> None:
    """So that a later import of equal content is the later revision."""
    document = to_document(make_price())

    assert stored_document(document, "one")["id"] != stored_document(document, "two")["id"]


def test_documents_of_imports_that_were_not_finished_are_not_there() -> None:
    nouns: list[Noun] = [make_price(), make_deployment(), make_rule(), make_name()]
    documents = {type_of(each): [stored_document(to_document(each), "cut")] for each in nouns}

    assert reference_of(documents, [FIRST]) == Reference(
        prices=[], deployments=[], owners=[], names=[]
    )


def test_the_header_of_an_import_is_read_back() -> None:
    header = import_document(FIRST)

    assert import_of(orjson.loads(orjson.dumps(header))) == FIRST
    assert header["id"] == "7"


def test_what_is_not_reported_is_not_stored() -> None:
    stored: dict[str, Any] = to_document(make_rule())

    assert stored.keys() == {
        "type",
        "content_hash",
        "subscription",
        "from_day",
        "source",
        "owner",
        "markup_percent",
    }
