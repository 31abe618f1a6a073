"""`watermark`: how far each source of metrics is collected, and how to set that."""

from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

import click

from usage_ingest.cli.move import Preview, applied, asked_source, left_mark, preview
from usage_ingest.cli.session import Session, connected, dry_run_option
from usage_ingest.cli.status import watermarks
from usage_ingest.cli.table import moment, table
from usage_ingest.cli.times import UtcTime
from usage_ingest.document import time_text
from usage_ingest.metrics.move_watermark import Asked
from usage_ingest.metrics.watermark import Source
from usage_ingest.wiring import App

_SAYS: Final = {
    "none": "The mark stands there already.",
    "back": "Read again, from the next run on: what arrived from {start} to {end}.",
    "skip": "Never collected: what arrived from {start} to {end}. Its days stay incomplete.",
    "begin": "Collecting begins there, from the next run on: what arrived from {start} to {end}.",
}


@click.group()
def watermark() -> None:
    """How far the metrics of streamed requests are collected."""


@watermark.command()
@connected
def show(session: Session) -> None:
    """Show every source with its mark, its age, its window and what is odd of it.

    \b
    Examples:
      python -m usage_ingest watermark show
      python -m usage_ingest watermark show --json | jq '.[].age_seconds'
    """  # noqa: D301 - click wants the character

    async def read(app: App) -> list[dict[str, Any]]:
        return (await app.reports.metrics()).listed(app.clock.now())

    found = session.run(read)
    text = watermarks(found) if found else "METRICS_TARGETS names no target: nothing is collected."
    session.show(found, text)


@watermark.command(name="set")
@connected
@click.option("--target", help="The workspace or component; may be left out where there is one.")
@click.option("--profile", help="The profile; may be left out where the target has one.")
@click.option(
    "--to",
    "to",
    type=UtcTime(),
    required=True,
    metavar="TIME",
    help="Where the mark is to stand, by arrival: 2026-11-20T15:04:05Z, or a day.",
)
@click.option(
    "--skip", is_flag=True, help="Move the mark on, and never collect what arrived in between."
)
@dry_run_option
def set_(  # noqa: PLR0913 - arguments of a command
    session: Session,
    target: str | None,
    profile: str | None,
    to: datetime,
    *,
    skip: bool,
    dry_run: bool,
) -> None:
    """Set a mark back to collect again, or on to skip.

    Shows which bins it concerns before anything is written. It may run beside the collector: a
    run that is under way loses its mark and goes on from the new one. Collecting again changes
    nothing that is the same. What is skipped stays in the mark, and the summaries of its days
    are never complete: setting the mark back before it takes that away.

    \b
    Examples:
      python -m usage_ingest watermark set --to 2026-11-20 --dry-run
      python -m usage_ingest watermark set --profile own --to 2026-11-20T06:00:00Z
      python -m usage_ingest watermark set --target 00000000-... --to 2026-11-20 --skip
    """  # noqa: D301 - click wants the character

    async def work(app: App) -> dict[str, Any]:
        source = await asked_source(app, target, profile)
        seen = await preview(app, source, Asked(to, skip))
        session.say(_text(seen))
        changes = seen.move.kind != "none"
        if changes and not dry_run:
            mark = (await applied(app, source, Asked(to, skip), seen)).after
            session.say(f"Written: the mark stands at {moment(time_text(mark.collected_through))}.")
        elif changes:
            session.say("Dry run: nothing was written.")
        return _object(source, seen, written=changes and not dry_run)

    found = session.run(work)
    if session.as_json:
        session.show(found, "")


@watermark.command()
@connected
@click.option("--target", help="The workspace or component; may be left out where there is one.")
@click.option("--profile", help="The profile; may be left out where the target has one.")
@dry_run_option
def forget(session: Session, target: str | None, profile: str | None, *, dry_run: bool) -> None:
    """Delete the mark of a source that is collected no more, once nothing of it is missing.

    Until then its last day stays incomplete (metrics_source_left). What was collected stays.
    Refused for a source that is collected, and for a mark that keeps a skip.

    \b
    Examples:
      python -m usage_ingest watermark forget --target 00000000-... --profile own --dry-run
    """  # noqa: D301 - click wants the character

    async def work(app: App) -> dict[str, Any]:
        source = await asked_source(app, target, profile)
        mark = await left_mark(app, source)
        if not dry_run:
            await app.reports.watermarks.delete(mark)
        through = time_text(mark.collected_through)
        return {**asdict(source), "collected_through": through, "written": not dry_run}

    found = session.run(work)
    through = moment(found["collected_through"])
    ending = "deleted." if found["written"] else "would be deleted. Dry run: nothing was written."
    session.show(
        found, f"{found['target']}, profile {found['profile']}: its mark at {through} {ending}"
    )


def _object(source: Source, seen: Preview, *, written: bool) -> dict[str, Any]:
    move = seen.move
    return {
        "target": source.target,
        "profile": source.profile,
        "kind": move.kind,
        "before": move.before and time_text(move.before.collected_through),
        "after": time_text(move.after.collected_through),
        "arrivals": {
            "start": time_text(move.arrivals.start),
            "end": time_text(move.arrivals.end),
        },
        "bins": None if seen.bins is None else len(seen.bins),
        "days": seen.days,
        "too_old_bins": seen.too_old,
        "written": written,
    }


def _text(seen: Preview) -> str:
    move, source = seen.move, seen.move.after.source
    before = time_text(move.before.collected_through) if move.before else None
    after = time_text(move.after.collected_through)
    span = {
        "start": moment(time_text(move.arrivals.start)),
        "end": moment(time_text(move.arrivals.end)),
    }
    lines = [
        f"{source.target}, profile {source.profile}: {moment(before)} -> {moment(after)}",
        _SAYS[move.kind].format(**span),
    ]
    if move.kind == "none":
        return "\n".join(lines)
    if seen.days is None:
        lines.append(f"Which bins that are cannot be said: {seen.unknown}")
    elif not seen.days:
        lines.append("Nothing arrived then.")
    else:
        lines.append(f"{len(seen.bins or ()):,} bins of {len(seen.days)} days:")
        lines.append(table(("day", "bins"), list(seen.days.items())))
    if seen.too_old:
        lines.append(f"{seen.too_old:,} of them are older than the ledger keeps: left out.")
    return "\n".join(lines)
