from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usage_ingest.chargeback.period import (
    first_day,
    following,
    is_period,
    last_day,
    period_of,
    periods,
)

_DAYS = st.dates(date(1, 1, 1), date(9998, 11, 30))


@pytest.mark.parametrize("text", ["2026-11", "0001-01", "9998-11"])
def test_a_month_is_a_period(text: str) -> None:
    assert is_period(text)


@pytest.mark.parametrize(
    "text", ["2026-13", "2026-00", "0000-01", "2026-1", "202611", "2026-11-01", "9998-12", ""]
)
def test_what_is_no_month_is_no_period(text: str) -> None:
    assert not is_period(text)


def test_a_period_ends_with_the_last_day_of_its_month() -> None:
    assert last_day("2028-02") == date(2028, 2, 29)
    assert last_day("2026-12") == date(2026, 12, 31)


def test_a_range_touches_every_period_from_its_first_day_to_its_last() -> None:
    assert periods(date(2026, 11, 30), date(2027, 2, 1)) == [
        "2026-11",
        "2026-12",
        "2027-01",
        "2027-02",
    ]
    assert periods(date(2026, 11, 3), date(2026, 11, 3)) == ["2026-11"]


@given(_DAYS)
def test_every_day_is_in_its_period_and_the_next_one_follows_it(day: date) -> None:
    period = period_of(day)

    assert is_period(period)
    assert first_day(period) <= day <= last_day(period)
    assert first_day(following(period)) == last_day(period) + timedelta(days=1)
