"""`reference import`: files of prices, deployments, owners and names, all of them or nothing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import click

from usage_ingest.chargeback.imports.field_types import currency_of
from usage_ingest.chargeback.imports.formats import FORMATS
from usage_ingest.chargeback.imports.found import Placed, in_vain
from usage_ingest.chargeback.imports.number import decimal_of
from usage_ingest.chargeback.ports import Import
from usage_ingest.chargeback.reference import Reference
from usage_ingest.chargeback.reference_document import Noun, content_id, to_document
from usage_ingest.cli.reference_files import Asked, read_all
from usage_ingest.cli.session import Session, connected, dry_run_option, run, tell
from usage_ingest.cli.times import UtcDay
from usage_ingest.document import time_text
from usage_ingest.errors import InvalidReferenceError
from usage_ingest.wiring import App

_MOST_NOTES: Final = 40
_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
_FETCHED: Final = "Azure Retail Prices API"


class _Amount(click.ParamType[Decimal]):
    name = "amount"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Decimal:
        """Read a decimal as files have them."""
        try:
            return decimal_of(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _Currency(click.ParamType[str]):
    name = "currency"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Read three letters."""
        try:
            return currency_of(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command(name="import")
@connected
@click.argument("files", nargs=-1, type=_FILE, metavar="FILE...")
@click.option(
    "--format",
    "named",
    type=click.Choice(FORMATS),
    help="The format of all files.  [default: told by their names and contents]",
)
@click.option(
    "--meter-map", type=_FILE, metavar="FILE", help="What the meters of the Retail Prices API are."
)
@click.option("--fetch", is_flag=True, help="Ask the Retail Prices API as well.")
@click.option(
    "--service",
    "services",
    multiple=True,
    metavar="NAME",
    help="With --fetch: prices of this serviceName; may be repeated.  [default: Foundry Models "
    "and Cognitive Services]",
)
@click.option("--endpoint", hidden=True)
@click.option(
    "--region",
    metavar="REGION",
    help="With --fetch: of this region only, as swedencentral. Of listed deployments: where they "
    "are.",
)
@click.option(
    "--currency",
    type=_Currency(),
    default="USD",
    show_default=True,
    help="With --fetch, and of --amount.",
)
@click.option(
    "--from-day",
    type=UtcDay(),
    metavar="DAY",
    help="Since when it holds, for formats without days.",
)
@click.option("--gateway", metavar="NAME", help="Of listed deployments: the gateway before them.")
@click.option("--backend", metavar="NAME", help="Of listed deployments: their backend's name.")
@click.option(
    "--amount",
    type=_Amount(),
    metavar="AMOUNT",
    help="Of listed deployments that are provisioned: what one of their units costs.",
)
@click.option(
    "--per",
    type=click.Choice(["hour", "month"]),
    default="hour",
    show_default=True,
    help="The same.",
)
@dry_run_option
def import_(session: Session, /, files: Sequence[Path], *, dry_run: bool, **asked: Any) -> None:  # noqa: ANN401
    """Import prices, deployments, owners and names from files.

    All files are one import: what they hold becomes visible at once. If anything in them is
    wrong, every problem is named and nothing is imported. The same content a second time writes
    nothing. With --dry-run no settings are needed.

    \b
    yaml, csv        our own files
    ai-hub           model-pricing.json of ai-hub; needs --from-day
    retail           pages of the Azure Retail Prices API; needs --meter-map
    az-deployments   what `az cognitiveservices account deployment list` prints; needs --from-day

    \b
    Examples:
      python -m usage_ingest reference import prices.yaml owners.csv --dry-run
      python -m usage_ingest reference import prices.yaml owners.csv
      python -m usage_ingest reference import --fetch --meter-map meters.yaml --region swedencentral
      python -m usage_ingest reference import deployments.json --from-day 2026-11-01 --gateway hub
    """  # noqa: D301 - click wants the character
    wanted = Asked(**asked)
    if not files and not wanted.fetch:
        raise click.UsageError("Name at least one FILE, or --fetch.")
    found = run(read_all(files, wanted))
    _tell_notes(found.notes)
    documents = [to_document(each.noun) for each in found.nouns]
    counts = dict(Counter(each["type"] for each in documents))
    if dry_run:
        told = {"import": None, "written": False, "counts": counts, "notes": found.notes}
        shown = {**told, "documents": documents}
        session.show(shown, f"{_counted(counts)}. Dry run: nothing was written.")
        return
    source = ", ".join([*(path.name for path in files), *[_FETCHED] * wanted.fetch])

    async def append(app: App) -> dict[str, Any]:
        identity = content_id(documents)
        known = {each.id for each in await app.reference.imports()}
        _refuse_in_vain(found.nouns, await app.reference.load())
        done = await app.reference.append(source, identity, documents)
        written = identity not in known
        return {"import": import_object(done), "written": written, "notes": found.notes}

    done = session.run(append)
    session.show(done, _said(done))


def _refuse_in_vain(nouns: Sequence[Placed], known: Reference) -> None:
    every: list[Noun] = [*known.prices, *known.deployments, *known.owners, *known.names]
    if problems := in_vain(nouns, every):
        raise InvalidReferenceError([str(each) for each in problems])


def import_object(imported: Import) -> dict[str, Any]:
    """Return an import as it is shown."""
    return {
        "number": imported.number,
        "id": imported.id,
        "source": imported.source,
        "imported_at": time_text(imported.imported_at),
        "counts": dict(imported.counts),
    }


def _tell_notes(notes: Sequence[str]) -> None:
    for note in notes[:_MOST_NOTES]:
        tell(note)
    if (more := len(notes) - _MOST_NOTES) > 0:
        tell(f"... and {more:,} more: --json lists all")


def _said(shown: dict[str, Any]) -> str:
    done = shown["import"]
    if shown["written"]:
        return f"{_counted(done['counts'])}: import {done['number']}."
    return (
        f"The same content is import {done['number']} of {done['imported_at'][:10]}: nothing was "
        "written. To let it hold again over later imports, give it another `source`."
    )


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {kind}{'s' * (count != 1)}" for kind, count in counts.items())
