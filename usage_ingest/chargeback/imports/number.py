"""Numbers of reference files: decimals without a detour through floats, and unit prices."""

import re
from collections.abc import Mapping
from decimal import Decimal, Inexact
from typing import Final

from usage_ingest.chargeback.kinds import Kind, unit
from usage_ingest.chargeback.line import EXACT

_NUMBER: Final = re.compile(r"\+?\d{1,30}(\.\d{1,30})?([eE][+-]?\d{1,2})?", re.ASCII)
_LARGEST: Final = Decimal(10) ** 12
_DECIMALS: Final = 18
_FINEST: Final = Decimal(1).scaleb(-_DECIMALS)
_TOKENS_POWER: Final = 6
_SECONDS: Final = {"SECOND": 1, "MINUTE": 60, "HOUR": 3_600}
_MEASURE: Final = re.compile(
    r"(?P<count>\d{1,9})?\s*(?P<scale>[KM](?![A-Z]))?\s*/?\s*(?P<word>[A-Z]*?)S?", re.IGNORECASE
)
_SCALES: Final[Mapping[str, int]] = {"": 1, "K": 1_000, "M": 1_000_000}
_WORDS: Final = {
    Kind.DURATION: frozenset(_SECONDS),
    Kind.IMAGES: frozenset({"", "IMAGE"}),
    Kind.SEARCHES: frozenset({"", "SEARCH", "SEARCHE", "CALL", "TRANSACTION"}),
}
_TOKEN_WORDS: Final = frozenset({"", "TOKEN"})


def decimal_of(written: object) -> Decimal:
    """Read a decimal of a file: plain digits as text, or a number that was read exactly.

    Raises:
        ValueError: It is none, negative, too large, or finer than money is kept.
    """
    text = str(written) if isinstance(written, str | int | Decimal) else ""
    if isinstance(written, bool) or not _NUMBER.fullmatch(text.strip()):
        raise ValueError("takes a decimal of 0 or more, as 2.5 or 0.00015")
    number = Decimal(text.strip())
    if number > _LARGEST:
        raise ValueError("is above a trillion")
    try:
        EXACT.quantize(number, _FINEST)
    except Inexact:
        raise ValueError(f"has more than {_DECIMALS} decimals") from None
    return number


def priced(amount: Decimal, quantity: int, kind: Kind) -> Decimal:
    """Return the unit price of a kind, of an amount for so many tokens, seconds or pieces.

    Raises:
        ValueError: It cannot be written exactly.
    """
    power = _TOKENS_POWER if unit(kind).power == _TOKENS_POWER else 0
    try:
        found = EXACT.divide(EXACT.multiply(amount, Decimal(10**power)), Decimal(quantity))
    except Inexact:
        raise ValueError(
            f"{amount} for {quantity:,} gives no exact price for {unit(kind).priced}: "
            "give the price for that unit"
        ) from None
    return decimal_of(format(found, "f"))


def quantity_of(measure: str, kind: Kind) -> int:
    """Read a unit of measure: `1K`, `1M Tokens`, `1 Hour`, `100 Images`.

    Returns:
        How many tokens, seconds or pieces a price is for.

    Raises:
        ValueError: It is none of the kind's.
    """
    found = _MEASURE.fullmatch(measure.strip())
    words = _WORDS.get(kind, _TOKEN_WORDS)
    if found is None or found["word"].upper() not in words or found["count"] == "0":
        raise ValueError(f"{measure!r} is no unit of {kind.value}")
    count = int(found["count"] or 1) * _SCALES[(found["scale"] or "").upper()]
    return count * _SECONDS.get(found["word"].upper(), 1)
