"""ports.ProgressStore: each partition's progress, guarded against those who write at once."""

from dataclasses import replace

import pytest

from tests.builders import NOON
from tests.contract.stores import Stores
from usage_ingest.errors import ConflictError
from usage_ingest.events.progress import Gap, Progress, Tail

HUB = "usage"


def make_progress(stores: Stores, **overrides: object) -> Progress:
    fields = {
        "namespace": stores.own,
        "hub": HUB,
        "partition_id": "3",
        "stored_through": 41,
        "mark_time": NOON,
        "open_gaps": (Gap(3, 5, NOON, NOON, None),),
        "lost_gaps": (Gap(0, 1, NOON),),
        "last_enqueued": 44,
        "last_enqueued_time": NOON,
        "tail": Tail(41, 44, NOON, NOON),
        "checked_at": NOON,
    }
    return Progress(**(fields | overrides))  # type: ignore[arg-type]  # a builder


async def test_what_is_written_is_read_by_another_instance(stores: Stores) -> None:
    other = stores.connect().reports.progress

    written = await stores.app.reports.progress.write(make_progress(stores))

    assert await other.read(stores.own, HUB, "3") == written
    assert await other.read(stores.own, HUB, "4") is None
    assert replace(written, etag=None) == make_progress(stores)


async def test_a_write_over_what_somebody_else_wrote_is_a_conflict(stores: Stores) -> None:
    one, other = stores.app.reports.progress, stores.connect().reports.progress
    written = await one.write(make_progress(stores))
    await other.write(written)

    with pytest.raises(ConflictError):
        await one.write(written)
    with pytest.raises(ConflictError):
        await one.write(make_progress(stores))

    found = await one.read(stores.own, HUB, "3")
    assert found is not None
    assert await one.write(replace(found, stored_through=50))


async def test_a_fresh_read_asks_the_store_what_others_wrote(stores: Stores) -> None:
    one, other = stores.app.reports.progress, stores.connect().reports.progress
    written = await one.write(make_progress(stores))
    moved = await other.write(replace(written, stored_through=50))

    assert await one.read(stores.own, HUB, "3", fresh=True) == moved


async def test_an_archived_generation_stays_beside_the_one_that_follows(stores: Stores) -> None:
    progress = stores.app.reports.progress
    written = await progress.write(make_progress(stores))
    over = replace(written, archived=True, archived_at=NOON)

    await progress.archive(over)
    await progress.archive(over)
    await progress.write(replace(written, generation=2, stored_through=-1, open_gaps=()))

    found = [each for each in await progress.all() if each.namespace == stores.own]
    kept = sorted((each.generation, each.archived, each.stored_through) for each in found)
    assert kept == [(1, True, 41), (2, False, -1)]


async def test_all_is_every_partition_as_the_store_has_it_now(stores: Stores) -> None:
    one, other = stores.app.reports.progress, stores.connect().reports.progress
    for number in range(3):
        await one.write(make_progress(stores, partition_id=str(number)))
    found = await other.read(stores.own, HUB, "1")
    assert found is not None
    await other.write(replace(found, stored_through=60))

    listed = [each for each in await one.all() if each.namespace == stores.own]

    marks = sorted((each.partition_id, each.stored_through) for each in listed)
    assert marks == [("0", 41), ("1", 60), ("2", 41)]
