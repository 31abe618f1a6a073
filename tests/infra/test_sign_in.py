"""Easy Auth in infra/ against the routes of function_app.py: it holds for the whole app."""

from typing import Any, Final

from tests.infra.bicep.values import TENANT
from tests.infra.deployments import FORMS, ROOT, deployed, form, of_type
from tests.test_function_app import EXPECTED

WITH_SIGN_IN: Final = "with keys and a sign-in"
ROUTES: Final = {name: each for name, each in EXPECTED.items() if "route" in each}


def sign_in(made: list[Any]) -> dict[str, Any]:
    (found,) = of_type(made, "Microsoft.Web/sites/config")
    properties: dict[str, Any] = found.body["properties"]
    return properties


def test_reports_ask_for_a_sign_in_and_all_else_does_not() -> None:
    """A machine posts events and asks for health: it cannot sign in."""
    excluded = sign_in(form(WITH_SIGN_IN)[0])["globalValidation"]["excludedPaths"]

    others = [
        f"/api/{each['route']}"
        for each in ROUTES.values()
        if each["authLevel"] == "ANONYMOUS" or "POST" in each["methods"]
    ]
    assert excluded == others
    assert len(others) < len(ROUTES)


def test_a_call_without_a_sign_in_gets_what_was_asked_for() -> None:
    refused = sign_in(form(WITH_SIGN_IN)[0])["globalValidation"]
    sent = sign_in(
        deployed(**FORMS[WITH_SIGN_IN], signInAction="RedirectToLoginPage")[0],
    )["globalValidation"]

    assert refused["requireAuthentication"] is True
    assert refused["unauthenticatedClientAction"] == "Return401"
    assert sent["unauthenticatedClientAction"] == "RedirectToLoginPage"


def test_tokens_are_of_the_registration_alone() -> None:
    provider = sign_in(form(WITH_SIGN_IN)[0])["identityProviders"]["azureActiveDirectory"]

    client = FORMS[WITH_SIGN_IN]["entraClientId"]
    assert provider["registration"]["clientId"] == client
    assert provider["validation"]["allowedAudiences"] == [client, f"api://{client}"]
    assert "clientSecretSettingName" not in provider["registration"]
    issuer = provider["registration"]["openIdIssuer"]
    assert issuer == f"https://login.microsoftonline.com/{TENANT}/v2.0"


def test_without_a_registration_there_is_no_sign_in() -> None:
    assert of_type(form("as it comes")[0], "Microsoft.Web/sites/config") == []


def test_the_documents_name_every_route_that_stays_without_a_sign_in() -> None:
    text = (ROOT / "docs/deploy.md").read_text(encoding="utf-8")

    for each in sign_in(form(WITH_SIGN_IN)[0])["globalValidation"]["excludedPaths"]:
        assert f"`{each.removeprefix('/')}`" in text
