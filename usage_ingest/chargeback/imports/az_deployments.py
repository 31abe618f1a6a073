"""What `az cognitiveservices account deployment list` prints, or the REST API answers."""

from collections.abc import Sequence
from typing import Final

from pydantic import Field, ValidationError

from usage_ingest.chargeback.deployment import Deployment, DeploymentKey, Provisioned
from usage_ingest.chargeback.imports.field_types import Foreign, Text, problems_of, refused
from usage_ingest.chargeback.imports.found import Found, Place, Placed, dotted
from usage_ingest.chargeback.imports.options import NO_DAY, Options
from usage_ingest.chargeback.line import EXACT
from usage_ingest.chargeback.price import is_provisioned

SOURCE: Final = "az cognitiveservices"


class _Sku(Foreign):
    name: Text
    capacity: int | None = Field(None, ge=0)


class _Model(Foreign):
    name: Text
    version: Text | None = None
    format: Text | None = None
    publisher: Text | None = None


class _Properties(Foreign):
    model: _Model


class _Deployment(Foreign):
    """One element, under Azure's names."""

    id: Text
    name: Text
    sku: _Sku
    properties: _Properties


def read_deployments(rows: Sequence[object], file: str, options: Options) -> Found:
    """Read a list of deployments; a provisioned one needs an amount that Azure does not tell."""
    if options.from_day is None:
        return refused(file, NO_DAY)
    found = Found()
    for at, each in enumerate(rows):
        try:
            listed = _Deployment.model_validate(each)
        except ValidationError as error:
            found.problems += problems_of(error, file, (at,), _Deployment)
            continue
        noun = _deployment(listed, options, options.from_day)
        found.nouns.append(Placed(noun, Place(file, field=dotted((at,)))))
        if is_provisioned(listed.sku.name) and noun.provisioned is None:
            found.notes.append(
                f"{file}: [{at}] {listed.name}: is provisioned and has no amount: give --amount, "
                "or import the deployment with `provisioned` from YAML"
            )
    return found


def _deployment(listed: _Deployment, options: Options, from_day: str) -> Deployment:
    model = listed.properties.model
    return Deployment(
        id="",
        key=DeploymentKey(listed.name, options.gateway, options.backend),
        from_day=from_day,
        model=model.name,
        version=model.version,
        sku=listed.sku.name,
        region=options.region,
        publisher=model.publisher or model.format,
        resource_id=listed.id,
        provisioned=_provisioned(listed, options),
        source=SOURCE,
    )


def _provisioned(listed: _Deployment, options: Options) -> Provisioned | None:
    units = listed.sku.capacity
    if not is_provisioned(listed.sku.name) or options.amount is None or not units:
        return None
    amount = EXACT.multiply(options.amount, EXACT.create_decimal(units))
    return Provisioned(amount=amount, per=options.per, currency=options.currency, units=units)
