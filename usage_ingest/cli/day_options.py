"""Days and months on the command line."""

import re
from datetime import date
from typing import Final

import click

_MONTH: Final = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")


class Day(click.ParamType[date]):
    """A UTC day: `2026-11-20`."""

    name = "day"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> date:
        """Read the text."""
        if isinstance(value, date):
            return value
        text = str(value)
        try:
            day = date.fromisoformat(text)
        except ValueError:
            day = None
        if day is None or day.isoformat() != text:
            self.fail(f"{text!r} is no day; takes a UTC day as 2026-11-20", param, ctx)
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
