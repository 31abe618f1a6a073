"""Where Mono cannot be had: skipped with the reason, and a failure in CI."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.policies import mono


@pytest.fixture
def _nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose only program is an apt-get that cannot reach its archive."""
    refusing = tmp_path / "apt-get"
    refusing.write_text("#!/bin/sh\necho 'E: Could not resolve archive' >&2\nexit 100\n")
    refusing.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    mono.install.cache_clear()
    yield
    mono.install.cache_clear()


@pytest.mark.usefixtures("_nothing_installed")
@pytest.mark.parametrize(
    ("ci", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)]
)
def test_without_mono_a_test_is_skipped_with_the_reason_and_fails_in_ci(
    monkeypatch: pytest.MonkeyPatch, ci: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("CI", ci)
    reason = "Could not resolve archive" if os.geteuid() == 0 else "apt-get install mono-mcs"

    with pytest.raises(outcome, match=reason):
        mono.require()
