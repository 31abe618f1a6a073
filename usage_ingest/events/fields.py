"""Reads single values at the border: what producers send as text, number or stand-in. Pure."""

import functools
import math
import re
from collections.abc import Mapping
from typing import Any, Final

from usage_ingest.errors import InvalidEventError
from usage_ingest.record import IMPLAUSIBLE_COUNT

TEXT_LIMIT: Final = 256
TAG_LIMIT: Final = 64
MAX_TAGS: Final = 8
COUNTS: Final = range(IMPLAUSIBLE_COUNT + 1)
_UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_WHOLE: Final = re.compile(r"\d{1,19}(\.0{1,9})?")
_DECIMAL: Final = re.compile(r"\d{1,9}(\.\d{1,9})?", re.ASCII)
_TAG_NAME: Final = re.compile(r"[^a-z0-9_.-]")


def text(value: object, limit: int = TEXT_LIMIT) -> str | None:
    """Read a name or an id: cut, without control characters; empty or not text is None."""
    if isinstance(value, str):
        if len(value) <= limit and value.isprintable():  # most are, and checked in no time
            return value.strip() or None
        return _UNPRINTABLE.sub("", value[: limit * 2]).strip()[:limit] or None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)[:limit]
    return None


def raw_id(value: object) -> str | None:
    """Read an id for identity: as it was sent; blank or neither text nor number is None."""
    if isinstance(value, str):
        return value if value.strip() else None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return None


def token_count(value: object, *path: str) -> int | None:
    """Read a count of tokens; None and "" are "not reported". `path` is where it stands.

    Raises:
        InvalidEventError: It is no whole number of zero or more, or above 100,000,000.
    """
    number = whole(value)
    if number is not None and number in COUNTS:
        return number
    if value is None or value == "":
        return None
    if number is None or number < 0:
        raise InvalidEventError("bad_count", ".".join(path), "not a whole number of zero or more")
    raise InvalidEventError("implausible_count", ".".join(path), "above 100,000,000")


def seconds_as_ms(value: object, path: str) -> int | None:
    """Read seconds, fractions included, as whole milliseconds; None and "" are "not reported".

    Raises:
        InvalidEventError: They are no number of zero or more, or above 100,000 seconds.
    """
    if value is None or value == "":
        return None
    seconds = _number(value)
    if seconds is None or seconds < 0:
        raise InvalidEventError("bad_count", path, "not a number of zero or more")
    if seconds > IMPLAUSIBLE_COUNT / 1_000:
        raise InvalidEventError("implausible_count", path, "above 100,000 seconds")
    return round(seconds * 1_000)


def _number(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str) and _DECIMAL.fullmatch(value.strip()):
        return float(value)
    return None


def whole(value: object) -> int | None:
    """Read a whole number that may have come as 12, 12.0 or "12"; None where it is none."""
    if type(value) is int:  # booleans are not
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(value.strip().partition(".")[0])
    return None


def within(value: int | None, bounds: range) -> int | None:
    """Return the value where it lies in the range; None otherwise."""
    # `None in range(...)` walks the whole range.
    return value if value is not None and value in bounds else None


def flag(value: object) -> bool | None:
    """Read a boolean that may have come as text."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower())
    return None


def tags(value: object) -> dict[str, str]:
    """Read at most eight tags, names in lower case; whatever is no text is left out."""
    if not isinstance(value, dict):
        return {}
    read: dict[str, str] = {}
    for name in sorted(value):
        label = _label(name)
        content = text(value[name], TAG_LIMIT)
        if label and content is not None and len(read) < MAX_TAGS:
            read.setdefault(label, content)
    return read


@functools.lru_cache(maxsize=256)  # a gateway's tags have the same few names
def _label(name: str) -> str:
    return _TAG_NAME.sub("", name.lower())[:TAG_LIMIT]


def nested(value: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    """Return an inner object, or an empty one where it is absent, null or something else."""
    for key in keys:
        inner = value.get(key)
        if not isinstance(inner, dict):
            return {}
        value = inner
    return value
