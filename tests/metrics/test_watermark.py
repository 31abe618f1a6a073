from datetime import UTC, date, datetime, time, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import NOON
from usage_ingest.errors import ConfigError
from usage_ingest.identity import DatedValue, Identity
from usage_ingest.metrics.watermark import (
    LONGEST_WINDOW,
    MAX_NOTED_DAYS,
    Bin,
    Pace,
    Source,
    Watermark,
    Window,
    advanced,
    bins_of,
    initial,
    next_window,
    noted,
    slowed,
)

SOURCE = Source("11111111-aaaa-4bbb-8ccc-000000000001", "own")
PACE = Pace(
    overlap=timedelta(hours=1),
    settling_delay=timedelta(minutes=15),
    initial_lookback=timedelta(hours=24),
)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


def mark_at(through: datetime, checked_at: datetime = NOON) -> Watermark:
    return Watermark(
        source=SOURCE,
        collected_from=through - DAY,
        collected_through=through,
        checked_at=checked_at,
    )


def sized(*values: tuple[str, str]) -> Identity:
    return Identity({"bin_size": tuple(DatedValue(day, size) for day, size in values)})


# Windows


def test_collecting_begins_a_look_back_before_what_has_settled() -> None:
    mark = initial(SOURCE, NOON, PACE)

    assert mark.source == SOURCE
    assert mark.collected_from == mark.collected_through == NOON - timedelta(hours=24, minutes=15)
    assert (mark.checked_at, mark.notes, mark.etag) == (NOON, {}, None)


def test_the_first_window_holds_the_whole_look_back() -> None:
    window = next_window(initial(SOURCE, NOON, PACE), NOON, PACE)

    assert window == Window(NOON - timedelta(hours=25, minutes=15), NOON - timedelta(minutes=15))


def test_a_window_starts_an_overlap_before_the_mark_and_ends_behind_now() -> None:
    window = next_window(mark_at(NOON - timedelta(hours=2)), NOON, PACE)

    assert window == Window(NOON - timedelta(hours=3), NOON - timedelta(minutes=15))


def test_without_overlap_windows_meet_and_share_nothing() -> None:
    pace = Pace(overlap=timedelta(0), settling_delay=timedelta(0))
    mark = mark_at(NOON - timedelta(days=2))

    first = next_window(mark, NOON, pace)
    assert first is not None
    second = next_window(advanced(mark, first.end, NOON), NOON, pace)

    assert second is not None
    assert first.end == second.start
    assert second.end == NOON


@pytest.mark.parametrize("behind", [timedelta(0), timedelta(minutes=15), timedelta(minutes=-5)])
def test_where_nothing_new_has_settled_there_is_no_window(behind: timedelta) -> None:
    assert next_window(mark_at(NOON - behind), NOON, PACE) is None


def test_a_moment_past_the_settling_delay_is_a_window() -> None:
    last = NOON - timedelta(minutes=15)

    window = next_window(mark_at(last - timedelta(microseconds=1)), NOON, PACE)

    assert window is not None
    assert window.end == last


def test_a_long_outage_is_caught_up_in_windows_of_a_day_that_leave_nothing_out() -> None:
    mark, ends = mark_at(NOON - timedelta(days=3, hours=6)), []
    before = mark.collected_through

    while window := next_window(mark, NOON, PACE):
        assert window.start == mark.collected_through - PACE.overlap
        assert window.end - mark.collected_through <= LONGEST_WINDOW
        mark = advanced(mark, window.end, NOON)
        ends.append(window.end)

    assert ends == [*(before + n * DAY for n in (1, 2, 3)), NOON - PACE.settling_delay]


def test_what_arrived_in_a_window_carries_times_of_three_days_before_to_a_day_after() -> None:
    """Azure Monitor replaces times that are further off; the bound follows the window, not now."""
    window = Window(NOON - timedelta(days=100), NOON - timedelta(days=99))

    assert window.generated == Window(NOON - timedelta(days=103), NOON - timedelta(days=98))


def test_halves_share_nothing_and_leave_nothing_out() -> None:
    window = Window(NOON, NOON + timedelta(hours=3))

    assert window.halves() == (
        Window(NOON, NOON + timedelta(minutes=90)),
        Window(NOON + timedelta(minutes=90), NOON + timedelta(hours=3)),
    )


@pytest.mark.parametrize("seconds", [0.000_001, 30, 59.999_999, 60])
def test_a_window_no_longer_than_a_minute_is_not_halved(seconds: float) -> None:
    assert Window(NOON, NOON + timedelta(seconds=seconds)).halves() is None


