"""Python environments beside the one that the tests run in: built once for each requirements file.

They are kept in .local/environments, under the name of what they are for and a hash of what is in
them; `make clean` removes them.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import venv
from functools import cache
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parent.parent
KEPT: Final = ROOT / ".local" / "environments"
# pip's words for a package that it cannot get, rather than for one that is wrong.
NETWORK: Final = ("No matching distribution", "Could not fetch", "Connection", "timed out")


def environment(name: str, requirements: Path) -> Path:
    """Return the Python of an environment with these requirements and nothing else.

    Skips the test (fails it under CI=true) on a machine that cannot install them.
    """
    python, reason = _built(name, requirements, requirements.read_bytes(), KEPT)
    if reason:
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return python


@cache
def _built(name: str, requirements: Path, content: bytes, kept: Path) -> tuple[Path, str]:
    """Build the environment unless it is there; return its Python, and why it cannot be had."""
    told = hashlib.sha256(content + sys.version.encode()).hexdigest()
    folder = kept / f"{name}-{told[:12]}"
    python = folder / "bin" / "python"
    stamp = folder / ".installed"
    kept.mkdir(parents=True, exist_ok=True)
    with (kept / f"{name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test runs of one tree wait for each other
        if stamp.exists():
            return python, ""
        for old in kept.glob(f"{name}-*"):
            shutil.rmtree(old)
        venv.create(folder)  # this Python's own pip installs into it
        reason = _install(python, requirements)
        if not reason:
            stamp.touch()
        return python, reason


def _install(python: Path, requirements: Path) -> str:
    done = subprocess.run(  # noqa: S603 - our own command
        [
            *(sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check"),
            *("install", "--quiet"),
            *("--retries", "1", "--requirement", requirements),
        ],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if not done.returncode:
        return ""
    if any(each in done.stderr for each in NETWORK):
        return f"pip cannot get {requirements.name}: {done.stderr.strip().splitlines()[-1]}"
    raise RuntimeError(f"pip install failed:\n{done.stderr}")
