"""Who may do what: the roles that infra/ gives, their ids, and what the documents say of them."""

import re
from typing import Final

import pytest

from tests.infra.bicep.values import SUBSCRIPTION, Made
from tests.infra.deployments import FILES, FORMS, ROOT, form, of_type

ROLES: Final = {
    "a638d3c7-ab3a-418d-83e6-5f17a39d4fde": "Azure Event Hubs Data Receiver",
    "2b629674-e913-4c01-ae53-ef4638d8f975": "Azure Event Hubs Data Sender",
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
    "974c5e8b-45b9-4653-ba55-5f855dd0fb88": "Storage Queue Data Contributor",
    "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": "Storage Table Data Contributor",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
    "73c42c96-874c-492b-b04d-ab87d138a893": "Log Analytics Reader",
    "4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
    "00000000-0000-0000-0000-000000000002": "Cosmos DB Built-in Data Contributor",
}
APP: Final = {
    ("Microsoft.Storage/storageAccounts", "Storage Blob Data Owner"),
    ("Microsoft.Storage/storageAccounts", "Storage Queue Data Contributor"),
    ("Microsoft.Storage/storageAccounts", "Storage Table Data Contributor"),
    ("Microsoft.EventHub/namespaces", "Azure Event Hubs Data Receiver"),
    ("Microsoft.EventHub/namespaces", "Azure Event Hubs Data Sender"),
    ("Microsoft.OperationalInsights/workspaces", "Log Analytics Reader"),
    ("Microsoft.Insights/components", "Monitoring Metrics Publisher"),
    ("Microsoft.DocumentDB/databaseAccounts", "Cosmos DB Built-in Data Contributor"),
}
SECRETS: Final = {("Microsoft.KeyVault/vaults", "Key Vault Secrets User")}
OPERATOR: Final = {
    ("Microsoft.EventHub/namespaces", "Azure Event Hubs Data Receiver"),
    ("Microsoft.OperationalInsights/workspaces", "Log Analytics Reader"),
    ("Microsoft.DocumentDB/databaseAccounts", "Cosmos DB Built-in Data Contributor"),
}
SENDER: Final = {
    ("Microsoft.EventHub/namespaces/eventhubs", "Azure Event Hubs Data Sender"),
    ("Microsoft.Insights/components", "Monitoring Metrics Publisher"),
}
_COMMENTED: Final = re.compile(
    r"// ([^:\n]+): [^\n]+\n[^\n]*'([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})'"
)
_ID: Final = re.compile(r"'([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})'")


def given(made: list[Made], principal: str) -> set[tuple[str, str]]:
    """The roles of a principal, each with the type of what it is on."""
    found = set()
    for each in of_type(made, "Microsoft.Authorization/roleAssignments"):
        if principal in str(each.body["properties"]["principalId"]):
            path = each.scope.split("/providers/")[1].split("/")
            kind = "/".join([path[0], *path[1::2]])
            found.add((kind, role_of(each)))
    for each in of_type(made, "Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments"):
        if principal in str(each.body["properties"]["principalId"]):
            assert each.body["properties"]["roleDefinitionId"].startswith(
                f"{each.body['properties']['scope']}/sqlRoleDefinitions/"
            )
            found.add(("Microsoft.DocumentDB/databaseAccounts", role_of(each)))
    return found


def role_of(each: Made) -> str:
    definition = each.body["properties"]["roleDefinitionId"]
    return ROLES[definition.split("/")[-1]]


@pytest.mark.parametrize("name", FORMS)
def test_the_app_has_the_roles_that_it_needs_and_no_others(name: str) -> None:
    made, _ = form(name)

    expected = APP | SECRETS if "keyVaultResourceGroup" in FORMS[name] else APP
    assert given(made, "userAssignedIdentities id-usage-") == expected


def test_the_role_on_the_keys_is_given_on_the_vault_of_their_address_in_its_group() -> None:
    made, _ = form("with keys and a sign-in")
    (scope,) = {each.scope for each in made if "Microsoft.KeyVault" in each.scope}

    assert scope.endswith(
        "/resourceGroups/rg-secrets/providers/Microsoft.KeyVault/vaults/contoso-kv"
    )


@pytest.mark.parametrize("name", FORMS)
def test_the_gateway_may_send_and_publish_and_nothing_else(name: str) -> None:
    made, _ = form(name)

    expected = SENDER if "apimName" in FORMS[name] else set()
    assert given(made, "Microsoft.ApiManagement/service") == expected


@pytest.mark.parametrize("name", FORMS)
def test_an_operator_may_read_and_mend_but_not_send(name: str) -> None:
    made, _ = form(name)
    principal = FORMS[name].get("principalId", "nobody")

    wanted = principal != "nobody" and FORMS[name].get("operatorRoles", True)
    assert given(made, principal) == (OPERATOR if wanted else set())


@pytest.mark.parametrize("name", FORMS)
def test_no_role_is_given_to_anybody_else(name: str) -> None:
    made, _ = form(name)
    assignments = [each for each in made if each.type.lower().endswith("roleassignments")]

    known = ("id-usage-", "Microsoft.ApiManagement", FORMS[name].get("principalId", "nobody"))
    for each in assignments:
        assert any(one in str(each.body["properties"]["principalId"]) for one in known)
    azure = of_type(made, "Microsoft.Authorization/roleAssignments")
    for each in azure:
        of_operator = each.body["properties"]["principalId"] == FORMS[name].get("principalId")
        kind = "User" if of_operator else "ServicePrincipal"
        assert each.body["properties"]["principalType"] == kind
    prefix = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/"
    assert all(each.body["properties"]["roleDefinitionId"].startswith(prefix) for each in azure)


def test_each_role_id_stands_beside_its_name() -> None:
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        named = {found: name for name, found in _COMMENTED.findall(text)}
        assert named == {found: ROLES.get(found) for found in _ID.findall(text)}, path.name


def test_the_documents_say_who_gets_which_role() -> None:
    deploy = (ROOT / "docs/deploy.md").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    for name in {role for _, role in APP | SECRETS | OPERATOR | SENDER}:
        assert f"| {name}" in deploy, name
    assert "docs/deploy.md#who-needs-which-rights" in readme
