"""The functions of Bicep that are used here, on values."""

import hashlib
import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tests.infra.bicep.tokens import BicepError
from tests.infra.bicep.values import SUBSCRIPTION, TENANT, Group, Runtime, shown

_ENVIRONMENT: Final = {
    "authentication": {"loginEndpoint": "https://login.microsoftonline.com/"},
    "suffixes": {"storage": "core.windows.net"},
}


def call(name: str, arguments: list[Any], folder: Path, group: str) -> Any:
    """Call a function; what depends on something that only Azure knows is known to it alone.

    Raises:
        BicepError: There is no such function, or it does not take these arguments.
    """
    if name in _FILES:
        return _FILES[name](folder / str(arguments[0]))
    if name in _SCOPES:
        return _SCOPES[name](arguments, group)
    if name not in _PLAIN:
        raise BicepError(f"there is no function {name}")
    if any(isinstance(each, Runtime) for each in arguments):
        told = ", ".join(shown(each) for each in arguments)
        return False if name == "empty" else Runtime(f"{name}({told})")
    try:
        return _PLAIN[name](*arguments)
    except (TypeError, AttributeError, IndexError, ValueError) as error:
        raise BicepError(f"{name}{tuple(arguments)!r}: {error}") from error


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise BicepError(f"cannot load {path.name}: {error.strerror}") from error


def _union(*parts: Any) -> Any:
    """Merge arrays without repeats, and objects all the way down; what comes later wins."""
    first = parts[0]
    if isinstance(first, list):
        found: list[Any] = []
        for each in (item for part in parts for item in part):
            found += [] if each in found else [each]
        return found
    merged: dict[str, Any] = {}
    for part in parts:
        for key, value in part.items():
            both = isinstance(merged.get(key), dict) and isinstance(value, dict)
            merged[key] = _union(merged[key], value) if both else value
    return merged


def _unique(*texts: Any) -> str:
    told = "/".join(shown(each) for each in texts)
    return hashlib.sha256(told.encode()).hexdigest()[:13].translate(str.maketrans("0189", "wxyz"))


def _items(value: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": value[key]} for key in sorted(value)]


def _format(template: str, *values: Any) -> str:
    return template.format(*(shown(each) for each in values))


def _guid(*texts: Any) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(shown(each) for each in texts)))


def _definition(kind: str, *names: str) -> str:
    return f"/subscriptions/{SUBSCRIPTION}/providers/{kind}/{'/'.join(names)}"


_FILES: Final[dict[str, Callable[[Path], Any]]] = {
    "loadTextContent": _text_of,
    "loadJsonContent": lambda path: json.loads(_text_of(path)),
}
_SCOPES: Final[dict[str, Callable[[list[Any], str], Any]]] = {
    "resourceGroup": lambda arguments, group: Group(str(arguments[0]) if arguments else group),
    "subscription": lambda _, __: {
        "id": f"/subscriptions/{SUBSCRIPTION}",
        "subscriptionId": SUBSCRIPTION,
        "tenantId": TENANT,
    },
    "tenant": lambda _, __: {"tenantId": TENANT},
    "environment": lambda _, __: _ENVIRONMENT,
    "deployment": lambda _, __: Runtime("deployment"),
}
_PLAIN: Final[dict[str, Callable[..., Any]]] = {
    "array": lambda value: value if isinstance(value, list) else [value],
    "concat": lambda *parts: (
        "".join(parts) if isinstance(parts[0], str) else [each for part in parts for each in part]
    ),
    "contains": lambda whole, part: part in whole,
    "empty": lambda value: value is None or len(value) == 0,
    "endsWith": lambda text, end: text.lower().endswith(end.lower()),
    "first": lambda value: value[0],
    "format": _format,
    "guid": _guid,
    "int": int,
    "items": _items,
    "join": lambda values, sign: sign.join(shown(each) for each in values),
    "json": json.loads,
    "last": lambda value: value[-1],
    "length": len,
    "max": max,
    "min": min,
    "range": lambda start, count: list(range(start, start + count)),
    "replace": lambda text, old, new: text.replace(old, new),
    "split": lambda text, sign: text.split(sign),
    "startsWith": lambda text, start: text.lower().startswith(start.lower()),
    "string": lambda value: (
        shown(value) if not isinstance(value, dict | list) else json.dumps(value)
    ),
    "subscriptionResourceId": _definition,
    "substring": lambda text, start, *count: text[start:][: count[0] if count else None],
    "take": lambda value, count: value[:count],
    "toLower": lambda text: text.lower(),
    "toUpper": lambda text: text.upper(),
    "trim": lambda text: text.strip(),
    "union": _union,
    "uniqueString": _unique,
}
