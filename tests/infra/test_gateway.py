"""What infra/ sets up in API Management against policies/."""

import re
from typing import Any, Final
from xml.etree import ElementTree as ET

import pytest

from tests.infra.bicep.files import read
from tests.infra.bicep.tree import Array, Literal, Loop, Module, Name, Object, Resource, When
from tests.infra.bicep.values import Made
from tests.infra.deployments import FORMS, INFRA, ROOT, deployed, form, of_type, the

SERVICE: Final = "Microsoft.ApiManagement/service"
POLICIES: Final = {each.stem: each for each in (ROOT / "policies").glob("*.xml")}
WITH_GATEWAY: Final = [name for name, given in FORMS.items() if "apimName" in given]
REQUIRED: Final = {"usage-inbound", "usage-streaming", "usage-outbound", "usage-on-error"}


def last(made: list[Made], kind: str) -> dict[str, dict[str, Any]]:
    """Bodies of a kind's resources by the last piece of their names."""
    found = of_type(made, f"{SERVICE}/{kind}")
    return {each.name.split("/")[-1]: each.body["properties"] for each in found}


def policies_of(made: list[Made]) -> dict[str, dict[str, Any]]:
    return last(made, "policyFragments") | last(made, "apis/policies")


def fragments() -> set[str]:
    roots = {name: ET.parse(path).getroot().tag for name, path in POLICIES.items()}  # noqa: S314
    return {name for name, tag in roots.items() if tag == "fragment"}


def test_every_fragment_of_policies_can_be_deployed_as_it_is() -> None:
    found = last(form("with every optional fragment")[0], "policyFragments")

    assert set(found) == fragments()
    for name, each in found.items():
        assert each["value"] == POLICIES[name].read_text(encoding="utf-8")


@pytest.mark.parametrize("name", WITH_GATEWAY)
def test_policies_are_deployed_in_the_format_that_they_are_written_in(name: str) -> None:
    """Well-formed XML with entities: as rawxml, the entities would stay in the expressions."""
    found = policies_of(form(name)[0])

    assert set(found) >= REQUIRED
    for each in found.values():
        ET.fromstring(each["value"])  # noqa: S314
        assert each["format"] == "xml"


@pytest.mark.parametrize("name", WITH_GATEWAY)
def test_every_named_value_that_is_used_is_there_and_no_other(name: str) -> None:
    made, _ = form(name)
    texts = [each["value"] for each in policies_of(made).values()]
    used = {found for text in texts for found in re.findall(r"{{([\w-]+)}}", text)}

    values = last(made, "namedValues")
    assert set(values) == used
    assert all(each["value"] and not each["secret"] for each in values.values())
    assert all(each["displayName"] == one for one, each in values.items())


@pytest.mark.parametrize("name", WITH_GATEWAY)
def test_the_loggers_are_those_that_policies_and_diagnostics_name(name: str) -> None:
    made, _ = form(name)
    texts = [each["value"] for each in policies_of(made).values()]
    used = {found for text in texts for found in re.findall(r'logger-id="([^"]+)"', text)}

    loggers = last(made, "loggers")
    (events,) = used
    assert loggers[events]["loggerType"] == "azureEventHub"
    hub = the(made, "Microsoft.EventHub/namespaces/eventhubs").name.split("/")[-1]
    assert loggers[events]["credentials"]["name"] == hub
    for each in loggers.values():
        assert each["credentials"]["identityClientId"] == "systemAssigned"
    (insights,) = set(loggers) - used
    diagnostics = {**last(made, "diagnostics"), **last(made, "apis/diagnostics")}
    assert all(each["loggerId"].endswith(f"/{insights}") for each in diagnostics.values())


@pytest.mark.parametrize(
    ("name", "api", "policy", "of_all"),
    [
        ("with a gateway that is there", None, None, False),
        ("with an API that keeps its policy", "chat", None, False),
        ("with an OpenAI API", "chat", "openai-api", False),
        ("with a Foundry API", "messages", "foundry-api", False),
        ("with every optional fragment", None, None, True),
    ],
)
def test_an_api_gets_what_was_asked_for(
    name: str, api: str | None, policy: str | None, *, of_all: bool
) -> None:
    made, _ = form(name)
    diagnostics = of_type(made, f"{SERVICE}/apis/diagnostics")
    written = of_type(made, f"{SERVICE}/apis/policies")

    assert [each.name.split("/")[1] for each in diagnostics] == ([api] if api else [])
    assert [each.body["properties"]["value"] for each in written] == (
        [POLICIES[policy].read_text(encoding="utf-8")] if policy else []
    )
    assert bool(last(made, "diagnostics")) is of_all
    names = {each.name.rsplit("/", 1)[-1] for each in diagnostics}
    assert names | set(last(made, "diagnostics")) <= {"applicationinsights"}


