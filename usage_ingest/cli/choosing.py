"""How commands choose dead letters, and the options that they share."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, TypeVar

import click

from usage_ingest.events.dead_letter import REASONS
from usage_ingest.events.kept_letter import Selection

F = TypeVar("F", bound=Callable[..., Any])
_DAY: Final = click.DateTime(["%Y-%m-%d"])


def choosing(command: F) -> F:
    """Add the options that choose open dead letters; days are those of the enqueued time."""
    options = [
        click.option("--reason", multiple=True, type=click.Choice(sorted(REASONS))),
        click.option("--day", type=_DAY, metavar="DAY", help="Enqueued on this day (UTC)."),
        click.option("--from", "start", type=_DAY, metavar="DAY", help="On this day or later."),
        click.option("--to", "end", type=_DAY, metavar="DAY", help="On this day or earlier."),
        click.option("--id", "ids", multiple=True, metavar="ID", help="This one; may be repeated."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def selection(chosen: dict[str, Any], *, every: bool) -> Selection:
    """Return what the options choose; without any it must be said that all is meant."""
    day, start, end = chosen["day"], chosen["start"], chosen["end"]
    if day and (start or end):
        raise click.UsageError("--day is one day: --from and --to do not go with it.")
    if start and end and start > end:
        raise click.UsageError("--from is later than --to.")
    if not every and not any(chosen.values()):
        raise click.UsageError("Choose with --reason, --day, --from, --to or --id, or say --all.")
    return Selection(chosen["reason"], _day(day or start), _day(day or end), chosen["ids"])


def _day(moment: datetime | None) -> str | None:
    return None if moment is None else moment.date().isoformat()
