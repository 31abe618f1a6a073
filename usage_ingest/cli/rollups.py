"""`rollups`: are the totals what the ledger adds up to, and how to make them so."""

import sys
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, TypeVar

import click

from usage_ingest.cli.session import LONG_PATIENCE_SECONDS, Session, connected, dry_run_option
from usage_ingest.cli.table import printable
from usage_ingest.cli.times import Month, UtcDay
from usage_ingest.cli.watch import watching
from usage_ingest.totals.days import days_of_month
from usage_ingest.totals.fold import Difference
from usage_ingest.totals.rebuild import Rebuild
from usage_ingest.totals.verify import Outcome, Progress, Verify
from usage_ingest.wiring import App

F = TypeVar("F", bound=Callable[..., Any])
Chosen = tuple[date | None, tuple[int, int] | None]


@click.group()
def rollups() -> None:
    """Totals by day and key, as summaries read them."""


def _choosing(command: F) -> F:
    """Add the options that choose days and subscriptions."""
    options = [
        click.option("--day", type=UtcDay(), metavar="DAY", help="A UTC day: 2026-11-20."),
        click.option("--month", type=Month(), metavar="MONTH", help="All of a month: 2026-11."),
        click.option(
            "--subscription",
            metavar="ID",
            help='Only this APIM subscription; "-" is calls without one.  [default: all]',
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@rollups.command()
@connected
@_choosing
def verify(
    session: Session, day: date | None, month: tuple[int, int] | None, subscription: str | None
) -> None:
    """Compare every rollup with the ledger documents that name it.

    It only reads, and is safe while events are ingested: what changes meanwhile is read again.
    Days that the ledger does not hold whole any more are refused.

    Ends with 0 when all of it is equal, 1 when something differs or cannot be compared, 2 when
    the command is wrong.

    \b
    Examples:
      python -m usage_ingest rollups verify --day 2026-11-20
      python -m usage_ingest rollups verify --month 2026-11 --subscription hr-copilot
      python -m usage_ingest rollups verify --month 2026-11 --json | jq .differences
    """  # noqa: D301 - click wants the character
    _check(day, month)

    async def work(app: App) -> Outcome:
        settings = app.settings
        verb = Verify(app.totals, app.clock, settings.ledger_ttl_days, settings.rollup_tags)
        return await verb(_days(app, day, month), subscription, watching(_so_far))

    _end(session, session.run(work, LONG_PATIENCE_SECONDS), _verified)


@rollups.command()
@connected
@_choosing
@dry_run_option
@click.option(
    "--zero-empty",
    is_flag=True,
    help="Empty rollups also where no ledger document of the subscription's day is left.",
)
def rebuild(  # noqa: PLR0913 - arguments of a command
    session: Session,
    day: date | None,
    month: tuple[int, int] | None,
    subscription: str | None,
    *,
    dry_run: bool,
    zero_empty: bool,
) -> None:
    """Make every rollup what the ledger documents that name it add up to.

    Each rollup goes from its old total to the right one in a single write; nothing in between is
    ever to be seen. It may run beside ingestion, and may be interrupted and run again.

    A subscription's day that has rollups and not one ledger document is left alone unless
    --zero-empty is given: documents may have lived shorter once than they do now.

    Ends with 0 when all of it is right now (with --dry-run: when nothing is to be written), 1
    when something is left, 2 when the command is wrong.

    \b
    Examples:
      python -m usage_ingest rollups rebuild --day 2026-11-20 --dry-run
      python -m usage_ingest rollups rebuild --day 2026-11-20
      python -m usage_ingest rollups rebuild --month 2026-11 --subscription hr-copilot
    """  # noqa: D301 - click wants the character
    _check(day, month)

    async def work(app: App) -> Outcome:
        settings = app.settings
        verb = Rebuild(app.totals, app.clock, settings.ledger_ttl_days, settings.rollup_tags)
        days = _days(app, day, month)
        return await verb(
            days, subscription, watching(_so_far), dry_run=dry_run, zero_empty=zero_empty
        )

    outcome = session.run(work, LONG_PATIENCE_SECONDS)
    if dry_run:
        outcome.left = [*outcome.differences, *outcome.left]
    _end(session, outcome, _would_be_rebuilt if dry_run else _rebuilt)


def _check(day: date | None, month: tuple[int, int] | None) -> None:
    if (day is None) == (month is None):
        raise click.UsageError("Choose --day or --month.")


def _days(app: App, day: date | None, month: tuple[int, int] | None) -> list[str]:
    if month is not None:
        return days_of_month(*month, app.clock.now().date())
    return [] if day is None else [day.isoformat()]


def _so_far(progress: Progress) -> str:
    return (
        f"{progress.day}: {progress.partitions:,} of {progress.of_partitions:,} logical "
        f"partitions, {progress.documents:,} ledger documents"
    )


def _end(session: Session, outcome: Outcome, summed_up: Callable[[Outcome], str]) -> None:
    shown = dict.fromkeys(map(id, outcome.differences))
    told = [*outcome.differences, *(each for each in outcome.left if id(each) not in shown)]
    lines = [line for each in told for line in _lines(each)]
    session.show(_object(outcome, told), "\n".join([*lines, summed_up(outcome)]))
    sys.exit(1 if outcome.left else 0)


def _object(outcome: Outcome, told: Sequence[Difference]) -> dict[str, Any]:
    progress = outcome.progress
    return {
        "days": list(outcome.days),
        "partitions": progress.partitions,
        "rollups": progress.rollups,
        "documents": progress.documents,
        "equal": not outcome.left and not outcome.differences,
        "rewritten": outcome.rewritten,
        "left": len(outcome.left),
        "differences": [
            {
                "partition": each.partition,
                "rollup_id": each.rollup_id or None,
                "kind": each.kind.value,
                "documents": each.documents,
                "key": dict(each.key),
                "counters": {
                    name: {"rollup": stored, "ledger": wanted}
                    for name, (stored, wanted) in each.counters.items()
                },
                "text": each.text or None,
            }
            for each in told
        ],
    }


def _lines(difference: Difference) -> list[str]:
    key = "  ".join(str(value) for name, value in difference.key.items() if name != "source")
    head = [difference.partition, difference.kind.value, difference.rollup_id, key, difference.text]
    rows = [
        f"    {name:34} rollup {_number(stored):>16}   ledger {_number(wanted):>16}"
        for name, (stored, wanted) in difference.counters.items()
    ]
    return ["  ".join(printable(word) for word in head if word), *rows]


def _number(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int | float) else repr(value)


def _verified(outcome: Outcome) -> str:
    found = len(outcome.differences)
    what = "all equal" if not found else f"{found:,} thing{'s' * (found != 1)} wrong"
    return f"{_read(outcome)}: {what}"


def _rebuilt(outcome: Outcome) -> str:
    left = f", {len(outcome.left):,} left" if outcome.left else ""
    return f"{_read(outcome)}: {outcome.rewritten:,} rewritten{left}"


def _would_be_rebuilt(outcome: Outcome) -> str:
    return f"{_read(outcome)}: {outcome.rewritten:,} would be rewritten; nothing was written"


def _read(outcome: Outcome) -> str:
    days, progress = outcome.days, outcome.progress
    span = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}" if days else "no days"
    return (
        f"{span}: {progress.rollups:,} rollups and {progress.documents:,} ledger documents in "
        f"{progress.partitions:,} logical partitions"
    )
