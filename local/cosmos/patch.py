"""Partial updates: add, set, replace, remove, incr and move on one document."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

from local.cosmos.errors import bad_request
from local.cosmos.values import is_number

MAX_OPERATIONS = 10
_SYSTEM = ("id", "_rid", "_self", "_etag", "_ts", "_attachments")


def apply_patch(
    document: dict[str, Any], operations: Any, partition_key_paths: list[list[str]]
) -> dict[str, Any]:
    """Return the patched copy; raises a 400 and changes nothing if one operation cannot apply."""
    if not isinstance(operations, list) or not operations:
        raise bad_request("A patch needs at least one operation.")
    if len(operations) > MAX_OPERATIONS:
        raise bad_request(f"The number of patch operations can't exceed '{MAX_OPERATIONS}'.")
    patched = copy.deepcopy(document)
    for operation in operations:
        _apply(patched, operation, partition_key_paths)
    return patched


def _apply(document: dict[str, Any], operation: Any, protected: list[list[str]]) -> None:
    name = str(operation.get("op")) if isinstance(operation, dict) else ""
    if name not in _OPERATIONS:
        raise bad_request(f"The patch operation {name!r} is not one of {', '.join(_OPERATIONS)}.")
    path = _keys(operation.get("path"), protected)
    if name == "move":
        value = _move(document, path, _keys(operation.get("from"), protected))
    elif name == "remove":
        value = None
    elif "value" in operation:
        value = operation["value"]
    else:
        raise bad_request(f"The patch operation {name} needs a value.")
    parent = _parent(document, path)
    _OPERATIONS[name](parent, _index(parent, path[-1]), value)


def _keys(path: Any, protected: list[list[str]]) -> list[str]:
    if not isinstance(path, str) or not path.startswith("/") or path == "/":
        raise bad_request(f"{path!r} is not a patch path such as /a/b.")
    keys = [key.replace("~1", "/").replace("~0", "~") for key in path[1:].split("/")]
    for whole in protected:
        if keys == whole[: len(keys)] or whole == keys[: len(whole)]:
            raise bad_request(f"The partition key path {path} cannot be patched.")
    if keys[0] in _SYSTEM:
        raise bad_request(f"The system property {path} cannot be patched.")
    return keys


def _parent(document: Any, path: list[str]) -> Any:
    for key in path[:-1]:
        index = _index(document, key)
        if not _exists(document, index):
            raise bad_request(f"The parent of /{'/'.join(path)} does not exist.")
        document = document[index]
    if not isinstance(document, dict | list):
        raise bad_request(f"The parent of /{'/'.join(path)} is not an object or an array.")
    return document


def _index(parent: Any, key: str) -> Any:
    if not isinstance(parent, list):
        return key
    if key == "-":
        return len(parent)
    if not key.isdecimal():
        raise bad_request(f"{key!r} is not an index of an array.")
    return int(key)


def _exists(parent: Any, key: Any) -> bool:
    if isinstance(parent, list):
        return bool(key < len(parent))
    return isinstance(parent, dict) and key in parent


def _require(parent: Any, key: Any) -> None:
    if not _exists(parent, key):
        raise bad_request(f"The patch path ending in '{key}' does not exist.")


def _add(parent: Any, key: Any, value: Any) -> None:
    if isinstance(parent, dict):
        parent[key] = value
    elif key <= len(parent):
        parent.insert(key, value)
    else:
        raise bad_request(f"The index {key} is beyond the end of the array.")


def _set(parent: Any, key: Any, value: Any) -> None:
    if isinstance(parent, list) and key < len(parent):
        parent[key] = value
    else:
        _add(parent, key, value)


def _replace(parent: Any, key: Any, value: Any) -> None:
    _require(parent, key)
    parent[key] = value


def _remove(parent: Any, key: Any, _value: Any) -> None:
    _require(parent, key)
    del parent[key]


def _increment(parent: Any, key: Any, value: Any) -> None:
    if not is_number(value):
        raise bad_request("The value of incr is not a number.")
    if not _exists(parent, key):
        _add(parent, key, value)
    elif not is_number(parent[key]):
        raise bad_request(f"The value at '{key}' is not a number and cannot be incremented.")
    else:
        parent[key] += value


def _move(document: Any, path: list[str], source: list[str]) -> Any:
    if path[: len(source)] == source and path != source:
        raise bad_request("A value cannot be moved below itself.")
    parent = _parent(document, source)
    index = _index(parent, source[-1])
    _require(parent, index)
    return parent.pop(index)


_OPERATIONS: Mapping[str, Callable[[Any, Any, Any], None]] = {
    "add": _add,
    "set": _set,
    "replace": _replace,
    "remove": _remove,
    "incr": _increment,
    "move": _add,
}
