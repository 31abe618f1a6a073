"""What a summary is asked for: query parameters -> a frozen query. Pure.

The one table of names that callers group and filter by, and of the fields they stand for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final, Literal

from usage_ingest.parameters import (
    NOT_REPORTED,
    TAG,
    read_choice,
    read_choices,
    read_days,
    read_groups,
    read_range,
    read_reported,
    refuse_unknown,
)
from usage_ingest.record import Source

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

_STREAMING: Final[dict[str, bool | None]] = {"true": True, "false": False, NOT_REPORTED: None}

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
    refuse_unknown(params, ("start_date", "end_date", "group_by", "format", *names))
    start, end = read_range(params, today)
    return SummaryQuery(
        start=start,
        end=end,
        group_by=read_groups(params.get("group_by"), names),
        filters={name: _filter(name, params[name], start, end) for name in names if name in params},
        format=read_choice("format", params.get("format", "json"), _FORMATS),
    )


def _filter(name: str, text: str, start: date, end: date) -> tuple[Value, ...]:
    if name == "streaming":
        return tuple(_STREAMING[value] for value in read_choices(name, text, _STREAMING))
    if name == "day":
        return read_days(name, text, start, end)
    if name == "source":
        return read_choices(name, text, tuple(Source))
    return read_reported(name, text)
