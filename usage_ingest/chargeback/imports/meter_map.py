"""The meter map: which meter of the Retail Prices API is which kind of usage of which model.

Names of meters follow no system, so nothing is read from them: what the map does not name has no
price.
"""

from typing import Any, Final, Self

from pydantic import ValidationError, model_validator

from usage_ingest.chargeback.imports.field_types import (
    ContextOver,
    PaidKind,
    Region,
    Strict,
    Text,
    Tier,
    problems_of,
)
from usage_ingest.chargeback.imports.found import Place, Problem, line_of
from usage_ingest.chargeback.imports.yaml_tree import Unreadable, yaml_tree
from usage_ingest.chargeback.price import PriceKey
from usage_ingest.errors import InvalidReferenceError

_LIST: Final = "meters"


class Meter(Strict):
    """One meter, by its id or its name; a `region` is that of the meter and of the price."""

    meter_id: Text | None = None
    meter_name: Text | None = None
    model: Text
    version: Text | None = None
    sku: Text | None = None
    region: Region | None = None
    kind: PaidKind
    service_tier: Tier | None = None
    context_over: ContextOver | None = None

    @model_validator(mode="after")
    def _names_one_meter(self) -> Self:
        if (self.meter_id is None) == (self.meter_name is None):
            raise ValueError("takes either meter_id or meter_name")
        return self

    def key(self) -> PriceKey:
        """Return what a price of this meter is of."""
        return PriceKey(
            model=self.model,
            version=self.version,
            sku=self.sku,
            region=self.region,
            service_tier=self.service_tier,
            context_over=self.context_over,
        )


def read_meter_map(text: str, file: str) -> tuple[Meter, ...]:
    """Read a map: YAML with a list `meters`.

    Raises:
        InvalidReferenceError: Naming every problem.
    """
    try:
        content, lines = yaml_tree(text)
    except Unreadable as error:
        raise InvalidReferenceError([str(Problem(Place(file, error.line), error.text))]) from error
    rows: Any = content.get(_LIST) if isinstance(content, dict) and len(content) == 1 else None
    if not isinstance(rows, list) or not rows:
        problem = Problem(Place(file, 1), f"takes an object with a list {_LIST} and nothing else")
        raise InvalidReferenceError([str(problem)])
    found, problems = list[Meter](), list[Problem]()
    for at, row in enumerate(rows):
        try:
            found.append(Meter.model_validate(row))
        except ValidationError as error:
            path = (_LIST, at)
            problems += problems_of(error, file, path, Meter, lambda path: line_of(lines, path))
    if problems:
        raise InvalidReferenceError([str(each) for each in problems])
    return tuple(found)
