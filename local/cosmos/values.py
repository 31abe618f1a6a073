"""JSON values as the query language sees them: undefined, the order of types, comparison."""

from typing import Any, Final

import orjson

from local.cosmos.errors import bad_request


class _Undefined:
    """The value of a path that is not there; differs from null."""

    def __repr__(self) -> str:
        return "undefined"


UNDEFINED: Final = _Undefined()
_TYPE_ORDER = {type(None): 1, bool: 2, int: 4, float: 4, str: 5, list: 6, dict: 7}
_ORDERED_TYPES = (2, 4, 5)


def loads(text: bytes | str) -> Any:
    """Parse JSON as strictly as the service: no NaN, no broken UTF-8."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise bad_request(f"The request payload is not valid JSON: {error}") from error


def dumps(value: Any) -> bytes:
    """Write compact JSON."""
    try:
        return orjson.dumps(value)
    except TypeError as error:
        raise bad_request(f"The value cannot be stored as JSON: {error}") from error


def is_number(value: Any) -> bool:
    """Whether the value is a JSON number (a boolean is not)."""
    return type(value) in (int, float)


def type_order(value: Any) -> int:
    """The place of the value's type in an ORDER BY; undefined is first."""
    return _TYPE_ORDER.get(type(value), 0)


def sort_key(value: Any) -> tuple[int, Any]:
    """Undefined < null < booleans < numbers < strings < arrays < objects."""
    order = type_order(value)
    if order in _ORDERED_TYPES:
        return order, value
    return order, dumps(value) if isinstance(value, list | dict) else 0


def equal(left: Any, right: Any) -> Any:
    """Whether both are the same value; different types are unequal, undefined is undefined."""
    if left is UNDEFINED or right is UNDEFINED:
        return UNDEFINED
    return type_order(left) == type_order(right) and left == right


def less(left: Any, right: Any) -> Any:
    """Whether left sorts before right; undefined across types and for arrays and objects."""
    order = type_order(left)
    if order != type_order(right) or order not in _ORDERED_TYPES:
        return UNDEFINED
    return left < right


def dig(value: Any, keys: tuple[str | int, ...]) -> Any:
    """The value at a path, or undefined."""
    for key in keys:
        if isinstance(value, dict):
            value = value.get(key, UNDEFINED)
        elif isinstance(value, list) and isinstance(key, int) and key < len(value):
            value = value[key]
        else:
            return UNDEFINED
    return value


def partition_key_text(components: list[Any]) -> str:
    """One text per logical partition: 1 and 1.0 are the same key, a missing one is {}."""
    return dumps(
        [int(c) if isinstance(c, float) and c.is_integer() else c for c in components]
    ).decode()
