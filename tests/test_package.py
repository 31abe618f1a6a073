"""What goes to Azure: the files that .funcignore leaves, alone and with requirements.txt only."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from pathspec import GitIgnoreSpec

from tests.compose import read_yaml
from tests.environments import environment
from tests.infra.deployments import form, the
from tests.test_function_app import EXPECTED

ROOT: Final = Path(__file__).resolve().parent.parent
IGNORED: Final = GitIgnoreSpec.from_lines((ROOT / ".funcignore").read_text().splitlines())
AZURE: Final[dict[str, Any]] = read_yaml((ROOT / "azure.yaml").read_text())
# Prints what the app is, without a setting and without a network.
INDEX: Final = """
import json, pkgutil, importlib, sys
sys.path.insert(0, sys.argv[1])
import function_app
names = sorted(each.get_function_name() for each in function_app.app.get_functions())
import usage_ingest
missing = {}
for each in pkgutil.walk_packages(usage_ingest.__path__, "usage_ingest."):
    if each.name != "usage_ingest.__main__":
        try:
            importlib.import_module(each.name)
        except ImportError as error:
            missing[each.name] = error.name
print(json.dumps({"functions": names, "missing": missing, "from": function_app.__file__}))
"""
pytestmark = pytest.mark.timeout(600)  # installing takes half a minute, more on a slow network


def uploaded(root: Path = ROOT) -> Iterator[str]:
    """Yield the files that a publish sends, as they are on the disk now."""
    for folder, folders, files in os.walk(root):
        at = Path(folder).relative_to(root)
        folders[:] = [each for each in folders if not ignored(f"{(at / each).as_posix()}/")]
        yield from (name for each in files if not ignored(name := (at / each).as_posix()))


def ignored(name: str) -> bool:
    return IGNORED.match_file(name)


def tracked(*under: str) -> set[str]:
    done = subprocess.run(  # noqa: S603
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *under],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return {each for each in done.stdout.splitlines() if (ROOT / each).is_file()}


def test_the_app_and_its_package_go_up_and_nothing_else() -> None:
    wanted = {"function_app.py", "host.json", "requirements.txt", *tracked("usage_ingest")}

    assert set(uploaded()) == wanted
    assert {"usage_ingest/metrics/whole_bins.kql", "usage_ingest/wiring.py"} <= wanted


@pytest.mark.parametrize(
    "name",
    [
        "local.settings.json",
        ".venv/bin/python",
        ".local/settings.json",
        ".azure/demo/.env",
        "usage_ingest/__pycache__/wiring.cpython-311.pyc",
        "tests/test_package.py",
        "infra/main.bicep",
        "usage-ingest_env/bin/python",
        ".git",
    ],
)
def test_secrets_tools_and_tests_stay_here(name: str) -> None:
    assert ignored(name)


def test_the_files_that_go_up_are_an_app_with_requirements_txt_alone(tmp_path: Path) -> None:
    """In a Python of their own, in a folder of their own, with no setting and no network."""
    for name in uploaded():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    python = environment("package", ROOT / "requirements.txt")

    done = subprocess.run(  # noqa: S603 - our own command
        [python, "-I", "-B", "-c", INDEX, tmp_path],
        cwd=tmp_path,
        env={},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["functions"] == sorted(EXPECTED)
    assert set(found["missing"].values()) <= {"pyarrow", "deltalake"}, "for exports only"
    assert Path(found["from"]).parent == tmp_path


def test_azd_publishes_this_folder_to_the_app_that_infra_makes() -> None:
    ((service, told),) = AZURE["services"].items()

    site = the(form("as it comes")[0], "Microsoft.Web/sites")
    assert site.body["tags"]["azd-service-name"] == service
    assert AZURE["requiredVersions"] == {"azd": ">= 1.18.0"}, "older ones send every file"
    assert told == {"project": ".", "language": "python", "host": "function"}
    assert (ROOT / AZURE["infra"]["path"] / f"{AZURE['infra']['module']}.bicep").exists()
