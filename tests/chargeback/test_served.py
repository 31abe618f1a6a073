"""Which model, SKU and region a call is priced by."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from tests.chargeback.builders import make_deployment
from tests.chargeback.rollups import make_rollup
from usage_ingest.chargeback.deployment import Deployment, Provisioned
from usage_ingest.chargeback.fold import Apart, Asked, Fold
from usage_ingest.chargeback.line import Subject
from usage_ingest.chargeback.reference import Reference
from usage_ingest.chargeback.served import Served, served

PTU = Provisioned(amount=Decimal(2), per="hour", currency="USD")


def subject(**overrides: Any) -> Subject:
    fold = Fold(Asked(), lambda _: Apart())
    fold.add(make_rollup(**overrides))
    (counted,) = fold.counted()
    return counted.subject


def answered(*deployments: Deployment, **call: Any) -> Served:
    return served(subject(**call), Reference(deployments=deployments).on(date(2026, 11, 20)))


def test_without_a_document_the_call_tells() -> None:
    assert answered() == Served("gpt-4o", "2024-11-20", None, "swedencentral", None, None, None)


def test_the_document_goes_before_the_call() -> None:
    document = make_deployment(
        model="gpt-4.1",
        version="2025-04-14",
        sku="DataZoneStandard",
        region="West Europe",
        publisher="OpenAI",
        resource_id="/subscriptions/1",
    )

    assert answered(document) == Served(
        "gpt-4.1",
        "2025-04-14",
        "DataZoneStandard",
        "westeurope",
        "OpenAI",
        "/subscriptions/1",
        None,
    )


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({}, ("gpt-4o", "2024-11-20")),
        ({"model": "gpt-4o"}, ("gpt-4o", "2024-11-20")),
        ({"model": "gpt-4.1"}, ("gpt-4.1", None)),
        ({"version": "1"}, ("gpt-4o", "1")),
    ],
)
def test_the_version_of_a_call_is_of_the_model_that_it_names(
    told: dict[str, Any], expected: tuple[str, str | None]
) -> None:
    found = answered(make_deployment(**told))

    assert (found.model, found.version) == expected


def test_the_deployment_that_served_goes_before_the_one_that_was_asked() -> None:
    asked, serving = make_deployment(sku="A"), make_deployment("gpt-4o-2", sku="B")

    assert answered(asked, serving, served_deployment="gpt-4o-2").sku == "B"
    assert answered(asked, served_deployment="gpt-4o-2").sku is None
    assert answered(asked, serving).sku == "A"


def test_a_call_of_a_provisioned_deployment_uses_its_throughput() -> None:
    document = make_deployment(sku="GlobalProvisionedManaged", provisioned=PTU)

    found = answered(document)

    assert found.provisioned == document
    assert found.sku == "GlobalProvisionedManaged"
    assert found.use(subject()).sku is None


def test_a_call_that_spilled_over_is_of_the_standard_deployment() -> None:
    full = make_deployment(sku="GlobalProvisionedManaged", provisioned=PTU, resource_id="/ptu")
    standard = make_deployment("gpt-4o-std", sku="GlobalStandard", resource_id="/standard")

    found = answered(full, standard, served_deployment="gpt-4o-std", spillover=True)

    assert (found.sku, found.resource_id) == ("GlobalStandard", "/standard")
    assert found.provisioned is None
    assert found.use(subject(served_deployment="gpt-4o-std")).deployment == "gpt-4o-std"


def test_a_call_that_spilled_over_to_who_knows_where_has_no_sku() -> None:
    full = make_deployment(
        sku="GlobalProvisionedManaged", provisioned=PTU, resource_id="/ptu", model="gpt-4o"
    )

    found = answered(full, spillover=True)

    assert (found.sku, found.resource_id, found.provisioned) == (None, None, None)
    assert (found.model, found.version) == ("gpt-4o", "2024-11-20")


def test_a_price_is_looked_up_by_what_answered() -> None:
    found = answered(make_deployment(sku="Standard"), context_band="200k", service_tier="flex")

    use = found.use(subject(context_band="200k", service_tier="flex"))
    assert use == (
        "gpt-4o",
        "2024-11-20",
        "Standard",
        "swedencentral",
        "gpt-4o-prod",
        "flex",
        "200k",
        "openai",
    )
