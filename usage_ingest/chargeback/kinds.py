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
_TOTAL: Final = "total_tokens"
RATED_COUNTERS: Final = (*(name for name in _COUNTERS.values() if name != "unsplit_tokens"), _TOTAL)
"""The counters of a rollup that rating reads."""

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
_BESIDE_TOKENS: Final = (Kind.DURATION, Kind.IMAGES)


def unit(kind: Kind) -> Unit:
    """Return what a kind is counted and priced in."""
    return _UNITS.get(kind, _TOKENS)


def countable(rollup: Mapping[str, int]) -> dict[str, int]:
    """Return the counters that rating adds up, of one rollup.

    What only a total tells becomes `unsplit_tokens`; a cache write that is reported by its
    lifetimes alone becomes the whole of them.
    """
    found = {name: rollup[name] for name in RATED_COUNTERS if rollup.get(name)}
    total = found.pop(_TOTAL, 0)
    unsplit = total - found.get("input_tokens", 0) - found.get("output_tokens", 0)
    if total and unsplit > 0:
        found["unsplit_tokens"] = unsplit
    if "cache_write_input_tokens" not in found:
        written = sum(found.get(_COUNTERS[each], 0) for each in _LIFETIMES)
        if written:
            found["cache_write_input_tokens"] = written
    return found


def split(counters: Mapping[str, int], apart: AbstractSet[Kind]) -> dict[Kind, int]:
    """Return how many of each kind are to be priced; what is zero is left out.

    A part that has no price of its own stays in its whole, whose price it has. Parts of one
    whole that overlap (cached audio) may leave less than nothing of it: the sum is still right
    for the whole, and a caller says that parts overlap.

    Args:
        counters: What `countable` made, or sums of it.
        apart: The kinds that the price at hand names.
    """
    found: dict[Kind, int] = {}
    for whole in _WHOLES:
        _split(whole, counters, apart, found)
    has_tokens = bool(found)
    for kind in (*_BESIDE_TOKENS, Kind.SEARCHES):
        # Pieces and length are told beside tokens, which are what is paid then.
        if kind in apart or kind is Kind.SEARCHES or not has_tokens:
            found[kind] = counters.get(_COUNTERS[kind], 0)
    return {kind: quantity for kind, quantity in found.items() if quantity}


def _split(
    whole: Kind, counters: Mapping[str, int], apart: AbstractSet[Kind], found: dict[Kind, int]
) -> int:
    """Split a whole into `found`; return how many it holds, its parts included."""
    held = counters.get(_COUNTERS[whole], 0)
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
