"""Periods: months of UTC days, written YYYY-MM. Pure."""

import re
from datetime import date, timedelta
from typing import Final

_PERIOD: Final = re.compile(r"(?!0000)\d{4}-(0[1-9]|1[0-2])")
_MONTH: Final = timedelta(days=31)


def is_period(text: str) -> bool:
    """Whether a text is a period; the last month that a date can name is not."""
    return bool(_PERIOD.fullmatch(text)) and text < "9998-12"


def period_of(day: date) -> str:
    """Return the period that a day is in."""
    return day.isoformat()[:7]


def first_day(period: str) -> date:
    """Return the day that a period begins with."""
    return date.fromisoformat(f"{period}-01")


def last_day(period: str) -> date:
    """Return the last day of a period."""
    return first_day(following(period)) - timedelta(days=1)


def following(period: str) -> str:
    """Return the period after one."""
    return period_of(first_day(period) + _MONTH)


def periods(first: date, last: date) -> list[str]:
    """Return the periods that a range of days touches, in order."""
    found = [period_of(first)]
    while found[-1] < period_of(last):
        found.append(following(found[-1]))
    return found
