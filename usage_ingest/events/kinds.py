"""Which API answered, by the `object` that a response names. Pure."""

from typing import Final

_KINDS: Final = {
    "chat.completion": "chat",
    "chat.completion.chunk": "chat",
    "text_completion": "completions",
    "list": "embeddings",
    "response": "responses",
    "realtime.response": "realtime",
    "message": "messages",
}


def api_kind(name: str | None, model: str | None) -> str | None:
    """Return the kind; a list is one of embeddings only where a model made it."""
    return _KINDS.get(name) if name and model else None
