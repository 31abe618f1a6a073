"""What infra/ makes against Azure's types, in every form that its parameters give it."""

from dataclasses import replace
from typing import Any, Final

import pytest

from tests.infra.bicep.values import Made
from tests.infra.deployments import FORMS, every_resource, form, of_type
from tests.infra.types import known_types, problems

# Azure takes it and the type does not know it; the file says so with BCP037.
UNTYPED: Final = "monitor.bicep: component.properties.CustomMetricsOptedInType is no property"


@pytest.mark.parametrize("name", FORMS)
def test_every_resource_is_what_its_type_says(name: str) -> None:
    made, _ = form(name)
    found = [each for one in made for each in problems(one)]

    assert found == [UNTYPED]


@pytest.mark.parametrize("name", FORMS)
def test_no_two_resources_have_one_id(name: str) -> None:
    made, _ = form(name)
    ids = [each.id for each in made]

    assert len(set(ids)) == len(ids)


def test_every_type_that_is_kept_is_used_or_for_the_alerts() -> None:
    used = {f"{each.type}@{each.version}" for each in every_resource()}

    assert set(known_types()) - used <= {
        each for each in known_types() if each.startswith("Microsoft.Insights/")
    }


@pytest.mark.parametrize(
    ("kind", "path", "value", "problem"),
    [
        ("Microsoft.Storage/storageAccounts", "allowSharedKeyAcces", False, "is no property"),
        ("Microsoft.Storage/storageAccounts", "allowSharedKeyAccess", "no", "not bool"),
        ("Microsoft.EventHub/namespaces", "minimumTlsVersion", 1.2, "not 1.0 | 1.1"),
        ("Microsoft.DocumentDB/databaseAccounts", "locations", None, "is missing"),
        ("Microsoft.DocumentDB/databaseAccounts", "locations", {}, "is no array"),
        ("Microsoft.DocumentDB/databaseAccounts", "backupPolicy", {"type": "None"}, "not of"),
        ("Microsoft.Web/sites", "functionAppConfig", "python", "is no object"),
    ],
)
def test_a_mistake_in_a_property_is_seen(kind: str, path: str, value: Any, problem: str) -> None:
    made, _ = form("as it comes")
    (good,) = of_type(made, kind)
    properties = {**good.body["properties"], path: value}
    if value is None:
        del properties[path]

    assert problems(good) == []
    (told,) = problems(with_body(good, properties=properties))
    assert problem in told
    assert path in told


def test_a_missing_or_unknown_type_is_seen() -> None:
    made, _ = form("as it comes")
    (good,) = of_type(made, "Microsoft.Storage/storageAccounts")
    without = {name: each for name, each in good.body.items() if name != "sku"}

    assert "sku is missing" in problems(replace(good, body=without))[0]
    assert "is not known here" in problems(replace(good, version="2001-01-01"))[0]
    assert "is not known here" in problems(replace(good, type="Microsoft.Storage/storage"))[0]


def with_body(made: Made, **changes: Any) -> Made:
    return replace(made, body={**made.body, **changes})
