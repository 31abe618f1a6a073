"""`dead-letters replay` and `drop`: read again what could not be read, or give it up."""

import getpass
import sys
from collections import Counter
from typing import Any, Final

import click
import orjson

from usage_ingest.cli.choosing import choosing, selection
from usage_ingest.cli.letter_lines import say
from usage_ingest.cli.session import (
    FAILED,
    LONG_PATIENCE_SECONDS,
    Session,
    connected,
    dry_run_option,
)
from usage_ingest.events.kept_letter import Closing, Selection
from usage_ingest.events.replay import Replayed, replay
from usage_ingest.wiring import App


@click.command("replay")
@choosing
@click.option("--all", "every", is_flag=True, help="All that are open.")
@dry_run_option
@connected
def replay_(session: Session, /, *, every: bool, dry_run: bool, **chosen: Any) -> None:  # noqa: ANN401
    """Read dead letters again with the parser of today, and store what it can read.

    From the skeleton where that is whole, else from the hub as long as it keeps the event. What
    is stored counts once, however often it is replayed or delivered, and leaves the dead
    letters; what still fails stays open with its attempts counted. Safe at any time.

    Ends with 0 when all chosen ones were read, 1 when some stay open.

    \b
    Examples:
      python -m usage_ingest dead-letters replay --reason unknown_shape --dry-run
      python -m usage_ingest dead-letters replay --day 2026-11-20
      python -m usage_ingest dead-letters replay --id c586e2d9150c0386d53e004d9a0ec7b5
    """  # noqa: D301 - click wants the character
    asked, as_json = selection(chosen, every=every), session.as_json
    sys.exit(
        session.run(
            lambda app: _replay(app, asked, dry_run=dry_run, as_json=as_json),
            LONG_PATIENCE_SECONDS,
        )
    )


async def _replay(app: App, chosen: Selection, *, dry_run: bool, as_json: bool) -> int:
    sums, reasons = Counter[str](), Counter[str]()
    async for page in app.letters.open(chosen):
        replayed = await replay(app.ingest, app.letters, page, dry_run=dry_run)
        reasons += replayed.reasons
        sums += _sums(replayed)
        _tell_failures(replayed, as_json)
        _progress(sums)
    told = {name: sums[name] for name in _SUMS} | {"reasons": dict(sorted(reasons.items()))}
    click.echo(orjson.dumps(told | {"dry_run": dry_run}) if as_json else _told(told, dry_run))
    return FAILED if sums["left_open"] else 0


_SUMS: Final = ("closed", "stored", "repeated", "completed", "left_open", "new_dead_letters")


def _sums(replayed: Replayed) -> Counter[str]:
    return Counter(
        closed=replayed.closed,
        stored=replayed.stored,
        repeated=replayed.repeated,
        completed=replayed.completed,
        left_open=len(replayed.failures),
        new_dead_letters=replayed.new_letters,
    )


def _tell_failures(replayed: Replayed, as_json: bool) -> None:
    for letter, failure in replayed.failures:
        told = {"id": letter.letter_id, "where": letter.where, "reason": failure.reason}
        told |= {"path": failure.path, "text": failure.text}
        place = f" at {failure.path}" if failure.path else ""
        line = f"{letter.letter_id or '-'}  {letter.where}  {failure.reason}{place}: {failure.text}"
        say("left_open", told, line, as_json)


def _progress(sums: Counter[str]) -> None:
    seen = sums["closed"] + sums["left_open"]
    click.echo(f"{seen:,} read again, {sums['left_open']:,} of them stay open", err=True)


def _told(told: dict[str, Any], dry_run: bool) -> str:
    reasons = ", ".join(f"{reason} {number:,}" for reason, number in told["reasons"].items())
    left = f"{told['left_open']:,} stay open" + (f": {reasons}" if reasons else "")
    if dry_run:
        return f"would close {told['closed']:,}, {left}; nothing was written"
    return (
        f"closed {told['closed']:,} ({told['stored']:,} records were new, {told['completed']:,} "
        f"completed, {told['repeated']:,} stored already), {left}"
    )


@click.command()
@choosing
@click.option("--all", "every", is_flag=True, help="All that are open.")
@click.option("--because", required=True, metavar="TEXT", help="Why; kept with each of them.")
@click.option("--by", default=getpass.getuser, show_default="the user", help="Who gives them up.")
@dry_run_option
@connected
def drop(
    session: Session,
    /,
    because: str,
    by: str,
    *,
    every: bool,
    dry_run: bool,
    **chosen: Any,  # noqa: ANN401
) -> None:
    """Give dead letters up: they are not missing any more, and summaries list them as dropped.

    \b
    Examples:
      python -m usage_ingest dead-letters drop --reason not_json --day 2026-11-20 --dry-run \\
        --because "load test of the gateway team"
    """  # noqa: D301 - click wants the character
    closing = Closing("dropped", by, because)
    asked = selection(chosen, every=every)
    told = session.run(
        lambda app: _drop(app, asked, closing, dry_run=dry_run), LONG_PATIENCE_SECONDS
    )
    listed = ", ".join(f"{reason} {number:,}" for reason, number in told["reasons"].items())
    word = "would drop" if dry_run else "dropped"
    line = f"{word} {told['dropped']:,}" + (f": {listed}" if listed else "")
    click.echo(orjson.dumps(told) if session.as_json else line)


async def _drop(app: App, chosen: Selection, closing: Closing, *, dry_run: bool) -> dict[str, Any]:
    dropped, reasons = 0, Counter[str]()
    async for page in app.letters.open(chosen):
        dropped += len(page) if dry_run else await app.letters.close(page, closing)
        reasons.update(each.reason for each in page)
        click.echo(f"{reasons.total():,} looked at", err=True)
    return {"dropped": dropped, "reasons": dict(sorted(reasons.items())), "dry_run": dry_run}
