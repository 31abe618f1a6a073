"""Times and days on the command line."""

import re
from datetime import UTC, date, datetime, time
from typing import Final

import click


class UtcTime(click.ParamType[datetime]):
    """A moment: `2026-11-20T15:04:05Z`, with an offset, or a day, which is its beginning in UTC."""

    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Read the text; what names no zone is refused."""
        if isinstance(value, datetime):
            return value
        text = str(value).strip()
        if (day := _day(text)) is not None:
            return datetime.combine(day, time.min, UTC)
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            self.fail(f"{text!r} is no time; takes {_TAKES}", param, ctx)
        if moment.tzinfo is None:
            self.fail(f"{text!r} names no zone; takes {_TAKES}", param, ctx)
        try:
            return moment.astimezone(UTC)
        except OverflowError:
            self.fail(f"{text!r} is no time; takes {_TAKES}", param, ctx)


class UtcDay(click.ParamType[date]):
    """A UTC day: `2026-11-20`."""

    name = "day"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> date:
        """Read the text."""
        if isinstance(value, date):
            return value
        day = _day(str(value).strip())
        if day is None:
            self.fail(f"{value!r} is no day; takes a UTC day as 2026-11-20", param, ctx)
        return day


class Month(click.ParamType[tuple[int, int]]):
    """A month of UTC days: `2026-11`."""

    name = "month"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Read the text."""
        if isinstance(value, tuple):
            return value
        found = _MONTH.fullmatch(str(value))
        if found is None or found[1] == "0000":
            self.fail(f"{value!r} is no month; takes one as 2026-11", param, ctx)
        return int(found[1]), int(found[2])


_MONTH: Final = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")
_TAKES: Final = "2026-11-20T15:04:05Z, or a day"


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if day.isoformat() == text else None
