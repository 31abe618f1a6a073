from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.builders import NOON, make_event
from tests.gateways import make_chargeback_event
from tests.set_aside import without_text
from tests.sightings import letter_of, make_coordinates, make_rules, parse
from usage_ingest.dead_letter_document import (
    Block,
    block_document,
    block_of,
    counted_places,
    letter_document,
    places_of,
    settled_places,
    settled_ranges,
)
from usage_ingest.events.dead_letter import DeadLetter
from usage_ingest.events.kept_letter import Closing, Failure
from usage_ingest.events.parse import parse_skeleton
from usage_ingest.events.skeleton import skeleton
from usage_ingest.events.to_record import Sighting
from usage_ingest.kept_letter_document import (
    closed_block,
    closed_letter,
    kept_letter,
    kept_places,
    moved_fields,
    noted_letter,
)

BLOCK = Block("2026-11-20", "12:00", "contoso", "usage", "3", 4)
REPLAYED = Closing("closed")
DROPPED = Closing("dropped", "jo", "a load test")
spots = st.sets(st.tuples(st.integers(0, 30), st.integers(0, 6)))


def test_a_stored_dead_letter_is_read_back() -> None:
    letter = letter_of({"Prompt": "x"})

    kept = kept_letter(letter_document(letter, block_of(letter, NOON), NOON, 90))

    assert (kept.letter_id, kept.block_id) == (letter.letter_id, block_of(letter, NOON).document_id)
    assert (kept.coordinates, kept.element) == (letter.coordinates, 0)
    assert (kept.reason, kept.text, kept.skeleton) == (letter.reason, letter.text, letter.skeleton)
    assert kept.where == "usage/3#4711"


def test_what_is_written_again_expires_when_it_would_have() -> None:
    letter = letter_of("text")
    stored = letter_document(letter, block_of(letter, NOON), NOON, 90) | {"_etag": "1"}

    noted = noted_letter(stored, Failure("not_json"), NOON + timedelta(days=10))
    closed = closed_letter(noted, DROPPED, NOON + timedelta(days=89, hours=23))
    late = closed_letter(noted, REPLAYED, NOON + timedelta(days=200))

    assert (noted["ttl"], closed["ttl"], late["ttl"]) == (80 * 86_400, 3_600, 1)
    assert (noted["attempts"], closed["attempts"], late["attempts"]) == (1, 1, 2)
    assert (closed["closed_by"], closed["closed_because"]) == ("jo", "a load test")
    assert "closed_by" not in late
    assert "_etag" not in noted
    assert stored["attempts"] == 0


@given(spots, spots, st.data())
def test_a_place_that_moves_is_in_one_state_and_stays_counted(
    some: set[tuple[int, int]], others: set[tuple[int, int]], data: st.DataObject
) -> None:
    before = block_document(BLOCK, {"bad_count": some, "too_old": others}, NOON, 90)
    moved = data.draw(st.sets(st.sampled_from(sorted(some)))) if some else set()

    once = closed_block(before, {"bad_count": moved}, REPLAYED, NOON, 90)
    again = closed_block(once, {"too_old": others}, DROPPED, NOON, 90)

    assert places_of(again).get("bad_count", set()) == some - moved
    assert settled_places(again, "closed_ranges").get("bad_count", set()) == moved
    assert settled_places(again, "dropped_ranges").get("too_old", set()) == others
    assert counted_places(again) == counted_places(before) == some | others
    rewritten = block_document(BLOCK, places_of(again), NOON, 90) | settled_ranges(again)
    assert rewritten == again


def test_places_with_a_document_of_their_own_are_left_out() -> None:
    block = block_document(
        BLOCK, {"bad_count": {(200, 0), (201, 3)}, "too_old": {(5, 0)}}, NOON, 90
    )

    (place,) = kept_places(block, {(200, 0)}, ["bad_count"])

    assert (place.letter_id, place.reason, place.element) == (None, "bad_count", 3)
    assert place.coordinates == make_coordinates(
        namespace="contoso", sequence_number=201, enqueued_time=None
    )
    assert (place.minute, place.where) == ("2026-11-20 12:00", "usage/3#201.3")


def test_counters_move_from_open_to_another_state() -> None:
    moved = {"bad_count": 2, "too_old": 1}

    assert moved_fields(moved, DROPPED) == {
        "open_bad_count": -2,
        "dropped_bad_count": 2,
        "open_too_old": -1,
        "dropped_too_old": 1,
    }


def test_a_whole_skeleton_gives_the_record_of_the_event() -> None:
    """Identity, time and usage; the element's place in its array is that of the letter."""
    event = without_text(make_event(gateway_request_id=None, response_id=None))
    kept, whole = skeleton(event, lambda _: None)
    (_, second) = parse([5, event])

    found = parse_skeleton(kept, Sighting(make_coordinates(), 1, b"", NOON), make_rules())

    assert whole
    assert found == second


def test_a_skeleton_of_texts_pasted_together_is_refused() -> None:
    """It has each key once, whatever the event had."""
    event = make_chargeback_event()

    found = parse_skeleton(event, Sighting(make_coordinates(), 0, b"", NOON), make_rules())

    assert isinstance(found, DeadLetter)
    assert found.reason == "repeated_key"


def test_a_fraction_that_is_whole_is_not_read_from_a_skeleton() -> None:
    """A store may give 1763640000.0 back as 1763640000: the id would be another one."""
    event = without_text(make_event(event_time=1763640000.0))

    kept, whole = skeleton(event, lambda _: None)

    assert (kept["event_time"], whole) == (1763640000.0, False)
