"""Reads the times that gateways write: ISO 8601, epoch seconds, and .NET's culture formats. Pure.

`DateTime.ToString()` without a format writes what the gateway's culture says, so 5/6/2026 is two
days. It is read as the one within 48 hours of the enqueued time, else it is a dead letter.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from usage_ingest.errors import InvalidEventError

AHEAD: Final = timedelta(hours=24)
NEAR: Final = timedelta(hours=48)
_ISO: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
_CULTURE: Final = re.compile(
    r"(\d{1,4})([./-]) ?(\d{1,2})\2 ?(\d{1,4})\.?,?\s+(\d{1,2})[:.](\d\d)(?:[:.](\d\d))?"
    r"(?:\s*([AaPp])\.?\s?[Mm]\.?)?(?:Z|\s*\+00:00)?",
    re.ASCII,
)
_YEAR_DIGITS: Final = 4
_NOON: Final = 12
_LATEST_EPOCH: Final = 253_402_300_799


def event_time(value: str | float, enqueued: datetime | None, path: str) -> datetime:
    """Read an event's time.

    Args:
        value: ISO 8601 text (UTC where it names no zone), culture text (UTC) or epoch seconds.
        enqueued: When the hub took the event; None where it is not known.
        path: Where the value stands, for the error.

    Raises:
        InvalidEventError: It cannot be read, is ambiguous, or lies more than 24 h after the
            enqueued time.
    """
    moment = _iso(value) if isinstance(value, str) and _ISO.match(value) else None  # most are
    if moment is None:
        moment = _nearest(_readings(value), enqueued, path)
    if enqueued is not None and moment > enqueued + AHEAD:
        raise InvalidEventError("impossible_time", path, "more than 24 h after its enqueued time")
    return moment


def _nearest(readings: list[datetime], enqueued: datetime | None, path: str) -> datetime:
    if not readings:
        raise InvalidEventError("impossible_time", path, "cannot be read as a time")
    if len(readings) > 1:
        readings = [each for each in readings if enqueued and abs(each - enqueued) <= NEAR]
        if len(readings) != 1:
            raise InvalidEventError(
                "ambiguous_time", path, "day and month can be read two ways: write ISO 8601"
            )
    return readings[0]


def _readings(value: str | float) -> list[datetime]:
    if not isinstance(value, str):
        return _epoch(value)
    written = value.strip().replace("\u202f", " ").replace("\u00a0", " ")
    if _ISO.match(written) and (found := _iso(written)) is not None:
        return [found]
    return _culture(written)  # en-CA looks like ISO until its AM or PM


def _epoch(seconds: float) -> list[datetime]:
    if not 0 <= seconds <= _LATEST_EPOCH:
        return []
    return [datetime.fromtimestamp(seconds, UTC)]


def _iso(written: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(written)
        if moment.tzinfo is UTC:
            return moment
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _culture(written: str) -> list[datetime]:
    match = _CULTURE.fullmatch(written)
    if match is None:
        return []
    a, separator, b, c, hour, minute, second, half = match.groups()
    clock = (_hour(int(hour), half), int(minute), int(second or 0))
    if len(a) == _YEAR_DIGITS:
        orders = [(a, b, c)]
    elif len(c) == _YEAR_DIGITS and separator == ".":  # day first wherever dots are written
        orders = [(c, b, a)]
    elif len(c) == _YEAR_DIGITS:
        orders = [(c, a, b), (c, b, a)]
    else:
        orders = []
    moments = {_moment(tuple(map(int, order)), clock) for order in orders}
    return sorted(each for each in moments if each is not None)


def _hour(hour: int, half: str | None) -> int:
    if half is None:
        return hour
    if not 1 <= hour <= _NOON:
        return -1
    return hour % _NOON + (_NOON if half in "Pp" else 0)


def _moment(day: tuple[int, ...], clock: tuple[int, int, int]) -> datetime | None:
    try:
        return datetime(day[0], day[1], day[2], *clock, tzinfo=UTC)
    except ValueError:
        return None
