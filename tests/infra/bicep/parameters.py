"""Parameters and what their decorators ask of them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from tests.infra.bicep.evaluate import Scope
from tests.infra.bicep.tokens import BicepError
from tests.infra.bicep.tree import Param
from tests.infra.bicep.values import Runtime

_TYPES: Final = {"string": str, "int": int, "bool": bool, "object": dict, "array": list}
_LIMITS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "allowed": lambda value, limit: value in limit,
    "minValue": lambda value, limit: value >= limit,
    "maxValue": lambda value, limit: value <= limit,
    "minLength": lambda value, limit: len(value) >= limit,
    "maxLength": lambda value, limit: len(value) <= limit,
}


def bound(
    file: str, declared: Iterable[Param], given: Mapping[str, Any], scope: Scope
) -> dict[str, Any]:
    """Return each parameter's value.

    Raises:
        BicepError: One is unknown, missing, of another type, or not allowed.
    """
    params = {each.name: each for each in declared}
    if unknown := set(given) - set(params):
        raise BicepError(f"{file}: no such parameter: {', '.join(sorted(unknown))}")
    found = {}
    for name, each in params.items():
        if name not in given and each.default is None:
            raise BicepError(f"{file}: the parameter {name} is missing")
        value = given[name] if name in given else scope.value(each.default)  # type: ignore[arg-type]
        _check(f"{file}: {name}", each, value, scope)
        found[name] = value
    return found


def _check(what: str, param: Param, value: Any, scope: Scope) -> None:
    if isinstance(value, Runtime):
        return
    wanted = _TYPES[param.type]
    if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
        raise BicepError(f"{what} is no {param.type}: {value!r}")
    for name, holds in _LIMITS.items():
        if name in param.decorators:
            limit = scope.value(param.decorators[name][0])
            if not holds(value, limit):
                raise BicepError(f"{what} is {value!r}: {name} is {limit!r}")
