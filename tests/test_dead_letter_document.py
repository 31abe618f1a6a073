from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import NOON
from tests.sightings import letter_of, make_coordinates, make_rules
from usage_ingest.dead_letter_document import (
    Block,
    block_document,
    block_of,
    body_document,
    counts_document,
    counts_id,
    letter_document,
    opened_fields,
    places_of,
    spot_of,
    to_ranges,
)
from usage_ingest.events.dead_letter import DeadLetter

NEXT_DAY = NOON + timedelta(days=1)
spots = st.sets(st.tuples(st.integers(0, 30), st.integers(0, 6)))


def make_letter(**coordinates: Any) -> DeadLetter:
    return letter_of({"Prompt": "x"}, **coordinates)


def test_a_dead_letter_is_stored_open_with_its_reason_and_place() -> None:
    letter = make_letter()

    document = letter_document(letter, block_of(letter, NEXT_DAY), NEXT_DAY, 90)

    assert document == {
        "id": letter.letter_id,
        "partitionKey": "2026-11-20|3|14",
        "type": "dead_letter",
        "block_id": block_of(letter, NEXT_DAY).document_id,
        "state": "open",
        "day": "2026-11-20",
        "reason": "unknown_shape",
        "path": "",
        "text": "its keys are those of no gateway that is known",
        "element": 0,
        "size": 14,
        "attempts": 0,
        "skeleton": {"Prompt": {"~length": 1}},
        "skeleton_whole": False,
        "stored_at": "2026-11-21T12:00:00.000000Z",
        "ttl": 90 * 86_400,
        "namespace": "contoso.servicebus.windows.net",
        "hub": "usage",
        "partition_id": "3",
        "sequence_number": 4711,
        "enqueued_time": "2026-11-20T12:00:00.000000Z",
    }
    assert orjson.dumps(document)


def test_a_raw_body_is_a_document_of_its_own_that_lives_for_three_days() -> None:
    letter = letter_of(b"no json", rules=make_rules(keep_raw=True))
    block = block_of(letter, NOON)

    document = body_document(letter, block, NOON)

    assert (document["body"], document["ttl"]) == ("no json", 3 * 86_400)
    assert document["letter_id"] == letter.letter_id
    assert document["partitionKey"] == block.cosmos_partition_key
    assert "body" not in letter_document(letter, block, NOON, 90)


def test_a_dead_letter_counts_on_the_day_that_its_event_was_enqueued() -> None:
    assert block_of(make_letter(), NEXT_DAY).day == "2026-11-20"
    assert block_of(make_letter(enqueued_time=None), NEXT_DAY).day == "2026-11-21"


def test_dead_letters_of_one_day_and_partition_spread_over_sixteen_shards() -> None:
    letters = [make_letter(sequence_number=number) for number in range(0, 800, 25)]

    keys = {block_of(letter, NOON).cosmos_partition_key for letter in letters}

    assert keys == {f"2026-11-20|3|{shard}" for shard in range(16)}
    without = block_of(make_letter(partition_id=None), NOON)
    assert without.cosmos_partition_key.startswith("2026-11-20|-|")


def test_fifty_numbers_of_a_minute_share_a_block_whatever_their_reason() -> None:
    """A release between two deliveries may give another reason: the place is counted once."""
    blocks = {block_of(make_letter(sequence_number=number), NOON) for number in (4000, 4011, 4049)}

    assert len(blocks) == 1
    assert block_of(letter_of("text", sequence_number=4000), NOON) in blocks
    assert block_of(make_letter(sequence_number=4050), NOON) not in blocks


def test_the_same_number_of_a_recreated_hub_is_another_place() -> None:
    later = make_letter(sequence_number=4000, enqueued_time=NOON + timedelta(minutes=3))

    assert block_of(later, NOON) != block_of(make_letter(sequence_number=4000), NOON)


