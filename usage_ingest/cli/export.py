"""`export`: ledger and rollups as files, for Fabric, Databricks and Power BI."""

from datetime import date
from pathlib import Path
from typing import Literal, get_args

import click

from usage_ingest.adapters.csv_days import CsvDays
from usage_ingest.cli.session import (
    LONG_PATIENCE_SECONDS,
    Session,
    connected,
    dry_run_option,
)
from usage_ingest.cli.times import UtcDay
from usage_ingest.cli.watch import watching
from usage_ingest.errors import ConfigError
from usage_ingest.export.columns import COLUMNS, Subject
from usage_ingest.export.dry_run import NoDays
from usage_ingest.export.export import Export, ExportedDay
from usage_ingest.export.ports import Target
from usage_ingest.totals.days import days_between
from usage_ingest.wiring import App

Format = Literal["parquet", "csv", "delta"]


@click.command()
@connected
@click.argument("subject", type=click.Choice(get_args(Subject)))
@click.option("--from", "first", type=UtcDay(), required=True, metavar="DAY", help="The first day.")
@click.option("--to", "last", type=UtcDay(), required=True, metavar="DAY", help="The last day.")
@click.option(
    "--format", "form", type=click.Choice(get_args(Format)), default="parquet", show_default=True
)
@click.option(
    "--out",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    metavar="DIR",
    help="Where to: DIR/ledger or DIR/rollups, a folder for each day (a Delta table for delta).",
)
@dry_run_option
def export(  # noqa: PLR0913, PLR0917 - arguments of a command
    session: Session,
    subject: Subject,
    first: date,
    last: date,
    form: Format,
    folder: Path,
    *,
    dry_run: bool,
) -> None:
    """Write the ledger or the rollups of a range of days to files.

    A day is written whole, aside, and then takes the place of what was exported of it before: a
    command may be repeated and interrupted at any time. Columns, types and units are in
    docs/export.md. A day that events still arrive for may be exported again later.

    Parquet and Delta need `pip install -r requirements-export.txt`. Days that the ledger does not
    hold whole any more are refused; rollups have no such end.

    \b
    Examples:
      python -m usage_ingest export rollups --from 2026-11-01 --to 2026-11-30 --out exports
      python -m usage_ingest export ledger --from 2026-11-20 --to 2026-11-20 --format csv --out .
      python -m usage_ingest export rollups --from 2026-11-20 --to 2026-11-20 --format delta --out /lakehouse/default/Tables
    """  # noqa: D301, E501 - click wants the character, and a command in one line
    if first > last:
        raise click.UsageError("--from is later than --to.")

    async def work(app: App) -> list[ExportedDay]:
        target = NoDays() if dry_run else _target(form, folder / subject, subject)
        verb = Export(app.totals, app.clock, app.settings.ledger_ttl_days)
        return await verb(subject, days_between(first, last), target, watching(_so_far))

    written = session.run(work, LONG_PATIENCE_SECONDS)
    rows = sum(each.rows for each in written)
    content = {
        "subject": subject,
        "format": form,
        "out": str(folder / subject),
        "rows": rows,
        "dry_run": dry_run,
        "days": [
            {"day": each.day, "rows": each.rows, "path": each.path, "bytes": each.size}
            for each in written
        ],
    }
    lines = [f"{each.day}  {each.rows:>12,} rows  {each.path}" for each in written]
    end = "; nothing was written" if dry_run else ""
    session.show(content, "\n".join([*lines, f"{len(written):,} days, {rows:,} rows{end}"]))


def _target(form: Format, folder: Path, subject: Subject) -> Target:
    """Return where days are written to.

    Raises:
        ConfigError: What the format needs is not installed.
    """
    columns = COLUMNS[subject]
    if form == "csv":
        return CsvDays(folder, subject, columns)
    try:
        from usage_ingest.adapters.parquet_days import ParquetDays  # noqa: PLC0415

        if form == "parquet":
            return ParquetDays(folder, subject, columns)
        from usage_ingest.adapters.delta_days import DeltaDays  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(
            f"--format {form} needs {(error.name or 'a package').partition('.')[0]}, which is not "
            "installed: pip install -r requirements-export.txt (--format csv works without)"
        ) from error
    return DeltaDays(folder, columns)


def _so_far(day: str, rows: int) -> str:
    return f"{day}: {rows:,} rows"
