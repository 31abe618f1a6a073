"""A response body, whole or as server-sent events -> what it says of itself and its usage. Pure.

For gateways that send the provider's body along. A body that is HTML, empty, cut or without
usage has `usage` None: never a number that nobody reported.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from usage_ingest.events.fields import nested

_DATA: Final = "data:"
_NAMES: Final = ("id", "model", "object", "service_tier", "created", "created_at", "background")


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What a response says; values are raw. `cut` says that JSON in it could not be read."""

    id: Any = None
    model: Any = None
    object: Any = None
    service_tier: Any = None
    created: Any = None
    background: Any = None
    usage: Mapping[str, Any] | None = None
    streamed: bool = False
    cut: bool = False


def read_body(written: str) -> Body:
    """Read a JSON body, an SSE stream or one event of it; what is neither has nothing to say."""
    written = written.lstrip("\ufeff\r\n\t ")
    if written.startswith((_DATA, "event:", "id:", "retry:", ":")):
        return _read_stream(written)
    parsed = _object(written)
    if parsed is None:
        return Body(cut=written.startswith("{"))
    response = _response(parsed)
    return _body(response, _usage(response), streamed=False, cut=False)


def _read_stream(written: str) -> Body:
    """Fold a stream: names and usage from the last chunk that has them.

    Azure's first chunk has empty names and is created at 0; a response's service tier is `auto`
    until it is completed.
    """
    names: dict[str, Any] = {}
    usage: Mapping[str, Any] | None = None
    cut = False
    for text in _payloads(written):
        if text.strip() == "[DONE]":
            continue
        chunk = _object(text)
        if chunk is None:
            cut = True
            continue
        inner = _response(chunk)
        names |= {
            name: inner[name] for name in _NAMES if inner.get(name) or inner.get(name) is False
        }
        usage = _usage(inner) or usage
    return _body(names, usage, streamed=True, cut=cut)


def _payloads(written: str) -> Iterator[str]:
    """Yield the text of each event of the stream; its data lines belong together."""
    lines: list[str] = []
    for line in [*written.replace("\r\n", "\n").replace("\r", "\n").split("\n"), ""]:
        if line.startswith(_DATA):
            lines.append(line.removeprefix(_DATA).removeprefix(" "))
        elif not line and lines:
            yield "\n".join(lines)
            lines = []


def _object(text: str) -> dict[str, Any] | None:
    try:
        parsed = orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return None
    return parsed if isinstance(parsed, dict) else None


def _response(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the response that an event of the Responses API wraps, else the object itself."""
    return nested(event, "response") or event


def _usage(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return nested(body, "usage") or None


def _body(
    names: Mapping[str, Any], usage: Mapping[str, Any] | None, *, streamed: bool, cut: bool
) -> Body:
    return Body(
        id=names.get("id"),
        model=names.get("model"),
        object=names.get("object"),
        service_tier=names.get("service_tier"),
        created=names.get("created") or names.get("created_at"),
        background=names.get("background"),
        usage=usage,
        streamed=streamed,
        cut=cut,
    )
