"""Reads the plain YAML of docker-compose.yml: mappings, lists of scalars, JSON arrays, comments.

What it does not know it refuses, so that the compose file stays that plain.
"""

import json
import re
from typing import Any

_LINE = re.compile(r"(?P<indent> *)(?:(?P<key>[\w-]+):(?: (?P<value>.+))?|- (?P<item>.+))")


def read_yaml(text: str) -> dict[str, Any]:
    """Return the document; raises ValueError for a line that is not plain."""
    lines = [
        each for each in text.splitlines() if each.strip() and not each.lstrip().startswith("#")
    ]
    found, rest = _block(lines, 0)
    if rest or not isinstance(found, dict):
        raise ValueError(f"not a plain mapping: {rest[:1]}")
    return found


def _block(lines: list[str], indent: int) -> tuple[Any, list[str]]:
    """Read the lines at an indentation; return what they hold, and the lines after them."""
    mapping: dict[str, Any] = {}
    items: list[Any] = []
    while lines:
        line = _LINE.fullmatch(lines[0])
        if line is None:
            raise ValueError(f"not plain YAML: {lines[0]}")
        if len(line["indent"]) < indent:
            break
        if len(line["indent"]) > indent or line["key"] in mapping:
            raise ValueError(f"an indentation or a repeated key: {lines[0]}")
        lines = lines[1:]
        if line["item"] is not None:
            items.append(_scalar(line["item"]))
        elif line["value"] is not None:
            mapping[line["key"]] = _scalar(line["value"])
        else:
            mapping[line["key"]], lines = _block(lines, indent + 2)
    if mapping and items:
        raise ValueError("a list and a mapping at one indentation")
    return items or mapping, lines


def _scalar(text: str) -> Any:
    if text[0] in '["':
        return json.loads(text)
    if re.search(r"[{}&*!|>%@`]|: | #", text[:1] + text):
        raise ValueError(f"not a plain scalar: {text}")
    if text in ("true", "false"):
        return text == "true"
    return int(text) if text.isdigit() else text
