"""events.ports.KeptLetters and Backfills: found, closed once with their counts, noted."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.builders import NOON
from tests.contract.stores import Stores
from usage_ingest.errors import ConflictError
from usage_ingest.events.backfill_position import Position, Range
from usage_ingest.events.kept_letter import Closing, Failure, KeptLetter, Selection
from usage_ingest.wiring import App

pytestmark = pytest.mark.needs("cross_partition_queries")
DROP = Closing("dropped", "jo", "a load test")


async def store(stores: Stores, *elements: object, first: int = 0) -> None:
    await stores.app.ingest.dead_letters.store(stores.letters(*elements, first=first))


async def opened(app: App, stores: Stores, **chosen: object) -> list[KeptLetter]:
    """This test's open dead letters."""
    day = NOON.date().isoformat()
    selection = replace(Selection(start=day, end=day), **chosen)  # type: ignore[arg-type]
    found = [each async for page in app.letters.open(selection) for each in page]
    return [each for each in found if each.coordinates.partition_id == stores.own]


async def counted(stores: Stores) -> Counter[str]:
    totals: Counter[str] = Counter()
    for document in await stores.documents("dead-letters", type="counts"):
        totals.update({k: n for k, n in document.items() if k.split("_")[0] in ("open", "dropped")})
    return +totals


async def test_single_ones_and_places_are_found_by_reason(stores: Stores) -> None:
    await store(stores, *[{"new": "shape"}] * 120, b"broken")

    found = await opened(stores.app, stores)
    broken = await opened(stores.app, stores, reasons=["not_json"])

    assert len(found) == 121
    assert sum(each.letter_id is None for each in found) == 20
    assert [each.reason for each in broken] == ["not_json"]
    assert broken[0].coordinates.sequence_number == 120
    by_id = Selection(letter_ids=[str(broken[0].letter_id)])
    assert [p async for p in stores.app.letters.open(by_id)] == [broken]
    assert await stores.app.letters.find(str(broken[0].letter_id)) == broken[0]
    assert await stores.app.letters.find("f" * 32) is None


async def test_closing_moves_each_with_its_count_once(stores: Stores) -> None:
    await store(stores, *[{"new": "shape"}] * 130)
    letters = await opened(stores.app, stores)

    moved = await asyncio.gather(
        *(app.letters.close(letters, DROP) for app in (stores.app, stores.connect()))
    )

    assert sum(moved) == 130
    assert await counted(stores) == {"dropped_unknown_shape": 130}
    assert await opened(stores.app, stores) == []
    assert {
        each["state"] for each in await stores.documents("dead-letters", type="dead_letter")
    } == {"dropped"}


async def test_what_is_closed_is_not_counted_when_it_comes_again(stores: Stores) -> None:
    await store(stores, *[{"new": "shape"}] * 110)
    await stores.app.letters.close(await opened(stores.app, stores), DROP)

    for _ in range(2):  # the first writes the block anew, the second meets what it wrote
        await store(stores, *[{"new": "shape"}] * 111)

    assert await counted(stores) == {"dropped_unknown_shape": 110, "open_unknown_shape": 1}


async def test_attempts_are_noted_at_each_that_is_open(stores: Stores) -> None:
    await store(stores, b"broken", b"bad")
    one, other = await opened(stores.app, stores)
    await stores.app.letters.close([other], DROP)

    for _ in range(2):
        failure = Failure("truncated_json", "", "still cut")
        await stores.app.letters.note([(one, failure), (other, failure)])

    (letter,) = await opened(stores.app, stores)
    assert (letter.attempts, letter.last_failure) == (2, failure)
    closed = await stores.app.letters.find(str(other.letter_id))
    assert closed is not None
    assert (closed.state, closed.attempts) == ("dropped", 0)


async def test_a_position_is_guarded_by_what_was_read(stores: Stores) -> None:
    asked = Range(namespace=stores.own, hub="usage", start=NOON, end=NOON + timedelta(days=1))
    backfills = stores.app.backfills
    assert await backfills.read(asked, "0") is None

    first = await backfills.write(Position(range=asked, partition_id="0"))
    moved = await backfills.write(first.moved(4711, NOON, events=3, stored=2, repeated=1))

    assert await backfills.read(asked, "0") == moved
    assert await backfills.read(asked, "1") is None
    with pytest.raises(ConflictError):
        await backfills.write(first.moved(9, NOON))
