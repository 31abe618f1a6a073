"""`backfill`: the hub, read again by enqueued time."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

import click
import orjson

from usage_ingest.cli.session import LONG_PATIENCE_SECONDS, Session, connected, dry_run_option, tell
from usage_ingest.connections import reread
from usage_ingest.document import time_text
from usage_ingest.errors import ConfigError
from usage_ingest.events.backfill import Backfill
from usage_ingest.events.backfill_position import Position, Range
from usage_ingest.wiring import App

_AT_ONCE: Final = 4
_TIME: Final = click.DateTime(["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d"])
_SUMS: Final = ("events", "stored", "completed", "repeated", "dead_letters")


@click.command()
@click.option("--from", "start", required=True, type=_TIME, metavar="TIME", help="Enqueued then.")
@click.option("--to", "end", required=True, type=_TIME, metavar="TIME", help="Enqueued before.")
@click.option("--partition", "partitions", multiple=True, metavar="N", help="Only this one.")
@click.option(
    "--consumer-group",
    metavar="NAME",
    help="Where to read; never the trigger's.  [default: EVENT_HUB_REREAD_CONSUMER_GROUP]",
)
@click.option("--again", is_flag=True, help="From the start, though an earlier call read it.")
@dry_run_option
@connected
def backfill(
    session: Session,
    /,
    start: datetime,
    end: datetime,
    partitions: Sequence[str],
    consumer_group: str | None,
    **how: bool,
) -> None:
    """Read the hub again by enqueued time, and store what is missing.

    Safe at any time: what is stored already counts once. A call that was interrupted goes on
    where it stood when the same range is given again. Times are UTC: 2026-11-20T15:04:05Z, or a
    day's start. The hub must still keep the events.

    Readers take no ownership: close_gaps may read in the same consumer group at the same time
    (Event Hubs allows five readers of a partition in a group).

    \b
    Examples:
      python -m usage_ingest backfill --from 2026-11-20 --to 2026-11-21
      python -m usage_ingest backfill --from 2026-11-20T08:00:00Z --to 2026-11-20T09:30:00Z --partition 3
    """  # noqa: D301, E501 - click wants the character
    if start >= end:
        raise click.UsageError("--from must be before --to.")
    times = (start.replace(tzinfo=UTC), end.replace(tzinfo=UTC))
    found = session.run(
        lambda app: _backfill(app, times, partitions, consumer_group, how), LONG_PATIENCE_SECONDS
    )
    for position in found:
        click.echo(orjson.dumps(_object(position)) if session.as_json else _line(position))
    if not session.as_json:
        click.echo(_total(found, how["dry_run"]))


async def _backfill(
    app: App,
    times: tuple[datetime, datetime],
    partitions: Sequence[str],
    consumer_group: str | None,
    how: dict[str, bool],
) -> list[Position]:
    filling = _filling(app, consumer_group)
    asked = Range(
        namespace=filling.reader.namespace,
        hub=filling.reader.hub,
        start=times[0],
        end=times[1],
    )
    known = await filling.reader.partition_ids()
    if unknown := sorted(set(partitions) - set(known)):
        raise ConfigError(f"Event hub {asked.hub} has no partition {', '.join(unknown)}")
    return await _each(filling, asked, partitions or known, how)


def _filling(app: App, consumer_group: str | None) -> Backfill:
    reader = app.reader
    if consumer_group is not None:
        if consumer_group == app.settings.event_hub_consumer_group:
            raise ConfigError("--consumer-group: must not be the trigger's")
        reader = reread(app.settings, app.credentials, consumer_group)
    return Backfill(ingest=app.ingest, reader=reader, backfills=app.backfills, tell=_tell)


async def _each(
    filling: Backfill, asked: Range, partitions: Sequence[str], how: dict[str, bool]
) -> list[Position]:
    """Read some partitions at a time; one that fails leaves the others their turn."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(partition_id: str) -> Position:
        async with gate:
            again, dry_run = how["again"], how["dry_run"]
            return await filling.partition(asked, partition_id, again=again, dry_run=dry_run)

    ordered = sorted(partitions, key=lambda each: (len(each), each))
    results = await asyncio.gather(*map(one, ordered), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [each for each in results if isinstance(each, Position)]


def _tell(position: Position) -> None:
    tell(_line(position))


def _object(position: Position) -> dict[str, Any]:
    times = {"through_time": position.through_time, "finished_at": position.finished_at}
    return {
        "partition_id": position.partition_id,
        "through": position.through,
        **{name: moment and time_text(moment) for name, moment in times.items()},
        **{name: getattr(position, name) for name in _SUMS},
    }


def _line(position: Position) -> str:
    through = "" if position.through_time is None else f"  up to {time_text(position.through_time)}"
    state = "  done" if position.finished_at else ""
    return f"partition {position.partition_id}  {_counts(position)}{through}{state}"


def _counts(position: Position) -> str:
    return (
        f"events {position.events:,}  missing {position.stored:,}  completed "
        f"{position.completed:,}  repeated {position.repeated:,}  new dead letters "
        f"{position.dead_letters:,}"
    )


def _total(found: Sequence[Position], dry_run: bool) -> str:
    if not found:
        return "no partitions"
    sums = {name: sum(getattr(each, name) for each in found) for name in _SUMS}
    total = _counts(replace(found[0], **sums))
    return f"all  {total}" + ("  nothing was written" if dry_run else "")
