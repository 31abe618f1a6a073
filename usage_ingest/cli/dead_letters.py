"""`dead-letters`: what could not be read: look at it here, replay and drop it in replay.py."""

import json
import sys
from typing import Any

import click

from usage_ingest.cli.choosing import choosing, selection
from usage_ingest.cli.letter_lines import (
    counts_line,
    counts_objects,
    letter_line,
    letter_object,
    places_line,
    places_objects,
    say,
)
from usage_ingest.cli.replay import drop, replay_
from usage_ingest.cli.session import FAILED, Session, connected
from usage_ingest.dead_letter_counts import DeadLetterCounts
from usage_ingest.events.kept_letter import Selection
from usage_ingest.wiring import App


@click.group("dead-letters")
def dead_letters() -> None:
    """What could not be read: counted by reason and day, kept with a skeleton."""


dead_letters.add_command(replay_)
dead_letters.add_command(drop)


@dead_letters.command("list")
@choosing
@click.option(
    "--limit",
    default=50,
    show_default=True,
    type=click.IntRange(min=0),
    help="List so many singly; 0 lists all of them.",
)
@connected
def list_(session: Session, /, limit: int, **chosen: Any) -> None:  # noqa: ANN401 - options
    """Count dead letters by day and reason, and list the open ones.

    The counts are exact and outlive the dead letters. Those without an id are ranges of
    sequence numbers (hub/partition#numbers): of one reason in a received batch only the first
    hundred are kept singly.

    \b
    Examples:
      python -m usage_ingest dead-letters list
      python -m usage_ingest dead-letters list --reason unknown_shape --from 2026-11-01
      python -m usage_ingest dead-letters list --json --limit 0 | jq -r '.dead_letter.id // empty'
    """  # noqa: D301 - click wants the character
    asked, as_json = selection(chosen, every=True), session.as_json
    session.run(lambda app: _list(app, asked, limit, as_json=as_json))


async def _list(app: App, chosen: Selection, limit: int, *, as_json: bool) -> None:
    if not chosen.letter_ids:
        await _list_counts(app, chosen, as_json)
    left = limit or sys.maxsize
    async for page in app.letters.open(chosen):
        shown, left = page[:left], left - len(page)
        for each in shown if page[0].letter_id else ():
            say("dead_letter", letter_object(each), letter_line(each), as_json)
        for found in () if page[0].letter_id else places_objects(shown):
            say("places", found, places_line(found), as_json)
        if left < 0:
            click.echo(f"there are more than {limit}: --limit lists them", err=True)
            return


async def _list_counts(app: App, chosen: Selection, as_json: bool) -> None:
    by_day: dict[str, DeadLetterCounts] = {}
    days = (chosen.start or "0001-01-01", chosen.end or "9999-12-31")
    async for document in app.reports.reader.dead_letter_counts(*days):
        by_day.setdefault(document["day"], DeadLetterCounts()).add(document)
    for found in counts_objects(by_day):
        if not chosen.reasons or found["reason"] in chosen.reasons:
            say("counts", found, counts_line(found), as_json)


@dead_letters.command()
@click.argument("letter_id", metavar="ID")
@click.option(
    "--body",
    is_flag=True,
    help="Also the event's body, where DEAD_LETTER_BODY=raw kept it: it may hold prompts.",
)
@connected
def show(session: Session, letter_id: str, *, body: bool) -> None:
    """Print one dead letter as JSON, with what its skeleton kept of the event.

    \b
    Example:
      python -m usage_ingest dead-letters show c586e2d9150c0386d53e004d9a0ec7b5
    """  # noqa: D301 - click wants the character
    sys.exit(session.run(lambda app: _show(app, letter_id, body=body)))


async def _show(app: App, letter_id: str, *, body: bool) -> int:
    letter = await app.letters.find(letter_id)
    if letter is None:
        click.echo(f"Error: there is no dead letter {letter_id}", err=True)
        return FAILED
    found = letter_object(letter, whole=True)
    if body:
        found["body"] = await app.letters.body(letter)
        if found["body"] is None:
            click.echo("no body is kept: see DEAD_LETTER_BODY", err=True)
    click.echo(json.dumps(found, indent=2))  # ASCII: a terminal obeys no caller's text
    return 0