def test_halving_comes_to_an_end() -> None:
    windows, rounds = [Window(NOON, NOON + DAY + timedelta(microseconds=7))], 0

    while any(each.halves() for each in windows):
        windows = [half for each in windows for half in each.halves() or (each,)]
        rounds += 1

    assert rounds == 11
    assert windows[0].start == NOON
    assert windows[-1].end == NOON + DAY + timedelta(microseconds=7)
    assert all(one.end == other.start for one, other in pairwise(windows))
    assert all(each.start < each.end for each in windows)


# The mark


def test_the_mark_moves_to_the_end_of_what_was_stored() -> None:
    mark = mark_at(NOON - DAY, checked_at=NOON - DAY)

    after = advanced(mark, NOON - timedelta(hours=1), NOON)

    assert after.collected_through == NOON - timedelta(hours=1)
    assert after.checked_at == NOON
    assert after.collected_from == mark.collected_from


def test_the_mark_never_goes_back() -> None:
    """A longer settling delay, or a service whose clock was set back, ends windows earlier."""
    mark = mark_at(NOON, checked_at=NOON)

    after = advanced(mark, NOON - DAY, NOON - timedelta(minutes=1))

    assert after == mark


@given(
    st.lists(st.tuples(st.integers(-3_000, 10_000), st.integers(0, 2_000)), max_size=8),
)
def test_whatever_the_clock_and_the_delay_do_the_mark_never_goes_back(
    runs: list[tuple[int, int]],
) -> None:
    mark = mark_at(NOON)

    for minutes, delay in runs:
        now, pace = NOON + minutes * MINUTE, Pace(settling_delay=delay * MINUTE)
        window = next_window(mark, now, pace)
        if window is None:
            continue
        after = advanced(mark, window.end, now)
        assert after.collected_through > mark.collected_through
        assert after.collected_through <= max(now, mark.collected_through)
        assert window.start <= mark.collected_through
        mark = after

    assert mark.collected_through >= NOON


def test_a_note_lists_each_day_once_in_order() -> None:
    bins = [NOON, NOON - DAY, NOON + timedelta(hours=1)]

    mark = noted(mark_at(NOON), "metric_bin_shrank", bins)

    assert mark.notes == {"metric_bin_shrank": ("2026-11-19", "2026-11-20")}
    assert noted(mark, "metric_bin_shrank", [NOON - DAY]) == mark


def test_notes_of_one_kind_leave_those_of_another_alone() -> None:
    mark = noted(mark_at(NOON), "metric_value_odd", [NOON])

    both = noted(mark, "metric_bin_too_old", [NOON - DAY])

    assert both.notes == {
        "metric_value_odd": ("2026-11-20",),
        "metric_bin_too_old": ("2026-11-19",),
    }


def test_nothing_to_note_leaves_the_mark_as_it_is() -> None:
    mark = mark_at(NOON)

    assert noted(mark, "metric_value_odd", []) is mark


def test_of_many_days_the_latest_thousand_are_kept() -> None:
    bins = [NOON + n * DAY for n in range(MAX_NOTED_DAYS + 20)]

    mark = noted(noted(mark_at(NOON), "metric_bin_shrank", bins[50:]), "metric_bin_shrank", bins)

    kept = mark.notes["metric_bin_shrank"]
    assert MAX_NOTED_DAYS == 1_000
    assert len(kept) == MAX_NOTED_DAYS
    assert kept[0] == bins[20].date().isoformat()
    assert kept[-1] == bins[-1].date().isoformat()


# Windows that take too long


def test_after_a_window_took_too_long_the_next_is_half_as_long_from_where_it_began() -> None:
    mark = mark_at(NOON - timedelta(days=3))

    after = slowed(mark)

    window = next_window(after, NOON, PACE)
    assert window is not None
    assert window.end - after.collected_through == timedelta(hours=12)
    assert after.collected_through == mark.collected_through
    assert after.window_seconds == mark.window_seconds // 2


def test_windows_never_become_shorter_than_a_minute() -> None:
    mark = mark_at(NOON)

    for _ in range(20):
        mark = slowed(mark)

    assert mark.window_seconds == 60


def test_windows_grow_again_up_to_a_day_with_what_is_stored() -> None:
    mark, lengths = slowed(slowed(slowed(mark_at(NOON - timedelta(days=9))))), []

    while window := next_window(mark, NOON, PACE):
        lengths.append((window.end - mark.collected_through) / timedelta(hours=1))
        mark = advanced(mark, window.end, NOON)

    assert lengths[:5] == [3, 6, 12, 24, 24]
    assert max(lengths) == 24


