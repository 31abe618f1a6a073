"""Tokens become expressions, with Bicep's precedence."""

from typing import Final

from tests.infra.bicep.tokens import BicepError, Token
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
    When,
)

_BINDING: Final = (
    ("??",),
    ("||",),
    ("&&",),
    ("==", "!=", "=~", "!~"),
    ("<", "<=", ">", ">="),
    ("+", "-"),
    ("*", "/", "%"),
)
_WORDS: Final = {"true": True, "false": False, "null": None}
_END: Final = Token("end", "", 0)


class Reader:
    """Reads tokens from left to right."""

    def __init__(self, tokens: tuple[Token, ...]) -> None:
        """Start at the first token."""
        self._tokens = tokens
        self._at = 0

    def peek(self) -> Token:
        return self._tokens[self._at] if self._at < len(self._tokens) else _END

    def take(self) -> Token:
        token = self.peek()
        self._at += 1
        return token

    def takes(self, *values: str) -> bool:
        """Take the next token if it is one of these signs or words."""
        found = self.peek().kind in ("sign", "word") and self.peek().value in values
        self._at += found
        return found

    def expect(self, value: str) -> None:
        if not self.takes(value):
            token = self.peek()
            raise BicepError(f"line {token.line}: {value!r} is missing before {token.value!r}")

    def word(self) -> str:
        token = self.take()
        if token.kind != "word":
            raise BicepError(f"line {token.line}: a name is missing before {token.value!r}")
        return token.value

    def skip_lines(self) -> None:
        while self.peek().kind == "newline":
            self._at += 1

    def expression(self) -> Expression:
        condition = self._binary(0)
        if not self.takes("?"):
            return condition
        self.skip_lines()
        yes = self.expression()
        self.skip_lines()
        self.expect(":")
        self.skip_lines()
        return Choice(condition, yes, self.expression())

    def _binary(self, level: int) -> Expression:
        if level == len(_BINDING):
            return self._unary()
        left = self._binary(level + 1)
        while self.peek().kind == "sign" and self.peek().value in _BINDING[level]:
            sign = self.take().value
            self.skip_lines()
            left = Binary(sign, left, self._binary(level + 1))
        return left

    def _unary(self) -> Expression:
        for sign in ("!", "-"):
            if self.takes(sign):
                return Unary(sign, self._unary())
        return self._tail(self._primary())

    def _tail(self, found: Expression) -> Expression:
        while True:
            if self.takes(".", ".?"):
                safe = self._tokens[self._at - 1].value == ".?"
                found = Member(found, self.word(), safe)
            elif self.takes("["):
                found = Index(found, self.expression())
                self.expect("]")
            elif not self.takes("!"):  # "known not to be null": changes nothing
                return found

    def _primary(self) -> Expression:
        token = self.take()
        if token.kind == "number":
            return Literal(int(token.value))
        if token.kind == "text":
            return text_of(token)
        if token.kind == "word":
            return self._named(token.value)
        starts = {"(": self._group, "[": self._array, "{": self._object}
        if token.value not in starts:
            raise BicepError(f"line {token.line}: no value begins with {token.value!r}")
        return starts[token.value]()

    def _named(self, word: str) -> Expression:
        if word in _WORDS:
            return Literal(_WORDS[word])
        if not self.takes("("):
            return Name(word)
        return Call(word, tuple(self._listed(")")))

    def body(self) -> Expression:
        """Read what a resource or module is, with the condition that it is made under."""
        if not self.takes("if"):
            return self.expression()
        self.expect("(")
        condition = self.expression()
        self.expect(")")
        return When(condition, self.expression())

    def _group(self) -> Expression:
        self.skip_lines()
        inner = self.expression()
        self.skip_lines()
        self.expect(")")
        return inner

    def _array(self) -> Expression:
        self.skip_lines()
        if self.takes("for"):
            return self._loop()
        return Array(tuple(self._listed("]")))

    def _listed(self, end: str) -> list[Expression]:
        found = []
        self.skip_lines()
        while not self.takes(end):
            found.append(self.expression())
            self.takes(",")
            self.skip_lines()
        return found

    def _loop(self) -> Expression:
        index = None
        if self.takes("("):
            item = self.word()
            self.expect(",")
            index = self.word()
            self.expect(")")
        else:
            item = self.word()
        self.expect("in")
        over = self.expression()
        self.expect(":")
        body = self.body()
        self.skip_lines()
        self.expect("]")
        return Loop(item, index, over, body)

    def _object(self) -> Expression:
        entries = []
        self.skip_lines()
        while not self.takes("}"):
            token = self.take()
            if token.kind not in ("word", "text"):
                raise BicepError(f"line {token.line}: {token.value!r} is no name of a property")
            key = Literal(token.value) if token.kind == "word" else text_of(token)
            self.expect(":")
            entries.append((key, self.expression()))
            self.takes(",")
            self.skip_lines()
        return Object(tuple(entries))


def text_of(token: Token) -> Expression:
    """Return a text; one without expressions is a literal."""
    parts = tuple(each if isinstance(each, str) else _whole(each) for each in token.parts)
    if all(isinstance(each, str) for each in parts):
        return Literal("".join(str(each) for each in parts))
    return Text(parts)


def _whole(inner: tuple[Token, ...]) -> Expression:
    reader = Reader(inner)
    found = reader.expression()
    if reader.peek() is not _END:
        raise BicepError(f"line {inner[0].line}: more than one value in a text")
    return found
