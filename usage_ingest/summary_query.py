"""What a summary is asked for: query parameters -> a frozen query. Pure.

The one table of names that callers group and filter by, and of the fields they stand for.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final, Literal

from usage_ingest.errors import InvalidQueryError
from usage_ingest.record import Source

MAX_DAYS: Final = 400
NOT_REPORTED: Final = "-"
"""A filter value that stands for rollups whose field is absent."""
TAG: Final = "tag:"
STORED_TAG: Final = "tags."
STORED_FIELDS: Final = {
    "day": "day",
    "subscription": "subscription_id",
    "product": "product_id",
    "app": "app_id",
    "tenant": "tenant_id",
    "provider": "provider",
    "api_kind": "api_kind",
    "model": "model",
    "deployment": "deployment",
    "region": "region",
    "source": "source",
    "streaming": "streaming",
}
"""Public name -> stored field of a rollup; `tag:<name>` is `tags.<name>` beside them."""

_IGNORED: Final = "code"  # where Azure Functions takes its own key
_LAST_DAY: Final = date(9998, 12, 31)  # what is asked of the days after a range stays a date
_STREAMING: Final[dict[str, bool | None]] = {"true": True, "false": False, NOT_REPORTED: None}
_DAY_TEXT: Final = "takes a UTC day as YYYY-MM-DD"

Format = Literal["json", "csv"]
_FORMATS: Final[dict[str, Format]] = {"json": "json", "csv": "csv"}
Value = str | bool | None
"""What a rollup holds in a field that is grouped or filtered by; None: not reported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryQuery:
    """A range of UTC days, both included, and how to cut it; names are the public ones."""

    start: date
    end: date
    group_by: tuple[str, ...] = ()
    filters: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    format: Format = "json"


def stored_field(name: str) -> str:
    """Return the field of a rollup that a public name stands for."""
    if name.startswith(TAG):
        return STORED_TAG + name.removeprefix(TAG)
    return STORED_FIELDS[name]


def parse_query(params: Mapping[str, str], today: date, tags: Sequence[str]) -> SummaryQuery:
    """Read a summary's parameters; `tags` are the names that rollups are kept by.

    Raises:
        InvalidQueryError: Naming the parameter and what it takes.
    """
    names = (*STORED_FIELDS, *(TAG + tag for tag in tags))
    known = ("start_date", "end_date", "group_by", "format", *names)
    for name in params:
        if name not in known and name != _IGNORED:
            raise InvalidQueryError(name, f"is not a parameter; there are {', '.join(known)}")
    start, end = _range(params, today)
    return SummaryQuery(
        start=start,
        end=end,
        group_by=_group_by(params.get("group_by"), names),
        filters={name: _filter(name, params[name], start, end) for name in names if name in params},
        format=_format(params.get("format", "json")),
    )


def _range(params: Mapping[str, str], today: date) -> tuple[date, date]:
    days = {name: _day(name, params[name]) for name in ("start_date", "end_date") if name in params}
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


def _day(parameter: str, text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise InvalidQueryError(parameter, _DAY_TEXT) from None
    if day.isoformat() != text or day > _LAST_DAY:  # fromisoformat reads 20260131 too
        raise InvalidQueryError(parameter, _DAY_TEXT)
    return day


def _group_by(text: str | None, names: Collection[str]) -> tuple[str, ...]:
    if text is None:
        return ()
    groups = _values("group_by", text)
    if unknown := [group for group in groups if group not in names]:
        raise InvalidQueryError(
            "group_by", f"{unknown[0]!r} is not a group; takes any of {', '.join(names)}"
        )
    if len(set(groups)) != len(groups):
        raise InvalidQueryError("group_by", "takes each name once")
    return groups


def _filter(name: str, text: str, start: date, end: date) -> tuple[Value, ...]:
    values = tuple(dict.fromkeys(_values(name, text)))
    if name == "streaming":
        return _streaming(values)
    if name == "day":
        return _days(values, start, end)
    if name == "source":
        return _sources(values)
    return tuple(None if value == NOT_REPORTED else value for value in values)


def _values(parameter: str, text: str) -> tuple[str, ...]:
    values = tuple(value.strip() for value in text.split(","))
    if not all(values):
        raise InvalidQueryError(parameter, "takes one or more values, separated by commas")
    return values


def _streaming(values: tuple[str, ...]) -> tuple[bool | None, ...]:
    if not set(values) <= _STREAMING.keys():
        raise InvalidQueryError("streaming", f"takes any of {', '.join(_STREAMING)}")
    return tuple(_STREAMING[value] for value in values)


def _days(values: tuple[str, ...], start: date, end: date) -> tuple[str, ...]:
    if any(not start <= _day("day", value) <= end for value in values):
        raise InvalidQueryError("day", f"takes days of the range, {start} to {end}")
    return values


def _sources(values: tuple[str, ...]) -> tuple[str, ...]:
    if not set(values) <= {source.value for source in Source}:
        raise InvalidQueryError("source", f"takes any of {', '.join(Source)}")
    return values


def _format(text: str) -> Format:
    if text not in _FORMATS:
        raise InvalidQueryError("format", f"takes {' or '.join(_FORMATS)}")
    return _FORMATS[text]
