"""Which endpoints the suites run against, and what is said where none are named."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import endpoints
from tests.endpoints import LACKING, LACKS, SETTING_OF, lacking, missing, settings_named

ROOT = Path(__file__).resolve().parent.parent
EMULATORS = {
    endpoints.COSMOS_ENDPOINT: "http://localhost:8081",
    endpoints.COSMOS_KEY: "a key",
    endpoints.HUB_CONNECTION: "Endpoint=sb://localhost;UseDevelopmentEmulator=true",
}


def test_the_variables_become_settings_of_the_app() -> None:
    found = settings_named(EMULATORS)

    assert found["COSMOS_ENDPOINT"] == "http://localhost:8081"
    assert found["EventHubConnection"].startswith("Endpoint=sb://localhost")
    assert found["EVENT_HUB_NAME"] == "usage"
    assert "COSMOS_DATABASE" not in found


def test_a_hub_and_an_account_have_to_be_named() -> None:
    assert missing(EMULATORS) == []
    assert missing({endpoints.HUB_NAMESPACE: "contoso.servicebus.windows.net"} | EMULATORS) == []

    said = "\n".join(missing({}))

    assert endpoints.COSMOS_ENDPOINT in said
    assert endpoints.HUB_CONNECTION in said
    assert len(missing({endpoints.COSMOS_ENDPOINT: "http://localhost:8081"})) == 1


def test_without_endpoints_the_command_names_the_variables() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.endpoints"],
        cwd=ROOT,
        env={},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert endpoints.COSMOS_ENDPOINT in done.stderr
    assert "emulators/settings.env" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_lacking_is_listed_by_names_that_are_known() -> None:
    assert lacking({LACKS: "index_policy, large_events"}) == {"index_policy", "large_events"}
    assert lacking({}) == frozenset()

    with pytest.raises(ValueError, match=r"patience is none of index_policy, "):
        lacking({LACKS: "patience"})


def test_a_database_that_is_named_is_not_ours_alone() -> None:
    assert lacking({endpoints.COSMOS_DATABASE: "shared"}) == {"own_database"}


def test_every_lack_that_is_declared_is_needed_by_some_test() -> None:
    suites = [*(ROOT / "tests/contract").glob("*.py"), *(ROOT / "tests/e2e").glob("*.py")]
    needed = {
        name for each in suites for name in re.findall(r'mark\.needs\("(\w+)"\)', each.read_text())
    }

    assert needed == set(LACKING)


def test_the_documentation_knows_every_variable_and_every_lack() -> None:
    text = (ROOT / "docs/emulators.md").read_text()

    for name in (*SETTING_OF, LACKS, *LACKING):
        assert f"| `{name}` |" in text
