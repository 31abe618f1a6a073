"""`reference`: prices, deployments, owners and names, appended and never edited."""

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

import click

from usage_ingest.chargeback.deployment import DeploymentKey
from usage_ingest.chargeback.owner import NameKey, OwnerKey
from usage_ingest.chargeback.price import PriceKey
from usage_ingest.chargeback.reference import Reference, on_day
from usage_ingest.chargeback.reference_document import (
    DEPLOYMENT_TYPE,
    IMPORT_TYPE,
    NAME_TYPE,
    OWNER_TYPE,
    PRICE_TYPE,
    TYPES,
    Noun,
    to_document,
)
from usage_ingest.cli.reference_check import check_
from usage_ingest.cli.reference_import import import_, import_object
from usage_ingest.cli.session import Session, connected
from usage_ingest.cli.table import moment, table
from usage_ingest.cli.times import UtcDay
from usage_ingest.wiring import App


@click.group()
def reference() -> None:
    """What prices and names are read from: price book, deployments, owners, names."""


reference.add_command(import_)
reference.add_command(check_)

_CHOICES: Final = (*TYPES, IMPORT_TYPE)
_KEYS: Final[dict[str, tuple[str, ...]]] = {
    PRICE_TYPE: PriceKey._fields,
    DEPLOYMENT_TYPE: DeploymentKey._fields,
    OWNER_TYPE: OwnerKey._fields,
    NAME_TYPE: NameKey._fields,
}
_COLUMNS: Final = ("from", "through", "says", "import", "source")
_NOT_SAID: Final = frozenset({"type", "content_hash", "from_day", "through_day", "source"})


@reference.command(name="list")
@connected
@click.option("--type", "kinds", multiple=True, type=click.Choice(_CHOICES), help="Only these.")
@click.option("--day", type=UtcDay(), metavar="DAY", help="What holds then.  [default: today]")
@click.option("--all", "everything", is_flag=True, help="Of every day, what was replaced included.")
def list_(session: Session, kinds: Sequence[str], day: date | None, *, everything: bool) -> None:
    """List what holds on a day, or all that was imported.

    \b
    Examples:
      python -m usage_ingest reference list
      python -m usage_ingest reference list --type price --day 2026-11-01
      python -m usage_ingest reference list --type import
    """  # noqa: D301 - click wants the character
    if day is not None and everything:
        raise click.UsageError("--all is of every day: --day does not go with it.")
    chosen = kinds or _CHOICES

    async def read(app: App) -> dict[str, list[dict[str, Any]]]:
        wanted = (day or app.clock.now().date()).isoformat()
        stored = _by_type(await app.reference.load(), None if everything else wanted)
        found = {kind: [_object(each) for each in nouns] for kind, nouns in stored.items()}
        found[IMPORT_TYPE] = [import_object(each) for each in await app.reference.imports()]
        return {kind: found[kind] for kind in chosen}

    found = session.run(read)
    session.show(found, _tables(found))


def _by_type(stored: Reference, day: str | None) -> dict[str, list[Noun]]:
    """Return what holds on a day by type, or with None all of it."""
    lists = (stored.prices, stored.deployments, stored.owners, stored.names)
    found: dict[str, list[Noun]] = {}
    for kind, nouns in zip(TYPES, lists, strict=True):
        chosen: list[Any] = list(nouns) if day is None else on_day(nouns, day)
        found[kind] = sorted(chosen, key=_order)
    return found


def _order(noun: Noun) -> tuple[str, str, int]:
    return str(noun.key), noun.from_day, noun.revision


def _object(noun: Noun) -> dict[str, Any]:
    return {**to_document(noun), "revision": noun.revision}


def _tables(found: dict[str, list[dict[str, Any]]]) -> str:
    return "\n\n".join(_table(kind, objects) for kind, objects in found.items())


def _table(kind: str, objects: Sequence[dict[str, Any]]) -> str:
    if not objects:
        return f"{kind}: none"
    if kind == IMPORT_TYPE:
        rows = [
            (each["number"], moment(each["imported_at"]), _said(each["counts"]), each["source"])
            for each in objects
        ]
        return table((kind, "at", "documents", "source"), rows)
    return table((kind, *_COLUMNS), [_row(each) for each in objects])


def _row(written: dict[str, Any]) -> tuple[object, ...]:
    names = [name for name in _KEYS[written["type"]] if name in written]
    said = written.keys() - _NOT_SAID - set(names) - {"revision"}
    return (
        _said({name: written[name] for name in names}),
        written["from_day"],
        written.get("through_day"),
        _said({name: written[name] for name in written if name in said}),
        f"{written['revision']}",
        written["source"],
    )


def _said(fields: dict[str, Any]) -> str:
    """Write fields in a line; those of one object stand beside the others."""
    told = [
        _said(each) if isinstance(each, dict) else name if each is True else f"{name} {each}"
        for name, each in fields.items()
    ]
    return ", ".join(told)
