"""Containers, event hub and consumer groups in infra/ against the code that uses them."""

from typing import Any, Final

import pytest

from tests.infra.bicep.files import read
from tests.infra.bicep.tree import Literal, Resource
from tests.infra.bicep.values import Made
from tests.infra.deployments import FORMS, GATEWAY, INFRA, deployed, form, of_type, the
from tests.infra.test_app_settings import written
from usage_ingest.containers import CONTAINERS

ACCOUNT: Final = "Microsoft.DocumentDB/databaseAccounts"
NAMESPACE: Final = "Microsoft.EventHub/namespaces"
STORAGE: Final = "Microsoft.Storage/storageAccounts"
ZONES: Final = {
    "event-hubs": "privatelink.servicebus.windows.net",
    "cosmos": "privatelink.documents.azure.com",
    "blob": "privatelink.blob.core.windows.net",
    "queue": "privatelink.queue.core.windows.net",
    "table": "privatelink.table.core.windows.net",
}
"""The zones that Private Link wants for each endpoint."""


def properties(made: list[Made], kind: str) -> dict[str, Any]:
    found: dict[str, Any] = the(made, kind).body["properties"]
    return found


@pytest.mark.parametrize("name", FORMS)
def test_the_containers_are_those_of_the_code(name: str) -> None:
    """Keys, times to live and indexes: as usage_ingest/containers.py says, and nothing beside."""
    made, _ = form(name)
    found = of_type(made, f"{ACCOUNT}/sqlDatabases/containers")

    assert [each.body["properties"] for each in found] == [
        {"resource": container} for container in CONTAINERS
    ]
    database = written(made)["COSMOS_DATABASE"]
    assert {each.name.split("/")[1] for each in found} == {database}
    assert the(made, f"{ACCOUNT}/sqlDatabases").body["properties"]["resource"] == {"id": database}


@pytest.mark.parametrize("name", FORMS)
def test_the_store_has_one_region_and_no_keys(name: str) -> None:
    account = properties(form(name)[0], ACCOUNT)

    assert [each["failoverPriority"] for each in account["locations"]] == [0]
    assert account["enableMultipleWriteLocations"] is False
    assert account["disableLocalAuth"] is True
    assert account["consistencyPolicy"] == {"defaultConsistencyLevel": "Session"}


def test_the_store_is_paid_by_use_or_by_the_hour() -> None:
    by_use, by_hour = form("as it comes")[0], form("large")[0]

    assert properties(by_use, ACCOUNT)["capabilities"] == [{"name": "EnableServerless"}]
    assert properties(by_use, f"{ACCOUNT}/sqlDatabases")["options"] == {}
    assert properties(by_hour, ACCOUNT)["capabilities"] == []
    throughput = {"autoscaleSettings": {"maxThroughput": FORMS["large"]["cosmosMaxThroughput"]}}
    assert properties(by_hour, f"{ACCOUNT}/sqlDatabases")["options"] == throughput


@pytest.mark.parametrize("name", FORMS)
def test_the_hub_and_its_groups_are_those_of_the_settings(name: str) -> None:
    made, _ = form(name)
    settings = written(made)
    hub = the(made, f"{NAMESPACE}/eventhubs")
    groups = of_type(made, f"{NAMESPACE}/eventhubs/consumergroups")

    assert hub.name.split("/")[-1] == settings["EVENT_HUB_NAME"]
    names = ("EVENT_HUB_CONSUMER_GROUP", "EVENT_HUB_REREAD_CONSUMER_GROUP")
    assert [each.name for each in groups] == [f"{hub.name}/{settings[each]}" for each in names]
    assert hub.body["properties"]["retentionDescription"] == {
        "cleanupPolicy": "Delete",
        "retentionTimeInHours": 24 * int(settings["EVENT_HUB_RETENTION_DAYS"]),
    }
    assert properties(made, NAMESPACE)["disableLocalAuth"] is True


def test_a_namespace_grows_only_as_far_as_it_is_told() -> None:
    standard, premium = (properties(form(each)[0], NAMESPACE) for each in ("as it comes", "large"))

    grows = (standard["isAutoInflateEnabled"], standard["maximumThroughputUnits"])
    assert grows == (True, 4)
    assert (premium["isAutoInflateEnabled"], premium["maximumThroughputUnits"]) == (False, 0)


def test_a_namespace_that_begins_larger_than_it_may_grow_stays_as_it_is() -> None:
    made, _ = deployed(eventHubsCapacity=10)

    assert properties(made, NAMESPACE)["maximumThroughputUnits"] == 10


@pytest.mark.parametrize("name", FORMS)
def test_the_storage_has_no_keys_and_the_package_has_its_place(name: str) -> None:
    made, _ = form(name)
    account = properties(made, STORAGE)
    container = the(made, f"{STORAGE}/blobServices/containers").name.split("/")[-1]
    package = properties(made, "Microsoft.Web/sites")["functionAppConfig"]["deployment"]["storage"]

    assert account["allowSharedKeyAccess"] is False
    assert account["allowBlobPublicAccess"] is False
    assert package["value"].endswith(f"primaryEndpoints.blob>{container}")


