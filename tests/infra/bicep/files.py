"""A Bicep file becomes its statements."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final

from tests.infra.bicep.expressions import Reader, text_of
from tests.infra.bicep.tokens import BicepError, tokens
from tests.infra.bicep.tree import (
    Call,
    Decorators,
    File,
    Literal,
    Module,
    Output,
    Param,
    Resource,
    Statement,
    Variable,
)


@cache
def read(path: Path) -> File:
    """Return what a file consists of.

    Raises:
        BicepError: The file is no Bicep, or of a kind that is not used here.
    """
    try:
        return parse(path.read_text(encoding="utf-8"))
    except BicepError as error:
        raise BicepError(f"{path.name}, {error}") from None


def parse(source: str) -> File:
    reader = Reader(tokens(source))
    scope = "resourceGroup"
    statements: dict[str, Statement] = {}
    outputs: dict[str, Output] = {}
    reader.skip_lines()
    while reader.peek().kind != "end":
        line = reader.peek().line
        decorators = _decorators(reader)
        word = reader.word()
        if word == "targetScope":
            reader.expect("=")
            scope = _literal(reader)
        else:
            found = _statement(word, reader, decorators)
            kept = outputs if isinstance(found, Output) else statements
            if found.name in kept:
                raise BicepError(f"line {line}: {found.name} is there twice")
            kept[found.name] = found  # type: ignore[assignment]
        _end_of_line(reader)
    return File(scope, statements, outputs)


def _end_of_line(reader: Reader) -> None:
    token = reader.peek()
    if token.kind not in ("newline", "end"):
        raise BicepError(f"line {token.line}: {token.value!r} stands behind a whole statement")
    reader.skip_lines()


def _decorators(reader: Reader) -> Decorators:
    found: Decorators = {}
    while reader.takes("@"):
        call = reader.expression()
        if not isinstance(call, Call):
            raise BicepError(f"line {reader.peek().line}: a decorator is called")
        found[call.name] = call.arguments
        reader.skip_lines()
    return found


def _statement(word: str, reader: Reader, decorators: Decorators) -> Statement | Output:
    if word == "output":
        name, kind = reader.word(), reader.word()
        reader.expect("=")
        return Output(name, kind, reader.expression())
    if word not in _READERS:
        raise BicepError(f"line {reader.peek().line}: no statement begins with {word!r}")
    return _READERS[word](reader, decorators)


def _param(reader: Reader, decorators: Decorators) -> Param:
    name, kind = reader.word(), reader.word()
    default = reader.expression() if reader.takes("=") else None
    return Param(name, kind, default, decorators)


def _variable(reader: Reader, _: Decorators) -> Variable:
    name = reader.word()
    reader.expect("=")
    return Variable(name, reader.expression())


def _resource(reader: Reader, decorators: Decorators) -> Resource:
    name = reader.word()
    kind, found, version = _literal(reader).partition("@")
    if not found:
        raise BicepError(f"line {reader.peek().line}: {kind} has no version")
    existing = reader.takes("existing")
    reader.expect("=")
    return Resource(name, kind, version, existing, reader.body(), decorators)


def _module(reader: Reader, _: Decorators) -> Module:
    name, path = reader.word(), _literal(reader)
    reader.expect("=")
    return Module(name, path, reader.body())


def _literal(reader: Reader) -> str:
    token = reader.take()
    found = text_of(token) if token.kind == "text" else None
    if not isinstance(found, Literal) or not isinstance(found.value, str):
        raise BicepError(f"line {token.line}: a plain text is missing")
    return found.value


_READERS: Final[dict[str, Callable[[Reader, Decorators], Statement]]] = {
    "param": _param,
    "var": _variable,
    "resource": _resource,
    "module": _module,
}
