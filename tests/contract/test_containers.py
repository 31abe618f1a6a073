"""The containers as an endpoint has them, against usage_ingest.containers."""

from typing import Any

import pytest

from tests.contract.stores import Stores
from usage_ingest.containers import CONTAINERS


async def found_of(stores: Stores, name: str) -> dict[str, Any]:
    return dict(await stores.cosmos.container(name).read())


@pytest.mark.parametrize("wanted", CONTAINERS, ids=lambda each: str(each["id"]))
async def test_partition_key_and_time_to_live_are_as_the_code_relies_on(
    stores: Stores, wanted: dict[str, Any]
) -> None:
    found = await found_of(stores, wanted["id"])

    assert found["partitionKey"]["paths"] == wanted["partitionKey"]["paths"]
    assert found["defaultTtl"] == wanted["defaultTtl"]


@pytest.mark.needs("index_policy")
@pytest.mark.parametrize("wanted", CONTAINERS, ids=lambda each: str(each["id"]))
async def test_only_what_is_queried_is_indexed(stores: Stores, wanted: dict[str, Any]) -> None:
    found = (await found_of(stores, wanted["id"]))["indexingPolicy"]

    policy = wanted["indexingPolicy"]
    assert paths(found["includedPaths"]) == paths(policy["includedPaths"])
    assert "/*" in paths(found["excludedPaths"])


def paths(listed: list[dict[str, Any]]) -> set[str]:
    return {each["path"] for each in listed}
