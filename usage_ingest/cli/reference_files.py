"""What `reference import` reads: its files, and prices over the network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Literal

import click

from usage_ingest.chargeback.imports.field_types import day_of
from usage_ingest.chargeback.imports.formats import read_files
from usage_ingest.chargeback.imports.found import Found, Place, Problem, repeats
from usage_ingest.chargeback.imports.meter_map import read_meter_map
from usage_ingest.chargeback.imports.options import Options
from usage_ingest.errors import InvalidReferenceError

_MOST_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the command line says."""

    named: str | None
    meter_map: Path | None
    fetch: bool
    services: tuple[str, ...]
    endpoint: str | None
    region: str | None
    currency: str
    from_day: date | None
    gateway: str | None
    backend: str | None
    amount: Decimal | None
    per: Literal["hour", "month"]

    def options(self) -> Options:
        """Return what holds for all files; reads the meter map."""
        meters = None
        if self.meter_map is not None:
            name = str(self.meter_map)
            text = _text(self.meter_map)
            if isinstance(text, Problem):
                raise InvalidReferenceError([str(text)])
            meters = read_meter_map(text, name)
        return Options(
            from_day=self._from_day(),
            gateway=self.gateway,
            backend=self.backend,
            region=self.region,
            amount=self.amount,
            per=self.per,
            currency=self.currency,
            meters=meters,
        )

    def _from_day(self) -> str | None:
        try:
            return None if self.from_day is None else day_of(self.from_day)
        except ValueError as error:
            raise click.UsageError(f"--from-day {error}.") from error


async def read_all(files: Sequence[Path], asked: Asked) -> Found:
    """Read all files, and what is to be fetched.

    Raises:
        InvalidReferenceError: Naming every problem of all of them.
    """
    options = asked.options()
    if asked.fetch and options.meters is None:
        raise click.UsageError("--fetch needs --meter-map.")
    texts = [(str(path), _text(path)) for path in files]
    read = [(name, text) for name, text in texts if isinstance(text, str)]
    fetched = await _fetched(asked) if asked.fetch else []
    found = read_files(read, asked.named, options, fetched)
    found.problems += [text for _, text in texts if isinstance(text, Problem)]
    problems = [*found.problems, *repeats(found.nouns)]
    if problems:
        raise InvalidReferenceError([str(each) for each in problems])
    if not found.nouns:
        raise InvalidReferenceError([*found.notes, "there is nothing to import"])
    return found


async def _fetched(asked: Asked) -> list[tuple[str, Mapping[str, Any]]]:
    from usage_ingest.adapters.retail_prices import (  # noqa: PLC0415 - an SDK, seldom needed
        ENDPOINT,
        SERVICES,
        RetailPrices,
    )

    prices = RetailPrices(asked.endpoint or ENDPOINT)
    pages = await prices.pages(asked.services or SERVICES, asked.region, asked.currency)
    return [(f"page {number}", page) for number, page in enumerate(pages, 1)]


def _text(path: Path) -> str | Problem:
    content = path.read_bytes()
    if len(content) > _MOST_BYTES:
        return Problem(Place(str(path)), "is above 64 MB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return Problem(Place(str(path), content.count(b"\n", 0, error.start) + 1), "is not UTF-8")
