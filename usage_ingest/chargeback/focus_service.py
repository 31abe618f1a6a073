"""Whose model it is, and who runs it: what FOCUS asks for beside the price. Pure.

A deployment's document tells the publisher; where it does not, the model's name does.
"""

from typing import Final, NamedTuple

MICROSOFT: Final = "Microsoft"
_OPENAI: Final = "OpenAI"
_PUBLISHERS: Final = {
    "gpt": _OPENAI,
    "o1": _OPENAI,
    "o3": _OPENAI,
    "o4": _OPENAI,
    "text-embedding": _OPENAI,
    "dall-e": _OPENAI,
    "whisper": _OPENAI,
    "tts": _OPENAI,
    "sora": _OPENAI,
    "claude": "Anthropic",
    "deepseek": "DeepSeek",
    "llama": "Meta",
    "meta-llama": "Meta",
    "mistral": "Mistral AI",
    "ministral": "Mistral AI",
    "codestral": "Mistral AI",
    "cohere": "Cohere",
    "command": "Cohere",
    "embed-v": "Cohere",
    "grok": "xAI",
    "kimi": "Moonshot AI",
    "gemini": "Google",
    "nova": "Amazon",
    "phi": MICROSOFT,
    "mai": MICROSOFT,
    "model-router": MICROSOFT,
}
"""How the names of models begin."""


class Service(NamedTuple):
    """What answers calls: its name, and who runs it."""

    name: str
    host: str


_FOUNDRY: Final = Service("Foundry Models", MICROSOFT)
_AZURE_OPENAI: Final = Service("Azure OpenAI", MICROSOFT)
_ELSEWHERE: Final = {
    "bedrock": Service("Amazon Bedrock", "Amazon Web Services"),
    "vertex": Service("Vertex AI", "Google"),
    "gemini": Service("Gemini API", "Google"),
}
"""Words in the name of a provider that is not of Azure."""


def publisher_of(publisher: str | None, model: str | None, service: Service) -> str:
    """Return who made a model; where nothing tells, who runs it."""
    if publisher:
        return publisher
    name = (model or "").lower()
    return next((of for begin, of in _PUBLISHERS.items() if name.startswith(begin)), service.host)


def service_of(provider: str | None, publisher: str | None, model: str | None) -> Service:
    """Return what service answered."""
    name = (provider or "").lower()
    for word, service in _ELSEWHERE.items():
        if word in name:
            return service
    made_by = publisher_of(publisher, model, _FOUNDRY)
    return _AZURE_OPENAI if made_by == _OPENAI else _FOUNDRY
