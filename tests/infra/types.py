"""Resources against Azure's types: names of properties, their kinds, and what is required.

`types.json` is written by `python -m tests.infra.write_types` from the types that Bicep itself
uses; `types_by_hand.json` holds those that its source lacks. A type is written as Bicep writes it;
`!` behind it means required; properties that only Azure writes are left out.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from tests.infra.bicep.values import Made, Runtime

HERE: Final = Path(__file__).resolve().parent
WRITTEN: Final = HERE / "types.json"
BY_HAND: Final = HERE / "types_by_hand.json"
_SCALARS: Final[dict[str, type | tuple[type, ...]]] = {
    "string": str,
    "int": int,
    "bool": bool,
    "any": object,
}


@cache
def known_types() -> Mapping[str, Any]:
    """Return the types by `type@version`."""
    found: dict[str, Any] = {}
    for path in (BY_HAND, WRITTEN):
        found |= json.loads(path.read_text(encoding="utf-8"))["types"]
    return found


@dataclass
class Checker:
    """Looks at bodies with the objects of one type; `seen` are the objects that it needed."""

    objects: Mapping[str, Any]
    seen: set[str] = field(default_factory=set)

    def body(self, of: Mapping[str, Any], value: dict[str, Any], at: str) -> Iterator[str]:
        """Yield what is wrong with an object."""
        properties = dict(of["properties"])
        if "discriminator" in of:
            kind = value.get(of["discriminator"])
            if kind not in of["kinds"]:
                yield f"{at}.{of['discriminator']} is {kind!r}, not of {sorted(of['kinds'])}"
                return
            properties |= of["kinds"][kind]["properties"]
        for name, wanted in properties.items():
            if wanted.endswith("!") and name not in value:
                yield f"{at}.{name} is missing"
        for name, each in value.items():
            wanted = properties.get(name, of.get("more"))
            if wanted is None:
                yield f"{at}.{name} is no property"
            else:
                yield from self.value(wanted.removesuffix("!"), each, f"{at}.{name}")

    def value(self, wanted: str, value: Any, at: str) -> Iterator[str]:
        """Yield what is wrong with a value; None leaves a property out."""
        if value is None or isinstance(value, Runtime):
            return
        if wanted.endswith("[]"):
            if not isinstance(value, list):
                yield f"{at} is no array"
                return
            for index, each in enumerate(value):
                yield from self.value(wanted.removesuffix("[]"), each, f"{at}[{index}]")
        elif wanted in self.objects:
            self.seen.add(wanted)
            if not isinstance(value, dict):
                yield f"{at} is no object"
                return
            yield from self.body(self.objects[wanted], value, at)
        elif not any(_is(kind, value) for kind in wanted.split(" | ")):
            yield f"{at} is {value!r}, not {wanted}"


def _is(kind: str, value: Any) -> bool:
    if kind not in _SCALARS:
        return bool(value == kind)
    if kind == "int" and isinstance(value, bool):
        return False
    return isinstance(value, _SCALARS[kind])


def problems(of: Made, seen: set[str] | None = None) -> list[str]:
    """Return what is wrong with a resource, each with its place."""
    at = f"{of.file}: {of.symbol}"
    key = f"{of.type}@{of.version}"
    known = known_types().get(key)
    if known is None:
        return [f"{at}: {key} is not known here: run python -m tests.infra.write_types"]
    checker = Checker(known["objects"])
    found = list(checker.body(known["body"], of.body, at))
    if seen is not None:
        seen |= checker.seen
    return found
