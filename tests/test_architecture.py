"""Rules that a linter does not know."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PRODUCT = [ROOT / "function_app.py", *sorted((ROOT / "usage_ingest").rglob("*.py"))]
LOCAL = sorted((ROOT / "local").rglob("*.py"))
BANNED = re.compile(
    r"(^|_)(process|handle|handler|manager|util|utils|helper|helpers|data|info)($|_)"
)


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


@pytest.mark.parametrize("path", PRODUCT, ids=lambda path: path.name)
def test_a_module_of_the_product_fits_a_few_screens(path: Path) -> None:
    assert lines(path) <= 250


@pytest.mark.parametrize("path", LOCAL, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_module_of_the_development_tools_stays_readable(path: Path) -> None:
    assert lines(path) <= 400


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


@pytest.mark.parametrize("path", PRODUCT[1:], ids=lambda path: path.name)
def test_the_package_never_imports_its_entry_point(path: Path) -> None:
    """The import linter sees packages only."""
    assert not {name for name in imported(path) if name.split(".")[0] == "function_app"}


@pytest.mark.parametrize("path", PRODUCT, ids=lambda path: path.name)
def test_functions_and_classes_have_telling_names(path: Path) -> None:
    """Words that say nothing of what a thing does are left to others."""
    found = {
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and BANNED.search(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", node.name).lower())
    }

    assert not found


def test_the_environment_is_read_in_one_place() -> None:
    readers = [path.name for path in PRODUCT if re.search(r"os\.environ|getenv", path.read_text())]

    assert readers == ["wiring.py"]
