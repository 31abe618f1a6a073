"""ports.ReportReader: rollups and counts of days, projected and filtered by the store."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests.contract.stores import Stores
from tests.sightings import parse
from usage_ingest.errors import ConfigError
from usage_ingest.events.dead_letter import DeadLetter

DAY = "2026-11-20"
COLUMNS = ("day", "subscription_id", "app_id", "streaming", "requests", "input_tokens")
across = pytest.mark.needs("cross_partition_queries")


async def store(stores: Stores, *events: dict[str, Any]) -> None:
    await stores.app.ingest.ledger.store(stores.records(*events), 0)


async def read(
    stores: Stores,
    filters: Mapping[str, Sequence[Any]] | None = None,
    columns: Sequence[str] = COLUMNS,
    start: str = DAY,
    end: str = DAY,
) -> list[dict[str, Any]]:
    """This test's rollups, by app; the days may hold those of others."""
    own = {"gateway": [stores.own]} | dict(filters or {})
    rows = stores.connect().reports.reader.rollups(columns, start, end, own)
    return sorted([row async for row in rows], key=lambda row: str(row.get("app_id")))


@across
async def test_the_columns_asked_for_are_read_and_no_others(stores: Stores) -> None:
    await store(stores, stores.event(gateway=stores.own), stores.event(gateway=stores.own))

    (row,) = await read(stores)

    assert row == {
        "day": DAY,
        "subscription_id": f"{stores.own}-hr-copilot",
        "app_id": "app-1",
        "streaming": False,
        "requests": 2,
        "input_tokens": 200,
    }


@across
async def test_what_nobody_reported_is_absent(stores: Stores) -> None:
    await store(stores, stores.event(gateway=stores.own, usage=None))

    (row,) = await read(stores, columns=("requests", "input_tokens", "output_tokens"))

    assert row == {"requests": 1}


@across
async def test_both_ends_of_the_range_belong_to_it(stores: Stores) -> None:
    times = {f"app-{day}": f"2026-11-{day}T10:00:00Z" for day in (16, 17, 18, 19)}
    events = [
        stores.event(gateway=stores.own, app_id=app, event_time=time) for app, time in times.items()
    ]
    await store(stores, *events)

    rows = await read(stores, start="2026-11-17", end="2026-11-18")

    assert [row["app_id"] for row in rows] == ["app-17", "app-18"]


@across
@pytest.mark.parametrize(
    ("filters", "apps"),
    [
        ({"app_id": ["a"]}, ["a"]),
        ({"app_id": ["a", "b", "nobody"]}, ["a", "b"]),
        ({"app_id": [None]}, [None]),
        ({"app_id": [None, "b"]}, [None, "b"]),
        ({"streaming": [True]}, ["b"]),
        ({"tags.team": ["benefits"], "app_id": ["a", "b"]}, ["a"]),
        ({"app_id": ["' OR true --"]}, []),
    ],
    ids=str,
)
async def test_filters_are_applied_in_the_store(
    stores: Stores, filters: dict[str, Sequence[Any]], apps: list[str | None]
) -> None:
    own = {"gateway": stores.own}
    await store(
        stores,
        stores.event(**own, app_id="a"),
        stores.event(**own, app_id="b", streaming=True, tags={"team": "treasury"}),
        stores.event(**own, app_id=None),
    )

    rows = await read(stores, filters)

    assert sorted([row.get("app_id") for row in rows], key=str) == sorted(apps, key=str)


@across
async def test_tags_are_read_as_the_object_that_is_stored(stores: Stores) -> None:
    await store(stores, stores.event(gateway=stores.own))

    assert await read(stores, columns=("tags.team",)) == [{"tags": {"team": "benefits"}}]


@across
async def test_long_results_arrive_whole(stores: Stores) -> None:
    """The reader asks for pages of 1,000 rows."""
    for subscription in range(3):
        names = {"gateway": stores.own, "subscription_id": f"team-{subscription}"}
        await store(stores, *(stores.event(**names, app_id=f"app-{n}") for n in range(400)))

    rows = await read(stores, columns=("subscription_id", "app_id"))

    assert len({(row["subscription_id"], row["app_id"]) for row in rows}) == len(rows) == 1200


@across
async def test_counts_of_dead_letters_are_those_of_the_days(stores: Stores) -> None:
    letters: list[DeadLetter] = []
    for number, element in enumerate([b"broken", {"a": 1}, {"b": 1}]):
        for each in parse(element, partition_id=stores.own, sequence_number=number):
            assert isinstance(each, DeadLetter)
            letters.append(each)
    await stores.app.ingest.dead_letters.store(letters)

    found = await counts_of(stores, DAY, DAY)

    assert sum(each.get("open_not_json", 0) for each in found) == 1
    assert sum(each.get("open_unknown_shape", 0) for each in found) == 2
    assert await counts_of(stores, "2026-11-18", "2026-11-19") == []
    assert await counts_of(stores, "2026-11-21", "2026-11-30") == []


async def counts_of(stores: Stores, start: str, end: str) -> list[dict[str, Any]]:
    rows = stores.app.reports.reader.dead_letter_counts(start, end)
    return [row async for row in rows if row["partition_id"] == stores.own]


async def test_a_store_with_all_that_is_needed_passes_the_check(stores: Stores) -> None:
    await stores.app.reports.reader.check()


async def test_a_missing_database_is_a_deployment_error(stores: Stores) -> None:
    elsewhere = stores.connect(COSMOS_DATABASE=f"{stores.own}-is-not-there")

    with pytest.raises(ConfigError, match="COSMOS_DATABASE"):
        await elsewhere.reports.reader.check()
    with pytest.raises(ConfigError, match="COSMOS_DATABASE"):
        await elsewhere.ingest.ledger.store(stores.records(stores.event()), 0)