# Bins


@pytest.mark.parametrize(
    ("size", "start", "end"),
    [
        ("15m", "2026-11-20T17:45:00+00:00", "2026-11-20T18:00:00+00:00"),
        ("1h", "2026-11-20T17:00:00+00:00", "2026-11-20T18:00:00+00:00"),
        ("6h", "2026-11-20T12:00:00+00:00", "2026-11-20T18:00:00+00:00"),
        ("1d", "2026-11-20T00:00:00+00:00", "2026-11-21T00:00:00+00:00"),
    ],
)
def test_a_moment_lies_in_the_bin_of_the_size_of_its_day(size: str, start: str, end: str) -> None:
    moment = datetime(2026, 11, 20, 17, 59, 59, 999_999, tzinfo=UTC)

    (found,) = bins_of([moment], sized(("0001-01-01", size)))

    assert (found.start.isoformat(), found.end.isoformat()) == (start, end)
    assert found.day == "2026-11-20"


def test_without_a_size_bins_are_hours() -> None:
    assert bins_of([NOON], Identity()) == [Bin(NOON, 3_600)]


def test_the_first_moment_of_a_bin_is_in_it_and_its_end_is_in_the_next() -> None:
    bins = bins_of([NOON, NOON + timedelta(hours=1)], Identity())

    assert bins == [Bin(NOON, 3_600), Bin(NOON + timedelta(hours=1), 3_600)]


def test_minutes_of_one_bin_are_one_bin_and_bins_are_in_order() -> None:
    minutes = [NOON + DAY, *(NOON + n * MINUTE for n in range(60)), NOON - DAY]

    found = bins_of(minutes, Identity())

    assert [each.start for each in found] == [NOON - DAY, NOON, NOON + DAY]


def test_a_size_changes_at_the_day_that_it_holds_from() -> None:
    identity = sized(("0001-01-01", "6h"), ("2026-11-21", "15m"), ("2026-11-22", "1d"))
    midnight = datetime(2026, 11, 21, tzinfo=UTC)
    eve = midnight - timedelta(microseconds=1)

    found = bins_of([eve, midnight, eve + DAY, midnight + DAY], identity)

    assert found == [
        Bin(midnight - timedelta(hours=6), 21_600),
        Bin(midnight, 900),
        Bin(midnight + DAY - timedelta(minutes=15), 900),
        Bin(midnight + DAY, 86_400),
    ]


def test_days_of_bins_are_utc_days_wherever_a_time_was_written() -> None:
    tokyo = timezone(timedelta(hours=9))

    (found,) = bins_of([datetime(2026, 11, 21, 0, 30, tzinfo=tokyo)], sized(("0001-01-01", "1d")))

    assert (found.start.isoformat(), found.day) == ("2026-11-20T00:00:00+00:00", "2026-11-20")


def test_a_size_that_does_not_divide_the_day_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="'7h' on 2026-11-20 does not divide a day"):
        bins_of([NOON], sized(("0001-01-01", "7h")))


SIZES = st.sampled_from(["1m", "5m", "15m", "45m", "1h", "90m", "6h", "8h", "24h", "1d"])
DAYS = st.dates(date(2026, 11, 15), date(2026, 11, 25))
IDENTITIES = st.dictionaries(DAYS, SIZES, max_size=4).map(
    lambda sizes: sized(*((day.isoformat(), size) for day, size in sizes.items()))
)
MOMENTS = st.datetimes(
    datetime(2026, 11, 14),  # noqa: DTZ001 - the zone is drawn
    datetime(2026, 11, 26),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45))]),
)


@given(IDENTITIES, MOMENTS)
def test_each_moment_lies_in_its_bin_and_no_bin_crosses_midnight(
    identity: Identity, moment: datetime
) -> None:
    (found,) = bins_of([moment], identity)

    midnight = datetime.combine(moment.astimezone(UTC).date(), time.min, UTC)
    assert found.start <= moment < found.end
    assert midnight <= found.start
    assert found.end <= midnight + DAY
    assert found.seconds == identity.bin_seconds(midnight.date().isoformat())


@given(IDENTITIES, MOMENTS, MOMENTS)
def test_two_bins_are_the_same_or_share_no_moment(
    identity: Identity, one: datetime, other: datetime
) -> None:
    found = bins_of([one, other], identity)

    assert len(found) == 1 or found[0].end <= found[1].start
