"""infra/ deployed on paper, in every form that its parameters give it."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

from tests.infra.bicep.deploy import deploy
from tests.infra.bicep.values import Made

ROOT: Final = Path(__file__).resolve().parent.parent.parent
INFRA: Final = ROOT / "infra"
FILES: Final = sorted(INFRA.glob("*.bicep"))
GATEWAY: Final = {"apimName": "contoso-gateway", "apimResourceGroup": "rg-gateway"}
FORMS: Final[dict[str, dict[str, Any]]] = {
    "as it comes": {},
    "in a private network": {"privateNetwork": True},
    "with a gateway that is there": GATEWAY,
    "with a gateway of its own": {
        "apimName": "new-gateway",
        "createApim": True,
        "apimPublisherEmail": "usage@contoso.com",
    },
    "with an OpenAI API": {
        **GATEWAY,
        "apimApiId": "chat",
        "apimApiPolicy": "openai",
        "apimBackendId": "openai-pool",
    },
    "with a Foundry API": {
        **GATEWAY,
        "apimApiId": "messages",
        "apimApiPolicy": "foundry",
        "apimBackendId": "foundry-pool",
    },
    "with an API that keeps its policy": {**GATEWAY, "apimApiId": "chat"},
    "with every optional fragment": {
        **GATEWAY,
        "apimDiagnosticOfAllApis": True,
        "apimTokensPerMinute": 1000,
        "apimEntraTenant": "contoso.onmicrosoft.com",
        "apimEntraAudience": "api://gateway",
    },
    "with keys and a sign-in": {
        "hmacKeysSecretUri": "https://contoso-kv.vault.azure.net/secrets/usage-keys",
        "keyVaultResourceGroup": "rg-secrets",
        "entraClientId": "00000000-0000-4000-8000-00000000000c",
    },
    "large": {
        "eventHubsSku": "Premium",
        "eventHubRetentionDays": 90,
        "cosmosCapacityMode": "autoscale",
        "cosmosMaxThroughput": 20000,
        "cosmosZoneRedundant": True,
        "httpAlwaysReady": 2,
        "settings": {"LEDGER_TTL_DAYS": "800", "ROLLUP_TAGS": "team"},
    },
    "deployed by somebody who gets no roles": {
        "principalId": "00000000-0000-4000-8000-00000000000d",
        "operatorRoles": False,
    },
    "with an operator and alerts": {
        "principalId": "00000000-0000-4000-8000-00000000000d",
        "alertEmail": "usage@contoso.com",
        "disabledAlerts": ["high-usage"],
    },
}


@cache
def form(name: str) -> tuple[list[Made], dict[str, Any]]:
    """Return what a form of infra/ makes, and its outputs."""
    return deployed(**FORMS[name])


def deployed(**parameters: Any) -> tuple[list[Made], dict[str, Any]]:
    """Return what infra/ makes with parameters of one's own, and its outputs."""
    always = {"environmentName": "demo", "location": "swedencentral"}
    return deploy(INFRA / "main.bicep", **{**always, **parameters})


def of_type(made: list[Made], kind: str) -> list[Made]:
    return [each for each in made if each.type == kind]


def the(made: list[Made], kind: str) -> Made:
    """Return the only resource of a type."""
    (found,) = of_type(made, kind)
    return found


def every_resource() -> Iterator[Made]:
    """Yield the resources of every form."""
    for name in FORMS:
        yield from form(name)[0]
