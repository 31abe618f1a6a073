"""What a file held: nouns, what was passed over, and every problem with its place."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from usage_ingest.chargeback.reference_document import Noun

Path = tuple[str | int, ...]
"""Where in a file's content: keys of objects and numbers in lists."""


def _printable(text: str) -> str:
    """Write out what would move the cursor of a terminal, or turn its text round."""
    return text if text.isprintable() else text.encode("unicode_escape").decode()


class Place(NamedTuple):
    """Where something stands; a line of 0 is none: the field tells it alone."""

    file: str
    line: int = 0
    field: str = ""

    def __str__(self) -> str:
        """Write it as compilers do, so that editors can follow it."""
        line = f":{self.line}" if self.line else ""
        return f"{self.file}{line}" + (f": {_printable(self.field)}" if self.field else "")


class Problem(NamedTuple):
    """What is wrong, and what would be right."""

    place: Place
    text: str

    def __str__(self) -> str:
        """Write it in one line."""
        return f"{self.place}: {self.text}"


class Placed(NamedTuple):
    """A noun, and where it stands."""

    noun: Noun
    place: Place


@dataclass(slots=True)
class Found:
    """What came of files. `notes` say what was passed over on purpose, and why."""

    nouns: list[Placed] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def add(self, other: "Found") -> None:
        """Take in what another file held."""
        self.nouns += other.nouns
        self.notes += other.notes
        self.problems += other.problems


def dotted(path: Iterable[str | int]) -> str:
    """Write a path as people do: `prices[2].unit_prices.input`."""
    text = ""
    for each in path:
        text += f"[{each}]" if isinstance(each, int) else f".{each}" if text else each
    return text


def line_of(lines: Mapping[Path, int], path: Path) -> int:
    """Return the line of a path, or of the nearest that holds it."""
    for end in range(len(path), -1, -1):
        if path[:end] in lines:
            return lines[path[:end]]
    return 0


def repeats(nouns: Iterable[Placed]) -> list[Problem]:
    """Return a problem for each key and day that stands twice: no order says which holds."""
    first: dict[tuple[object, ...], Place] = {}
    found = []
    for noun, place in nouns:
        key = (type(noun), noun.key, noun.from_day)
        if key in first:
            text = f"the same key and from_day stand at {first[key]} already: keep one of them"
            found.append(Problem(place, text))
        else:
            first[key] = place
    return found


def in_vain(nouns: Iterable[Placed], known: Iterable[Noun]) -> list[Problem]:
    """Return a problem for each withdrawal of what nobody imported: a slip would go unnoticed."""
    told = {(type(each), each.key, each.from_day) for each in known}
    return [
        Problem(
            place, f"nothing of this key was imported for {noun.from_day}: see reference list --all"
        )
        for noun, place in nouns
        if noun.withdrawn and (type(noun), noun.key, noun.from_day) not in told
    ]
