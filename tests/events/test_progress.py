from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.builders import NOON
from usage_ingest.events.progress import (
    MAX_GAPS,
    TAIL_PATIENCE,
    Gap,
    Progress,
    Tail,
    advanced,
    lost_before,
    merged,
    next_generation,
    recreated,
    recreated_by,
    watched,
    without,
)

SECOND = timedelta(seconds=1)


def make_progress(**overrides: Any) -> Progress:
    made = Progress(
        namespace="contoso.servicebus.windows.net",
        hub="usage",
        partition_id="0",
        stored_through=-1,
        mark_time=NOON - SECOND,
    )
    return replace(made, **overrides)


def numbered(*numbers: int) -> list[tuple[int, Any]]:
    """Number events; the later the number, the later its enqueued time."""
    return [(number, NOON + number * SECOND) for number in numbers]


def spans(gaps: Iterable[Gap]) -> list[tuple[int, int]]:
    return [(gap.first, gap.last) for gap in gaps]


def numbers_of(gaps: Iterable[Gap]) -> list[int]:
    return [number for gap in gaps for number in range(gap.first, gap.last + 1)]


def test_a_batch_moves_the_mark() -> None:
    after = advanced(make_progress(), numbered(0, 1, 2), NOON)

    assert (after.stored_through, after.mark_time) == (2, NOON + 2 * SECOND)
    assert after.open_gaps == ()


def test_a_batch_that_was_stored_before_changes_nothing_at_all() -> None:
    """The very same object tells that no document has to be written."""
    progress = make_progress(stored_through=9)

    assert advanced(progress, numbered(7, 8, 9), NOON) is progress
    assert advanced(progress, [], NOON) is progress


def test_what_a_batch_jumps_over_is_a_gap_with_the_times_around_it() -> None:
    after = advanced(make_progress(stored_through=4), numbered(8, 9), NOON)

    assert after.stored_through == 9
    assert after.open_gaps == (Gap(5, 7, NOON, NOON - SECOND, NOON + 8 * SECOND),)
    assert after.open_gaps[0].events == 3


def test_a_hole_inside_a_batch_is_a_gap() -> None:
    after = advanced(make_progress(), numbered(0, 1, 4, 5, 9), NOON)

    assert spans(after.open_gaps) == [(2, 3), (6, 8)]


def test_a_batch_that_overlaps_the_mark_counts_from_the_mark_on() -> None:
    after = advanced(make_progress(stored_through=5), numbered(4, 5, 6), NOON)

    assert (after.stored_through, after.open_gaps) == (6, ())


def test_a_batch_out_of_order_leaves_no_false_gaps() -> None:
    after = advanced(make_progress(), numbered(2, 0, 1), NOON)

    assert (after.stored_through, after.open_gaps) == (2, ())


def test_a_moved_mark_forgets_the_tail() -> None:
    tail = Tail(4, 9, NOON, NOON)

    assert advanced(make_progress(stored_through=4, tail=tail), numbered(5), NOON).tail is None


def test_lag_is_what_the_hub_holds_behind_the_mark() -> None:
    assert make_progress().lag is None
    assert make_progress(stored_through=4, last_enqueued=9).lag == 5
    assert make_progress(stored_through=9, last_enqueued=4).lag == 0


def test_a_tail_that_stands_still_for_ten_minutes_becomes_a_gap() -> None:
    first = watched(make_progress(stored_through=4), 9, NOON, NOON)
    early = watched(first, 12, NOON + SECOND, NOON + TAIL_PATIENCE - SECOND)
    late = watched(early, 12, NOON + SECOND, NOON + TAIL_PATIENCE)

    assert first.tail == early.tail == Tail(4, 9, NOON, NOON)
    assert (early.stored_through, early.last_enqueued) == (4, 12)
    assert (late.stored_through, late.mark_time) == (9, NOON)
    assert late.open_gaps == (Gap(5, 9, NOON + TAIL_PATIENCE, NOON - SECOND, NOON),)
    assert late.tail is None


def test_a_tail_that_is_being_stored_starts_its_ten_minutes_anew() -> None:
    first = watched(make_progress(stored_through=4), 9, NOON, NOON)
    moved = replace(first, stored_through=6)

    later = watched(moved, 9, NOON, NOON + 2 * TAIL_PATIENCE)

    assert (later.stored_through, later.open_gaps) == (6, ())
    assert later.tail == Tail(6, 9, NOON, NOON + 2 * TAIL_PATIENCE)


def test_a_hub_without_a_tail_is_noted_and_nothing_else() -> None:
    seen = watched(make_progress(stored_through=9), 9, NOON, NOON + SECOND)

    assert (seen.last_enqueued, seen.last_enqueued_time) == (9, NOON)
    assert seen.checked_at == NOON + SECOND
    assert (seen.tail, seen.open_gaps, seen.stored_through) == (None, (), 9)


def test_closing_takes_numbers_out_of_every_gap_that_they_touch() -> None:
    progress = make_progress(stored_through=30, open_gaps=(Gap(2, 9, NOON), Gap(12, 15, NOON)))

    assert spans(without(progress, 4, 5).open_gaps) == [(2, 3), (6, 9), (12, 15)]
    assert spans(without(progress, 0, 3).open_gaps) == [(4, 9), (12, 15)]
    assert spans(without(progress, 8, 13).open_gaps) == [(2, 7), (14, 15)]
    assert spans(without(progress, 10, 11).open_gaps) == [(2, 9), (12, 15)]
    assert without(progress, 0, 99).open_gaps == ()


