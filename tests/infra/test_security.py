"""The security rules of checkov on infra/; what is suppressed says why, beside the resource."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from tests.environments import environment
from tests.infra.deployments import FILES, INFRA

REQUIREMENTS: Final = Path(__file__).resolve().parent / "requirements-checkov.txt"
SUPPRESSED: Final = re.compile(r"// checkov:skip=(CKV\w+):(.*)")
# Installing it takes half a minute, and several on a slow network.
pytestmark = pytest.mark.timeout(600)


def scanned(folder: Path) -> dict[str, Any]:
    """Return what checkov found; it asks no service for anything.

    Raises:
        RuntimeError: A rule itself failed.
    """
    python = environment("checkov", REQUIREMENTS)
    done = subprocess.run(  # noqa: S603 - our own command
        [
            *(python, python.parent / "checkov", "--directory", folder, "--framework", "bicep"),
            *("--skip-download", "--compact", "--output", "json"),
        ],
        env={**os.environ, "BC_SKIP_MAPPING": "TRUE", "LOG_LEVEL": "ERROR"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if "Failed to run check" in done.stderr or not done.stdout:
        raise RuntimeError(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def broken(found: dict[str, Any], folder: str) -> list[tuple[str, str]]:
    """The rules that a folder breaks, each with its file."""
    failed = found["results"]["failed_checks"]
    paths = [(Path(each["file_path"]), each["check_id"]) for each in failed]
    return sorted((path.name, rule) for path, rule in paths if path.parent.name == folder)


def test_no_rule_is_broken_but_where_a_reason_stands_beside_it(tmp_path: Path) -> None:
    """Without the suppressions, what they suppress is broken: none of them is there in vain."""
    for name in ("written", "bare"):
        shutil.copytree(INFRA, tmp_path / name)
    for path in (tmp_path / "bare").glob("*.bicep"):
        path.write_text(SUPPRESSED.sub("", path.read_text(encoding="utf-8")))
    said = [(path, found) for path in FILES for found in SUPPRESSED.findall(path.read_text())]

    found = scanned(tmp_path)

    assert found["results"]["parsing_errors"] == []
    assert found["summary"]["passed"] >= 60
    assert broken(found, "written") == []
    assert broken(found, "bare") == sorted((path.name, rule) for path, (rule, _) in said)
    assert all(len(reason.split()) >= 8 for _, (_, reason) in said)


def test_a_broken_rule_and_an_unreadable_file_are_seen(tmp_path: Path) -> None:
    storage = (INFRA / "storage.bicep").read_text().replace("'TLS1_2'", "'TLS1_0'")
    (tmp_path / "storage.bicep").write_text(storage)
    (tmp_path / "unreadable.bicep").write_text("resource a = {\n")

    found = scanned(tmp_path)

    assert ("storage.bicep", "CKV_AZURE_44") in broken(found, "")
    errors = found["results"]["parsing_errors"]
    assert [Path(each).name for each in errors] == ["unreadable.bicep"]