def test_a_private_network_closes_the_stores_and_leads_to_them() -> None:
    made, _ = form("in a private network")
    endpoints = of_type(made, "Microsoft.Network/privateEndpoints")
    (network,) = of_type(made, "Microsoft.Network/virtualNetworks")

    led = [each.body["properties"]["privateLinkServiceConnections"][0] for each in endpoints]
    targets = {each["properties"]["groupIds"][0]: each["properties"] for each in led}
    ids = {group: each["privateLinkServiceId"] for group, each in targets.items()}
    storage = the(made, STORAGE).id
    assert ids == {
        "namespace": the(made, NAMESPACE).id,
        "Sql": the(made, ACCOUNT).id,
        **dict.fromkeys(("blob", "queue", "table"), storage),
    }
    access = [
        properties(made, each)["publicNetworkAccess"] for each in (NAMESPACE, ACCOUNT, STORAGE)
    ]
    assert access == ["Disabled"] * 3
    zones = of_type(made, "Microsoft.Network/privateDnsZones")
    groups = of_type(made, "Microsoft.Network/privateEndpoints/privateDnsZoneGroups")
    assert {led_to(each): zone_of(each) for each in groups} == ZONES
    links = of_type(made, "Microsoft.Network/privateDnsZones/virtualNetworkLinks")
    assert [each.name.split("/")[0] for each in links] == [each.name for each in zones]
    assert {each.body["properties"]["virtualNetwork"]["id"] for each in links} == {network.id}
    subnets = network.body["properties"]["subnets"]
    app = properties(made, "Microsoft.Web/sites")["virtualNetworkSubnetId"]
    assert app == f"{network.id}/subnets/{subnets[0]['name']}"
    (delegation,) = subnets[0]["properties"]["delegations"]
    assert delegation["properties"] == {"serviceName": "Microsoft.App/environments"}
    assert endpoints[0].body["properties"]["subnet"]["id"].endswith(subnets[1]["name"])


def led_to(group: Made) -> str:
    return group.name.split("/")[0].removeprefix("pe-")


def zone_of(group: Made) -> str:
    (config,) = group.body["properties"]["privateDnsZoneConfigs"]
    return str(config["properties"]["privateDnsZoneId"]).rsplit("/", 1)[-1]


@pytest.mark.parametrize(
    ("name", "action", "access"),
    [("as it comes", "Allow", "Enabled"), ("in a private network", "Deny", "Disabled")],
)
def test_the_firewall_of_the_hub_follows_the_network_and_lets_the_gateway_in(
    name: str, action: str, access: str
) -> None:
    """Written in either case: a network that is opened again would stay closed otherwise."""
    assert properties(form(name)[0], f"{NAMESPACE}/networkRuleSets") == {
        "defaultAction": action,
        "publicNetworkAccess": access,
        "trustedServiceAccessEnabled": True,
    }


@pytest.mark.parametrize(
    ("file", "symbol"),
    [("network.bicep", "privateEndpoints"), ("role-assignments.bicep", "cosmosRoles")],
)
def test_what_changes_one_account_is_made_one_after_the_other(file: str, symbol: str) -> None:
    """A storage account and a Cosmos DB account refuse a change while another one goes on."""
    found = read(INFRA / file).statements[symbol]

    assert isinstance(found, Resource)
    assert found.decorators["batchSize"] == (Literal(1),)


def test_without_a_private_network_there_is_none() -> None:
    made, _ = form("as it comes")

    assert not [each for each in made if each.type.startswith("Microsoft.Network/")]
    assert properties(made, "Microsoft.Web/sites")["virtualNetworkSubnetId"] is None
    assert properties(made, STORAGE)["publicNetworkAccess"] == "Enabled"


def test_logs_keep_the_dimensions_of_metrics_and_are_read_where_the_app_looks() -> None:
    made, _ = form("as it comes")
    (component,) = of_type(made, "Microsoft.Insights/components")
    (workspace,) = of_type(made, "Microsoft.OperationalInsights/workspaces")

    assert component.body["properties"]["CustomMetricsOptedInType"] == "WithDimensions"
    assert component.body["properties"]["WorkspaceResourceId"] == workspace.id
    assert component.body["properties"]["DisableLocalAuth"] is True
    target = str(written(made)["METRICS_TARGETS"])
    assert target == f"<{workspace.type} {workspace.name}.properties.customerId>"


def test_everything_in_the_group_has_the_tags_that_azd_looks_for() -> None:
    made, _ = form("in a private network")
    tagged = [each for each in made if "tags" in each.body]

    assert len(tagged) >= 12
    assert all(each.body["tags"]["azd-env-name"] == "demo" for each in tagged)
    assert GATEWAY["apimResourceGroup"] not in {each.scope for each in made}
