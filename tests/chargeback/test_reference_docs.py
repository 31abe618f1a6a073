"""docs/reference.md and docs/architecture.md against the readers and the documents."""

import json
import re
from typing import Any, Final

import pytest

from tests.test_docs import ROOT, example, text_of, words_in_code
from usage_ingest.chargeback.imports.formats import read_files
from usage_ingest.chargeback.imports.meter_map import read_meter_map
from usage_ingest.chargeback.imports.options import Options
from usage_ingest.chargeback.imports.own_rows import ROWS, ProvisionedRow
from usage_ingest.chargeback.kinds import Kind
from usage_ingest.chargeback.price import CONTEXT_STARTS
from usage_ingest.chargeback.reference_document import (
    TYPES,
    Noun,
    content_id,
    import_document,
    import_of,
    reference_of,
    stored_document,
    to_document,
)

_BLOCK: Final = re.compile(r"<!-- example: ([\w -]+) -->\n```\w+\n(.*?)\n```", re.DOTALL)
BLOCKS: Final = _BLOCK.findall(text_of("docs/reference.md"))
METERS: Final = next(text for name, text in BLOCKS if name == "meter map")
FILES: Final = [(name, text) for name, text in BLOCKS if name != "meter map"]


def test_there_is_an_example_of_every_format() -> None:
    assert {name for name, _ in FILES} == {"yaml", "csv", "retail", "az-deployments", "ai-hub"}


@pytest.mark.parametrize(("name", "text"), FILES)
@pytest.mark.parametrize("is_named", [True, False])
def test_every_example_is_read_and_its_format_is_told(name: str, text: str, is_named: bool) -> None:
    file = {"yaml": "own.yaml", "csv": "own.csv"}.get(name, f"{name}.json")
    options = Options(from_day="2026-11-01", meters=read_meter_map(METERS, "meters.yaml"))

    found = read_files([(file, text)], name if is_named else None, options)

    assert found.problems == []
    assert found.nouns


def test_the_example_of_retail_prices_is_of_the_meter_map_beside_it() -> None:
    text = next(text for name, text in FILES if name == "retail")
    options = Options(meters=read_meter_map(METERS, "meters.yaml"))

    (placed,) = read_files([("page.json", text)], None, options).nouns

    written = to_document(placed.noun)
    assert (written["model"], written["unit_prices"]) == ("gpt-4o", {"input": "2.5"})


def test_every_field_and_kind_is_explained() -> None:
    words = words_in_code(text_of("docs/reference.md"))

    assert {name for row in ROWS.values() for name in row.model_fields} <= words
    assert set(ProvisionedRow.model_fields) <= words
    assert {kind.value for kind in Kind if kind is not Kind.PROVISIONED} <= words
    assert all(str(start) in text_of("docs/reference.md") for start in CONTEXT_STARTS)


def test_the_remarks_of_a_check_are_explained() -> None:
    source = (ROOT / "usage_ingest/chargeback/remark.py").read_text(encoding="utf-8")
    (listed,) = re.findall(r"Code = Literal\[(.*?)\]", source, re.DOTALL)
    codes = re.findall(r'"(\w+)"', listed)

    assert len(codes) == 10
    assert set(codes) <= words_in_code(text_of("docs/reference.md"))


def test_the_documents_of_the_architecture_are_what_is_stored() -> None:
    documents: dict[str, dict[str, Any]] = {kind: example(kind) for kind in TYPES}
    header = example("import")
    imported = import_of(header)

    found = reference_of({kind: [each] for kind, each in documents.items()}, [imported])

    read: list[Noun] = [*found.prices, *found.deployments, *found.owners, *found.names]
    assert {each.revision for each in read} == {3}
    written = [to_document(each) for each in read]
    assert content_id(written) == imported.id
    stored = [stored_document(each, imported.id) for each in written]
    assert stored == list(documents.values())
    assert json.loads(json.dumps(import_document(imported))) == header
