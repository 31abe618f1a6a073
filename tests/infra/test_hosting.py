"""The plan and the app in infra/: what Flex Consumption asks for, and who may come in."""

import json
import re
from typing import Any, Final

import pytest

from tests.infra.bicep.values import Made
from tests.infra.deployments import FORMS, ROOT, form, the
from tests.infra.test_app_settings import written

PLAN: Final = "Microsoft.Web/serverfarms"
SITE: Final = "Microsoft.Web/sites"
IDENTITY: Final = "Microsoft.ManagedIdentity/userAssignedIdentities"
# The plan has them in functionAppConfig, or refuses them.
REFUSED: Final = {
    "AzureWebJobsStorage",
    "ENABLE_ORYX_BUILD",
    "FUNCTIONS_EXTENSION_VERSION",
    "FUNCTIONS_WORKER_PROCESS_COUNT",
    "FUNCTIONS_WORKER_RUNTIME",
    "SCM_DO_BUILD_DURING_DEPLOYMENT",
    "WEBSITE_CONTENTSHARE",
    "WEBSITE_RUN_FROM_PACKAGE",
    "WEBSITE_VNET_ROUTE_ALL",
}


def site_of(made: list[Made]) -> dict[str, Any]:
    found: dict[str, Any] = the(made, SITE).body["properties"]
    return found


@pytest.mark.parametrize("name", FORMS)
def test_the_plan_is_flex_consumption_on_linux(name: str) -> None:
    made, _ = form(name)
    plan = the(made, PLAN)

    assert plan.body["sku"] == {"name": "FC1", "tier": "FlexConsumption"}
    assert plan.body["properties"]["reserved"] is True
    assert the(made, SITE).body["kind"] == "functionapp,linux"
    assert site_of(made)["serverFarmId"] == plan.id
    assert not REFUSED & set(written(made))


def test_the_package_the_store_of_the_host_and_telemetry_are_reached_by_the_identity() -> None:
    made, _ = form("as it comes")
    identity = the(made, IDENTITY)
    client = f"<{identity.type} {identity.name}.properties.clientId>"
    settings = written(made)

    package = site_of(made)["functionAppConfig"]["deployment"]["storage"]
    assert package["type"] == "blobContainer"
    assert package["authentication"] == {
        "type": "UserAssignedIdentity",
        "userAssignedIdentityResourceId": identity.id,
    }
    told = settings["APPLICATIONINSIGHTS_AUTHENTICATION_STRING"]
    assert told == f"ClientId={client};Authorization=AAD"
    for prefix in ("EventHubConnection", "AzureWebJobsStorage"):
        assert settings[f"{prefix}__credential"] == "managedidentity"
        assert str(settings[f"{prefix}__clientId"]) == client
    for service in ("blob", "queue", "table"):
        endpoint = str(settings[f"AzureWebJobsStorage__{service}ServiceUri"])
        assert endpoint.endswith(f".primaryEndpoints.{service}>")


def test_instances_that_wait_are_those_of_http_and_there_are_none_unless_asked_for() -> None:
    waiting, none = (
        site_of(form(name)[0])["functionAppConfig"]["scaleAndConcurrency"]["alwaysReady"]
        for name in ("large", "as it comes")
    )

    assert waiting == [{"name": "http", "instanceCount": FORMS["large"]["httpAlwaysReady"]}]
    assert none == []


def test_the_host_sends_telemetry_in_the_way_that_the_settings_are_for() -> None:
    host = json.loads((ROOT / "host.json").read_text(encoding="utf-8"))

    assert host["telemetryMode"] == "OpenTelemetry"
    assert host["extensionBundle"] == {
        "id": "Microsoft.Azure.Functions.ExtensionBundle",
        "version": "[4.*, 5.0.0)",
    }


def test_calls_come_by_tls_alone() -> None:
    site = site_of(form("as it comes")[0])

    assert site["httpsOnly"] is True
    assert site["siteConfig"]["minTlsVersion"] == "1.2"
    assert site["siteConfig"]["ftpsState"] == "Disabled"


@pytest.mark.parametrize("name", FORMS)
def test_names_are_as_long_as_azure_takes_them(name: str) -> None:
    """Letters and digits alone for the storage; the host tells apps apart by 32 characters."""
    made, _ = form(name)

    assert re.fullmatch(r"[a-z0-9]{3,24}", the(made, "Microsoft.Storage/storageAccounts").name)
    assert len(the(made, SITE).name) <= 32
    assert len(the(made, "Microsoft.DocumentDB/databaseAccounts").name) <= 44
    assert len(the(made, "Microsoft.EventHub/namespaces").name) <= 50
