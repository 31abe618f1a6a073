"""The part of the query language that is supported, parsed; everything else is refused by name."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from local.cosmos.errors import bad_request
from local.cosmos.tree import (
    Aggregate,
    Array,
    Call,
    Compare,
    In,
    Literal,
    Logical,
    Member,
    Node,
    Not,
    Object,
    Path,
    Query,
    Sort,
)

_TOKEN = re.compile(
    r"""(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
      | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<parameter>@\w+)
      | (?P<word>[A-Za-z_]\w*)
      | (?P<mark><=|>=|!=|<>|[-=<>(),.:*{}]|\[|\])""",
    re.VERBOSE,
)
_T = TypeVar("_T")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))")
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_CONSTANTS = {"TRUE": True, "FALSE": False, "NULL": None}
_COMPARISONS = ("=", "!=", "<>", "<=", ">=", "<", ">")
AGGREGATES = ("COUNT", "SUM", "MIN", "MAX", "AVG")
_REFUSED = (
    *("JOIN", "LIKE", "EXISTS", "UDF", "HAVING", "UNION", "ESCAPE", "ARRAY", "ALL", "RANK"),
)
_KEYWORDS = (
    *("SELECT", "FROM", "WHERE", "GROUP", "ORDER", "BY", "OFFSET", "LIMIT", "TOP", "VALUE"),
    *("DISTINCT", "AND", "OR", "NOT", "IN", "BETWEEN", "AS", "ASC", "DESC", "UNDEFINED"),
    *_REFUSED,
    *_CONSTANTS,
)


class Token(NamedTuple):
    """A piece of the query text and where it stands."""

    kind: str
    text: str
    start: int
    end: int


def parse_query(text: str, parameters: Mapping[str, Any]) -> Query:
    """Parse a SELECT; raises a 400 that names what is wrong or not supported."""
    return _Parser(text, parameters).query()


def parse_predicate(text: str) -> Node:
    """Parse a patch condition: FROM c WHERE ..."""
    return _Parser(text, {}).predicate()


def _tokens(text: str) -> Iterator[Token]:
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        match = _TOKEN.match(text, at)
        if match is None:
            raise bad_request(
                f"Not supported here, or a syntax error, near '{text[at : at + 20]}'."
            )
        yield Token(str(match.lastgroup), match.group(), match.start(), match.end())
        at = match.end()


def _unquote(text: str) -> str:
    def plain(match: re.Match[str]) -> str:
        if match[1]:
            return chr(int(match[1], 16))
        return _ESCAPED.get(match[2], match[2])

    return _ESCAPE.sub(plain, text[1:-1])


class _Parser:
    """Recursive descent over the tokens of one query."""

    def __init__(self, text: str, parameters: Mapping[str, Any]) -> None:
        self._text = text
        self._parameters = parameters
        self._tokens = [*_tokens(text), Token("end", "", len(text), len(text))]
        self._at = 0
        self._roots: set[str] = set()

    # --- clauses ---

    def query(self) -> Query:
        query = Query()
        self._expect("SELECT")
        query.distinct = self._take("DISTINCT")
        query.top = self._count() if self._take("TOP") else None
        query.value = self._take("VALUE")
        if query.value or not self._take("*"):
            query.select = self._select_list(value=query.value)
        self._from(query)
        self._where(query)
        query.group_by = self._group_by()
        self._order_by(query)
        if self._take("OFFSET"):
            query.offset = self._count()
            self._expect("LIMIT")
            query.limit = self._count()
        self._finish(query.alias)
        return query

    def predicate(self) -> Node:
        query = Query()
        self._from(query)
        self._where(query)
        self._finish(query.alias)
        return query.where or Literal(value=True)

    def _select_list(self, *, value: bool) -> tuple[Member, ...]:
        items = [self._select_item(1)]
        while not value and self._take(","):
            items.append(self._select_item(len(items) + 1))
        names = [item.name for item in items]
        if len(set(names)) < len(names):
            raise bad_request("The select list has a name twice; give it an alias with AS.")
        return tuple(items)

    def _select_item(self, number: int) -> Member:
        start = self._peek().start
        node = self._expression()
        text = self._text[start : self._tokens[self._at - 1].end]
        name = f"${number}"
        if isinstance(node, Path):
            name = str(node.keys[-1]) if node.keys else text
        if self._take("AS"):
            name = self._word()
        return Member(name, node, text)

    def _from(self, query: Query) -> None:
        self._expect("FROM")
        query.source = query.alias = self._word()
        if self._take("AS") or (self._peek().kind == "word" and not self._is_keyword()):
            query.alias = self._word()
            query.source += f" AS {query.alias}"

    def _where(self, query: Query) -> None:
        if self._take("WHERE"):
            start = self._peek().start
            query.where = self._expression()
            query.where_text = self._text[start : self._tokens[self._at - 1].end]

    def _group_by(self) -> tuple[Node, ...]:
        if not self._take("GROUP"):
            return ()
        self._expect("BY")
        return self._list(self._expression)

    def _order_by(self, query: Query) -> None:
        if self._take("ORDER"):
            self._expect("BY")
            start = self._peek().start
            query.order_by = self._list(self._sort)
            query.order_by_text = self._text[start : self._tokens[self._at - 1].end]

    def _sort(self) -> Sort:
        start = self._peek().start
        path = self._primary()
        text = self._text[start : self._tokens[self._at - 1].end]
        if not isinstance(path, Path) or not path.keys:
            raise bad_request(f"ORDER BY takes paths only, not '{text}'.")
        descending = self._take("DESC")
        if not descending:
            self._take("ASC")
        return Sort(path, descending, text)

    def _finish(self, alias: str) -> None:
        if self._peek().kind != "end":
            raise self._refusal()
        for root in self._roots - {alias}:
            raise bad_request(f"Identifier '{root}' could not be resolved.")

    # --- expressions, by rising precedence ---

    def _expression(self) -> Node:
        return self._logical("OR", lambda: self._logical("AND", self._negation))

    def _logical(self, word: str, operand: Callable[[], Node]) -> Node:
        operands = [operand()]
        while self._take(word):
            operands.append(operand())
        return Logical(word, tuple(operands)) if len(operands) > 1 else operands[0]

    def _negation(self) -> Node:
        return Not(self._negation()) if self._take("NOT") else self._comparison()

    def _comparison(self) -> Node:
        left = self._primary()
        if self._peek().text in _COMPARISONS:
            return Compare(self._next().text, left, self._primary())
        negated = self._take("NOT")
        if self._take("IN"):
            self._expect("(")
            node: Node = In(left, self._items(self._expression, ")"))
        elif self._take("BETWEEN"):
            low = self._primary()
            self._expect("AND")
            high = self._primary()
            node = Logical("AND", (Compare(">=", left, low), Compare("<=", left, high)))
        elif negated:
            raise self._refusal()
        else:
            return left
        return Not(node) if negated else node

    def _primary(self) -> Node:
        if self._peek().kind == "end":
            raise self._refusal()
        token = self._next()
        if token.kind == "number":
            return Literal(
                float(token.text) if re.search(r"[.eE]", token.text) else int(token.text)
            )
        if token.kind == "string":
            return Literal(_unquote(token.text))
        if token.kind == "parameter":
            return Literal(self._parameter(token.text))
        return self._word_primary(token) if token.kind == "word" else self._marked(token)

    def _marked(self, token: Token) -> Node:
        if token.text == "(":
            node = self._expression()
            self._expect(")")
            return node
        if token.text == "[":
            return Array(self._items(self._expression, "]"))
        if token.text == "{":
            return Object(self._items(self._member, "}"))
        if token.text == "-" and self._peek().kind == "number":
            number = self._primary()
            return Literal(-number.value) if isinstance(number, Literal) else number
        self._at -= 1
        raise self._refusal()

    def _member(self) -> Member:
        token = self._next()
        self._expect(":")
        name = _unquote(token.text) if token.kind == "string" else token.text
        return Member(name, self._expression())

    def _word_primary(self, token: Token) -> Node:
        upper = token.text.upper()
        if upper in _CONSTANTS:
            return Literal(_CONSTANTS[upper])
        if upper in _KEYWORDS:
            self._at -= 1
            raise self._refusal()
        if self._take("("):
            arguments = self._items(self._expression, ")")
            if upper in AGGREGATES and len(arguments) == 1:
                return Aggregate(upper, arguments[0])
            return Call(upper, arguments)
        self._roots.add(token.text)
        return Path(tuple(self._keys()))

    def _keys(self) -> Iterator[str | int]:
        while self._peek().text in (".", "["):
            if self._next().text == ".":
                token = self._next()
                if token.kind != "word":
                    self._at -= 1
                    raise self._refusal()
                yield token.text
                continue
            key = self._primary()
            if not isinstance(key, Literal) or not isinstance(key.value, str | int):
                raise self._refusal()
            yield key.value
            self._expect("]")

    # --- tokens ---

    def _list(self, one: Callable[[], _T]) -> tuple[_T, ...]:
        items = [one()]
        while self._take(","):
            items.append(one())
        return tuple(items)

    def _items(self, one: Callable[[], _T], closing: str) -> tuple[_T, ...]:
        if self._take(closing):
            return ()
        items = self._list(one)
        self._expect(closing)
        return items

    def _count(self) -> int:
        node = self._primary()
        if not isinstance(node, Literal) or type(node.value) is not int or node.value < 0:
            raise bad_request("TOP, OFFSET and LIMIT take a number that is not negative.")
        return node.value

    def _parameter(self, name: str) -> Any:
        if name not in self._parameters:
            raise bad_request(f"The parameter '{name}' has no value.")
        return self._parameters[name]

    def _word(self) -> str:
        if self._peek().kind != "word" or self._is_keyword():
            raise self._refusal()
        return self._next().text

    def _is_keyword(self) -> bool:
        return self._peek().text.upper() in _KEYWORDS

    def _peek(self) -> Token:
        return self._tokens[self._at]

    def _next(self) -> Token:
        token = self._tokens[self._at]
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def _take(self, text: str) -> bool:
        token = self._peek()
        found = token.kind in ("word", "mark") and token.text.upper() == text
        self._at += found
        return found

    def _expect(self, text: str) -> None:
        if not self._take(text):
            raise self._refusal()

    def _refusal(self) -> Exception:
        token = self._peek()
        near = self._text[token.start : token.start + 20] or "the end"
        if token.text.upper() in _REFUSED:
            return bad_request(f"{token.text.upper()} is not supported here, near '{near}'.")
        return bad_request(f"Syntax error, or not supported here, near '{near}'.")
