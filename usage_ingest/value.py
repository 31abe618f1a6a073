"""Values: objects that never change once they are made, as the type checker sees to.

A frozen dataclass sets each field through object.__setattr__, which costs a record of 50 fields
more than parsing its event. So these are frozen for mypy, and plain slots at run time.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(*, kw_only: bool = False) -> Callable[[type[T]], type[T]]:
    """Make a dataclass of values: compared, hashed and shared, never assigned to."""
    return dataclass(slots=True, kw_only=kw_only, unsafe_hash=True)
