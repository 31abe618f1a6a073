"""What is priced: the kinds of tokens and other units, and how wholes are split into them. Pure.

Splitting is linear in the counters: the parts of a sum are the sums of the parts, so it does not
matter how rollups are cut or merged before they are rated.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from enum import StrEnum
from typing import Final, NamedTuple


class Kind(StrEnum):
    """A kind of usage that has a price of its own; values are public names."""

    INPUT = "input"
    CACHED_INPUT = "cached_input"
    CACHE_WRITE = "cache_write"
    CACHE_WRITE_5M = "cache_write_5m"
    CACHE_WRITE_30M = "cache_write_30m"
    CACHE_WRITE_1H = "cache_write_1h"
    CACHE_WRITE_12H = "cache_write_12h"
    AUDIO_INPUT = "audio_input"
    IMAGE_INPUT = "image_input"
    OUTPUT = "output"
    REASONING_OUTPUT = "reasoning_output"
    AUDIO_OUTPUT = "audio_output"
    IMAGE_OUTPUT = "image_output"
    UNSPLIT = "unsplit"  # tokens of which only the total is known
    DURATION = "duration"
    IMAGES = "images"
    SEARCHES = "searches"
    PROVISIONED = "provisioned"  # a share of a deployment that is paid by time; idle ones too


class Unit(NamedTuple):
    """What a kind is counted in, and how many of it a unit price is for, as a power of ten."""

    counted: str
    priced: str
    power: int


_TOKENS: Final = Unit("Tokens", "1M Tokens", 6)
_UNITS: Final = {
    Kind.DURATION: Unit("Milliseconds", "1 Second", 3),
    Kind.IMAGES: Unit("Images", "1 Image", 0),
    Kind.SEARCHES: Unit("Searches", "1 Search", 0),
    Kind.PROVISIONED: Unit("Tokens", "1 Token", 0),  # weighted, see chargeback.capacity
}

_COUNTERS: Final = {
    Kind.INPUT: "input_tokens",
    Kind.CACHED_INPUT: "cached_input_tokens",
    Kind.CACHE_WRITE: "cache_write_input_tokens",
    Kind.CACHE_WRITE_5M: "cache_write_5m_input_tokens",
    Kind.CACHE_WRITE_30M: "cache_write_30m_input_tokens",
    Kind.CACHE_WRITE_1H: "cache_write_1h_input_tokens",
    Kind.CACHE_WRITE_12H: "cache_write_12h_input_tokens",
    Kind.AUDIO_INPUT: "audio_input_tokens",
    Kind.IMAGE_INPUT: "image_input_tokens",
    Kind.OUTPUT: "output_tokens",
    Kind.REASONING_OUTPUT: "reasoning_output_tokens",
    Kind.AUDIO_OUTPUT: "audio_output_tokens",
    Kind.IMAGE_OUTPUT: "image_output_tokens",
    Kind.UNSPLIT: "unsplit_tokens",
    Kind.DURATION: "duration_ms",
    Kind.IMAGES: "images",
    Kind.SEARCHES: "searches",
}
_OF_PARTS: Final = {
    Kind.INPUT: "input_tokens_of_parts",
    Kind.OUTPUT: "output_tokens_of_parts",
    Kind.CACHE_WRITE: "cache_write_tokens_of_parts",
}
_WITHOUT_TOKENS: Final = {
    Kind.DURATION: "duration_ms_without_tokens",
    Kind.IMAGES: "images_without_tokens",
}
RATED_COUNTERS: Final = (
    *_COUNTERS.values(),
    *_OF_PARTS.values(),
    *_WITHOUT_TOKENS.values(),
)
"""The counters of a rollup that rating adds up; the others are parts that have no prices.

Text is what its whole has beside other parts; accepted and rejected predictions are output.
"""

_LIFETIMES: Final = (
    Kind.CACHE_WRITE_5M,
    Kind.CACHE_WRITE_30M,
    Kind.CACHE_WRITE_1H,
    Kind.CACHE_WRITE_12H,
)
_PARTS: Final = {
    Kind.INPUT: (Kind.CACHED_INPUT, Kind.CACHE_WRITE, Kind.AUDIO_INPUT, Kind.IMAGE_INPUT),
    Kind.CACHE_WRITE: _LIFETIMES,
    Kind.OUTPUT: (Kind.REASONING_OUTPUT, Kind.AUDIO_OUTPUT, Kind.IMAGE_OUTPUT),
}
_WHOLES: Final = (Kind.INPUT, Kind.OUTPUT, Kind.UNSPLIT)


def unit(kind: Kind) -> Unit:
    """Return what a kind is counted and priced in."""
    return _UNITS.get(kind, _TOKENS)


def split(counters: Mapping[str, int], apart: AbstractSet[Kind]) -> dict[Kind, int]:
    """Return how many of each kind are to be priced; what is zero is left out.

    A part that has no price of its own stays in its whole, whose price it has. Parts of one
    whole that overlap (cached audio) may leave less than nothing of it: the sum is still right
    for the whole, and a caller says that parts overlap. Pieces and length that are told beside
    tokens are not what is paid, unless the price names them.

    Args:
        counters: Those of RATED_COUNTERS of a rollup, or sums of them.
        apart: The kinds that the price at hand names.
    """
    found: dict[Kind, int] = {}
    for whole in _WHOLES:
        _split(whole, counters, apart, found)
    for kind, without_tokens in _WITHOUT_TOKENS.items():
        name = _COUNTERS[kind] if kind in apart else without_tokens
        found[kind] = counters.get(name, 0)
    found[Kind.SEARCHES] = counters.get(_COUNTERS[Kind.SEARCHES], 0)
    return {kind: quantity for kind, quantity in found.items() if quantity}


def _split(
    whole: Kind, counters: Mapping[str, int], apart: AbstractSet[Kind], found: dict[Kind, int]
) -> int:
    """Split a whole into `found`; return how many it holds, its parts included."""
    held = counters.get(_COUNTERS[whole], 0)
    if whole in _OF_PARTS:  # of calls that told the parts alone
        held += counters.get(_OF_PARTS[whole], 0)
    rest = held
    for part in _PARTS.get(whole, ()):
        if part in apart:
            rest -= _split(part, counters, apart, found)
        elif part is Kind.CACHE_WRITE:  # a lifetime may have a price where the whole has none
            rest -= sum(
                _split(each, counters, apart, found) for each in _LIFETIMES if each in apart
            )
    if rest:
        found[whole] = rest
    return held
