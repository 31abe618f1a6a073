"""A remark of `reference check`: what is wrong, with what, and the words for both. Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal

Code = Literal[
    "gap",
    "overlap",
    "ambiguous_owners",
    "ambiguous_deployments",
    "no_amount",
    "unknown_model",
    "unknown_deployment",
    "unknown_tag",
    "unpriced",
    "undocumented",
]


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing that is wrong, of what, and what it leads to."""

    code: Code
    of: str
    text: str


def said(key: tuple[Any, ...]) -> str:
    """Write a key in words: what it names, and `everything` where that is nothing."""
    fields: dict[str, Any] = key._asdict()  # type: ignore[attr-defined]
    tags = fields.pop("tags", ())
    named = [f"{name} {value}" for name, value in fields.items() if value is not None]
    return ", ".join([*named, *(f"tag {name}={value}" for name, value in tags)]) or "everything"


def span(days: Collection[str]) -> str:
    """Write the first and the last of some days."""
    first, last = min(days), max(days)
    return first if first == last else f"{first} to {last}"