def test_without_a_sequence_number_a_dead_letter_has_a_block_of_its_own() -> None:
    one, other = (letter_of(body, sequence_number=None) for body in ("one", "other"))

    assert block_of(one, NOON) != block_of(other, NOON)
    assert block_of(one, NOON) == block_of(letter_of("one", sequence_number=None), NOON)


def test_golden_ids_of_blocks_and_counts() -> None:
    block = Block("2026-11-20", "12:00", "contoso", "usage", "3", 4)

    assert block.document_id == "44f827ec408d8741803a7e3de94609b0"
    assert replace(block, number=20).cosmos_partition_key == "2026-11-20|3|4"
    assert counts_id("2026-11-20|3|5") == "3c9420557a0f6a59bb24089653cd349c"


@pytest.mark.parametrize(
    ("places", "ranges"),
    [
        pytest.param([], [], id="none"),
        pytest.param([(5, 0)], [[5, 5, 0, 0]], id="one"),
        pytest.param([(5, 0), (6, 0), (7, 0)], [[5, 7, 0, 0]], id="run-of-events"),
        pytest.param([(5, 0), (7, 0)], [[5, 5, 0, 0], [7, 7, 0, 0]], id="hole"),
        pytest.param([(5, 0), (5, 1), (6, 0), (6, 1)], [[5, 6, 0, 1]], id="equal-arrays"),
        pytest.param([(5, 0), (5, 1), (6, 0)], [[5, 5, 0, 1], [6, 6, 0, 0]], id="unequal-arrays"),
        pytest.param([(5, 1), (5, 3)], [[5, 5, 1, 1], [5, 5, 3, 3]], id="hole-in-an-array"),
        pytest.param([(6, 0), (5, 0)], [[5, 6, 0, 0]], id="out-of-order"),
        pytest.param([(5, 0), (5, 0)], [[5, 5, 0, 0]], id="twice-the-same"),
    ],
)
def test_places_fold_into_ranges(places: list[tuple[int, int]], ranges: list[list[int]]) -> None:
    assert to_ranges(places) == ranges


@given(spots, spots)
def test_ranges_hold_exactly_the_places_that_were_folded(
    some: set[tuple[int, int]], others: set[tuple[int, int]]
) -> None:
    block = Block("2026-11-20", "12:00", "contoso", "usage", "3", 0)
    places = {"bad_count": some, "too_old": others}

    document = orjson.loads(orjson.dumps(block_document(block, places, NOON, 90)))

    assert places_of(document) == places


def test_a_block_lists_its_places_by_reason() -> None:
    block = Block("2026-11-20", "12:00", "contoso", "usage", "3", 4)

    assert block_document(block, {"bad_count": [(4711, 0), (4712, 0)]}, NOON, 90) == {
        "id": block.document_id,
        "partitionKey": "2026-11-20|3|4",
        "type": "dead_letter_block",
        "day": "2026-11-20",
        "minute": "12:00",
        "namespace": "contoso",
        "hub": "usage",
        "partition_id": "3",
        "ranges": {"bad_count": [[4711, 4712, 0, 0]]},
        "stored_at": "2026-11-20T12:00:00.000000Z",
        "ttl": 7_776_000,
    }


def test_the_counts_outlive_the_dead_letters() -> None:
    document = counts_document("2026-11-20|3|5", {"bad_count": 2, "too_old": 1})

    assert document == {
        "id": counts_id("2026-11-20|3|5"),
        "partitionKey": "2026-11-20|3|5",
        "type": "counts",
        "day": "2026-11-20",
        "partition_id": "3",
        "open_bad_count": 2,
        "open_too_old": 1,
    }
    assert opened_fields({}) == {}


def test_a_place_is_the_number_of_an_event_and_the_index_of_its_element() -> None:
    letter = replace(make_letter(), element=2)

    assert spot_of(letter) == (4711, 2)
    assert letter.coordinates == make_coordinates()
