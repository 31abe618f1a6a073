"""Reads policies: elements, attributes, texts, and where in the file each C# expression stands.

Strict for our own, which are well-formed XML. Tolerant for those of others, written as the portal
shows them (format `rawxml`): quotes, `<` and `&&` stand in expressions as they are, so that an
expression ends where the C# ends and not at the next quote.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

_CLOSING: Final = {"(": ")", "[": "]", "{": "}"}
_ENTITY: Final = re.compile(r"&(quot|apos|lt|gt|amp|#\d+|#x[0-9a-fA-F]+);")
_ENTITIES: Final = {"quot": '"', "apos": "'", "lt": "<", "gt": ">", "amp": "&"}
_TAG: Final = re.compile(r"<(/?)([A-Za-z_][\w.:-]*)\s*")
_ATTRIBUTE: Final = re.compile(r"\s*([\w.:-]+)\s*=\s*([\"'])")
_END_OF_TAG: Final = re.compile(r"\s*(/?)>")
_SKIPPED: Final = (("<!--", "-->"), ("<?", "?>"))
_STRING: Final = re.compile(r"(\$@|@\$|\$|@)?(\"|&quot;)")


class UnreadablePolicyError(Exception):
    """What stands in a policy that cannot be read, with file and line."""


@dataclass(frozen=True, slots=True)
class Expression:
    """C# of a policy: `@(code)` or, as a block, `@{code}`; `line` is where the code starts."""

    code: str
    is_block: bool
    file: str
    line: int
    in_attribute: bool


Value = str | Expression


@dataclass(slots=True)
class Node:
    """An element of a policy."""

    name: str
    line: int
    attributes: dict[str, Value] = field(default_factory=dict)
    text: Value | None = None
    children: list["Node"] = field(default_factory=list)

    def walk(self) -> Iterator["Node"]:
        """Yield this element and all within it."""
        yield self
        for child in self.children:
            yield from child.walk()

    def literal(self, attribute: str) -> str:
        """Return an attribute that no expression may be in."""
        value = self.attributes[attribute]
        assert isinstance(value, str), f"{attribute} is an expression"
        return value

    def expressions(self) -> Iterator[Expression]:
        """Yield the expressions of this element and of all within it."""
        for node in self.walk():
            values = [*node.attributes.values(), node.text]
            yield from (each for each in values if isinstance(each, Expression))


def read_policy(path: Path, *, strict: bool = True) -> Node:
    """Read a policy file.

    Raises:
        UnreadablePolicyError: It is not well-formed (strict), or an expression does not end.
    """
    text = path.read_text(encoding="utf-8")
    name = f"{path.parent.name}/{path.name}"
    if strict:
        try:
            ET.fromstring(text)  # noqa: S314 - our own file
        except ET.ParseError as error:
            raise UnreadablePolicyError(f"{name}: {error}") from error
    return _Reader(text, name, strict=strict).read()


