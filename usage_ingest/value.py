"""Values: objects that never change once they are made, as the type checker sees to.

A frozen dataclass sets each field through object.__setattr__, which costs a record of 50 fields
more than parsing its event. So these are frozen for mypy, and plain slots at run time.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(*, kw_only: bool = False) -> Callable[[type[T]], type[T]]:
    """Make a dataclass of values: compared, hashed and shared, never assigned to."""
    return dataclass(slots=True, kw_only=kw_only, unsafe_hash=True)


def replacer(kind: type[T], *names: str) -> Callable[..., T]:
    """Return what makes a value from another one and new values of these fields, in their order.

    It does what dataclasses.replace does, for a tenth of the cost: its code is written once, as
    that of a dataclass's __init__ is.
    """
    lines = [f"def replaced(kept, {', '.join(names)}):", "made = new(kind)"]
    for each in fields(kind):  # type: ignore[arg-type]
        found = each.name if each.name in names else f"kept.{each.name}"
        lines.append(f"made.{each.name} = {found}")
    scope: dict[str, Any] = {"new": object.__new__, "kind": kind}
    exec("\n ".join([*lines, "return made"]), scope)  # noqa: S102 - of names in our own code
    made: Callable[..., T] = scope["replaced"]
    return made
