"""JSON -> plain objects, with decimals as they are written."""

import json
from decimal import Decimal
from typing import Any


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


_DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse)


def json_trees(text: str) -> list[Any]:
    """Read one JSON document, or several that follow each other (pages that were appended).

    Raises:
        ValueError: It is no JSON; the text says where.
    """
    found, at = list[Any](), _after_space(text, 0)
    while at < len(text):
        try:
            tree, end = _DECODER.raw_decode(text, at)
        except RecursionError:
            raise ValueError("is nested too deeply") from None
        found.append(tree)
        at = _after_space(text, end)
    if not found:
        raise ValueError("is empty")
    return found


def _after_space(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at
