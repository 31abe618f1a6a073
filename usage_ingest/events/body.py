"""A response body, whole or streamed -> what it says of itself and its usage. Pure.

For gateways that send the provider's body along. A body that is HTML, empty, cut or without
usage has `usage` None: never a number that nobody reported. What a stream reports on its way
(Anthropic's first event, Gemini's chunks) is no usage yet where the stream ends too early.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import orjson

from usage_ingest.events.fields import nested

_DATA: Final = "data:"
_NAMES: Final = ("id", "model", "object", "service_tier", "created", "created_at", "background")
_GEMINI: Final = "usageMetadata"
_GEMINI_NAMES: Final = (("id", "responseId"), ("model", "modelVersion"))
_TOOLS: Final = "tool_usage"
_MESSAGE: Final = "message"
_IMAGE_KEYS: Final = frozenset({"b64_json", "url"})
_IMAGE_EVENTS: Final = ("image_generation.completed", "image_edit.completed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What a response says; values are raw. `cut` says that JSON in it could not be read.

    `images` is how many it holds; `usage_apart` says that a second model's usage is beside
    `usage`.
    """

    id: Any = None
    model: Any = None
    object: Any = None
    service_tier: Any = None
    created: Any = None
    background: Any = None
    usage: Mapping[str, Any] | None = None
    usage_apart: bool = False
    images: int | None = None
    streamed: bool = False
    cut: bool = False


def read_body(written: str) -> Body:
    """Read a JSON body, an SSE stream or one event of it; what is neither has nothing to say."""
    written = written.lstrip("\ufeff\r\n\t ")
    if written.startswith((_DATA, "event:", "id:", "retry:", ":")):
        return _read_stream(_parsed(text) for text in _payloads(written) if not _is_end(text))
    parsed = _parsed(written)
    if parsed is None and written.startswith(("{", "[")):
        return Body(cut=True)
    return read_parsed(parsed)


def read_parsed(parsed: object) -> Body:
    """Read a body, or one event of a stream, that is parsed JSON already."""
    if isinstance(parsed, list) and any(nested(each, _GEMINI) for each in _objects(parsed)):
        return _read_stream(parsed)  # Gemini streams an array where SSE was not asked for
    if not isinstance(parsed, Mapping):
        return Body()
    response = _response(parsed)
    found = _body(_names(response), _usage(response))
    return replace(found, images=_images(parsed), usage_apart=bool(nested(parsed, "svg_usage")))


@dataclass(slots=True)
class _Stream:
    """The fold of a stream: names and usage from the last chunk that has them.

    Azure's first chunk has empty names and is created at 0; a response's service tier is `auto`
    until it is completed.
    """

    names: dict[str, Any] = field(default_factory=dict)
    usage: Mapping[str, Any] | None = None
    begun: Mapping[str, Any] = field(default_factory=dict)  # Anthropic's, until its last event
    running: Mapping[str, Any] | None = None  # Gemini's: each chunk replaces it
    images: int = 0
    cut: bool = False

    def add(self, chunk: object) -> None:
        """Add one chunk; what is no object is a cut."""
        if not isinstance(chunk, Mapping):
            self.cut, self.running = True, None
            return
        inner = _response(chunk)
        self.names |= {name: value for name, value in _names(inner).items() if _says(value)}
        self.images += chunk.get("type") in _IMAGE_EVENTS
        if chunk.get("type") == "message_start":
            self.begun = nested(inner, "usage")
        elif chunk.get("type") == "message_delta":
            self._replace(nested(chunk, "usage"))
        elif _GEMINI in inner:
            self.running = nested(inner, _GEMINI) or self.running
        else:
            self.usage = _usage(inner) or self.usage

    def _replace(self, later: Mapping[str, Any]) -> None:
        """Take Anthropic's counts: they are running totals, so the later ones stand."""
        if later:
            reported = {name: value for name, value in later.items() if value is not None}
            self.usage = {**(self.usage or self.begun), **reported}


def _read_stream(chunks: Iterable[object]) -> Body:
    stream = _Stream()
    for chunk in chunks:
        stream.add(chunk)
    found = _body(stream.names, stream.usage or stream.running)
    return replace(found, images=stream.images or None, streamed=True, cut=stream.cut)


def _payloads(written: str) -> Iterator[str]:
    """Yield the text of each event of the stream; its data lines belong together."""
    lines: list[str] = []
    for line in [*written.replace("\r\n", "\n").replace("\r", "\n").split("\n"), ""]:
        if line.startswith(_DATA):
            lines.append(line.removeprefix(_DATA).removeprefix(" "))
        elif not line and lines:
            yield "\n".join(lines)
            lines = []


def _is_end(text: str) -> bool:
    return text.strip() == "[DONE]"


def _parsed(text: str) -> Any:  # noqa: ANN401 - JSON is of any type
    try:
        return orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return None


def _objects(values: Iterable[object]) -> Iterator[Mapping[str, Any]]:
    return (each for each in values if isinstance(each, Mapping))


def _response(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what an event of the Responses API or of Anthropic wraps, else the object itself."""
    if event.get("type") == "message_start":
        return nested(event, _MESSAGE)
    return nested(event, "response") or event


def _usage(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the usage, with what a response's tools used put inside.

    Bedrock's stream has it under the `metadata` that others fill freely.
    """
    found = nested(body, "usage") or nested(body, _GEMINI)
    if not found and "id" not in body:
        found = nested(body, "metadata", "usage")
    if found and (tools := nested(body, _TOOLS)):
        found = {**found, _TOOLS: tools}
    return found or None


def _names(body: Mapping[str, Any]) -> dict[str, Any]:
    names = {name: body[name] for name in _NAMES if name in body}
    for name, key in _GEMINI_NAMES:
        if key in body:
            names.setdefault(name, body[key])
    if body.get("type") == _MESSAGE:
        names.setdefault("object", _MESSAGE)
    return names


def _says(value: object) -> bool:
    return bool(value) or value is False


def _images(body: Mapping[str, Any]) -> int | None:
    found = body.get("data")
    entries = _objects(found if isinstance(found, list) else [])
    return sum(1 for each in entries if _IMAGE_KEYS & each.keys()) or None


def _body(names: Mapping[str, Any], usage: Mapping[str, Any] | None) -> Body:
    return Body(
        id=names.get("id"),
        model=names.get("model"),
        object=names.get("object"),
        service_tier=names.get("service_tier"),
        created=names.get("created") or names.get("created_at"),
        background=names.get("background"),
        usage=usage,
    )
