"""Writes the tables of docs/export.md from usage_ingest/export/columns.py.

`python -m tests.export_table` rewrites them; `--check` fails where they differ.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.written_tables import between, write_tables
from usage_ingest.export.columns import COLUMNS, Column, Subject

DOCUMENT: Final = Path(__file__).resolve().parent.parent / "docs" / "export.md"
_PARQUET: Final = {
    "text": "string",
    "json": "string (JSON)",
    "integer": "int64",
    "boolean": "boolean",
    "time": "timestamp (UTC, microseconds)",
}


def main(arguments: Sequence[str]) -> int:
    return write_tables(DOCUMENT, with_tables, "tests.export_table", arguments)


def with_tables(text: str) -> str:
    """Return the text of docs/export.md with its tables as the columns are now."""
    for subject, columns in COLUMNS.items():
        text = between(text, *marks(subject), table(columns))
    return text


def marks(subject: Subject) -> tuple[str, str]:
    """Return what stands around a table."""
    written = "written by `python -m tests.export_table`"
    return f"<!-- {subject}: begin; {written} -->", f"<!-- {subject}: end -->"


def table(columns: Sequence[Column]) -> str:
    """Return a table of columns."""
    rows = [(f"`{c.name}`", _PARQUET[c.type], c.unit, c.meaning) for c in columns]
    lines = [("column", "type", "unit", "meaning"), ("---",) * 4, *rows]
    return "".join(f"| {' | '.join(line)} |\n".replace("|  |", "| |") for line in lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
