"""What a call says of its API beside the usage object itself. Pure."""

from usage_ingest.value import value


@value()
class Hint:
    """Names as the event gave them; None where it did not. The object's own keys go first."""

    provider: str | None = None
    api_kind: str | None = None
    model: str | None = None

    def names(self, *words: str) -> bool:
        """Whether the model, or without one the provider, has one of the words in its name."""
        name = (self.model or self.provider or "").lower()
        return any(word in name for word in words)
