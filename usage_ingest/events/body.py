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
    """What a response says; values are raw. `cut` says that its end is missing."""

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
    """Read a JSON body or an SSE stream; what is neither has nothing to say."""
    if _is_stream(written):
        return _read_stream(written)
    parsed = _object(written)
    if parsed is None:
        return Body(cut=written.lstrip().startswith("{"))
    return _body(parsed, _usage(parsed), streamed=False, cut=False)


def _is_stream(written: str) -> bool:
    return written.lstrip("\ufeff\r\n ").startswith((_DATA, "event:", "id:", "retry:", ":"))


def _read_stream(written: str) -> Body:
    """Fold a stream: names from the first chunk that has them, usage from the last."""
    names: dict[str, Any] = {}
    usage: Mapping[str, Any] | None = None
    cut = False
    for text in _payloads(written):
        if text == "[DONE]":
            continue
        chunk = _object(text)
        if chunk is None:
            cut = True
            continue
        inner = nested(chunk, "response") or chunk
        for name in _NAMES:
            if inner.get(name) is not None:
                names.setdefault(name, inner[name])
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
        created=names.get("created", names.get("created_at")),
        background=names.get("background"),
        usage=usage,
        streamed=streamed,
        cut=cut,
    )
