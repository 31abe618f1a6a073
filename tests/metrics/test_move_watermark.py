"""Setting a mark: back, on, and what is kept of a skip."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import NOON
from usage_ingest.errors import InvalidQueryError
from usage_ingest.metrics.move_watermark import Asked, moved
from usage_ingest.metrics.watermark import Pace, Source, Watermark, Window

OWN = Source("w", "own")
HOUR = timedelta(hours=1)
NOW = NOON + 6 * HOUR
PACE = Pace()


def mark(**overrides: object) -> Watermark:
    fields: dict[str, object] = {
        "source": OWN,
        "collected_from": NOON - 48 * HOUR,
        "collected_through": NOON,
        "checked_at": NOON,
        "etag": "e",
    }
    return Watermark(**fields | overrides)  # type: ignore[arg-type]


def test_back_reads_again_from_the_overlap_before_it() -> None:
    move = moved(OWN, mark(), Asked(NOON - 2 * HOUR), NOW, PACE)

    assert (move.kind, move.after.collected_through) == ("back", NOON - 2 * HOUR)
    assert move.arrivals == Window(NOON - 3 * HOUR, NOON)
    assert move.after.collected_from == mark().collected_from
    assert move.after.etag == "e"


def test_back_beyond_the_beginning_moves_that_too() -> None:
    move = moved(OWN, mark(), Asked(NOON - 72 * HOUR), NOW, PACE)

    assert move.after.collected_from == NOON - 72 * HOUR


def test_on_is_refused_unless_it_is_meant() -> None:
    with pytest.raises(InvalidQueryError, match="--skip does it nevertheless"):
        moved(OWN, mark(), Asked(NOON + HOUR), NOW, PACE)

    move = moved(OWN, mark(), Asked(NOON + HOUR, skip=True), NOW, PACE)

    assert (move.kind, move.after.skipped) == ("skip", (Window(NOON, NOON + HOUR),))


def test_skips_that_touch_are_one() -> None:
    before = mark(skipped=(Window(NOON - HOUR, NOON),))

    move = moved(OWN, before, Asked(NOON + HOUR, skip=True), NOW, PACE)

    assert move.after.skipped == (Window(NOON - HOUR, NOON + HOUR),)


def test_a_time_in_the_future_is_refused_by_the_services_clock() -> None:
    moved(OWN, mark(), Asked(NOW, skip=True), NOW, PACE)
    with pytest.raises(InvalidQueryError, match="in the future"):
        moved(OWN, mark(), Asked(NOW + timedelta(microseconds=1), skip=True), NOW, PACE)


hours = st.integers(-200, 6).map(lambda n: NOON + n * HOUR)


@given(st.lists(st.tuples(hours, st.booleans()), max_size=12))
def test_whatever_is_set_what_is_not_collected_is_kept_or_still_to_come(
    steps: list[tuple[datetime, bool]],
) -> None:
    """A moment between the beginning and the mark was passed by collecting, or is in a skip."""
    current = mark(collected_from=NOON, collected_through=NOON)
    collected: set[datetime] = set()
    for to, collects in steps:
        if collects:  # the collector goes on by an hour
            collected.add(current.collected_through)
            current = mark(
                collected_from=current.collected_from,
                collected_through=current.collected_through + HOUR,
                skipped=current.skipped,
            )
        else:
            skip = to > current.collected_through
            current = moved(OWN, current, Asked(to, skip=skip), NOW + 20 * HOUR, PACE).after
    at = current.collected_from
    while at < current.collected_through:
        skipped = any(each.start <= at < each.end for each in current.skipped)
        assert skipped or at in collected
        at += HOUR
