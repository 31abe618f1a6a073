"""Who pays for a call, and how deployments are matched."""

from typing import Any

import pytest

from usage_ingest.chargeback.deployment import DeploymentKey
from usage_ingest.chargeback.owner import OwnerKey

CALL: dict[str, Any] = {
    "subscription": "hr-copilot",
    "product": "ai-standard",
    "app": "app-1",
    "tenant": "tenant-1",
    "tags": {"team": "benefits", "environment": "test"},
}


@pytest.mark.parametrize(
    "named",
    [
        {"subscription": "hr-copilot"},
        {"product": "ai-standard"},
        {"app": "app-1"},
        {"tenant": "tenant-1"},
        {"tags": (("team", "benefits"),)},
        {"tags": (("team", "benefits"), ("environment", "test")), "app": "app-1"},
        {},
    ],
)
def test_a_rule_is_for_calls_of_which_all_is_so_that_it_names(named: dict[str, Any]) -> None:
    assert OwnerKey(**named).matches(**CALL)


@pytest.mark.parametrize(
    "named",
    [
        {"subscription": "other"},
        {"product": "other"},
        {"app": "other"},
        {"tenant": "other"},
        {"tags": (("team", "other"),)},
        {"tags": (("cost", "1"),)},
        {"subscription": "hr-copilot", "app": "other"},
        {"tags": (("team", "benefits"), ("environment", "other"))},
    ],
)
def test_a_rule_is_not_for_calls_of_which_something_is_not_so(named: dict[str, Any]) -> None:
    assert not OwnerKey(**named).matches(**CALL)


def test_the_rule_with_more_conditions_ranks_higher_then_the_narrower_name() -> None:
    ranked = [
        OwnerKey(),
        OwnerKey(tenant="t"),
        OwnerKey(product="p"),
        OwnerKey(tags=(("team", "x"),)),
        OwnerKey(subscription="s"),
        OwnerKey(app="a"),
        OwnerKey(product="p", tenant="t"),
        OwnerKey(subscription="s", product="p"),
        OwnerKey(app="a", subscription="s"),
        OwnerKey(subscription="s", product="p", tenant="t"),
    ]

    assert sorted(ranked, key=OwnerKey.rank) == ranked


def test_a_deployment_is_told_by_its_name_then_gateway_and_backend() -> None:
    anywhere = DeploymentKey("gpt-4o-prod")
    at_gateway = DeploymentKey("gpt-4o-prod", gateway="apim-contoso")
    at_backend = DeploymentKey("gpt-4o-prod", backend="aoai-1")
    keys = [anywhere, at_gateway, at_backend, at_gateway._replace(backend="aoai-1")]

    assert all(key.matches("gpt-4o-prod", "apim-contoso", "aoai-1") for key in keys)
    assert [key.matches("gpt-4o-prod", "other", "aoai-1") for key in keys] == [
        True,
        False,
        True,
        False,
    ]
    assert [key.matches("gpt-4o-prod", "apim-contoso", None) for key in keys] == [
        True,
        True,
        False,
        False,
    ]
    assert not any(key.matches("other", "apim-contoso", "aoai-1") for key in keys)
    assert not any(key.matches(None, "apim-contoso", "aoai-1") for key in keys)
    assert sorted(keys, key=DeploymentKey.rank) == keys