def test_what_retention_deleted_is_lost_and_the_rest_stays_open() -> None:
    progress = make_progress(stored_through=30, open_gaps=(Gap(2, 9, NOON), Gap(12, 15, NOON)))

    after = lost_before(progress, 14, NOON + SECOND)

    assert spans(after.lost_gaps) == [(2, 9), (12, 13)]
    assert spans(after.open_gaps) == [(14, 15)]
    assert {gap.noticed_at for gap in after.lost_gaps} == {NOON + SECOND}
    assert lost_before(progress, 2, NOON) is progress


def test_a_hub_that_ends_before_the_mark_was_recreated() -> None:
    assert recreated(make_progress(stored_through=9), 8)
    assert not recreated(make_progress(stored_through=9), 9)


def test_an_old_number_enqueued_after_the_mark_shows_a_recreated_hub() -> None:
    progress = make_progress(stored_through=9, mark_time=NOON)

    assert recreated_by(progress, [(3, NOON + timedelta(minutes=2))])
    assert not recreated_by(progress, [(3, NOON), (10, NOON + timedelta(hours=1))])


def test_times_that_do_not_grow_strictly_show_no_recreated_hub() -> None:
    """Nothing promises that an event's enqueued time is above that of the one before."""
    mark = advanced(make_progress(stored_through=0), [(1, NOON + SECOND), (2, NOON)], NOON)

    assert mark.mark_time == NOON + SECOND
    assert not recreated_by(mark, [(1, NOON + SECOND), (2, NOON)])
    assert not recreated_by(make_progress(stored_through=9, mark_time=None), [(3, NOON)])


def test_more_than_a_thousand_gaps_are_merged_where_they_stand_closest() -> None:
    events = [(number * 3, NOON) for number in range(1, 1_500)]

    progress = advanced(make_progress(stored_through=0), events, NOON)
    far = merged((*progress.open_gaps, Gap(100_000, 100_009, NOON)))

    assert len(progress.open_gaps) == len(far) == MAX_GAPS
    assert sum(gap.events for gap in progress.open_gaps) == 2 * 1_499
    assert far[-1] == Gap(100_000, 100_009, NOON)


def test_a_fraction_of_a_millisecond_shows_no_recreated_hub() -> None:
    """Event Hubs keeps milliseconds; one source may say more digits than the other."""
    progress = make_progress(stored_through=9, mark_time=NOON)

    assert not recreated_by(progress, [(9, NOON + timedelta(microseconds=900))])


def test_a_new_generation_starts_before_the_first_event_and_loses_the_unread_rest() -> None:
    over = make_progress(
        stored_through=9,
        last_enqueued=12,
        open_gaps=(Gap(4, 5, NOON),),
        lost_gaps=(Gap(1, 1, NOON),),
        etag="e",
    )

    archived, fresh = next_generation(over, 3, NOON)

    assert archived.archived
    assert (archived.generation, archived.open_gaps) == (1, ())
    assert spans(archived.lost_gaps) == [(1, 1), (4, 5), (10, 12)]
    assert (fresh.generation, fresh.stored_through, fresh.archived) == (2, 2, False)
    assert (fresh.open_gaps, fresh.lost_gaps, fresh.tail) == ((), (), None)
    assert fresh.etag == "e"


batches = st.lists(st.lists(st.integers(0, 40), max_size=8), max_size=8)


@given(batches, st.integers(0, 20))
def test_any_batches_leave_every_number_up_to_the_mark_stored_or_in_a_gap(
    delivered: Sequence[Sequence[int]], beginning: int
) -> None:
    progress = make_progress(stored_through=beginning - 1)
    stored: set[int] = set()

    for batch in delivered:
        present = [number for number in batch if number >= beginning]
        after = advanced(progress, numbered(*present), NOON)
        stored |= set(present)
        assert after.stored_through >= progress.stored_through
        progress = after

    missing = numbers_of(progress.open_gaps)
    assert len(missing) == len(set(missing))
    assert stored | set(missing) == set(range(beginning, progress.stored_through + 1))
    assert progress.stored_through == max(stored, default=beginning - 1)


steps: st.SearchStrategy[tuple[str, list[int], int]] = st.one_of(
    st.tuples(st.just("batch"), st.lists(st.integers(0, 60), max_size=6), st.just(0)),
    st.tuples(st.just("watch"), st.just([]), st.integers(0, 60)),
    st.tuples(st.just("close"), st.lists(st.integers(0, 60), min_size=2, max_size=2), st.just(0)),
    st.tuples(st.just("lose"), st.just([]), st.integers(0, 60)),
)


@given(st.lists(steps, max_size=15))
def test_any_life_of_a_partition_accounts_for_every_number_up_to_the_mark(
    life: list[tuple[str, list[int], int]],
) -> None:
    """Stored, open, closed or lost: and the mark never goes back."""
    progress, accounted, now = make_progress(), set[int](), NOON

    for step, numbers, number in life:
        before, now = progress, now + TAIL_PATIENCE
        if step == "batch":
            progress = advanced(progress, numbered(*numbers), now)
            accounted |= set(numbers)
        elif step == "watch":
            progress = watched(progress, number, NOON + number * SECOND, now)
        elif step == "close":
            progress = without(progress, min(numbers), max(numbers))
            accounted |= set(range(min(numbers), max(numbers) + 1))
        else:
            progress = lost_before(progress, number, now)
        assert progress.stored_through >= before.stored_through

    gaps = numbers_of(progress.open_gaps) + numbers_of(progress.lost_gaps)
    assert accounted | set(gaps) >= set(range(progress.stored_through + 1))
    assert len(gaps) == len(set(gaps))
