"""What prices need to know of each call, and what sums of its counts would not tell. Pure.

Rollups add calls up. Whether a total was told beside its wholes, or pieces beside tokens, is known
of one call only; so these counters are made of it and added up beside the others. All calls that
tell their wholes, which are nearly all, have none of them.
"""

from collections.abc import Mapping
from typing import Final

CALL_COUNTERS: Final = (
    "unsplit_tokens",
    "input_tokens_of_parts",
    "output_tokens_of_parts",
    "cache_write_tokens_of_parts",
    "images_without_tokens",
    "duration_ms_without_tokens",
)
_WRITE: Final = "cache_write_input_tokens"
_LIFETIMES: Final = tuple(f"cache_write_{each}_input_tokens" for each in ("5m", "30m", "1h", "12h"))
_OF_INPUT: Final = ("audio_input_tokens", "image_input_tokens", "text_input_tokens")
_OF_OUTPUT: Final = ("audio_output_tokens", "image_output_tokens", "text_output_tokens")
_PREDICTED: Final = ("accepted_prediction_output_tokens", "rejected_prediction_output_tokens")
_PIECES: Final = ("images", "duration_ms")


def call_counters(reported: Mapping[str, int]) -> dict[str, int]:
    """Return the counters of a call beside those that it reported; most calls have none."""
    if _is_plain(reported):
        return {}
    written = 0 if _WRITE in reported else _sum(reported, *_LIFETIMES)
    tokens_in = _of_parts(
        reported,
        "input_tokens",
        written + _sum(reported, "cached_input_tokens", _WRITE),
        _sum(reported, *_OF_INPUT),
    )
    tokens_out = _of_parts(
        reported,
        "output_tokens",
        _sum(reported, "reasoning_output_tokens"),
        _sum(reported, *_OF_OUTPUT),
        _sum(reported, *_PREDICTED),
    )
    split = _sum(reported, "input_tokens", "output_tokens") + tokens_in + tokens_out
    unsplit = max(0, reported.get("total_tokens", 0) - split)
    found = dict(zip(CALL_COUNTERS, (unsplit, tokens_in, tokens_out, written), strict=False))
    if not split and not unsplit:
        found |= {f"{name}_without_tokens": reported.get(name, 0) for name in _PIECES}
    return {name: count for name, count in found.items() if count}


def _is_plain(reported: Mapping[str, int]) -> bool:
    """Whether all is told, as of nearly all calls: the short way of what follows."""
    tokens_in, tokens_out = reported.get("input_tokens"), reported.get("output_tokens")
    return (
        tokens_in is not None
        and tokens_out is not None
        and tokens_in + tokens_out > 0
        and reported.get("total_tokens", 0) <= tokens_in + tokens_out
        and (_WRITE in reported or not any(name in reported for name in _LIFETIMES))
    )


def _of_parts(reported: Mapping[str, int], whole: str, *parts: int) -> int:
    """Return how many there are at least of a whole that is not told."""
    return 0 if whole in reported else max(parts)


def _sum(reported: Mapping[str, int], *names: str) -> int:
    return sum(reported.get(name, 0) for name in names)
