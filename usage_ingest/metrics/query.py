"""The KQL that is sent: the .kql files of this folder, with what they ask for put before. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files

import orjson

from usage_ingest.document import time_text
from usage_ingest.metric_profile import Definition
from usage_ingest.metrics.watermark import Bin, Window


def service_time() -> str:
    """Ask for the service's time: one row, `Now`."""
    return _file("service_time")


def metrics_seen() -> str:
    """Ask whether the table is there: one row, `Rows` of the last day."""
    return _file("metrics_seen")


def touched_minutes(definition: Definition, arrived: Window, generated: Window) -> str:
    """Ask which minutes the rows carry that arrived in a window: rows of `Minute`."""
    return _query(
        "touched_minutes",
        *_of_profile(definition),
        *_generated(generated.start, generated.end),
        f"let arrived_from = {_moment(arrived.start)};",
        f"let arrived_to = {_moment(arrived.end)};",
    )


def whole_bins(definition: Definition, bins: Sequence[Bin]) -> str:
    """Ask for all rows of bins of one length.

    Rows have `Bin`, `Name`, `AppRoleName`, `_ResourceId`, `Properties` (JSON text), `Sum` and
    `AsOf`, the service's time of the reading.
    """
    minutes = timedelta(seconds=bins[0].seconds) // timedelta(minutes=1)
    starts = ", ".join(_moment(each.start) for each in bins)
    return _query(
        "whole_bins",
        *_of_profile(definition),
        *_generated(min(bins).start, max(bins).end),
        f"let bin_size = {minutes}m;",
        f"let bins = datatable(Bin: datetime)[{starts}];",
    )


def _of_profile(definition: Definition) -> Iterable[str]:
    names = ", ".join(_text(each) for each in definition.metrics)
    keys = [
        *(f"isnotnull(bag[{_text(key)}])" for key in definition.must_have),
        *(f"isnull(bag[{_text(key)}])" for key in definition.must_not_have),
    ]
    return (
        f"let names = dynamic([{names}]);",
        f"let is_of_profile = (bag: dynamic) {{ {' and '.join(keys)} }};",
    )


def _generated(start: datetime, end: datetime) -> Iterable[str]:
    return (f"let generated_from = {_moment(start)};", f"let generated_to = {_moment(end)};")


def _moment(moment: datetime) -> str:
    return f"datetime({time_text(moment)})"


def _text(value: str) -> str:
    """Write a text as KQL does; definitions hold no quotes, backslashes or controls."""
    return orjson.dumps(value).decode()


def _query(name: str, *lets: str) -> str:
    return "\n".join((*lets, _file(name)))


@cache
def _file(name: str) -> str:
    return (files(__package__) / f"{name}.kql").read_text(encoding="utf-8")
