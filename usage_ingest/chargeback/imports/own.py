"""Our own files: `prices`, `deployments`, `owners` and `names` in YAML; rows of one type in CSV."""

import csv
import io
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, Final

from pydantic import ValidationError

from usage_ingest.chargeback.imports.field_types import problems_of, refused, text_of
from usage_ingest.chargeback.imports.found import (
    Found,
    Path,
    Place,
    Placed,
    Problem,
    dotted,
    line_of,
)
from usage_ingest.chargeback.imports.own_rows import ROWS, Row
from usage_ingest.chargeback.imports.yaml_tree import Unreadable, yaml_tree

LISTS: Final = {"prices": "price", "deployments": "deployment", "owners": "owner", "names": "name"}
"""The lists of a YAML file, and the type of what stands in each."""
_SOURCE: Final = "source"
_TYPE: Final = "type"


def read_yaml(text: str, file: str) -> Found:
    """Read a file of ours in YAML (or JSON, which is YAML too)."""
    try:
        content, lines = yaml_tree(text)
    except Unreadable as error:
        return refused(file, error.text, error.line)
    if not isinstance(content, dict):
        return refused(file, f"takes an object with any of {', '.join(LISTS)}", 1)
    found = Found(problems=_unknown_lists(content, file, lines))
    source = content.get(_SOURCE)
    for name, kind in LISTS.items():
        rows = content.get(name)
        rows = [] if rows is None else rows
        if not isinstance(rows, list):
            place = Place(file, line_of(lines, (name,)), name)
            found.problems.append(Problem(place, "takes a list"))
            continue
        for at, row in enumerate(rows):
            made = _read(kind, row, _Where(file, (name, at), lines), source or PurePath(file).name)
            found.add(made)
    return found


def _unknown_lists(
    content: Mapping[str, Any], file: str, lines: Mapping[Path, int]
) -> list[Problem]:
    takes = f"is unknown; takes {_SOURCE}, {', '.join(LISTS)}"
    unknown = content.keys() - LISTS.keys() - {_SOURCE}
    found = [Problem(Place(file, line_of(lines, (each,)), each), takes) for each in unknown]
    try:
        text_of(content.get(_SOURCE, file))
    except ValueError as error:
        place = Place(file, line_of(lines, (_SOURCE,)), _SOURCE)
        found.append(Problem(place, str(error)))
    return found


class _Where:
    """Where a row stands, and the lines of what is in it."""

    def __init__(self, file: str, path: Path, lines: Mapping[Path, int]) -> None:
        self.file = file
        self.path = path
        self.lines = lines

    def line(self, path: Path) -> int:
        return line_of(self.lines, path)

    def place(self) -> Place:
        return Place(self.file, self.line(self.path), dotted(self.path))


def _read(kind: str, content: object, where: _Where, source: str) -> Found:
    model: type[Row] = ROWS[kind]
    try:
        noun = model.model_validate(content).noun(source)
    except ValidationError as error:
        return Found(problems=problems_of(error, where.file, where.path, model, where.line))
    return Found(nouns=[Placed(noun, where.place())])


def read_csv(text: str, file: str) -> Found:
    """Read a file of ours in CSV: a `type` for each row, dotted columns, empty is absent."""
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    found, columns = Found(), list[str]()
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if not columns:
                columns = [cell.strip() for cell in cells]
                if wrong := _wrong_columns(columns):
                    return refused(file, wrong, reader.line_num)
                continue
            found.add(_row(columns, cells, file, reader.line_num))
    except csv.Error as error:
        return refused(file, f"is no CSV: {error}", reader.line_num)
    return found if columns else refused(file, "is empty: a CSV begins with its columns", 1)


def _wrong_columns(columns: list[str]) -> str | None:
    if _TYPE not in columns:
        return f"the column {_TYPE} is missing; it takes one of {', '.join(ROWS)}"
    twice = sorted({each for each in columns if columns.count(each) > 1})
    return f"columns stand twice: {', '.join(twice)}" if twice else None


def _row(columns: list[str], cells: list[str], file: str, line: int) -> Found:
    if len(cells) > len(columns):
        return refused(file, f"has {len(cells)} cells for {len(columns)} columns", line)
    told = {name: cell.strip() for name, cell in zip(columns, cells, strict=False) if cell.strip()}
    kind = told.pop(_TYPE, "")
    if kind not in ROWS:
        place = Place(file, line, _TYPE)
        return Found(problems=[Problem(place, f"takes one of {', '.join(ROWS)}")])
    return _read(kind, _nested(told), _Where(file, (), {(): line}), PurePath(file).name)


def _nested(told: Mapping[str, str]) -> dict[str, Any]:
    """Put dotted columns into objects: `unit_prices.input`."""
    row: dict[str, Any] = {}
    for name, cell in told.items():
        outer, dot, inner = name.partition(".")
        if dot and isinstance(row.setdefault(outer, {}), dict):
            row[outer][inner] = cell
        else:
            row[name] = cell
    return row
