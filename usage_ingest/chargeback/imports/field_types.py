"""The types of fields in reference files, with what they refuse."""

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from usage_ingest.chargeback.imports.found import Found, Path, Place, Problem, dotted
from usage_ingest.chargeback.imports.number import decimal_of
from usage_ingest.chargeback.kinds import Kind
from usage_ingest.chargeback.price import CONTEXT_STARTS, STANDARD_TIERS, region_name

_LONGEST: Final = 512
_FIRST_DAY: Final = "2000-01-01"
_LAST_DAY: Final = "2199-12-31"  # what is open has no last day
_CURRENCY: Final = re.compile(r"[A-Z]{3}")


def day_of(written: object) -> str:
    """Return a day as documents have it.

    Raises:
        ValueError: It is none, or one that no price is of.
    """
    text = str(written).strip()
    try:
        day = date.fromisoformat(text).isoformat()
    except ValueError:
        day = ""
    if day != text or not _FIRST_DAY <= day <= _LAST_DAY:
        raise ValueError("takes a UTC day as 2026-11-20")
    return day


def text_of(written: object) -> str:
    """Return a text without the space around it.

    Raises:
        ValueError: It is empty, too long, or holds what cannot be printed.
    """
    if not isinstance(written, str) or not written.strip():
        raise ValueError("takes a text that is not empty")
    text = written.strip()
    if len(text) > _LONGEST or not text.isprintable():
        raise ValueError(f"takes at most {_LONGEST} printable characters")
    return text


def currency_of(text: str) -> str:
    """Return a currency that is written as ISO 4217 does.

    Raises:
        ValueError: It is not.
    """
    if not _CURRENCY.fullmatch(text):
        raise ValueError("takes the three capital letters of ISO 4217, as USD")
    return text


def _context(number: int) -> int:
    if number not in CONTEXT_STARTS:
        takes = ", ".join(str(each) for each in CONTEXT_STARTS)
        raise ValueError(f"takes one of {takes}: totals tell only these apart")
    return number


def _region(text: str) -> str:
    return region_name(text) or text


def _tier(text: str) -> str:
    tier = text.lower()
    if tier in STANDARD_TIERS:
        raise ValueError(
            f"leave it out: a price without one is for {tier!r} and all standard tiers"
        )
    return tier


def _paid(kind: Kind) -> Kind:
    if kind is Kind.PROVISIONED:
        raise ValueError("is paid by a deployment's `provisioned`, not by a price")
    return kind


Text = Annotated[str, BeforeValidator(text_of)]
Day = Annotated[str, BeforeValidator(day_of)]
Money = Annotated[Decimal, BeforeValidator(decimal_of)]
Currency = Annotated[Text, AfterValidator(currency_of)]
Tier = Annotated[Text, AfterValidator(_tier)]
Region = Annotated[Text, AfterValidator(_region)]
ContextOver = Annotated[int, AfterValidator(_context)]
PaidKind = Annotated[Kind, AfterValidator(_paid)]
Count = Annotated[int, Field(ge=1, le=10**15)]


_Line = Callable[[Path], int] | None


class Strict(BaseModel):
    """A row of our own formats: what it does not know is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Foreign(BaseModel):
    """A row of somebody else's format: what it does not need is passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)


def problems_of(
    error: ValidationError, file: str, path: Path, model: type[BaseModel], line: _Line = None
) -> list[Problem]:
    """Return what pydantic refuses, each with its place.

    Args:
        error: What it raised.
        file: The name of the file.
        path: Where in the file the row stands.
        model: What the row was to be.
        line: Returns the line of a path; None where lines are not told.
    """
    found = []
    for each in error.errors(include_url=False, include_input=False):
        inner: Path = tuple(part for part in each["loc"] if part != "[key]")
        where = (*path, *inner)
        place = Place(file, line(where) if line else 0, dotted(where))
        found.append(Problem(place, _told(each["type"], each["msg"], model, inner)))
    return found


def _told(code: str, text: str, model: type[BaseModel], inner: Path) -> str:
    if code in ("model_type", "dict_type", "model_attributes_type"):
        return "takes an object"
    if code == "missing":
        return "is missing"
    if code == "extra_forbidden":
        takes = f"; takes {', '.join(model.model_fields)}" if len(inner) == 1 else ""
        return f"is unknown{takes}"
    if code == "value_error":
        return text.removeprefix("Value error, ")
    return text[:1].lower() + text[1:]


def refused(file: str, text: str, line: int = 0) -> Found:
    """Return what came of a file that cannot be read at all."""
    return Found(problems=[Problem(Place(file, line), text)])
