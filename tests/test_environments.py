"""Environments for tests: what cannot be had skips a test, and what is wrong fails it."""

from pathlib import Path

import pytest

from tests import environments
from tests.environments import environment

REFUSED = (pytest.skip.Exception, pytest.fail.Exception)  # the second under CI=true


@pytest.fixture(autouse=True)
def _kept_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environments, "KEPT", tmp_path / "kept")


def requirements(folder: Path, *lines: str) -> Path:
    path = folder / "requirements-some.txt"
    path.write_text("\n".join(lines))
    return path


def test_a_package_that_cannot_be_had_is_named(tmp_path: Path) -> None:
    wanted = requirements(tmp_path, "--no-index", "there-is-no-such-package==1.0")

    with pytest.raises(REFUSED, match=r"requirements-some\.txt.*there-is-no-such-package"):
        environment("some", wanted)


def test_requirements_that_are_wrong_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="pip install failed"):
        environment("some", requirements(tmp_path, "--no-index", "not a requirement"))


def test_an_environment_is_built_once_and_anew_for_other_requirements(tmp_path: Path) -> None:
    first = environment("some", requirements(tmp_path, "# nothing"))
    mark = first.parent.parent / "mark"
    mark.touch()

    assert first.exists()
    environments._built.cache_clear()  # as another run of the tests
    assert environment("some", requirements(tmp_path, "# nothing")) == first
    assert mark.exists()
    second = environment("some", requirements(tmp_path, "# nothing else"))
    assert second.exists()
    assert not first.exists()
