"""Dead letters over the real SDK: each kept once, counted once, and never a flood."""

import asyncio
import itertools
import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.cosmos import Fault
from tests.builders import FakeHub, make_batch, make_event
from tests.conftest import Stack
from usage_ingest.dead_letter_document import RAW_TTL_DAYS, places_of
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


async def test_a_dead_letter_says_what_and_where(stack: Stack) -> None:
    secret = "sk-live-0123456789"  # noqa: S105 - planted: it must not be kept
    bad = make_event(usage={"prompt_tokens": -1}, prompt=secret)

    await stack.app.ingest.batch(make_batch(make_event(), bad, first=10))

    (letter,) = await stack.documents("dead-letters", type="dead_letter")
    assert (letter["reason"], letter["path"]) == ("bad_count", "usage.prompt_tokens")
    assert (letter["partition_id"], letter["sequence_number"], letter["element"]) == ("0", 11, 0)
    assert (letter["state"], letter["attempts"], letter["skeleton_whole"]) == ("open", 0, False)
    assert letter["ttl"] == 90 * 86_400
    assert letter["skeleton"]["usage"] == {"prompt_tokens": -1}
    assert secret not in str(await stack.documents("dead-letters"))


async def test_redelivered_dead_letters_count_once(stack: Stack) -> None:
    batch = make_batch(b"broken", {"a": 1}, [1, {"b": 2}])

    await stack.app.ingest.batch(batch)
    again = await stack.app.ingest.batch(batch)

    assert again.dead_letters == 0
    assert await counted(stack) == {
        "open_not_json": 1,
        "open_unknown_shape": 2,
        "open_not_an_object": 1,
    }
    assert await kept(stack) == 4


async def test_a_bad_rollout_cannot_fill_the_store(stack: Stack) -> None:
    """From the 101st of one reason in a batch on, ranges hold them."""
    await stack.app.ingest.batch(make_batch(*[{"new": "shape"}] * 300, first=900))

    letters = await stack.documents("dead-letters", type="dead_letter")
    blocks = await stack.documents("dead-letters", type="dead_letter_block")
    assert len(letters) == 100
    assert sorted(each["ranges"]["unknown_shape"] for each in blocks) == [
        [[first, first + 49, 0, 0]] for first in range(900, 1200, 50)
    ]
    assert await counted(stack) == {"open_unknown_shape": 300}


async def test_a_reason_that_a_release_changed_counts_nothing_again(stack: Stack) -> None:
    """A batch that is retried meets the parser of a new release."""
    unread, bad = {"schema": "usage-ingest/1", "usage": {"b": 1}}, {"hello": "world"}
    await stack.app.ingest.store(make_batch(*[unread] * 150))

    await stack.app.ingest.store(make_batch(*[bad] * 150))

    assert await counted(stack) == {"open_unknown_usage": 150}


async def test_writers_with_other_cuts_at_once_count_each_once(stack: Stack) -> None:
    """The trigger and the re-reading of a gap may hold the same events in other batches."""
    elements = [{"new": "shape"}] * 250
    apps = [stack.start(reader=FakeHub()) for _ in range(2)]

    await asyncio.gather(
        apps[0].ingest.store(make_batch(*elements)),
        *(
            apps[1].ingest.store(make_batch(*elements[at : at + 50], first=at))
            for at in range(0, 250, 50)
        ),
    )

    assert await counted(stack) == {"open_unknown_shape": 250}
    assert await kept(stack) == 250


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


async def test_two_writers_count_dead_letters_once(stack: Stack) -> None:
    batch = make_batch(*[b"broken"] * 30, *[{"a": 1}] * 150)

    await asyncio.gather(*(stack.start().ingest.store(batch) for _ in range(3)))

    assert await counted(stack) == {"open_not_json": 30, "open_unknown_shape": 150}
    assert await kept(stack) == 180


async def test_dead_letters_that_cannot_be_written_are_the_hosts_to_retry(stack: Stack) -> None:
    """Nothing is acknowledged that is neither in the ledger nor a dead letter."""
    stack.cosmos.faults.add(Fault(container="dead-letters", count=None, status=403))

    with pytest.raises(ConfigError):
        await stack.app.ingest.batch(make_batch(b"broken"))

    (progress,) = await stack.documents("state", type="progress")
    assert progress["stored_through"] == -1


async def test_large_dead_letters_are_kept_in_smaller_batches(stack: Stack) -> None:
    huge: dict[str, Any] = {
        f"{n:064}": {"k" * 60 + str(m): m for m in range(300)} for n in range(2)
    }

    await stack.app.ingest.batch(make_batch(*[huge] * 95))

    assert await counted(stack) == {"open_unknown_shape": 95}


async def test_raw_bodies_are_kept_only_where_asked_and_not_for_long(stack: Stack) -> None:
    asking = stack.start(DEAD_LETTER_BODY="raw")

    await asking.ingest.batch(make_batch(b"{broken", b"\x00" * 900_000))

    letters = await stack.documents("dead-letters", type="dead_letter")
    bodies = await stack.documents("dead-letters", type="dead_letter_body")
    assert len(letters) == 2
    assert {each["ttl"] for each in letters} == {90 * 86_400}
    assert [(each["body"], each["ttl"]) for each in bodies] == [("{broken", RAW_TTL_DAYS * 86_400)]
    assert await counted(stack) == {"open_truncated_json": 1, "open_not_json": 1}


async def test_a_body_of_many_bad_elements_is_kept_once(stack: Stack) -> None:
    asking = stack.start(DEAD_LETTER_BODY="raw")

    await asking.ingest.batch(make_batch([{"n": n} for n in range(150)]))

    bodies = await stack.documents("dead-letters", type="dead_letter_body")
    assert len(bodies) == 1
    assert await counted(stack) == {"open_unknown_shape": 150}
