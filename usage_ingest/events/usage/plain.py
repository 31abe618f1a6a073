"""Usage objects of chat and of the Responses API that hold plain counts and no more. Pure.

They are decoded by their types, which checks keys and limits on the way, and come to what
`read_usage` makes of the same object. What does not fit is left to that: nothing is decided here.
"""

from typing import Annotated

from msgspec import Meta, Struct, field

from usage_ingest.record import IMPLAUSIBLE_COUNT, TokenUsage

Found = dict[str, int]
"""Counts by their names in TokenUsage, and in its order."""
Count = Annotated[int, Meta(ge=0, le=IMPLAUSIBLE_COUNT)]


class _Plain(Struct, forbid_unknown_fields=True, gc=False):
    """An object with these keys and no other."""


class _InputParts(_Plain):
    cached_tokens: Count | None = None
    cache_write_tokens: Count | None = None
    audio_tokens: Count | None = None
    image_tokens: Count | None = None
    text_tokens: Count | None = None

    def fit(self, found: Found, whole: int) -> bool:
        """Add the parts to what was found; return whether the whole can hold them."""
        if (cached := self.cached_tokens) is not None:
            found["cached_input_tokens"] = cached
        if (written := self.cache_write_tokens) is not None:
            found["cache_write_input_tokens"] = written
        if (audio := self.audio_tokens) is not None:
            found["audio_input_tokens"] = audio
        if (image := self.image_tokens) is not None:
            found["image_input_tokens"] = image
        if (text := self.text_tokens) is not None:
            found["text_input_tokens"] = text
        kinds = (audio or 0) + (image or 0) + (text or 0)
        return (cached or 0) + (written or 0) <= whole and kinds <= whole


class _OutputParts(_Plain):
    reasoning_tokens: Count | None = None
    audio_tokens: Count | None = None
    text_tokens: Count | None = None

    def fit(self, found: Found, whole: int) -> bool:
        """Add the parts to what was found; return whether the whole can hold them."""
        if (reasoning := self.reasoning_tokens) is not None:
            found["reasoning_output_tokens"] = reasoning
        if (audio := self.audio_tokens) is not None:
            found["audio_output_tokens"] = audio
        if (text := self.text_tokens) is not None:
            found["text_output_tokens"] = text
        return (reasoning or 0) <= whole and (audio or 0) + (text or 0) <= whole


class _Predictions(_OutputParts):
    accepted_prediction_tokens: Count | None = None
    rejected_prediction_tokens: Count | None = None

    def fit(self, found: Found, whole: int) -> bool:
        """Add the parts to what was found; return whether the whole can hold them."""
        fits = _OutputParts.fit(self, found, whole)
        if (accepted := self.accepted_prediction_tokens) is not None:
            found["accepted_prediction_output_tokens"] = accepted
        if (rejected := self.rejected_prediction_tokens) is not None:
            found["rejected_prediction_output_tokens"] = rejected
        return fits and (accepted or 0) + (rejected or 0) <= whole


class ChatUsage(_Plain):
    """`CompletionUsage` of the openai SDK; embeddings have no output."""

    input: Count = field(name="prompt_tokens")
    input_parts: _InputParts | None = field(name="prompt_tokens_details", default=None)
    output: Count | None = field(name="completion_tokens", default=None)
    output_parts: _Predictions | None = field(name="completion_tokens_details", default=None)
    total: Count | None = field(name="total_tokens", default=None)


class ResponsesUsage(_Plain):
    """`ResponseUsage` of the openai SDK."""

    input: Count = field(name="input_tokens")
    input_parts: _InputParts | None = field(name="input_tokens_details", default=None)
    output: Count | None = field(name="output_tokens", default=None)
    output_parts: _OutputParts | None = field(name="output_tokens_details", default=None)
    total: Count | None = field(name="total_tokens", default=None)


def read_plain(usage: ChatUsage | ResponsesUsage) -> TokenUsage | None:
    """Return what `read_usage` returns; None where the counts do not fit together."""
    found = {"input_tokens": usage.input}
    parts, output, output_parts = usage.input_parts, usage.output, usage.output_parts
    if parts is not None and not parts.fit(found, usage.input):
        return None
    if output is not None:
        found["output_tokens"] = output
        if output_parts is not None and not output_parts.fit(found, output):
            return None
    elif output_parts is not None:
        return None
    if (total := usage.total) is not None:
        found["total_tokens"] = total
        apart = total - usage.input - (output or 0)
        if apart < 0 or 0 < apart == found.get("reasoning_output_tokens"):
            return None
    return TokenUsage.of(found)