@pytest.mark.parametrize(("asked", "value"), [(True, "true"), (False, "false")])
def test_usage_is_asked_for_in_the_words_that_the_fragment_compares(
    value: str, *, asked: bool
) -> None:
    made, _ = deployed(**FORMS["with a gateway that is there"], apimIncludeUsage=asked)

    assert last(made, "namedValues")["usage-include-usage"]["value"] == value
    fragment = POLICIES["usage-inbound"].read_text(encoding="utf-8")
    assert '"{{usage-include-usage}}" == "true"' in fragment


def test_diagnostics_measure_and_never_keep_a_body_or_a_query() -> None:
    """Without metrics nothing is emitted; a body holds streams up, a query may hold keys."""
    of_api = last(form("with an OpenAI API")[0], "apis/diagnostics")
    of_all = last(form("with every optional fragment")[0], "diagnostics")

    for each in (*of_api.values(), *of_all.values()):
        assert each["metrics"] is True
        nothing = {"headers": [], "body": {"bytes": 0}}
        hidden = {"dataMasking": {"queryParams": [{"value": "*", "mode": "Hide"}]}}
        for side in ("frontend", "backend"):
            assert each[side] == {"request": nothing | hidden, "response": nothing}


@pytest.mark.parametrize("name", FORMS)
def test_a_gateway_is_made_only_where_one_is_asked_for(name: str) -> None:
    made, _ = form(name)
    services = of_type(made, SERVICE)

    assert len(services) == int(FORMS[name].get("createApim", False))
    if "apimName" not in FORMS[name]:
        assert not [each for each in made if each.type.startswith("Microsoft.ApiManagement/")]


@pytest.mark.parametrize("name", WITH_GATEWAY)
def test_what_a_gateway_needs_is_made_in_its_own_group(name: str) -> None:
    made, _ = form(name)
    parts = [each for each in made if each.type.startswith(f"{SERVICE}/")]

    group = FORMS[name].get("apimResourceGroup", "rg-demo")
    assert {each.scope.rsplit("/", 1)[-1] for each in parts} == {group}
    assert {each.name.split("/")[0] for each in parts} == {FORMS[name]["apimName"]}


@pytest.mark.parametrize(
    ("given", "watched"),
    [
        ({}, True),
        ({"apimSku": "StandardV2"}, False),
        ({"createApim": False, "apimResourceGroup": "rg-gateway"}, True),
        ({"createApim": False, "apimHasEventHubMetrics": False}, False),
    ],
)
def test_a_gateway_is_watched_by_the_metrics_that_its_tier_has(
    given: dict[str, Any], watched: bool
) -> None:
    made, _ = deployed(**FORMS["with a gateway of its own"] | given)
    rules = of_type(made, "Microsoft.Insights/metricAlerts")

    about = {one for each in rules for one in each.body["properties"]["scopes"]}
    assert any("Microsoft.ApiManagement" in str(each) for each in about) is watched


def test_what_a_policy_needs_is_made_before_it() -> None:
    """A fragment names values and a logger, a policy names fragments, a logger needs its role."""
    gateway, main = read(INFRA / "apim.bicep"), read(INFRA / "main.bicep")

    assert after(gateway.statements["policyFragments"]) == ["events", "namedValues"]
    assert after(gateway.statements["policy"]) == ["policyFragments"]
    assert after(main.statements["apim"]) == ["apimRoles"]
    assert after(main.statements["functionApp"]) == ["roles", "keyVault"]
    assert after(main.statements["network"]) == ["roles"]


def after(of: Any) -> list[str]:
    assert isinstance(of, Resource | Module)
    body = of.body.body if isinstance(of.body, Loop) else of.body
    body = body.body if isinstance(body, When) else body
    assert isinstance(body, Object)
    entries = {key.value: value for key, value in body.entries if isinstance(key, Literal)}
    listed = entries["dependsOn"]
    assert isinstance(listed, Array)
    return [each.name for each in listed.items if isinstance(each, Name)]
