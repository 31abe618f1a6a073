"""The parsed form of a query: expression nodes and the clauses around them."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant or the value of a parameter."""

    value: Any


@dataclass(frozen=True, slots=True)
class Path:
    """A path into the document, without the alias."""

    keys: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A function of the row."""

    name: str
    arguments: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A function of all rows of a group."""

    name: str
    argument: "Node"


@dataclass(frozen=True, slots=True)
class Not:
    """Logical negation."""

    operand: "Node"


@dataclass(frozen=True, slots=True)
class Logical:
    """AND or OR of any number of operands."""

    word: str
    operands: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Compare:
    """One comparison."""

    operator: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class In:
    """Membership in a list of expressions."""

    subject: "Node"
    options: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Array:
    """An array built from expressions; undefined ones are left out."""

    items: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Member:
    """A named expression of an object or of a select list; `text` is its source."""

    name: str
    value: "Node"
    text: str = ""


@dataclass(frozen=True, slots=True)
class Object:
    """An object built from expressions; undefined ones are left out."""

    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class Sort:
    """One path of ORDER BY."""

    path: Path
    descending: bool
    text: str


Node = Literal | Path | Call | Aggregate | Not | Logical | Compare | In | Array | Object | Member


@dataclass(slots=True)
class Query:
    """A parsed query, with the source of the clauses that a rewrite repeats."""

    distinct: bool = False
    top: int | None = None
    value: bool = False
    select: tuple[Member, ...] = ()  # empty: SELECT *
    source: str = "c"
    alias: str = "c"
    where: Node | None = None
    where_text: str = ""
    group_by: tuple[Node, ...] = ()
    order_by: tuple[Sort, ...] = ()
    order_by_text: str = ""
    offset: int | None = None
    limit: int | None = None

    @property
    def aggregates(self) -> list[Aggregate]:
        """The aggregates of the select list."""
        return [node for item in self.select for node in walk(item) if isinstance(node, Aggregate)]


def children(node: Any) -> Iterator[Any]:
    """The nodes directly below one."""
    if isinstance(node, Literal):
        return
    for field in fields(node):
        child = getattr(node, field.name)
        yield from (
            one for one in (child if isinstance(child, tuple) else (child,)) if is_dataclass(one)
        )


def walk(node: Any) -> Iterator[Any]:
    """The node and everything below it."""
    yield node
    for child in children(node):
        yield from walk(child)
