from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import COMPONENT, NOON
from tests.sightings import make_record
from usage_ingest.metrics.reading import later_reading
from usage_ingest.record import Flag, Source, TokenUsage, UsageRecord
from usage_ingest.record_id import MetricBin

BEFORE = {"input_tokens": 100, "output_tokens": 20, "total_tokens": 120}


def reading(minutes: float = 0, *flags: Flag, **usage: int | None) -> UsageRecord:
    """A bin as it was read so many minutes after noon."""
    return make_record(
        source=Source.METRICS,
        shape="metric",
        coordinates=None,
        usage=TokenUsage(**usage),
        usage_estimated=True,
        flags=flags,
        metric=MetricBin(
            component=COMPONENT.lower(),
            profile="own",
            role_name="apim-contoso",
            bin_seconds=3_600,
            as_of=NOON + timedelta(minutes=minutes),
        ),
    )


STORED = reading(60, **BEFORE)


def test_a_later_reading_that_finds_more_replaces_the_earlier_one() -> None:
    read = reading(120, input_tokens=150, output_tokens=30, total_tokens=180)

    assert later_reading(STORED, read) == (read, False)


def test_a_later_reading_that_finds_the_same_changes_nothing() -> None:
    assert later_reading(STORED, reading(120, **BEFORE)) == (None, False)


@pytest.mark.parametrize(
    "usage",
    [
        pytest.param({"input_tokens": 900, "output_tokens": 20, "total_tokens": 920}, id="more"),
        pytest.param({"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}, id="less"),
        pytest.param({}, id="nothing"),
    ],
)
def test_an_earlier_reading_changes_nothing_whenever_it_comes(usage: dict[str, Any]) -> None:
    """A run that was slow writes last what it read first."""
    assert later_reading(STORED, reading(59.99, **usage)) == (None, False)


def test_of_two_readings_at_one_moment_the_larger_stays() -> None:
    more = reading(60, input_tokens=101, output_tokens=20, total_tokens=121)

    assert later_reading(STORED, more) == (more, False)
    assert later_reading(more, STORED) == (None, True)


def test_a_unit_that_shows_up_later_is_added() -> None:
    read = reading(120, **BEFORE, cached_input_tokens=0)

    assert later_reading(STORED, read) == (read, False)


def test_what_a_later_reading_finds_less_of_stays_and_is_told() -> None:
    read = reading(120, input_tokens=150, output_tokens=19, total_tokens=175)

    changed, shrank = later_reading(STORED, read)

    assert shrank
    assert changed is not None
    assert changed.usage.reported() == {
        "input_tokens": 150,
        "output_tokens": 20,
        "total_tokens": 175,
    }
    assert changed.metric == read.metric


def test_where_everything_is_less_nothing_changes_and_it_is_told() -> None:
    read = reading(120, input_tokens=99, output_tokens=19, total_tokens=118)

    assert later_reading(STORED, read) == (None, True)


def test_what_a_later_reading_does_not_find_at_all_stays_and_is_told() -> None:
    read = reading(120, input_tokens=150, output_tokens=20)

    changed, shrank = later_reading(STORED, read)

    assert shrank
    assert changed is not None
    assert changed.usage.input_tokens == 150


def test_a_zero_that_was_reported_is_kept_apart_from_nothing() -> None:
    stored = reading(60, input_tokens=10, output_tokens=0)

    assert later_reading(stored, reading(120, input_tokens=10)) == (None, True)
    assert later_reading(reading(60, input_tokens=10), reading(120, input_tokens=10)) == (
        None,
        False,
    )


def test_sums_that_do_not_fit_each_other_yet_are_taken_as_they_are() -> None:
    """The rows of one request's metrics arrive apart: for a while they do not add up."""
    half = reading(
        120, Flag.INCONSISTENT_USAGE, input_tokens=150, output_tokens=20, total_tokens=120
    )
    whole = reading(180, input_tokens=150, output_tokens=20, total_tokens=170)

    assert later_reading(STORED, half) == (half, False)
    assert later_reading(half, whole) == (whole, False)


def test_a_whole_that_is_missing_beside_sums_that_do_not_fit_stays_and_is_told() -> None:
    read = reading(120, Flag.INCONSISTENT_USAGE, Flag.ODD_VALUE, output_tokens=30)

    changed, shrank = later_reading(reading(60, input_tokens=100, output_tokens=20), read)

    assert changed is not None
    assert changed.usage.reported() == {"input_tokens": 100, "output_tokens": 30}
    assert shrank


def test_a_count_that_stays_and_no_longer_fits_flags_the_record() -> None:
    """Input shrank and stays: with the output that grew it is above the total that was read."""
    read = reading(120, input_tokens=90, output_tokens=30, total_tokens=120)

    changed, shrank = later_reading(STORED, read)

    assert shrank
    assert changed is not None
    assert changed.usage.reported() == BEFORE | {"output_tokens": 30}
    assert Flag.INCONSISTENT_USAGE in changed.flags


def test_a_record_that_is_of_no_bin_is_left_alone() -> None:
    event = make_record()

    assert later_reading(event, STORED) == (None, False)
    assert later_reading(STORED, event) == (None, False)


GROWTH = st.lists(
    st.fixed_dictionaries({"input_tokens": st.integers(0, 50), "output_tokens": st.integers(0, 9)}),
    min_size=1,
    max_size=6,
)


def grown(steps: list[dict[str, int]]) -> list[UsageRecord]:
    """Readings of a bin that grows by these steps, in the order in which they were made."""
    found, sums = [], {"input_tokens": 0, "output_tokens": 0}
    for minutes, step in enumerate(steps):
        sums = {name: sums[name] + step[name] for name in sums}
        found.append(reading(minutes, **sums, total_tokens=sum(sums.values())))
    return found


@given(GROWTH, st.data())
def test_a_growing_bin_ends_at_its_largest_whatever_the_order_of_its_readings(
    steps: list[dict[str, int]], data: st.DataObject
) -> None:
    readings = grown(steps)
    order = data.draw(st.permutations(readings + data.draw(st.permutations(readings))))

    stored, shrank = order[0], False
    for read in order[1:]:
        changed, less = later_reading(stored, read)
        stored, shrank = changed or stored, shrank or less

    assert stored.usage == readings[-1].usage
    assert not shrank


USAGES = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("input_tokens", "output_tokens", "total_tokens"), st.integers(0, 99)),
)


@given(st.lists(st.tuples(st.integers(0, 5), USAGES), min_size=2, max_size=6))
def test_whatever_is_read_no_sum_shrinks_or_is_forgotten(
    readings: list[tuple[int, dict[str, int]]],
) -> None:
    made = [reading(minutes, **usage) for minutes, usage in readings]
    stored, history = made[0], [made[0]]
    for read in made[1:]:
        changed, _ = later_reading(stored, read)
        stored = changed or stored
        history.append(stored)

    for before, after in pairwise(history):
        later = after.usage.reported()
        assert all(later[name] >= count for name, count in before.usage.reported().items())
