"""`chargeback`: what usage costs and who pays, as reports and as FOCUS files."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from usage_ingest.adapters.day_file import aside, move
from usage_ingest.adapters.focus_files import beside, focus_file
from usage_ingest.chargeback.focus_export import FocusMonth, months, write_month
from usage_ingest.chargeback.page import to_page
from usage_ingest.chargeback.report import report as read_report
from usage_ingest.chargeback.report_csv import to_csv
from usage_ingest.chargeback.report_query import FORMATS, ReportQuery, parse_report_query
from usage_ingest.cli.session import (
    FAILED,
    LONG_PATIENCE_SECONDS,
    Session,
    connected,
)
from usage_ingest.cli.times import UtcDay
from usage_ingest.cli.watch import watching
from usage_ingest.errors import InvalidQueryError
from usage_ingest.from_settings import biller
from usage_ingest.wiring import App

F = TypeVar("F", bound=Callable[..., Any])
_OPTIONS: Final = {
    "start_date": "--from",
    "end_date": "--to",
    "group_by": "--group-by",
    "period": "--period",
}
"""What parameters of the report are called here; the others are names of `--only`."""
_TEXTS: Final[dict[str, Callable[[Mapping[str, Any]], str]]] = {
    "json": lambda found: json.dumps(found, ensure_ascii=False, indent=2) + "\n",
    "csv": to_csv,
    "html": to_page,
}


def _asking(command: F) -> F:
    """Add the options that say what is asked."""
    options = [
        click.option("--period", metavar="MONTH", help="A month, such as 2026-11."),
        click.option("--from", "first", type=UtcDay(), metavar="DAY", help="The first day."),
        click.option("--to", "last", type=UtcDay(), metavar="DAY", help="The last day."),
        click.option(
            "--group-by", multiple=True, metavar="NAME", help="owner, model, tag:team and others."
        ),
        click.option(
            "--only",
            "filters",
            multiple=True,
            metavar="NAME=VALUE",
            help="Only lines with this value, or one of several after each other with commas; "
            "`-` is not reported. The names are those of groups.",
        ),
        click.option(
            "--format", "form", type=click.Choice(FORMATS), default="json", show_default=True
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.group()
def chargeback() -> None:
    """What usage costs, and who pays for it."""


@chargeback.command()
@connected
@_asking
@click.option(
    "--out",
    "place",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where to; without it to stdout, which focus does not take.",
)
@click.option("--allow-unpriced", is_flag=True, help="Usage without a price is no failure.")
def report(
    session: Session,
    /,
    form: str,
    place: Path | None,
    *,
    allow_unpriced: bool,
    **asked: Any,  # noqa: ANN401 - the options of _asking
) -> None:
    """Tell what usage of a period or of a range of days costs: what api/v1/chargeback/report does.

    Without days it is the current month. Closed periods give their frozen lines.
    FOCUS files have a row for each day, caller and kind of tokens; of several months, each has a
    file of its own (FILE-2026-11.csv), and what has no price stands in FILE.unpriced.csv.
    docs/chargeback.md explains the numbers.

    Ends with 0, or with 1 when some usage has no price and that is not allowed.

    \b
    Examples:
      python -m usage_ingest chargeback report --period 2026-11 --group-by owner,model
      python -m usage_ingest chargeback report --period 2026-11 --format html --out november.html
      python -m usage_ingest chargeback report --period 2026-11 --format focus --out november.csv
      python -m usage_ingest chargeback report --from 2026-11-01 --to 2026-11-07 --only owner=hr
    """  # noqa: D301 - click wants the character
    if form == "focus" and place is None:
        raise click.UsageError("--format focus takes --out FILE: it may write more than one.")
    params = _params(form, **asked)
    if form == "focus" and place is not None:
        unpriced = _write_focus(session, params, place)
    else:
        unpriced = _write_report(session, params, form, place)
    sys.exit(FAILED if unpriced and not allow_unpriced else 0)


def _params(  # noqa: PLR0913 - what is asked
    form: str,
    *,
    period: str | None,
    first: date | None,
    last: date | None,
    group_by: Sequence[str],
    filters: Sequence[str],
) -> dict[str, str]:
    """Return the parameters of the report as HTTP has them."""
    found = {"format": form, "period": period or "", "group_by": ",".join(group_by)}
    days = {"start_date": first, "end_date": last}
    found |= {name: day.isoformat() for name, day in days.items() if day}
    for each in filters:
        name, equals, value = each.partition("=")
        if not equals or name in found:
            raise click.UsageError(f"--only {each}: takes NAME=VALUE, each name once.")
        found[name] = value
    return {name: value for name, value in found.items() if value}


def _query(params: Mapping[str, str], app: App) -> ReportQuery:
    today = app.clock.now().date()
    try:
        return parse_report_query(params, today, app.settings.rollup_tags)
    except InvalidQueryError as error:
        name, text = _OPTIONS.get(error.parameter, f"--only {error.parameter}"), error.text
        for parameter, option in _OPTIONS.items():
            text = text.replace(parameter, option)
        raise click.UsageError(f"{name}: {text}") from error


def _write_report(
    session: Session, params: Mapping[str, str], form: str, place: Path | None
) -> bool:
    """Write a report as one text; return whether some of it has no price."""

    async def work(app: App) -> dict[str, Any]:
        return await read_report(_query(params, app), app.chargeback, app.clock.now())

    found = session.run(work, LONG_PATIENCE_SECONDS)
    text = _TEXTS[form](found)
    if place is None:
        click.echo(text, nl=False)
    else:
        with aside(place) as path:
            path.write_text(text, encoding="utf-8", newline="")
            move(path, place)
        session.show({"out": str(place)}, f"{place} is written")
    return bool(found["unpriced"]["count"])


def _write_focus(session: Session, params: Mapping[str, str], place: Path) -> bool:
    """Write a file for each month; return whether some usage has no price."""

    async def work(app: App) -> list[tuple[Path, FocusMonth]]:
        cut = months(_query(params, app))
        return [
            (path, await _write_month(app, query, path))
            for query in cut
            for path in [place if len(cut) == 1 else _of_month(place, query)]
        ]

    written = session.run(work, LONG_PATIENCE_SECONDS)
    session.show(
        [_told(path, month) for path, month in written],
        "\n".join(_line(path, month) for path, month in written),
    )
    return any(month.without_price for _, month in written)


async def _write_month(app: App, query: ReportQuery, path: Path) -> FocusMonth:
    with focus_file(path) as (table, put_in_place):
        bills, now = biller(app.settings), app.clock.now()
        month = await write_month(query, app.chargeback, bills, now, table, watching(_so_far))
        put_in_place()
    return month


def _so_far(day: str, rows: int) -> str:
    return f"{day}: {rows:,} rows"


def _of_month(place: Path, query: ReportQuery) -> Path:
    return place.with_name(f"{place.stem}-{query.start:%Y-%m}{place.suffix}")


def _told(path: Path, month: FocusMonth) -> dict[str, Any]:
    return {
        "period": month.period,
        "out": str(path),
        "rows": month.rows,
        "unpriced_out": str(beside(path)) if month.unpriced_rows else None,
        "unpriced_rows": month.unpriced_rows,
        "completeness": month.completeness,
    }


def _line(path: Path, month: FocusMonth) -> str:
    told = f"{month.period}  {month.rows:>12,} rows  {path}"
    if month.unpriced_rows:
        told += f"\n{month.unpriced_rows:>21,} rows  {beside(path)}: without a price"
    if because := month.completeness.get("incomplete_because"):
        told += f"\n         incomplete: {', '.join(because)}"
    return told
