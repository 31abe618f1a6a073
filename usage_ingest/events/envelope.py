"""An event's body -> its elements, and what is wrong with a body that has none. Pure.

A body is one object, an array of them, or Azure Monitor's `{"records": [...]}`.
"""

import functools
import json
import re
from collections.abc import Iterator
from typing import Any, Final

import orjson

from usage_ingest.errors import InvalidEventError

MAX_DEPTH: Final = 64
MAX_ELEMENTS: Final = 2_000
"""More elements than records could fit into the largest event (1 MB) are no usage events."""
_BOM: Final = b"\xef\xbb\xbf"
_NOT_ITS_KEYS: Final = frozenset({"schema", "requestBody"})
"""Keys of events. A caller could paste `records` into the second's: see shapes/chargeback.py."""
_OPEN: Final = {"{": "}", "[": "]"}
_STRUCTURE: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?$)|[{}\[\]]', re.DOTALL)
"""A string, whole or cut at the end, or a bracket outside of one."""


def elements(body: bytes) -> list[Any]:
    """Return the elements of a body, as parsed JSON.

    Raises:
        InvalidEventError: not_utf8, not_json, truncated_json, nested_too_deep or too_large.
    """
    body = body.removeprefix(_BOM)
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH and _depth(body) > MAX_DEPTH:
        raise InvalidEventError("nested_too_deep", "", f"deeper than {MAX_DEPTH} levels")
    parsed = _unwrapped(_parsed(body))
    if not isinstance(parsed, list):
        return [parsed]
    if len(parsed) > MAX_ELEMENTS:
        raise InvalidEventError("too_large", "", f"more than {MAX_ELEMENTS} elements")
    return parsed


@functools.lru_cache(maxsize=2)  # asked for each element of one body
def repeating(body: bytes) -> tuple[bool, ...]:
    """Return of each element of a body that can be read whether a key of its own stands twice.

    The keys of its inner objects are not looked at.
    """
    parsed = json.loads(
        body.removeprefix(_BOM),
        object_pairs_hook=_Object,
        parse_int=len,  # no value is looked at, and int() refuses very long ones
    )
    found = _unwrapped(parsed)
    each_one = found if isinstance(found, list) else [found]
    return tuple(isinstance(each, _Object) and each.repeats for each in each_one)


class _Object(dict[str, Any]):
    """A JSON object that knows whether a key of it was repeated."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.repeats = len(self) < len(pairs)


def _unwrapped(parsed: Any) -> Any:  # noqa: ANN401 - JSON is of any type
    """Return the elements of Azure Monitor's envelope; an event may have such a key itself."""
    if isinstance(parsed, dict) and isinstance(parsed.get("records"), list):
        return parsed if parsed.keys() & _NOT_ITS_KEYS else parsed["records"]
    return parsed


def _parsed(body: bytes) -> Any:  # noqa: ANN401 - JSON is of any type
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return _parsed_slowly(body)


def _parsed_slowly(body: bytes) -> Any:  # noqa: ANN401 - JSON is of any type
    """Read what the strict parser refuses (NaN, lone surrogates), or say what is wrong."""
    try:
        written = body.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data" and _is_cut(body[: error.start].decode()):
            raise InvalidEventError("truncated_json", "", "ends inside a character") from None
        raise InvalidEventError("not_utf8", "", f"byte {error.start} is not UTF-8") from None
    try:
        return json.loads(written)
    except ValueError:
        if _is_cut(written):
            raise InvalidEventError("truncated_json", "", "ends inside a JSON value") from None
        raise InvalidEventError("not_json", "", "is not JSON") from None


def _is_cut(written: str) -> bool:
    """Whether the text ends inside an object, an array or a string that it opened."""
    if not written.lstrip().startswith(("{", "[")):
        return False
    closers: list[str] = []
    for bracket in _brackets(written):
        if bracket in _OPEN:
            closers.append(_OPEN[bracket])
        elif not closers or closers.pop() != bracket:
            return False
    return bool(closers)


def _depth(body: bytes) -> int:
    depth = deepest = 0
    for bracket in _brackets(body.decode("utf-8", "replace")):
        depth += 1 if bracket in _OPEN else -1
        deepest = max(deepest, depth)
    return deepest


def _brackets(written: str) -> Iterator[str]:
    """Yield the brackets of a JSON text that stand outside its strings."""
    for match in _STRUCTURE.finditer(written):
        if (found := match.group()) in "{}[]":
            yield found
