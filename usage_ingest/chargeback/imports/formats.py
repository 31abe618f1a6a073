"""The formats of reference files: which one a file is in, and all files of an import together."""

from collections.abc import Sequence
from typing import Any, Final

from usage_ingest.chargeback.imports.ai_hub import read_ai_hub
from usage_ingest.chargeback.imports.az_deployments import read_deployments
from usage_ingest.chargeback.imports.field_types import refused
from usage_ingest.chargeback.imports.found import Found
from usage_ingest.chargeback.imports.json_tree import json_trees
from usage_ingest.chargeback.imports.options import Options
from usage_ingest.chargeback.imports.own import read_csv, read_yaml
from usage_ingest.chargeback.imports.retail import ITEMS, read_retail

OWN_YAML: Final = "yaml"
OWN_CSV: Final = "csv"
AI_HUB: Final = "ai-hub"
RETAIL: Final = "retail"
DEPLOYMENTS: Final = "az-deployments"
FORMATS: Final = (OWN_YAML, OWN_CSV, AI_HUB, RETAIL, DEPLOYMENTS)
"""By the names that the command line takes."""
_MARKS: Final = {
    RETAIL: (ITEMS, "meterId"),
    AI_HUB: ("CostUnit", "CostPerInputUnit"),
    DEPLOYMENTS: ("properties", "sku"),
}
"""What tells a foreign format: a key of its first element."""
NO_METER_MAP: Final = "prices of meters need --meter-map, which says what the meters are of"


def read_files(
    files: Sequence[tuple[str, str]],
    named: str | None,
    options: Options,
    fetched: Sequence[tuple[str, Any]] = (),
) -> Found:
    """Read all files of an import.

    Args:
        files: The name and text of each.
        named: The format of all of them, or None to tell it by name and content.
        options: What the files do not tell.
        fetched: Pages of the Retail Prices API that came over the network, with names.
    """
    found, pages = Found(), list(fetched)
    for file, text in files:
        chosen = named or format_of(file, text)
        if chosen == RETAIL:
            found.add(_pages(file, text, pages))
        else:
            found.add(_read(chosen, file, text, options))
    if pages and options.meters is None:
        found.add(refused(pages[0][0], NO_METER_MAP))
    elif pages:
        found.add(read_retail(pages, options.meters or ()))
    return found


def format_of(file: str, text: str) -> str:
    """Tell a file's format by its name and content."""
    if file.lower().endswith(".csv"):
        return OWN_CSV
    if not text.lstrip().startswith(("{", "[")):
        return OWN_YAML
    try:
        tree = json_trees(text)[0]
    except ValueError:
        return OWN_YAML  # what it is said to be wrong by tells the line
    first = _first(tree)
    found = [name for name, keys in _MARKS.items() if any(each in first for each in keys)]
    return found[0] if found else OWN_YAML


def _first(tree: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    if isinstance(tree, dict) and isinstance(tree.get("value"), list):
        tree = tree["value"]
    first = tree[0] if isinstance(tree, list) and tree else tree
    return first if isinstance(first, dict) else {}


def _read(chosen: str, file: str, text: str, options: Options) -> Found:
    if chosen == OWN_YAML:
        return read_yaml(text, file)
    if chosen == OWN_CSV:
        return read_csv(text, file)
    try:
        (tree, *more) = json_trees(text)
    except ValueError as error:
        return refused(file, f"is no JSON: {error}")
    rows = tree.get("value") if isinstance(tree, dict) else tree
    if more or not isinstance(rows, list):
        return refused(file, "takes one list")
    reader = read_ai_hub if chosen == AI_HUB else read_deployments
    return reader(rows, file, options)


def _pages(file: str, text: str, pages: list[tuple[str, Any]]) -> Found:
    try:
        trees = json_trees(text)
    except ValueError as error:
        return refused(file, f"is no JSON: {error}")
    pages += [(file, each) for each in trees]
    return Found()
