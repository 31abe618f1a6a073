"""Expressions compiled to functions of a document, with undefined as the language has it."""

from collections.abc import Callable, Mapping
from typing import Any

from local.cosmos.errors import bad_request
from local.cosmos.tree import (
    Aggregate,
    Array,
    Call,
    Compare,
    In,
    Literal,
    Logical,
    Node,
    Not,
    Object,
    Path,
    Query,
    children,
)
from local.cosmos.values import UNDEFINED, dig, equal, is_number, less, sort_key, type_order

Getter = Callable[[Any], Any]
_PRIMITIVES = (1, 2, 4, 5)


def compile_node(node: Any) -> Getter:
    """Turn an expression into a function of a document (or of a group's scope)."""
    return _COMPILERS[type(node)](node)


def compile_projection(query: Query) -> Getter:
    """What one row of the result is; undefined means no row."""
    if not query.select:
        return lambda document: document
    if query.value:
        return compile_node(query.select[0].value)
    return compile_node(Object(query.select))


def check_grouping(query: Query) -> None:
    """Refuse a bare path beside aggregates, as the service does."""

    def check(node: Any) -> None:
        if node in query.group_by or isinstance(node, Aggregate | Literal):
            return
        if isinstance(node, Path):
            raise bad_request(
                f"Property reference '{node.keys}' is invalid in the select list because it is not"
                " contained in either an aggregate function or the GROUP BY clause."
            )
        for child in children(node):
            check(child)

    if not query.select or query.order_by:
        raise bad_request("SELECT * and ORDER BY are not allowed with GROUP BY or aggregates.")
    for item in query.select:
        check(item.value)


def aggregate(node: Aggregate, documents: list[Any]) -> Any:
    """Fold the defined values; a value of a wrong type makes the result undefined."""
    get = compile_node(node.argument)
    values = [value for document in documents if (value := get(document)) is not UNDEFINED]
    if node.name == "COUNT":
        return len(values)
    if node.name in ("MIN", "MAX"):
        if not values or any(type_order(value) not in _PRIMITIVES for value in values):
            return UNDEFINED
        return (min if node.name == "MIN" else max)(values, key=sort_key)
    if not all(is_number(value) for value in values):
        return UNDEFINED
    if node.name == "SUM":
        return sum(values)
    return sum(values) / len(values) if values else UNDEFINED


def _path(node: Path) -> Getter:
    keys = node.keys
    if len(keys) == 1 and isinstance(keys[0], str):
        key = keys[0]
        return lambda document: document.get(key, UNDEFINED)
    return lambda document: dig(document, keys)


def _compare(node: Compare) -> Getter:
    left, right = compile_node(node.left), compile_node(node.right)
    apply = _COMPARE[node.operator]
    return lambda document: apply(left(document), right(document))


def _negated(value: Any) -> Any:
    return not value if isinstance(value, bool) else UNDEFINED


def _not(node: Not) -> Getter:
    operand = compile_node(node.operand)
    return lambda document: _negated(operand(document))


def _logical(node: Logical) -> Getter:
    operands = [compile_node(operand) for operand in node.operands]
    decisive = node.word == "OR"

    def evaluate(document: Any) -> Any:
        result: Any = not decisive
        for operand in operands:
            value = operand(document)
            if value is decisive:
                return decisive
            if not isinstance(value, bool):
                result = UNDEFINED
        return result

    return evaluate


def _in(node: In) -> Getter:
    return compile_node(
        Logical("OR", tuple(Compare("=", node.subject, option) for option in node.options))
    )


def _array(node: Array) -> Getter:
    items = [compile_node(item) for item in node.items]
    return lambda document: [value for item in items if (value := item(document)) is not UNDEFINED]


def _object(node: Object) -> Getter:
    members = [(member.name, compile_node(member.value)) for member in node.members]
    return lambda document: {
        name: value for name, get in members if (value := get(document)) is not UNDEFINED
    }


def _call(node: Call) -> Getter:
    if node.name not in _FUNCTIONS:
        raise bad_request(f"The function {node.name} is not supported here.")
    counts, function = _FUNCTIONS[node.name]
    if len(node.arguments) not in counts:
        raise bad_request(
            f"The function {node.name} does not take {len(node.arguments)} arguments."
        )
    arguments = [compile_node(argument) for argument in node.arguments]
    return lambda document: function(*(argument(document) for argument in arguments))


def _text(test: Callable[[str, str], bool]) -> Callable[..., Any]:
    def apply(text: Any, part: Any, ignore_case: Any = False) -> Any:
        if not (isinstance(text, str) and isinstance(part, str) and isinstance(ignore_case, bool)):
            return UNDEFINED
        return test(text.lower(), part.lower()) if ignore_case else test(text, part)

    return apply


def _type_is(*orders: int) -> Callable[[Any], bool]:
    return lambda value: type_order(value) in orders


def _array_contains(array: Any, wanted: Any, partial: Any = False) -> Any:
    if not isinstance(array, list) or wanted is UNDEFINED:
        return UNDEFINED
    if partial is True and isinstance(wanted, dict):
        return any(
            isinstance(item, dict)
            and all(
                equal(item.get(name, UNDEFINED), value) is True for name, value in wanted.items()
            )
            for item in array
        )
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
_FUNCTIONS: Mapping[str, tuple[tuple[int, ...], Callable[..., Any]]] = {
    "IS_DEFINED": ((1,), lambda value: value is not UNDEFINED),
    "IS_NULL": ((1,), _type_is(1)),
    "IS_BOOL": ((1,), _type_is(2)),
    "IS_NUMBER": ((1,), _type_is(4)),
    "IS_STRING": ((1,), _type_is(5)),
    "IS_ARRAY": ((1,), _type_is(6)),
    "IS_OBJECT": ((1,), _type_is(7)),
    "STARTSWITH": ((2, 3), _text(str.startswith)),
    "ENDSWITH": ((2, 3), _text(str.endswith)),
    "CONTAINS": ((2, 3), _text(str.__contains__)),
    "ARRAY_CONTAINS": ((2, 3), _array_contains),
}
_COMPILERS: Mapping[type[Node], Callable[[Any], Getter]] = {
    Literal: lambda node: lambda _document: node.value,
    Path: _path,
    Call: _call,
    # A group's scope holds the folded values beside the fields of its first document.
    Aggregate: lambda node: lambda scope: scope[id(node)],
    Not: _not,
    Logical: _logical,
    Compare: _compare,
    In: _in,
    Array: _array,
    Object: _object,
}
