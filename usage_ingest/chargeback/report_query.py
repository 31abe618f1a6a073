"""What a chargeback report is asked for: query parameters -> a frozen query. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final, Literal

from usage_ingest.chargeback.kinds import Kind
from usage_ingest.chargeback.line import GROUPS
from usage_ingest.chargeback.period import first_day, is_period, last_day, period_of
from usage_ingest.errors import InvalidQueryError
from usage_ingest.parameters import (
    TAG,
    read_choice,
    read_choices,
    read_days,
    read_groups,
    read_range,
    read_reported,
    refuse_unknown,
)

Format = Literal["json", "csv", "focus", "html"]
_FORMATS: Final[dict[str, Format]] = {
    "json": "json",
    "csv": "csv",
    "focus": "focus",
    "html": "html",
}
FORMATS: Final = tuple(_FORMATS)
PARAMETERS: Final = (
    "period",
    "start_date",
    "end_date",
    "group_by",
    "format",
    "allow_unpriced",
)
"""The parameters beside the names that filter."""
PAGE_GROUPS: Final = ("owner", "model")
"""What a page is grouped by where nothing is asked: a page of one sum says too little."""
_FLAGS: Final = {"true": True, "false": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportQuery:
    """A range of UTC days, both included, and how to cut it; names are the public ones.

    `period` is the month that was asked for, None where days were. A filter's None is "not
    reported". `tags` are all names that rollups are kept by.
    """

    start: date
    end: date
    period: str | None = None
    group_by: tuple[str, ...] = ()
    filters: Mapping[str, tuple[str | None, ...]] = field(default_factory=dict)
    format: Format = "json"
    allow_unpriced: bool = False
    tags: tuple[str, ...] = ()

    def names(self) -> frozenset[str]:
        """Return all names that lines are cut or filtered by."""
        return frozenset((*self.group_by, *self.filters))


def parse_report_query(params: Mapping[str, str], today: date, tags: Sequence[str]) -> ReportQuery:
    """Read a report's parameters; `tags` are the names that rollups are kept by.

    Raises:
        InvalidQueryError: Naming the parameter and what it takes.
    """
    names = (*GROUPS, *(TAG + tag for tag in tags))
    refuse_unknown(params, (*PARAMETERS, *names))
    period = _period(params, today)
    start, end = _range(params, period, today)
    chosen = read_choice("format", params.get("format", "json"), _FORMATS)
    groups = read_groups(params.get("group_by"), names)
    return ReportQuery(
        start=start,
        end=end,
        period=period,
        group_by=groups or (PAGE_GROUPS if chosen == "html" else ()),
        filters={name: _filter(name, params[name], start, end) for name in names if name in params},
        format=chosen,
        allow_unpriced=read_choice("allow_unpriced", params.get("allow_unpriced", "false"), _FLAGS),
        tags=tuple(tags),
    )


def _period(params: Mapping[str, str], today: date) -> str | None:
    """Return the month that is asked for: this one, unless another or days are named."""
    if "start_date" in params or "end_date" in params:
        return params.get("period")
    return params.get("period", period_of(today))


def _range(params: Mapping[str, str], period: str | None, today: date) -> tuple[date, date]:
    """Read the days; of a period that is not over, those up to today."""
    if period is None:
        start, end = read_range(params, today)
        if end > today:
            blamed = "end_date" if "end_date" in params else "start_date"
            raise InvalidQueryError(blamed, "takes today (UTC) or an earlier day")
        return start, end
    if also := [name for name in ("start_date", "end_date") if name in params]:
        raise InvalidQueryError("period", f"names the days already; leave out {' and '.join(also)}")
    if not is_period(period):
        raise InvalidQueryError("period", "takes a month of UTC days as YYYY-MM")
    if first_day(period) > today:
        raise InvalidQueryError(
            "period", "has not begun; takes the current month or an earlier one"
        )
    return first_day(period), min(last_day(period), today)


def _filter(name: str, text: str, start: date, end: date) -> tuple[str | None, ...]:
    if name == "day":
        return read_days(name, text, start, end)
    if name == "token_kind":
        return read_choices(name, text, tuple(Kind))
    return read_reported(name, text)
