"""The supported part of the query language, compiled to functions; the rest is refused by name."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from local.cosmos.documents import UNDEFINED, CosmosError, bad_request, dig, equal, less

Getter = Callable[[Any], Any]
Path = tuple[str, ...]
_T = TypeVar("_T")

AGGREGATES: Mapping[str, Callable[[Any], Any]] = {"COUNT": len, "SUM": sum, "MIN": min, "MAX": max}
PARTIAL = "PARTIAL"  # our own word, put before a query whose rows the client merges
_TOKEN = re.compile(
    r"""(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
      | (?P<string>"[^"\\]*"|'[^'\\]*')
      | (?P<parameter>@\w+)
      | (?P<word>[A-Za-z_]\w*)
      | (?P<mark><=|>=|!=|<>|\S)""",
    re.VERBOSE,
)
_CONSTANTS: Mapping[str, Any] = {"TRUE": True, "FALSE": False, "NULL": None}
_KEYWORDS = (
    *("SELECT", "FROM", "WHERE", "ORDER", "BY", "TOP", "VALUE", "DISTINCT", "AND", "OR", "NOT"),
    *("IN", "BETWEEN", "AS", "ASC", "DESC", "UNDEFINED", "EXISTS", "ARRAY", *_CONSTANTS),
)


@dataclass(frozen=True, slots=True)
class Term:
    """A compiled expression, and what is known of it without a document."""

    get: Getter
    path: Path = ()
    constant: Any = UNDEFINED
    # The texts that a path must be one of for the term to be true: they narrow what is read.
    allowed: Mapping[Path, set[str]] = field(default_factory=dict)


@dataclass(slots=True)
class Query:
    """A query, ready to run; `project` makes a row, or what the aggregate folds."""

    project: Getter = lambda document: document
    aggregate: str | None = None
    where: Term | None = None
    order_by: list[tuple[Getter, bool]] = field(default_factory=list)  # with "descending"
    top: int | None = None
    distinct: bool = False
    partial: bool = False


def parse_query(text: str, parameters: Mapping[str, Any]) -> Query:
    """Parse a SELECT; raises a 400 that names what is wrong or not supported."""
    return _Parser(text, parameters).query()


class _Parser:
    """Recursive descent over the tokens of one query."""

    def __init__(self, text: str, parameters: Mapping[str, Any]) -> None:
        self._whole = text
        self._parameters = parameters
        self._tokens = _TOKEN.finditer(text)
        self._roots: set[str] = set()
        self._start = self._last = 0  # where the token and the one before it stand
        self._kind = self._text = ""
        self._next()

    # --- clauses ---

    def query(self) -> Query:
        query = Query(partial=self._take(PARTIAL))
        self._expect("SELECT")
        query.distinct = self._take("DISTINCT")
        if query.distinct and self._text.upper() != "VALUE":
            raise self._refusal()
        if self._take("TOP"):
            query.top = self._constant()
            if type(query.top) is not int or query.top < 0:
                raise bad_request("TOP takes a number that is not negative.")
        self._select(query)
        self._expect("FROM")
        alias = self._word()
        query.where = self._expression() if self._take("WHERE") else None
        if self._take("ORDER"):
            self._expect("BY")
            query.order_by = self._list(self._sort)
        if self._kind != "end":
            raise self._refusal()
        if query.distinct and (query.order_by or query.aggregate):
            raise bad_request("DISTINCT with ORDER BY or COUNT and the like is not supported here.")
        for root in self._roots - {alias}:
            raise bad_request(f"Identifier '{root}' could not be resolved.")
        return query

    def _select(self, query: Query) -> None:
        if self._take("VALUE"):
            name = self._word()
            if self._text == "(" and name.upper() in AGGREGATES:
                query.aggregate = name.upper()
                query.project = self._arguments(1)[0].get
            else:
                query.project = self._path(name).get
        elif not self._take("*"):
            items = self._list(self._select_item)
            members = dict(items)
            if len(members) < len(items):
                raise bad_request("The select list has a name twice; give it an alias with AS.")
            query.project = lambda document: {
                name: value
                for name, get in members.items()
                if (value := get(document)) is not UNDEFINED
            }

    def _select_item(self) -> tuple[str, Getter]:
        root = self._word()
        term = self._path(root)
        return self._word() if self._take("AS") else (root, *term.path)[-1], term.get

    def _sort(self) -> tuple[Getter, bool]:
        term = self._path(self._word())
        descending = self._take("DESC")
        if not descending:
            self._take("ASC")
        return term.get, descending

    # --- expressions, by rising precedence ---

    def _expression(self) -> Term:
        return self._logical("OR", lambda: self._logical("AND", self._negation))

    def _logical(self, word: str, operand: Callable[[], Term]) -> Term:
        operands = [operand()]
        while self._take(word):
            operands.append(operand())
        return _combined(word, operands)

    def _negation(self) -> Term:
        return _not(self._negation()) if self._take("NOT") else self._comparison()

    def _comparison(self) -> Term:
        left = self._primary()
        if self._text in _COMPARE:
            return _compare(self._next(), left, self._primary())
        negated = self._take("NOT")
        if self._take("IN"):
            term = _combined("OR", [_compare("=", left, option) for option in self._arguments()])
        elif self._take("BETWEEN"):
            low = _compare(">=", left, self._primary())
            self._expect("AND")
            term = _combined("AND", [low, _compare("<=", left, self._primary())])
        elif negated:
            raise self._refusal()
        else:
            return left
        return _not(term) if negated else term

    def _primary(self) -> Term:
        if self._take("("):
            term = self._expression()
            self._expect(")")
            return term
        if self._kind != "word" or self._text.upper() in _CONSTANTS:
            value = self._constant()
            return Term(lambda _document: value, constant=value)
        name = self._word()
        if self._text != "(":
            return self._path(name)
        if name.upper() not in _FUNCTIONS:
            raise bad_request(f"The function {name} is not supported here.")
        count, function = _FUNCTIONS[name.upper()]
        getters = [argument.get for argument in self._arguments(count)]
        return Term(lambda document: function(*[get(document) for get in getters]))

    def _constant(self) -> Any:
        text = self._text
        if text.upper() in _CONSTANTS:
            value = _CONSTANTS[text.upper()]
        elif self._kind == "number":
            value = float(text) if re.search(r"[.eE]", text) else int(text)
        elif self._kind == "string":
            value = text[1:-1]
        elif self._kind == "parameter" and text in self._parameters:
            value = self._parameters[text]
        else:
            raise self._refusal()
        self._next()
        return value

    def _path(self, root: str) -> Term:
        self._roots.add(root)
        keys = tuple(self._keys())
        if len(keys) == 1:
            key = keys[0]
            return Term(lambda document: document.get(key, UNDEFINED), keys)
        return Term(lambda document: dig(document, keys), keys)

    def _keys(self) -> Iterator[str]:
        while self._text in (".", "["):
            dot = self._next() == "."
            if self._kind != ("word" if dot else "string"):
                raise self._refusal()
            yield self._next() if dot else self._constant()
            if not dot:
                self._expect("]")

    # --- tokens ---

    def _next(self) -> str:
        """Go on to the next token; return the text of the one that is left behind."""
        text, self._last = self._text, self._start
        token = next(self._tokens, None)
        self._start = token.start() if token else len(self._whole)
        self._kind, self._text = (str(token.lastgroup), token.group()) if token else ("end", "")
        return text

    def _take(self, text: str) -> bool:
        found = self._kind in ("word", "mark") and self._text.upper() == text
        if found:
            self._next()
        return found

    def _expect(self, text: str) -> None:
        if not self._take(text):
            raise self._refusal()

    def _list(self, one: Callable[[], _T]) -> list[_T]:
        items = [one()]
        while self._take(","):
            items.append(one())
        return items

    def _arguments(self, count: int | None = None) -> list[Term]:
        self._expect("(")
        arguments = self._list(self._expression)
        if len(arguments) != (count or len(arguments)):
            raise self._refusal()
        self._expect(")")
        return arguments

    def _word(self) -> str:
        if self._kind != "word" or self._text.upper() in _KEYWORDS:
            raise self._refusal()
        return self._next()

    def _refusal(self) -> CosmosError:
        near = self._whole[self._last : self._start + 20]
        return bad_request(f"Syntax error, no value given, or not supported here, near '{near}'.")


def _compare(operator: str, left: Term, right: Term) -> Term:
    apply, get_left, get_right = _COMPARE[operator], left.get, right.get
    allowed: dict[Path, set[str]] = {}
    if operator == "=" and left.path and isinstance(right.constant, str):
        allowed = {left.path: {right.constant}}
    return Term(lambda document: apply(get_left(document), get_right(document)), allowed=allowed)


def _not(term: Term) -> Term:
    get = term.get
    return Term(lambda document: _negated(get(document)))


def _negated(value: Any) -> Any:
    return not value if isinstance(value, bool) else UNDEFINED


def _combined(word: str, operands: list[Term]) -> Term:
    """AND or OR: decided by one operand, else undefined if one is not a boolean."""
    if len(operands) == 1:
        return operands[0]
    getters = [operand.get for operand in operands]
    decisive = word == "OR"

    def evaluate(document: Any) -> Any:
        result: Any = not decisive
        for get in getters:
            value = get(document)
            if value is decisive:
                return decisive
            if not isinstance(value, bool):
                result = UNDEFINED
        return result

    return Term(evaluate, allowed=_either(operands) if decisive else _both(operands))


def _both(operands: list[Term]) -> Mapping[Path, set[str]]:
    merged: dict[Path, set[str]] = {}
    for operand in operands:
        for path, texts in operand.allowed.items():
            merged[path] = merged.get(path, texts) & texts
    return merged


def _either(operands: list[Term]) -> Mapping[Path, set[str]]:
    known = set.intersection(*(set(operand.allowed) for operand in operands))
    return {path: set().union(*(operand.allowed[path] for operand in operands)) for path in known}


def _text(test: Callable[[str, str], bool]) -> Callable[[Any, Any], Any]:
    return lambda text, part: (
        test(text, part) if isinstance(text, str) and isinstance(part, str) else UNDEFINED
    )


def _array_contains(array: Any, wanted: Any) -> Any:
    if not isinstance(array, list) or wanted is UNDEFINED:
        return UNDEFINED
    return any(equal(item, wanted) for item in array)


_COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    "=": equal,
    "!=": lambda left, right: _negated(equal(left, right)),
    "<>": lambda left, right: _negated(equal(left, right)),
    "<": less,
    ">": lambda left, right: less(right, left),
    "<=": lambda left, right: _negated(less(right, left)),
    ">=": lambda left, right: _negated(less(left, right)),
}
_FUNCTIONS: Mapping[str, tuple[int, Callable[..., Any]]] = {
    "IS_DEFINED": (1, lambda value: value is not UNDEFINED),
    "IS_NULL": (1, lambda value: value is None),
    "STARTSWITH": (2, _text(str.startswith)),
    "CONTAINS": (2, _text(str.__contains__)),
    "ARRAY_CONTAINS": (2, _array_contains),
}
