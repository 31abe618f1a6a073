"""Expressions become values."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from tests.infra.bicep.functions import call
from tests.infra.bicep.tokens import BicepError
from tests.infra.bicep.tree import (
    Array,
    Binary,
    Call,
    Choice,
    Expression,
    Index,
    Literal,
    Loop,
    Member,
    Name,
    Object,
    Text,
    Unary,
)
from tests.infra.bicep.values import Runtime, member, shown


class Scope:
    """Where names mean something: a file's statements, and the items of loops around."""

    def __init__(self, names: Callable[[str], Any], folder: Path, group: str) -> None:
        """Look names up by `names`, files in `folder`."""
        self._names = names
        self.folder = folder
        self.group = group

    def within(self, local: Mapping[str, Any]) -> "Scope":
        """Return the scope of a loop's body."""

        def names(name: str) -> Any:
            return local[name] if name in local else self._names(name)

        return Scope(names, self.folder, self.group)

    def value(self, of: Expression) -> Any:
        """Return what an expression is worth.

        Raises:
            BicepError: It names or does what there is not.
        """
        return _VALUES[type(of)](self, of)

    def entered(self, loop: Loop) -> list["Scope"]:
        """Return the scopes of a loop's turns."""
        over = self.value(loop.over)
        if not isinstance(over, list):
            raise BicepError(f"a loop goes over an array, not over {over!r}")
        turns = []
        for index, item in enumerate(over):
            local = {loop.item: item} | ({loop.index: index} if loop.index else {})
            turns.append(self.within(local))
        return turns

    def name(self, of: Name) -> Any:
        return self._names(of.name)

    def text(self, of: Text) -> str:
        parts = (each if isinstance(each, str) else shown(self.value(each)) for each in of.parts)
        return "".join(parts)

    def object(self, of: Object) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in of.entries:
            name = self.value(key)
            if name in found:
                raise BicepError(f"{name} is there twice")
            found[name] = self.value(value)
        return found

    def member(self, of: Member) -> Any:
        inner = self.value(of.of)
        if of.safe and (inner is None or (isinstance(inner, dict) and of.name not in inner)):
            return None
        return member(inner, of.name)

    def index(self, of: Index) -> Any:
        inner, at = self.value(of.of), self.value(of.index)
        if isinstance(inner, Runtime):
            return Runtime(f"{inner.path}[{at}]")
        try:
            return inner[at]
        except (KeyError, IndexError, TypeError) as error:
            raise BicepError(f"there is no {at!r} in {inner!r}") from error

    def call(self, of: Call) -> Any:
        return call(of.name, [self.value(each) for each in of.arguments], self.folder, self.group)

    def unary(self, of: Unary) -> Any:
        inner = self.value(of.of)
        return not truth(inner) if of.sign == "!" else -inner

    def binary(self, of: Binary) -> Any:
        left = self.value(of.left)
        if of.sign in _LAZY:
            return _LAZY[of.sign](left, lambda: self.value(of.right))
        right = self.value(of.right)
        if isinstance(left, Runtime) or isinstance(right, Runtime):
            raise BicepError(f"{left} {of.sign} {right} is known in Azure only")
        return _OPERATIONS[of.sign](left, right)

    def choice(self, of: Choice) -> Any:
        return self.value(of.yes if truth(self.value(of.condition)) else of.no)


def truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise BicepError(f"a condition is true or false, not {value!r}")
    return value


_LAZY: Final[dict[str, Callable[[Any, Callable[[], Any]], Any]]] = {
    "&&": lambda left, right: truth(left) and truth(right()),
    "||": lambda left, right: truth(left) or truth(right()),
    "??": lambda left, right: right() if left is None else left,
}
_OPERATIONS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "==": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    "=~": lambda left, right: left.lower() == right.lower(),
    "!~": lambda left, right: left.lower() != right.lower(),
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": lambda left, right: left // right,
    "%": lambda left, right: left % right,
}
_VALUES: Final[dict[type, Callable[[Scope, Any], Any]]] = {
    Literal: lambda _, of: of.value,
    Text: Scope.text,
    Name: Scope.name,
    Array: lambda scope, of: [scope.value(each) for each in of.items],
    Object: Scope.object,
    Member: Scope.member,
    Index: Scope.index,
    Call: Scope.call,
    Unary: Scope.unary,
    Binary: Scope.binary,
    Choice: Scope.choice,
    Loop: lambda scope, of: [turn.value(of.body) for turn in scope.entered(of)],
}
