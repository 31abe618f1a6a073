"""Parameters that reports have in common: texts -> days, ranges and lists. Pure."""

from collections.abc import Collection, Mapping
from datetime import date
from typing import Final, TypeVar

from usage_ingest.errors import InvalidQueryError

MAX_DAYS: Final = 400
NOT_REPORTED: Final = "-"
"""A filter value that stands for usage whose field is absent."""
TAG: Final = "tag:"

T = TypeVar("T")
_IGNORED: Final = "code"  # where Azure Functions takes its own key
_LAST_DAY: Final = date(9998, 12, 31)  # what is asked of the days after a range stays a date
_DAY_TEXT: Final = "takes a UTC day as YYYY-MM-DD"


def refuse_unknown(params: Mapping[str, str], known: Collection[str]) -> None:
    """Raise for a parameter that there is not, naming all that there are."""
    for name in params:
        if name not in known and name != _IGNORED:
            raise InvalidQueryError(name, f"is not a parameter; there are {', '.join(known)}")


def read_range(params: Mapping[str, str], today: date) -> tuple[date, date]:
    """Read start_date and end_date; without them it is the month of the end, up to today."""
    days = {
        name: read_day(name, params[name]) for name in ("start_date", "end_date") if name in params
    }
    end = days.get("end_date", today)
    start = days.get("start_date", end.replace(day=1))
    blamed = "end_date" if "end_date" in params else "start_date"
    if end < start:
        raise InvalidQueryError(
            blamed, "the range ends before it starts; end_date takes start_date or a later day"
        )
    if (end - start).days >= MAX_DAYS:
        raise InvalidQueryError(blamed, f"the range takes at most {MAX_DAYS} days")
    return start, end


def read_day(parameter: str, text: str) -> date:
    """Read a UTC day, written in the one way that is taken."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise InvalidQueryError(parameter, _DAY_TEXT) from None
    if day.isoformat() != text or day > _LAST_DAY:  # fromisoformat reads 20260131 too
        raise InvalidQueryError(parameter, _DAY_TEXT)
    return day


def read_groups(text: str | None, names: Collection[str]) -> tuple[str, ...]:
    """Read group_by: some of the names, each once."""
    if text is None:
        return ()
    groups = read_values("group_by", text)
    if unknown := [group for group in groups if group not in names]:
        raise InvalidQueryError(
            "group_by", f"{unknown[0]!r} is not a group; takes any of {', '.join(names)}"
        )
    if len(set(groups)) != len(groups):
        raise InvalidQueryError("group_by", "takes each name once")
    return groups


def read_values(parameter: str, text: str) -> tuple[str, ...]:
    """Read values that are separated by commas; an empty one is refused."""
    values = tuple(value.strip() for value in text.split(","))
    if not all(values):
        raise InvalidQueryError(parameter, "takes one or more values, separated by commas")
    return values


def read_reported(parameter: str, text: str) -> tuple[str | None, ...]:
    """Read the values of a filter, each once; None is not reported."""
    values = dict.fromkeys(read_values(parameter, text))
    return tuple(None if value == NOT_REPORTED else value for value in values)


def read_days(parameter: str, text: str, start: date, end: date) -> tuple[str, ...]:
    """Read days of a range, each once."""
    values = tuple(dict.fromkeys(read_values(parameter, text)))
    if any(not start <= read_day(parameter, value) <= end for value in values):
        raise InvalidQueryError(parameter, f"takes days of the range, {start} to {end}")
    return values


def read_choices(parameter: str, text: str, choices: Collection[str]) -> tuple[str, ...]:
    """Read values of a fixed list, each once."""
    values = tuple(dict.fromkeys(read_values(parameter, text)))
    if not set(values) <= set(choices):
        raise InvalidQueryError(parameter, f"takes any of {', '.join(choices)}")
    return values


def read_choice(parameter: str, text: str, choices: Mapping[str, T]) -> T:
    """Read the name of one of the choices; return what it stands for."""
    if text not in choices:
        *names, last = choices
        raise InvalidQueryError(parameter, f"takes {', '.join(names)} or {last}")
    return choices[text]
