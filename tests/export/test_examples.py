"""docs/export.md, the notebook and the views against the columns and a real export."""

import contextlib
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Stack
from tests.export.test_export import export
from tests.export_table import DOCUMENT, with_tables
from tests.totals.ledgers import ingest, make_events
from usage_ingest.export.columns import DAY, ROLLUPS

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "examples"


def notebook() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((EXAMPLES / "usage.ipynb").read_text(encoding="utf-8"))
    return content


def test_the_tables_of_the_document_are_those_of_the_columns() -> None:
    written = DOCUMENT.read_text(encoding="utf-8")

    assert with_tables(written) == written, "run python -m tests.export_table"


def test_the_notebook_is_one() -> None:
    content = notebook()

    assert (content["nbformat"], content["nbformat_minor"]) == (4, 5)
    assert content["metadata"]["kernelspec"]["language"] == "python"
    ids = [cell["id"] for cell in content["cells"]]
    assert len(set(ids)) == len(ids)
    for cell in content["cells"]:
        assert all(re.fullmatch(r"[\w-]{1,64}", each) for each in ids)
        wanted = {"cell_type", "id", "metadata", "source"}
        if cell["cell_type"] == "code":
            wanted |= {"execution_count", "outputs"}
            assert (cell["outputs"], cell["execution_count"]) == ([], None)
            compile("".join(cell["source"]), cell["id"], "exec")
        assert cell.keys() == wanted


@pytest.mark.parametrize("with_ledger", [True, False])
async def test_the_notebook_runs_on_an_export(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, with_ledger: bool
) -> None:
    await ingest(stack.app, make_events())
    await export(stack.app, "parquet", tmp_path / "exports", subject="rollups")
    if with_ledger:
        await export(stack.app, "parquet", tmp_path / "exports")
    monkeypatch.chdir(tmp_path)
    printed, scope = io.StringIO(), dict[str, Any]()

    with contextlib.redirect_stdout(printed):
        for cell in notebook()["cells"]:
            if cell["cell_type"] == "code":
                exec(compile("".join(cell["source"]), cell["id"], "exec"), scope)  # noqa: S102

    found = printed.getvalue()
    assert "4 rollups of 1 days" in found
    assert "'requests_sum': 6" in found
    assert found.count("equal") == (2 if with_ledger else 0)
    assert "different" not in found


def test_the_views_name_columns_that_there_are() -> None:
    text = (EXAMPLES / "usage_view.sql").read_text(encoding="utf-8")
    names = {column.name for column in ROLLUPS} | {DAY}

    assert set(re.findall(r"SUM\((?:r\.)?(\w+)\)", text)) <= names
    assert set(re.findall(r"^    (?:r\.)?(\w+),$", text, re.MULTILINE)) <= names
    declared = re.findall(r"^    (\w+) (bigint|varchar\(\d+\))", text, re.MULTILINE)
    assert len(declared) == 7
    assert {name for name, _ in declared} <= names
    assert text.count("CREATE OR ALTER VIEW") == 2
