"""ports.DeadLetters: each is kept once and counted once, and never a flood."""

import asyncio
from collections import Counter
from typing import Any

from tests.contract.stores import Stores
from usage_ingest.dead_letter_document import RAW_TTL_DAYS, places_of
from usage_ingest.wiring import App

BAD_COUNT = {"schema": "usage-ingest/1", "usage": {"prompt_tokens": -1}}


async def store(
    app: App, stores: Stores, *elements: object, first: int = 0, keep_raw: bool = False
) -> int:
    letters = stores.letters(*elements, first=first, keep_raw=keep_raw)
    return await app.ingest.dead_letters.store(letters)


async def counted(stores: Stores) -> Counter[str]:
    totals: Counter[str] = Counter()
    for document in await stores.documents("dead-letters", type="counts"):
        totals.update({name: n for name, n in document.items() if name.startswith("open_")})
    return totals


async def kept(stores: Stores) -> int:
    """How many elements the blocks list."""
    blocks = await stores.documents("dead-letters", type="dead_letter_block")
    return sum(len(spots) for each in blocks for spots in places_of(each).values())


async def test_a_dead_letter_says_what_and_where(stores: Stores) -> None:
    secret = "sk-live-0123456789"  # noqa: S105 - planted: it must not be kept

    assert await store(stores.app, stores, BAD_COUNT | {"prompt": secret}, first=11) == 1

    (letter,) = await stores.documents("dead-letters", type="dead_letter")
    assert (letter["reason"], letter["path"]) == ("bad_count", "usage.prompt_tokens")
    assert (letter["partition_id"], letter["sequence_number"]) == (stores.own, 11)
    assert (letter["element"], letter["state"], letter["attempts"]) == (0, "open", 0)
    assert (letter["skeleton"]["usage"], letter["skeleton_whole"]) == ({"prompt_tokens": -1}, False)
    assert secret not in str(await stores.documents("dead-letters"))
    assert letter["ttl"] == 90 * 86_400


async def test_dead_letters_stored_again_count_once(stores: Stores) -> None:
    elements = (b"broken", {"a": 1}, [1, {"b": 2}])

    assert await store(stores.app, stores, *elements) == 4
    assert await store(stores.app, stores, *elements) == 0
    assert await store(stores.connect(), stores, *elements) == 0

    assert await counted(stores) == {
        "open_not_json": 1,
        "open_unknown_shape": 2,
        "open_not_an_object": 1,
    }
    assert await kept(stores) == 4


async def test_a_bad_rollout_cannot_fill_the_store(stores: Stores) -> None:
    """From the 101st of one reason in a batch on, ranges hold them."""
    assert await store(stores.app, stores, *[{"new": "shape"}] * 300, first=900) == 300

    letters = await stores.documents("dead-letters", type="dead_letter")
    blocks = await stores.documents("dead-letters", type="dead_letter_block")
    assert len(letters) == 100
    assert sorted(each["ranges"]["unknown_shape"] for each in blocks) == [
        [[first, first + 49, 0, 0]] for first in range(900, 1200, 50)
    ]
    assert await counted(stores) == {"open_unknown_shape": 300}


async def test_a_reason_that_a_release_changed_counts_nothing_again(stores: Stores) -> None:
    """A batch that is retried meets the parser of a new release."""
    unread, bad = {"schema": "usage-ingest/1", "usage": {"b": 1}}, {"hello": "world"}
    await store(stores.app, stores, *[unread] * 150)

    assert await store(stores.app, stores, *[bad] * 150) == 0

    assert await counted(stores) == {"open_unknown_usage": 150}


async def test_writers_with_other_cuts_at_once_count_each_once(stores: Stores) -> None:
    """The trigger and the re-reading of a gap may hold the same events in other batches."""
    elements = [{"new": "shape"}] * 250
    other = stores.connect()

    new = await asyncio.gather(
        store(stores.app, stores, *elements),
        *(store(other, stores, *elements[at : at + 50], first=at) for at in range(0, 250, 50)),
    )

    assert sum(new) == 250
    assert await counted(stores) == {"open_unknown_shape": 250}
    assert await kept(stores) == 250


async def test_writers_of_the_same_dead_letters_at_once_count_each_once(stores: Stores) -> None:
    elements = [*[b"broken"] * 30, *[{"a": 1}] * 150]

    await asyncio.gather(*(store(stores.connect(), stores, *elements) for _ in range(3)))

    assert await counted(stores) == {"open_not_json": 30, "open_unknown_shape": 150}
    assert await kept(stores) == 180


async def test_large_dead_letters_are_kept_in_smaller_batches(stores: Stores) -> None:
    huge: dict[str, Any] = {
        f"{n:064}": {"k" * 60 + str(m): m for m in range(300)} for n in range(2)
    }

    await store(stores.app, stores, *[huge] * 95)

    assert await counted(stores) == {"open_unknown_shape": 95}


async def test_raw_bodies_are_kept_apart_and_not_for_long(stores: Stores) -> None:
    await store(stores.app, stores, b"{broken", b"\x00" * 900_000, keep_raw=True)

    letters = await stores.documents("dead-letters", type="dead_letter")
    bodies = await stores.documents("dead-letters", type="dead_letter_body")
    assert len(letters) == 2
    assert {each["ttl"] for each in letters} == {90 * 86_400}
    assert [(each["body"], each["ttl"]) for each in bodies] == [("{broken", RAW_TTL_DAYS * 86_400)]
    assert await counted(stores) == {"open_truncated_json": 1, "open_not_json": 1}


async def test_a_body_of_many_bad_elements_is_kept_once(stores: Stores) -> None:
    await store(stores.app, stores, [{"n": n} for n in range(150)], keep_raw=True)

    bodies = await stores.documents("dead-letters", type="dead_letter_body")
    assert len(bodies) == 1
    assert await counted(stores) == {"open_unknown_shape": 150}
