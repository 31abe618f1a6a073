"""Which price a use has."""

from typing import Any

import pytest

from usage_ingest.chargeback.price import (
    CONTEXT_STARTS,
    PriceKey,
    Use,
    band_start,
    is_provisioned,
    model_and_version,
    region_name,
)
from usage_ingest.rollup import context_band

USE = Use(
    model="gpt-4o",
    version="2024-11-20",
    sku="GlobalStandard",
    region="swedencentral",
    deployment="gpt-4o-prod",
    service_tier="default",
    context_band="128k",
    provider="openai",
)


@pytest.mark.parametrize(
    "key",
    [
        {},
        {"version": "2024-11-20"},
        {"sku": "GlobalStandard"},
        {"region": "swedencentral"},
        {"region": "Sweden Central"},
        {"deployment": "gpt-4o-prod"},
    ],
)
def test_a_price_is_for_all_that_it_does_not_name(key: dict[str, Any]) -> None:
    assert PriceKey("gpt-4o", **key).matches(USE)


@pytest.mark.parametrize(
    "key",
    [
        {"version": "2024-05-13"},
        {"sku": "DataZoneStandard"},
        {"region": "westeurope"},
        {"deployment": "gpt-4o-2"},
        {"service_tier": "priority"},
        {"context_over": 128_000},
    ],
)
def test_a_price_is_for_nothing_else_than_it_names(key: dict[str, Any]) -> None:
    assert not PriceKey("gpt-4o", **key).matches(USE)


@pytest.mark.parametrize("use", [USE._replace(model="gpt-4.1"), USE._replace(model=None)])
def test_a_price_is_for_one_model(use: Use) -> None:
    assert not PriceKey("gpt-4o").matches(use)


@pytest.mark.parametrize("tier", [None, "default", "Standard", "auto", "ON_DEMAND"])
def test_a_price_without_a_tier_is_for_standard_ones(tier: str | None) -> None:
    assert PriceKey("gpt-4o").matches(USE._replace(service_tier=tier))


@pytest.mark.parametrize("tier", ["priority", "Flex", "batch", "something-new"])
def test_other_tiers_have_a_price_of_their_own_or_none(tier: str) -> None:
    use = USE._replace(service_tier=tier)

    assert not PriceKey("gpt-4o").matches(use)
    assert PriceKey("gpt-4o", service_tier=tier.lower()).matches(use)
    assert not PriceKey("gpt-4o", service_tier="scale").matches(use)


@pytest.mark.parametrize(
    ("band", "begun"),
    [
        (None, set()),
        ("128k", set()),
        ("200k", {128_000}),
        ("272k", {128_000, 200_000}),
        ("above_272k", {128_000, 200_000, 272_000}),
    ],
)
def test_a_long_context_price_is_for_calls_above_its_start(
    band: str | None, begun: set[int]
) -> None:
    use = USE._replace(context_band=band)

    starts = {each for each in CONTEXT_STARTS if PriceKey("gpt-4o", context_over=each).matches(use)}
    assert starts == begun
    assert PriceKey("gpt-4o").matches(use)


@pytest.mark.parametrize("start", CONTEXT_STARTS)
def test_bands_of_rollups_begin_where_prices_may(start: int) -> None:
    assert band_start(context_band(start)) < start
    assert band_start(context_band(start + 1)) == start


def test_tokens_of_a_provisioned_sku_are_never_priced_by_what_is_for_any_sku() -> None:
    use = USE._replace(sku="GlobalProvisionedManaged")

    assert not PriceKey("gpt-4o").matches(use)
    assert PriceKey("gpt-4o", sku="GlobalProvisionedManaged").matches(use)
    assert is_provisioned("DataZoneProvisionedManaged")
    assert not is_provisioned("Standard")
    assert not is_provisioned(None)


def test_the_most_specific_price_ranks_highest() -> None:
    ranked = [
        PriceKey("m"),
        PriceKey("m", version="1"),
        PriceKey("m", sku="S"),
        PriceKey("m", sku="S", version="1"),
        PriceKey("m", sku="S", region="r"),
        PriceKey("m", service_tier="priority"),
        PriceKey("m", context_over=128_000),
        PriceKey("m", context_over=200_000),
        PriceKey("m", deployment="d"),
    ]

    assert sorted(ranked, key=PriceKey.rank) == ranked


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gpt-4o-2024-11-20", ("gpt-4o", "2024-11-20")),
        ("gpt-4o", ("gpt-4o", None)),
        ("claude-sonnet-4-5-20250929", ("claude-sonnet-4-5-20250929", None)),
        ("2024-11-20", ("2024-11-20", None)),
        ("", ("", None)),
        (None, (None, None)),
    ],
)
def test_a_model_that_ends_with_a_date_has_it_as_version(
    name: str | None, expected: tuple[str | None, str | None]
) -> None:
    assert model_and_version(name) == expected


def test_a_region_is_written_as_prices_write_it() -> None:
    assert region_name("Sweden Central") == region_name("swedencentral") == "swedencentral"
    assert region_name(None) is None
    assert region_name("") is None
