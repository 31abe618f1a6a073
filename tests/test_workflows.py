"""The workflows of GitHub: what they may do, what they run, and that nothing of it floats."""

import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.policies.mono import PACKAGES

ROOT: Final = Path(__file__).resolve().parent.parent
FILES: Final = sorted((ROOT / ".github/workflows").glob("*.yml"))
TEXTS: Final = {each.stem: each.read_text(encoding="utf-8") for each in FILES}
FOUND: Final[dict[str, dict[Any, Any]]] = {
    name: yaml.safe_load(text) for name, text in TEXTS.items()
}
JOBS: Final = {
    f"{name}/{job}": spec for name, found in FOUND.items() for job, spec in found["jobs"].items()
}
STEPS: Final = [step for job in JOBS.values() for step in job["steps"]]
RUNS: Final = [step["run"] for step in STEPS if "run" in step]
ON: Final = True  # YAML 1.1 reads the key `on` as that


def test_there_is_one_that_checks_and_one_that_deploys() -> None:
    assert [*FOUND] == ["ci", "deploy"]
    assert [*JOBS] == ["ci/lint", "ci/test", "ci/bicep", "ci/emulators", "deploy/deploy"]


@pytest.mark.parametrize("name", TEXTS)
def test_every_action_is_pinned_by_its_commit_with_the_version_beside_it(name: str) -> None:
    used = re.findall(r"uses: (.+)", TEXTS[name])

    assert used
    for each in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each), each


def test_an_action_is_the_same_everywhere() -> None:
    used = {each for text in TEXTS.values() for each in re.findall(r"uses: (.+)", text)}

    assert len({each.partition("@")[0] for each in used}) == len(used)


@pytest.mark.parametrize("name", FOUND)
def test_nothing_is_permitted_but_by_a_job_for_itself(name: str) -> None:
    assert FOUND[name]["permissions"] == {}


@pytest.mark.parametrize("name", JOBS)
def test_a_job_may_read_the_code_and_only_the_deployment_may_have_an_identity(name: str) -> None:
    identity = {"id-token": "write"} if name == "deploy/deploy" else {}

    assert JOBS[name]["permissions"] == {"contents": "read"} | identity
    assert 0 < JOBS[name]["timeout-minutes"] <= 60
    assert re.fullmatch(r"ubuntu-\d+\.\d+", JOBS[name]["runs-on"])


def test_the_token_does_not_stay_behind_in_the_clone() -> None:
    checkouts = [each for each in STEPS if each.get("uses", "").startswith("actions/checkout@")]

    assert len(checkouts) == len(JOBS)
    assert all(each["with"] == {"persist-credentials": False} for each in checkouts)


def test_no_secret_is_used_and_no_expression_becomes_part_of_a_script() -> None:
    assert not any("secrets." in text for text in TEXTS.values())
    assert not any("${{" in run for run in RUNS)


def test_changes_are_checked_and_nothing_deploys_by_itself() -> None:
    assert FOUND["ci"][ON] == {"push": {"branches": ["main"]}, "pull_request": None}
    assert [*FOUND["deploy"][ON]] == ["workflow_dispatch"]
    deploy = JOBS["deploy/deploy"]
    assert deploy["environment"] == "${{ inputs.environment }}"
    assert deploy["if"] == "github.ref == 'refs/heads/main'"


def test_the_make_targets_that_are_run_exist() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    run = {
        target for each in RUNS for target in re.findall(r"^ *make ([\w-]+)", each, re.MULTILINE)
    }

    assert run == {"lint", "test", "emulators-test"}
    assert run <= targets


def test_the_tests_run_on_every_python_that_is_supported() -> None:
    (low, high) = re.findall(
        r'requires-python = ">=3\.(\d+),<3\.(\d+)"', (ROOT / "pyproject.toml").read_text()
    )[0]

    assert JOBS["ci/test"]["strategy"]["matrix"]["python"] == [
        f"3.{minor}" for minor in range(int(low), int(high))
    ]


def test_what_the_tests_cannot_install_without_root_is_installed_before() -> None:
    installed = " ".join(RUNS).split()

    assert {*PACKAGES} <= {*installed}


def test_the_files_that_are_named_exist() -> None:
    assert any(". emulators/settings.env" in run for run in RUNS)
    assert (ROOT / "emulators/settings.env").is_file()
    assert any("docker compose up -d --wait" in run for run in RUNS)
    assert (ROOT / "docker-compose.yml").is_file()
    assert any("infra/*.bicep" in run for run in RUNS)
    assert [*(ROOT / "infra").glob("*.bicep")]
