"""The `model-pricing.json` of the ai-hub gateway: a list of models with two prices each."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from pydantic import Field, ValidationError

from usage_ingest.chargeback.imports.field_types import (
    Currency,
    Foreign,
    Money,
    Region,
    Text,
    problems_of,
    refused,
)
from usage_ingest.chargeback.imports.found import Found, Place, Placed, Problem, dotted
from usage_ingest.chargeback.imports.number import priced
from usage_ingest.chargeback.imports.options import NO_DAY, Options
from usage_ingest.chargeback.kinds import Kind
from usage_ingest.chargeback.price import Price, PriceKey, model_and_version

SOURCE: Final = "ai-hub model-pricing"
_ANYWHERE: Final = "all"
_BY_TOKENS: Final = "tokens"


class _Model(Foreign):
    """One element, under the names that ai-hub gives them."""

    model: Text
    deployment: Text | None = Field(None, alias="deploymentName")
    active: bool = Field(True, alias="isActive")
    input_price: Money = Field(alias="CostPerInputUnit")
    output_price: Money = Field(alias="CostPerOutputUnit")
    unit: int = Field(alias="CostUnit", ge=1, le=10**9)
    base: Money = Field(Decimal(0), alias="BaseCost")
    currency: Currency = Field(alias="Currency")
    method: Text = Field(_BY_TOKENS, alias="CalculationMethod")
    region: Region = _ANYWHERE


def read_ai_hub(rows: Sequence[object], file: str, options: Options) -> Found:
    """Read a list of models; those that are not paid by tokens are passed over and told."""
    if options.from_day is None:
        return refused(file, NO_DAY)
    found, models = Found(), list[tuple[int, _Model]]()
    for at, each in enumerate(rows):
        try:
            model = _Model.model_validate(each)
        except ValidationError as error:
            found.problems += problems_of(error, file, (at,), _Model)
            continue
        if (why := _passed_over(model)) is None:
            models.append((at, model))
        else:
            found.notes.append(f"{file}: [{at}] {model.model}: {why}; passed over")
    for at, model in models:
        place = Place(file, field=dotted((at,)))
        try:
            noun = _price(model, _is_shared(model, models), options.from_day)
        except ValueError as error:
            found.problems.append(Problem(place, str(error)))
        else:
            found.nouns.append(Placed(noun, place))
    return found


def _passed_over(model: _Model) -> str | None:
    if not model.active:
        return "is not active"
    if model.method != _BY_TOKENS:
        return f"is charged by {model.method}, not by tokens"
    if model.base:
        return f"has a BaseCost of {model.base}, which no token causes"
    return None


def _is_shared(model: _Model, models: list[tuple[int, _Model]]) -> bool:
    """Whether the model has prices of its own for several deployments."""
    place = (model.model, model.region)
    same = {each.deployment for _, each in models if (each.model, each.region) == place}
    return len(same) > 1


def _price(model: _Model, shared: bool, from_day: str) -> Price:
    name, version = model_and_version(model.model)
    prices = {Kind.INPUT: model.input_price, Kind.OUTPUT: model.output_price}
    return Price(
        id="",
        key=PriceKey(
            model=str(name),
            version=version,
            region=None if model.region == _ANYWHERE else model.region,
            deployment=model.deployment if shared else None,
        ),
        from_day=from_day,
        currency=model.currency,
        unit_prices={kind: priced(each, model.unit, kind) for kind, each in prices.items()},
        source=SOURCE,
    )