class _Reader:
    def __init__(self, text: str, file: str, *, strict: bool) -> None:
        self.text, self.file, self.strict = text, file, strict
        self.at = 0

    def read(self) -> Node:
        root = Node("", 0)
        open_nodes = [root]
        while self.at < len(self.text):
            if self._skip():
                continue
            if tag := _TAG.match(self.text, self.at):
                self._tag(tag, open_nodes)
            else:
                self._content(open_nodes[-1])
        if len(open_nodes) > 1:
            raise self._error(f"<{open_nodes[-1].name}> is not closed")
        return root.children[0]

    def _skip(self) -> bool:
        for start, end in _SKIPPED:
            if self.text.startswith(start, self.at):
                self.at = self._find(end) + len(end)
                return True
        return False

    def _tag(self, tag: re.Match[str], open_nodes: list[Node]) -> None:
        node = Node(tag[2], self._line(tag.start()))
        self.at = tag.end()
        if tag[1]:
            self._end_of_tag()
            if open_nodes.pop().name != node.name:
                raise self._error(f"</{node.name}> closes another element")
            return
        while attribute := _ATTRIBUTE.match(self.text, self.at):
            self.at = attribute.end()
            node.attributes[attribute[1]] = self._attribute(attribute[2])
        open_nodes[-1].children.append(node)
        if not self._end_of_tag():
            open_nodes.append(node)

    def _end_of_tag(self) -> bool:
        end = _END_OF_TAG.match(self.text, self.at)
        if end is None:
            raise self._error("a tag does not end")
        self.at = end.end()
        return bool(end[1])

    def _attribute(self, quote: str) -> Value:
        start = self.at
        if not self.strict and self._is_expression(start):
            value = self._raw_expression(in_attribute=True)
            if not self.text.startswith(quote, self.at):
                raise self._error("text beside an expression")
            self.at += 1
            return value
        end = self._find(quote)
        self.at = end + 1
        return self._value(self.text[start:end], start, in_attribute=True)

    def _content(self, node: Node) -> None:
        start = self.at
        blank = re.compile(r"\s*").match(self.text, start)
        first = blank.end() if blank else start
        if not self.strict and self._is_expression(first):
            self.at = first
            node.text = self._raw_expression(in_attribute=False)
            return
        end = self.text.find("<", start)
        self.at = len(self.text) if end < 0 else end
        content = self.text[start : self.at]
        if content.strip():
            node.text = self._value(content, start, in_attribute=False)

    def _is_expression(self, at: int) -> bool:
        return self.text.startswith(("@(", "@{"), at)

    def _value(self, raw: str, start: int, *, in_attribute: bool) -> Value:
        """Read a value of well-formed XML: an expression takes all of it or none of it."""
        stripped = raw.strip()
        text = unescaped(stripped)
        if not text.startswith(("@(", "@{")):
            return text
        if end_of_expression(text, 0) != len(text):
            raise self._error("text beside an expression")
        line = self._line(start + raw.index(stripped))
        return Expression(text[2:-1], text[1] == "{", self.file, line, in_attribute)

    def _raw_expression(self, *, in_attribute: bool) -> Expression:
        start = self.at
        self.at = end_of_expression(self.text, start)
        code = unescaped(self.text[start + 2 : self.at - 1])
        is_block = self.text[start + 1] == "{"
        return Expression(code, is_block, self.file, self._line(start), in_attribute)

    def _find(self, what: str) -> int:
        found = self.text.find(what, self.at)
        if found < 0:
            raise self._error(f"{what} is missing")
        return found

    def _line(self, at: int) -> int:
        return self.text.count("\n", 0, at) + 1

    def _error(self, text: str) -> UnreadablePolicyError:
        return UnreadablePolicyError(f"{self.file}, line {self._line(self.at)}: {text}")


def unescaped(text: str) -> str:
    """Return a text with XML's entities replaced; a lone ampersand stays."""

    def replaced(found: re.Match[str]) -> str:
        name = found[1]
        if name.startswith("#"):
            return chr(int(f"0{name[1:]}", 0) if name[1] == "x" else int(name[1:]))
        return _ENTITIES[name]

    return _ENTITY.sub(replaced, text)


def end_of_expression(text: str, start: int) -> int:
    """Return where the expression that starts here ends, behind its last bracket.

    Raises:
        UnreadablePolicyError: It does not end.
    """
    return _end_of_code(text, start + 2, _CLOSING[text[start + 1]])


def _end_of_code(text: str, at: int, closing: str) -> int:
    while at < len(text):
        character = text[at]
        if character == closing:
            return at + 1
        if character in _CLOSING:
            at = _end_of_code(text, at + 1, _CLOSING[character])
        elif string := _STRING.match(text, at):
            at = _end_of_string(text, string)
        else:
            at = _behind(text, at)
    raise UnreadablePolicyError(f"an expression does not end: {text[:60]!r}")


def _behind(text: str, at: int) -> int:
    """Return what follows a comment, a character literal, or any other character."""
    if text.startswith("//", at):
        end = text.find("\n", at)
        return len(text) if end < 0 else end
    if text.startswith("/*", at):
        return text.index("*/", at) + 2
    if text[at] == "'":
        return text.index("'", at + (3 if text[at + 1] == "\\" else 2)) + 1
    return at + 1


def _end_of_string(text: str, start: re.Match[str]) -> int:
    kind, quote = start[1] or "", start[2]
    at = start.end()
    while at < len(text):
        if text.startswith(quote, at):
            if "@" in kind and text.startswith(quote, at + len(quote)):
                at += 2 * len(quote)
                continue
            return at + len(quote)
        if text[at] == "\\" and "@" not in kind:
            at += 2
        elif text[at] == "{" and "$" in kind:
            at = at + 2 if text.startswith("{{", at) else _end_of_code(text, at + 1, "}")
        else:
            at += 1
    raise UnreadablePolicyError(f"a string does not end: {text[start.start() :][:60]!r}")
