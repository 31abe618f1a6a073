"""What Bicep and its linter ask of a file beyond its words."""

from collections.abc import Iterator
from dataclasses import fields
from typing import Any, Final

from tests.infra.bicep.tree import (
    Expression,
    File,
    Literal,
    Loop,
    Member,
    Module,
    Name,
    Object,
    Param,
    Resource,
    Text,
    Variable,
    When,
)

_AT_ONCE: Final = frozenset({"id", "name", "type", "apiVersion"})
_EARLY: Final = ("name", "scope", "parent")


def parts(of: Any) -> Iterator[Any]:
    """Yield an expression or statement, and all that is inside it."""
    yield of
    inner = of if isinstance(of, tuple) else [getattr(of, each.name) for each in _fields(of)]
    for each in inner:
        if isinstance(each, tuple) or _fields(each):
            yield from parts(each)


def _fields(of: Any) -> tuple[Any, ...]:
    return fields(of) if hasattr(of, "__dataclass_fields__") else ()


def unused(file: File) -> list[str]:
    """Return parameters and variables that nothing names."""
    everything = (*file.statements.values(), *file.outputs.values())
    named = {each.name for one in everything for each in parts(one) if isinstance(each, Name)}
    return [
        name
        for name, each in file.statements.items()
        if isinstance(each, Param | Variable) and name not in named
    ]


def too_late(file: File) -> list[str]:
    """Return resources and modules whose name or number is known only while they are made."""
    return [
        name
        for name, each in file.statements.items()
        if isinstance(each, Resource | Module) and any(_waits(file, one) for one in _first(each))
    ]


def _first(of: Resource | Module) -> Iterator[Expression]:
    """Yield what has to be known before the first resource is made."""
    body = of.body
    if isinstance(body, Loop):
        yield body.over
        body = body.body
    if isinstance(body, When):
        yield body.condition
        body = body.body
    assert isinstance(body, Object)
    for key, value in body.entries:
        if isinstance(key, Literal) and key.value in _EARLY:
            yield value


def _waits(file: File, of: Expression) -> bool:
    """Whether an expression needs what a resource or a module of this file becomes."""
    asked = [each for each in parts(of) if isinstance(each, Member)]
    if any(_is_late(file, each) for each in asked):
        return True
    names = {each.name for each in parts(of) if isinstance(each, Name)}
    inner = (file.statements.get(each) for each in names)
    return any(_waits(file, each.value) for each in inner if isinstance(each, Variable))


def _is_late(file: File, of: Member) -> bool:
    if not isinstance(of.of, Name):
        return False
    found = file.statements.get(of.of.name)
    if isinstance(found, Module):
        return of.name != "name"
    return isinstance(found, Resource) and of.name not in _AT_ONCE


def texts(file: File) -> Iterator[str]:
    """Yield every text that stands in a file."""
    for one in (*file.statements.values(), *file.outputs.values()):
        for each in parts(one):
            if isinstance(each, Literal) and isinstance(each.value, str):
                yield each.value
            elif isinstance(each, Text):
                yield from (part for part in each.parts if isinstance(part, str))
