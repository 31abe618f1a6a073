"""A skipped test fails in CI, unless a table says what its endpoint lacks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.endpoints import LACKING, reason_of

ROOT = Path(__file__).resolve().parent.parent


def run(tmp_path: Path, source: str, ci: str) -> str:
    """Run a test file apart from ours; return what pytest says of it."""
    file = tmp_path / "test_it.py"
    file.write_text(f"import pytest\n{source}\n")
    options = ["-q", "-p", "tests.skips", "-p", "no:cacheprovider", "-c", "/dev/null"]
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "pytest", *options, "--rootdir", str(tmp_path), str(file)],
        cwd=ROOT,
        env={**os.environ, "CI": ci},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout


SKIPPED = {
    "in the test": "def test_it():\n    pytest.skip('no Node here')",
    "by a mark": "@pytest.mark.skipif(True, reason='no Node here')\ndef test_it(): ...",
    "by a fixture": (
        "@pytest.fixture\ndef node():\n    pytest.skip('no Node here')\ndef test_it(node): ..."
    ),
    "as a module": "pytest.skip('no Node here', allow_module_level=True)",
}


@pytest.mark.parametrize("source", SKIPPED.values(), ids=list(SKIPPED))
def test_what_this_machine_lacks_fails_in_ci_and_is_skipped_elsewhere(
    tmp_path: Path, source: str
) -> None:
    assert "1 skipped" in run(tmp_path, source, ci="")

    said = run(tmp_path, source, ci="true")
    assert "skipped in CI, where nothing may be missing: no Node here" in said
    assert "1 failed" in said or "1 error" in said


def test_what_an_endpoint_is_declared_to_lack_is_skipped_in_ci_too(tmp_path: Path) -> None:
    reason = reason_of(next(iter(LACKING)))

    assert "1 skipped" in run(tmp_path, f"def test_it():\n    pytest.skip({reason!r})", ci="true")


def test_an_expected_failure_is_no_skip(tmp_path: Path) -> None:
    source = "@pytest.mark.xfail(reason='known')\ndef test_it():\n    raise ValueError"

    assert "1 xfailed" in run(tmp_path, source, ci="true")
