"""Bicep's words: a source becomes tokens; the `${...}` of a text in quotes are tokens inside it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_TOKEN: Final = re.compile(
    r"(?P<skip>[ \t\r]+|//[^\n]*|/\*.*?\*/|\#disable-next-line[^\n]*)"
    r"|(?P<newline>\n)"
    r"|(?P<verbatim>'''.*?''')"
    r"|(?P<quote>')"
    r"|(?P<number>\d+)"
    r"|(?P<word>[A-Za-z_]\w*)"
    r"|(?P<sign>=>|==|!=|=~|!~|<=|>=|&&|\|\||\?\?|\.\?|[{}()\[\]:,.=?!<>+\-*/%@])",
    re.DOTALL,
)
_ESCAPE: Final = {"n": "\n", "r": "\r", "t": "\t", "'": "'", "\\": "\\", "$": "$"}


class BicepError(Exception):
    """What Bicep would refuse, with its place where there is one."""


@dataclass(frozen=True, slots=True)
class Token:
    """A word, number, sign, end of line, or text; `parts` are a text's pieces and expressions."""

    kind: str
    value: str
    line: int
    parts: tuple["str | tuple[Token, ...]", ...] = ()


def tokens(source: str, line: int = 1) -> tuple[Token, ...]:
    """Return the tokens of a Bicep text; comments are none.

    Raises:
        BicepError: Something is no word of Bicep, with its line.
    """
    return tuple(_scan(source, line))


def _scan(source: str, line: int) -> Iterator[Token]:
    at = 0
    while at < len(source):
        found = _TOKEN.match(source, at)
        if found is None:
            raise BicepError(f"line {line}: cannot read {source[at : at + 20]!r}")
        kind, value = str(found.lastgroup), found.group()
        at = found.end()
        if kind == "quote":
            parts, at = _text(source, at, line)
            yield Token("text", "", line, parts)
        elif kind == "verbatim":
            yield Token("text", "", line, (value[3:-3].removeprefix("\n"),))
        elif kind != "skip":
            yield Token(kind, value, line)
        line += value.count("\n")


def _text(source: str, at: int, line: int) -> tuple[tuple[str | tuple[Token, ...], ...], int]:
    """Read up to the closing quote; return the pieces and where the text goes on."""
    parts: list[str | tuple[Token, ...]] = []
    plain = ""
    while source[at : at + 1] not in ("'", "\n", ""):
        if source.startswith("${", at):
            end = _closing(source, at + 2, line)
            parts += [plain, tokens(source[at + 2 : end], line)]
            plain, at = "", end + 1
        elif source[at] == "\\":
            if source[at + 1] not in _ESCAPE:
                raise BicepError(f"line {line}: no escape: {source[at : at + 2]!r}")
            plain, at = plain + _ESCAPE[source[at + 1]], at + 2
        else:
            plain, at = plain + source[at], at + 1
    if source[at : at + 1] != "'":
        raise BicepError(f"line {line}: a text has no end")
    return (*parts, plain), at + 1


def _closing(source: str, at: int, line: int) -> int:
    """Return where the brace of a `${` is closed; texts inside may hold braces."""
    depth, quoted = 0, False
    for index in range(at, len(source)):
        sign = source[index]
        if sign == "'":
            quoted = not quoted
        elif not quoted and sign == "}" and not depth:
            return index
        elif not quoted:
            depth += (sign == "{") - (sign == "}")
    raise BicepError(f"line {line}: a ${{ has no end")
