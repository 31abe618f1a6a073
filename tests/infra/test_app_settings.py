"""The app settings that infra/ writes against usage_ingest/settings.py."""

import tomllib
from typing import Any, Final

import pytest

from tests.infra.bicep.values import Runtime
from tests.infra.deployments import FORMS, ROOT, deployed, form, of_type, the
from tests.test_function_app import EXPECTED
from usage_ingest.errors import ConfigError
from usage_ingest.settings import HOST_SETTINGS, Settings, load_settings

LOCAL_ONLY: Final = {
    "EventHubConnection": "a connection string: Azure's namespace takes identities alone",
    "COSMOS_KEY": "Azure's account takes identities alone",
    "AzureWebJobsStorage": "a connection string: AzureWebJobsStorage__... take its place",
    "FUNCTIONS_WORKER_RUNTIME": "Flex Consumption has it in functionAppConfig and refuses it here",
}
AZURE_ONLY: Final = {
    "EventHubConnection__credential": "whose token the trigger takes",
    "EventHubConnection__clientId": "whose token the trigger takes",
    "AzureWebJobsStorage__blobServiceUri": "the host's storage",
    "AzureWebJobsStorage__queueServiceUri": "the host's storage",
    "AzureWebJobsStorage__tableServiceUri": "the host's storage",
    "AzureWebJobsStorage__credential": "whose token the host takes",
    "AzureWebJobsStorage__clientId": "whose token the host takes",
    "AZURE_CLIENT_ID": "whose token DefaultAzureCredential takes",
    "APPLICATIONINSIGHTS_CONNECTION_STRING": "where telemetry goes",
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING": "with which identity",
}
KEYS: Final = "PRIVACY_HMAC_KEYS"
WITH_KEYS: Final = "with keys and a sign-in"


def settings_of(**parameters: Any) -> dict[str, Any]:
    return written(deployed(**parameters)[0])


def written(made: list[Any]) -> dict[str, Any]:
    listed = the(made, "Microsoft.Web/sites").body["properties"]["siteConfig"]["appSettings"]
    assert len({each["name"] for each in listed}) == len(listed)
    return {each["name"]: each["value"] for each in listed}


def of_the_code() -> set[str]:
    """Both tables of README.md."""
    return {str(each.alias) for each in Settings.model_fields.values()} | {
        each.name for each in HOST_SETTINGS
    }


def test_every_setting_of_the_code_is_written_and_no_other() -> None:
    found = set(written(form(WITH_KEYS)[0]))

    assert found == of_the_code() - set(LOCAL_ONLY) | set(AZURE_ONLY)
    assert set(LOCAL_ONLY) <= of_the_code()


@pytest.mark.parametrize("name", FORMS)
def test_the_settings_of_every_form_load(name: str) -> None:
    """What only Azure knows is one of the examples that the settings give."""
    loaded = load_settings(known(written(form(name)[0])))

    assert loaded.event_hub_connection is None
    assert loaded.cosmos_key is None


def known(settings: dict[str, Any]) -> dict[str, str]:
    examples = {str(each.alias): each.examples for each in Settings.model_fields.values()}
    return {
        name: str((examples.get(name) or ["known in Azure"])[0] if unknown(value) else value)
        for name, value in settings.items()
    }


def unknown(value: Any) -> bool:
    return isinstance(value, Runtime) or "<" in str(value)


def test_what_is_left_alone_is_as_the_code_has_it() -> None:
    loaded = load_settings(known(written(form("as it comes")[0])))

    for name, each in Settings.model_fields.items():
        if not each.is_required() and name not in ("event_hub_namespace", "metrics_targets"):
            expected = each.get_default(call_default_factory=True, validated_data={})
            assert getattr(loaded, name) == expected, name


def test_settings_of_ones_own_win_over_defaults_but_not_over_what_the_resources_are() -> None:
    found = settings_of(settings={"ROLLUP_TAGS": "team", "COSMOS_ENDPOINT": "https://elsewhere"})

    assert found["ROLLUP_TAGS"] == "team"
    assert unknown(found["COSMOS_ENDPOINT"])


def test_keys_come_by_reference_and_are_left_out_without_one() -> None:
    made, _ = form(WITH_KEYS)
    site = the(made, "Microsoft.Web/sites").body["properties"]
    identity = the(made, "Microsoft.ManagedIdentity/userAssignedIdentities")

    uri = FORMS[WITH_KEYS]["hmacKeysSecretUri"]
    assert written(made)[KEYS] == f"@Microsoft.KeyVault(SecretUri={uri})"
    assert site["keyVaultReferenceIdentity"] == identity.id
    assert KEYS not in written(form("as it comes")[0])


def test_every_setting_that_a_trigger_names_is_written() -> None:
    found = written(form("as it comes")[0])

    named = [each.strip("%") for one in EXPECTED.values() for each in one.values() if marked(each)]
    assert len(named) >= 4
    assert set(named) <= set(found)
    assert f"{EXPECTED['ingest_usage_events']['connection']}__fullyQualifiedNamespace" in found


def marked(value: object) -> bool:
    return isinstance(value, str) and value.startswith("%")


def test_a_ledger_that_is_kept_too_short_for_the_hub_is_refused() -> None:
    """The rules between settings hold for what infra/ writes as well."""
    found = settings_of(settings={"LEDGER_TTL_DAYS": "90"})

    with pytest.raises(ConfigError, match="LEDGER_TTL_DAYS"):
        load_settings(known(found))


def test_the_python_version_is_the_oldest_that_the_tests_run_on() -> None:
    """Types and style are checked for that one."""
    site = the(form("as it comes")[0], "Microsoft.Web/sites").body["properties"]
    version = site["functionAppConfig"]["runtime"]["version"]

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert version == project["tool"]["mypy"]["python_version"]
    assert project["project"]["requires-python"] == f">={version},<3.14"


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_each_version_that_the_app_supports_can_be_chosen(version: str) -> None:
    site = the(deployed(appPythonVersion=version)[0], "Microsoft.Web/sites").body["properties"]

    assert site["functionAppConfig"]["runtime"] == {"name": "python", "version": version}


def test_the_app_runs_as_its_identity_alone() -> None:
    made, _ = form("as it comes")
    site = the(made, "Microsoft.Web/sites").body
    identity = the(made, "Microsoft.ManagedIdentity/userAssignedIdentities")

    assert site["identity"] == {
        "type": "UserAssigned",
        "userAssignedIdentities": {identity.id: {}},
    }
    package = site["properties"]["functionAppConfig"]["deployment"]["storage"]["authentication"]
    assert package["userAssignedIdentityResourceId"] == identity.id
    policies = of_type(made, "Microsoft.Web/sites/basicPublishingCredentialsPolicies")
    assert [each.body["properties"]["allow"] for each in policies] == [False, False]
    listed = written(made).items()
    ids = {str(value) for name, value in listed if name.lower().endswith("clientid")}
    ids |= {str(value) for name, value in listed if name == "AZURE_CLIENT_ID"}
    assert ids == {f"<{identity.type} {identity.name}.properties.clientId>"}
