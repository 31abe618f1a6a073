"""Watermarks and recorded identity over the real SDK."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from local.cosmos import Fault
from tests.builders import COMPONENT, NOON, WORKSPACE
from tests.conftest import DATABASE, Stack
from usage_ingest.adapters.cosmos import Cosmos, cosmos_patience
from usage_ingest.adapters.cosmos_state import CosmosIdentityStore, CosmosWatermarkStore
from usage_ingest.errors import ConflictError, TransientError
from usage_ingest.identity import DatedValue
from usage_ingest.metrics.watermark import Source, Watermark, advanced, noted

OWN = Source(WORKSPACE, "own")
VALUE = '{"covers":"streaming"}'
OTHER = '{"covers":"all"}'


def mark_of(source: Source = OWN) -> Watermark:
    return Watermark(
        source=source,
        collected_from=NOON - timedelta(days=1),
        collected_through=NOON,
        checked_at=NOON + timedelta(microseconds=7),
    )


@pytest.fixture
async def cosmos(stack: Stack) -> AsyncIterator[Cosmos]:
    made = Cosmos(stack.cosmos.endpoint, stack.cosmos.key, DATABASE, cosmos_patience(2.0))
    yield made
    await made.close()


async def test_before_the_first_run_there_is_no_mark(cosmos: Cosmos) -> None:
    store = CosmosWatermarkStore(cosmos)

    assert await store.read(OWN) is None
    assert await store.all() == []


async def test_what_is_written_is_read_by_another_instance(cosmos: Cosmos) -> None:
    written = await CosmosWatermarkStore(cosmos).write(mark_of())

    assert written.etag
    assert replace(written, etag=None) == mark_of()
    assert await CosmosWatermarkStore(cosmos).read(OWN) == written


async def test_a_mark_moves_under_its_etag(cosmos: Cosmos) -> None:
    store = CosmosWatermarkStore(cosmos)
    first = await store.write(mark_of())
    later = noted(
        advanced(first, NOON + timedelta(hours=1), NOON), "metric_bin_shrank", [NOON, NOON]
    )

    second = await store.write(later)

    assert second.etag != first.etag
    assert await store.read(OWN) == replace(later, etag=second.etag)


async def test_a_second_first_run_is_a_conflict(cosmos: Cosmos) -> None:
    one, other = CosmosWatermarkStore(cosmos), CosmosWatermarkStore(cosmos)
    written = await one.write(mark_of())

    with pytest.raises(ConflictError, match="watermark"):
        await other.write(mark_of())

    assert await other.read(OWN) == written


async def test_a_mark_that_another_run_moved_is_a_conflict_and_stays(cosmos: Cosmos) -> None:
    one, other = CosmosWatermarkStore(cosmos), CosmosWatermarkStore(cosmos)
    read = await one.write(mark_of())
    moved = await other.write(advanced(read, NOON + timedelta(hours=2), NOON))

    with pytest.raises(ConflictError):
        await one.write(advanced(read, NOON + timedelta(hours=1), NOON))

    assert await one.read(OWN) == moved


async def test_a_mark_that_somebody_removed_is_a_conflict(cosmos: Cosmos) -> None:
    """An operator who removes a mark has it collected anew: a run in between must not undo it."""
    store = CosmosWatermarkStore(cosmos)
    written = await store.write(mark_of())
    (row,) = [
        row async for row in cosmos.container("state").query_items("SELECT c.id, c.type FROM c")
    ]
    await cosmos.container("state").delete_item(row["id"], row["type"])

    with pytest.raises(ConflictError):
        await store.write(written)

    assert await store.read(OWN) is None


async def test_of_runs_that_write_at_once_one_moves_the_mark(cosmos: Cosmos) -> None:
    store = CosmosWatermarkStore(cosmos)
    read = await store.write(mark_of())
    marks = [advanced(read, NOON + timedelta(hours=n), NOON) for n in (1, 2, 3)]

    outcomes = await asyncio.gather(*map(store.write, marks), return_exceptions=True)

    (won,) = [each for each in outcomes if isinstance(each, Watermark)]
    assert sum(isinstance(each, ConflictError) for each in outcomes) == 2
    assert await store.read(OWN) == won


async def test_a_move_whose_answer_was_lost_is_never_made_twice(
    stack: Stack, cosmos: Cosmos
) -> None:
    """Whether it was made is not known: the run stops, and the next one reads the mark."""
    store = CosmosWatermarkStore(cosmos)
    read = await store.write(mark_of())
    stack.cosmos.faults.add(Fault(operation="replace", lost_answer=True))
    later = advanced(read, NOON + timedelta(hours=1), NOON)

    with pytest.raises(ConflictError):
        await store.write(later)

    found = await store.read(OWN)
    assert found is not None
    assert found.collected_through == NOON + timedelta(hours=1)


async def test_each_target_and_profile_has_a_mark_of_its_own(cosmos: Cosmos) -> None:
    store = CosmosWatermarkStore(cosmos)
    sources = [OWN, Source(WORKSPACE, "ai-hub"), Source(COMPONENT, "own")]

    for source in sources:
        await store.write(mark_of(source))

    assert {each.source for each in await store.all()} == set(sources)


async def test_a_target_is_the_same_however_it_is_written(cosmos: Cosmos) -> None:
    """A resource id that is spelled otherwise in the settings must not begin anew."""
    store = CosmosWatermarkStore(cosmos)
    written = await store.write(mark_of(Source(COMPONENT, "own")))

    found = await store.read(Source(COMPONENT.upper(), "own"))

    assert found == written
    assert await store.write(advanced(found, NOON + timedelta(hours=1), NOON))
    assert len(await store.all()) == 1


async def test_all_returns_marks_and_nothing_else_of_the_state(
    stack: Stack, cosmos: Cosmos
) -> None:
    await CosmosIdentityStore(cosmos, stack.clock, ("k1",)).load()
    written = await CosmosWatermarkStore(cosmos).write(mark_of())

    assert await CosmosWatermarkStore(cosmos).all() == [written]


async def test_a_store_that_stays_busy_is_the_next_runs(stack: Stack, cosmos: Cosmos) -> None:
    store = CosmosWatermarkStore(cosmos)
    stack.cosmos.faults.add(Fault(container="state", status=503, count=None))

    for call in (store.read(OWN), store.write(mark_of()), store.all()):
        with pytest.raises(TransientError, match="Cosmos DB is busy"):
            await call


# Identity


async def test_a_recorded_value_holds_from_the_beginning(stack: Stack, cosmos: Cosmos) -> None:
    store = CosmosIdentityStore(cosmos, stack.clock, ())

    identity = await store.record("metric_profile/own", VALUE)

    assert identity.values["metric_profile/own"] == (DatedValue("0001-01-01", VALUE),)
    assert (await store.load()).metric_profiles() == ["own"]


async def test_the_value_that_was_recorded_first_stands(stack: Stack, cosmos: Cosmos) -> None:
    """A newer release ships another definition: what is stored was counted by the first."""
    one = CosmosIdentityStore(cosmos, stack.clock, ())
    other = CosmosIdentityStore(cosmos, stack.clock, ())

    await one.record("metric_profile/own", VALUE)
    found = await other.record("metric_profile/own", OTHER)

    assert found.value("metric_profile/own", "2026-11-20") == VALUE
    assert (await one.load()).value("metric_profile/own", "2026-11-20") == VALUE


async def test_of_two_that_record_at_once_both_go_on_with_the_same_value(
    stack: Stack, cosmos: Cosmos
) -> None:
    stores = [CosmosIdentityStore(cosmos, stack.clock, ()) for _ in range(4)]
    values = [f'{{"covers":"{n}"}}' for n in range(4)]

    found = await asyncio.gather(
        *(
            store.record("metric_profile/own", value)
            for store, value in zip(stores, values, strict=True)
        )
    )

    assert len({each.value("metric_profile/own", "2026-11-20") for each in found}) == 1


async def test_what_was_loaded_before_knows_what_is_recorded(stack: Stack, cosmos: Cosmos) -> None:
    store = CosmosIdentityStore(cosmos, stack.clock, ("k1",))
    assert (await store.load()).metric_profiles() == []

    found = await store.record("metric_profile/own", VALUE)

    assert found.metric_profiles() == ["own"]
    assert found.hmac_key_id("2026-11-20") == "k1"


async def test_a_definition_is_stored_as_an_object_that_can_be_read(
    stack: Stack, cosmos: Cosmos
) -> None:
    await CosmosIdentityStore(cosmos, stack.clock, ()).record("metric_profile/own", VALUE)

    (document,) = await stack.documents("state", type="identity")
    assert document["name"] == "metric_profile/own"
    assert document["values"] == [{"from_day": "0001-01-01", "value": {"covers": "streaming"}}]
