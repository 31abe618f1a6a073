"""`period`: close a month, so that its numbers stay; show and list those that are closed."""

import sys
import time
from typing import Final

import click

from usage_ingest.chargeback.close import Close, Outcome
from usage_ingest.chargeback.closing import Watch
from usage_ingest.chargeback.period import is_period
from usage_ingest.chargeback.ports import Statement
from usage_ingest.chargeback.shares import Shares
from usage_ingest.cli.period_texts import (
    listed_object,
    listed_text,
    outcome_object,
    outcome_text,
    shown_object,
    shown_text,
)
from usage_ingest.cli.session import LONG_PATIENCE_SECONDS, Session, connected, dry_run_option, tell
from usage_ingest.cli.times import Month
from usage_ingest.errors import ConfigError
from usage_ingest.wiring import App

_TELL_SECONDS: Final = 2.0


@click.group()
def period() -> None:
    """Closed months: frozen numbers, and corrections of what changed later."""


_PERIOD: Final = click.argument("month", metavar="PERIOD", type=Month())


@period.command()
@connected
@_PERIOD
@click.option(
    "--accept",
    metavar="REASON",
    help="Close it though it is incomplete; the reason is kept with the statement.",
)
@click.option(
    "--recheck",
    is_flag=True,
    help="Compare all closed periods with what they would be now, also those that nothing is "
    "known to have changed in: after an upgrade that rates otherwise.",
)
@dry_run_option
def close(
    session: Session, month: tuple[int, int], accept: str | None, *, recheck: bool, dry_run: bool
) -> None:
    """Freeze a month's numbers, and post what changed in closed ones.

    The first month that is closed may be any; then each in its turn. What changes later in a
    closed month, by late usage, a corrected price or another owner, becomes corrections of the
    next one that is closed.

    Nothing is written while something stands against closing: the month has not ended, it is not
    its turn, sources lag, gaps or dead letters are open, usage has no price. --accept lifts all
    but the first two. It may be interrupted and run again.

    Ends with 0 when the month is closed (with --dry-run: when it could be), 1 when something
    stands against it, 2 when the command is wrong.

    \b
    Examples:
      python -m usage_ingest period close 2026-11 --dry-run
      python -m usage_ingest period close 2026-11
      python -m usage_ingest period close 2026-11 --accept "hub 3 lost 20 events, agreed with HR"
    """  # noqa: D301 - click wants the character
    name, reason = _name(month), None if accept is None else accept.strip()
    if reason == "":
        raise click.UsageError("--accept takes a reason.")

    async def work(app: App) -> Outcome:
        verb = Close(stores=app.chargeback, clock=app.clock, tags=app.settings.rollup_tags)
        return await verb(name, reason, _watch(), recheck=recheck, dry_run=dry_run)

    outcome = session.run(work, LONG_PATIENCE_SECONDS)
    session.show(
        outcome_object(outcome, dry_run=dry_run),
        outcome_text(outcome, reason, dry_run=dry_run),
    )
    sys.exit(0 if outcome.statement or (dry_run and outcome.may_be_closed(reason)) else 1)


@period.command()
@connected
@_PERIOD
def show(session: Session, month: tuple[int, int]) -> None:
    """Show what a closed month was closed with: amounts by owner, and corrections it posted.

    \b
    Examples:
      python -m usage_ingest period show 2026-11
      python -m usage_ingest period show 2026-11 --json | jq .owners
    """  # noqa: D301 - click wants the character
    name = _name(month)

    async def work(app: App) -> tuple[Statement, Shares]:
        closed = await app.statements.all()
        found = [each for each in closed if each.period == name]
        if not found:
            told = ", ".join(each.period for each in closed) or "none"
            raise ConfigError(f"{name} is not closed; closed periods: {told}")
        shares = Shares()
        async for line in app.statements.lines(found[0]):
            shares.add(line)
        return found[0], shares

    statement, shares = session.run(work, LONG_PATIENCE_SECONDS)
    session.show(shown_object(statement, shares), shown_text(statement, shares))


@period.command(name="list")
@connected
def list_(session: Session) -> None:
    """List the months that are closed.

    \b
    Example:
      python -m usage_ingest period list
    """  # noqa: D301 - click wants the character

    async def work(app: App) -> list[Statement]:
        return await app.statements.all()

    closed = session.run(work)
    session.show([listed_object(each) for each in closed], listed_text(closed))


def _name(month: tuple[int, int]) -> str:
    name = f"{month[0]:04}-{month[1]:02}"
    if not is_period(name):
        raise click.UsageError(f"{name} is too late to be a period.")
    return name


def _watch() -> Watch:
    """Tell how far reading is, every few seconds."""
    last = time.monotonic()

    def watch(lines: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _TELL_SECONDS:
            last = now
            tell(f"{lines:,} lines read")

    return watch
