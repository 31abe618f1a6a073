"""Dead letters from events to the store, and a store that refuses them; ports: contract/."""

import itertools
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.cosmos import Fault
from tests.builders import FakeHub, make_batch
from tests.conftest import Stack
from usage_ingest.dead_letter_document import places_of
from usage_ingest.errors import ConfigError


async def counted(stack: Stack, database: str = "usage-ingest") -> Counter[str]:
    totals: Counter[str] = Counter()
    for document in await stack.documents("dead-letters", database, type="counts"):
        totals.update({name: n for name, n in document.items() if name.startswith("open_")})
    return totals


async def kept(stack: Stack, database: str = "usage-ingest") -> int:
    """How many elements the blocks list."""
    blocks = await stack.documents("dead-letters", database, type="dead_letter_block")
    return sum(len(spots) for each in blocks for spots in places_of(each).values())


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32), cuts=st.lists(st.integers(1, 260), max_size=4))
async def test_a_redelivery_that_is_cut_in_other_places_counts_nothing_twice(
    stack: Stack, seed: int, cuts: list[int]
) -> None:
    chance = random.Random(seed)
    database = stack.new_database()
    elements: list[object] = [
        chance.choice([{"new": "shape"}, b"broken", [{"x": 1}, {"y": 2}]]) for _ in range(260)
    ]
    expected = sum(len(each) if isinstance(each, list) else 1 for each in elements)

    for _ in range(2):
        app = stack.start(reader=FakeHub(), COSMOS_DATABASE=database)
        borders = [0, *sorted(set(cuts)), len(elements)]
        for first, last in itertools.pairwise(borders):
            await app.ingest.store(make_batch(*elements[first:last], first=first))
        cuts = [chance.randrange(1, 260) for _ in range(3)]

    assert (await counted(stack, database)).total() == expected
    assert await kept(stack, database) == expected


async def test_dead_letters_that_cannot_be_written_are_the_hosts_to_retry(stack: Stack) -> None:
    """Nothing is acknowledged that is neither in the ledger nor a dead letter."""
    stack.cosmos.faults.add(Fault(container="dead-letters", count=None, status=403))

    with pytest.raises(ConfigError):
        await stack.app.ingest.batch(make_batch(b"broken"))

    (progress,) = await stack.documents("state", type="progress")
    assert progress["stored_through"] == -1


async def test_raw_bodies_are_kept_only_where_asked(stack: Stack) -> None:
    asking = stack.start(DEAD_LETTER_BODY="raw")

    await stack.app.ingest.batch(make_batch(b"{one", first=0))
    await asking.ingest.batch(make_batch(b"{other", first=1))

    bodies = await stack.documents("dead-letters", type="dead_letter_body")
    assert [each["body"] for each in bodies] == ["{other"]
