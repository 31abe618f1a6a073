"""Image generation and editing: `input_tokens` and `output_tokens` by text and image. Pure.

Source: the `Usage` of `ImagesResponse` in the openai SDK. `svg_usage` is what another model used
to write an SVG: it has a price of its own and is never added to these counts; the record is
flagged `usage_apart`.
"""

from collections.abc import Mapping
from typing import Any, Final

from usage_ingest.events.usage.hint import Hint
from usage_ingest.events.usage.table import read_table, table

SVG: Final = "svg_usage"
_INPUT: Final = "input_tokens_details"
_OUTPUT: Final = "output_tokens_details"
_TABLE: Final = table(
    ("input_tokens", ("input_tokens",)),
    ("output_tokens", ("output_tokens",)),
    ("total_tokens", ("total_tokens",)),
    ("text_input_tokens", (_INPUT, "text_tokens")),
    ("image_input_tokens", (_INPUT, "image_tokens")),
    ("text_output_tokens", (_OUTPUT, "text_tokens")),
    ("image_output_tokens", (_OUTPUT, "image_tokens")),
)
_NAMED: Final = frozenset({"input_tokens", "output_tokens"})
_KINDS: Final = frozenset({"image", "images"})


def matches(usage: Mapping[str, Any], hint: Hint) -> bool:
    """Whether the object is of this API."""
    if not _NAMED & usage.keys():
        return False
    return SVG in usage or (hint.api_kind or "").lower() in _KINDS


def read(usage: Mapping[str, Any], hint: Hint) -> dict[str, int | None]:
    """Return the counts by their names in TokenUsage."""
    del hint
    return read_table(usage, _TABLE)
