"""The gateways whose events are known: one module each, detected by their fields. Pure.

A module has `matches(element) -> bool` and `read(element) -> Call`. A further gateway is one
module and one line here.
"""

from collections.abc import Mapping
from typing import Any, Final, Protocol

from usage_ingest.errors import InvalidEventError
from usage_ingest.events.call import Call
from usage_ingest.events.shapes import ai_hub, chargeback, fabric, monitoring, own, toolkit


class Shape(Protocol):
    """What a module of this package is."""

    def matches(self, element: Mapping[str, Any]) -> bool:
        """Whether the element is of this gateway; never raises."""
        ...

    def read(self, element: Mapping[str, Any]) -> Call:
        """Read the element; raise InvalidEventError."""
        ...


SHAPES: Final[tuple[Shape, ...]] = (
    chargeback,  # first: a caller may have pasted another gateway's keys into its events
    own,
    ai_hub,
    fabric,
    toolkit,
    monitoring,
)


def without_content(element: object) -> object:
    """Return an element without prompt and completion, where its gateway posts them along."""
    if isinstance(element, Mapping) and chargeback.matches(element):
        return chargeback.without_content(element)
    return element


def read_element(element: object) -> Call:
    """Read one element of an event.

    Raises:
        InvalidEventError: It is no object, of no known gateway, or wrong for its gateway.
    """
    if not isinstance(element, dict):
        raise InvalidEventError("not_an_object", "", f"a {type(element).__name__}")
    for shape in SHAPES:
        if shape.matches(element):
            return shape.read(element)
    raise InvalidEventError("unknown_shape", "", "its keys are those of no gateway that is known")
