"""What a Bicep file consists of: expressions and statements, as values."""

from dataclasses import dataclass

Decorators = dict[str, "tuple[Expression, ...]"]


@dataclass(frozen=True, slots=True)
class Literal:
    value: str | int | bool | None


@dataclass(frozen=True, slots=True)
class Text:
    parts: "tuple[str | Expression, ...]"


@dataclass(frozen=True, slots=True)
class Name:
    name: str


@dataclass(frozen=True, slots=True)
class Array:
    items: "tuple[Expression, ...]"


@dataclass(frozen=True, slots=True)
class Object:
    entries: "tuple[tuple[Expression, Expression], ...]"


@dataclass(frozen=True, slots=True)
class Member:
    of: "Expression"
    name: str
    safe: bool = False


@dataclass(frozen=True, slots=True)
class Index:
    of: "Expression"
    index: "Expression"


@dataclass(frozen=True, slots=True)
class Call:
    name: str
    arguments: "tuple[Expression, ...]"


@dataclass(frozen=True, slots=True)
class Unary:
    sign: str
    of: "Expression"


@dataclass(frozen=True, slots=True)
class Binary:
    sign: str
    left: "Expression"
    right: "Expression"


@dataclass(frozen=True, slots=True)
class Choice:
    condition: "Expression"
    yes: "Expression"
    no: "Expression"


@dataclass(frozen=True, slots=True)
class Loop:
    """`[for item in over: body]`; a condition of the body stands in it."""

    item: str
    index: str | None
    over: "Expression"
    body: "Expression"


@dataclass(frozen=True, slots=True)
class When:
    """`if (condition) { ... }` of a resource or module."""

    condition: "Expression"
    body: "Expression"


Expression = (
    Literal
    | Text
    | Name
    | Array
    | Object
    | Member
    | Index
    | Call
    | Unary
    | Binary
    | Choice
    | Loop
    | When
)


@dataclass(frozen=True, slots=True)
class Param:
    name: str
    type: str
    default: Expression | None
    decorators: Decorators


@dataclass(frozen=True, slots=True)
class Variable:
    name: str
    value: Expression


@dataclass(frozen=True, slots=True)
class Resource:
    name: str
    type: str
    version: str
    existing: bool
    body: Expression
    decorators: Decorators


@dataclass(frozen=True, slots=True)
class Module:
    name: str
    path: str
    body: Expression


@dataclass(frozen=True, slots=True)
class Output:
    name: str
    type: str
    value: Expression


Statement = Param | Variable | Resource | Module | Output


@dataclass(frozen=True, slots=True)
class File:
    """A Bicep file: what it is deployed to, and its statements by name."""

    scope: str
    statements: dict[str, Statement]
    outputs: dict[str, Output]
