"""JSON documents: comparison and undefined as the service has them, patches, and its one error."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

MAX_PATCH_OPERATIONS = 10
_PATCHES = ("add", "set", "replace", "remove", "incr")
_SYSTEM = ("id", "_rid", "_etag", "_ts")
_TYPE_ORDER = {type(None): 1, bool: 2, int: 4, float: 4, str: 5, list: 6, dict: 7}
_ORDERED_TYPES = (2, 4, 5)


@dataclass(eq=False)
class CosmosError(Exception):
    """An answer with an error status; `substatus` is what the SDK branches on."""

    status: int
    message: str
    substatus: int = 0
    retry_after_ms: int | None = None


def bad_request(message: str, substatus: int = 0) -> CosmosError:
    """A 400: malformed, or valid for the service but not supported here."""
    return CosmosError(HTTPStatus.BAD_REQUEST, message, substatus)


class _Undefined:
    """The value of a path that is not there; differs from null."""


UNDEFINED: Final = _Undefined()


def is_number(value: Any) -> bool:
    """Whether the value is a JSON number (a boolean is not)."""
    return type(value) in (int, float)


def sort_key(value: Any) -> tuple[int, Any]:
    """Undefined < null < booleans < numbers < strings < arrays < objects."""
    order = _type_order(value)
    return order, value if order in _ORDERED_TYPES else 0


def equal(left: Any, right: Any) -> Any:
    """Whether both are the same value; different types are unequal, undefined is undefined."""
    if left is UNDEFINED or right is UNDEFINED:
        return UNDEFINED
    return _type_order(left) == _type_order(right) and left == right


def less(left: Any, right: Any) -> Any:
    """Whether left sorts before right; undefined across types and for arrays and objects."""
    order = _type_order(left)
    if order != _type_order(right) or order not in _ORDERED_TYPES:
        return UNDEFINED
    return left < right


def _type_order(value: Any) -> int:
    return _TYPE_ORDER.get(type(value), 0)


def dig(value: Any, keys: tuple[str, ...]) -> Any:
    """The value at a path, or undefined."""
    for key in keys:
        if not isinstance(value, dict):
            return UNDEFINED
        value = value.get(key, UNDEFINED)
    return value


def apply_patch(
    document: dict[str, Any], operations: list[Any], partition_key: tuple[str, ...]
) -> None:
    """Change the document; raises a 400 if one operation cannot apply."""
    if not 0 < len(operations) <= MAX_PATCH_OPERATIONS:
        raise bad_request(f"A patch has 1 to {MAX_PATCH_OPERATIONS} operations.")
    for operation in operations:
        name, path = operation.get("op"), str(operation.get("path"))
        if name not in _PATCHES:
            raise bad_request(f"The patch operation {name!r} is not one of {', '.join(_PATCHES)}.")
        first, *keys = [key.replace("~1", "/").replace("~0", "~") for key in path.split("/")]
        holds_partition = all(map(str.__eq__, keys, partition_key))
        if first or not all(keys) or holds_partition or keys[0] in _SYSTEM:
            raise bad_request(f"{path!r} is not a path that can be patched.")
        parent = dig(document, tuple(keys[:-1]))
        if not isinstance(parent, dict):
            raise bad_request(f"The parent of {path} is not an object; only objects are patched.")
        _change(name, parent, keys[-1], operation.get("value", UNDEFINED))


def _change(name: str, parent: dict[str, Any], key: str, value: Any) -> None:
    if name in ("replace", "remove") and key not in parent:
        raise bad_request(f"The patch path ending in '{key}' does not exist.")
    if name == "remove":
        del parent[key]
        return
    if name == "incr":
        if not is_number(value) or not is_number(parent.get(key, 0)):
            raise bad_request(f"incr adds a number to a number, and not so at '{key}'.")
        value += parent.get(key, 0)
    if value is UNDEFINED:
        raise bad_request(f"The patch operation {name} needs a value.")
    parent[key] = value
