"""Writes the tables of docs/export.md from usage_ingest/export/columns.py.

`python -m tests.export_table` rewrites them; `--check` fails where they differ.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

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
    written = DOCUMENT.read_text(encoding="utf-8")
    wanted = with_tables(written)
    if written == wanted:
        return 0
    if "--check" in arguments:
        sys.stderr.write("docs/export.md's columns differ: run python -m tests.export_table\n")
        return 1
    DOCUMENT.write_text(wanted, encoding="utf-8")
    return 0


def with_tables(text: str) -> str:
    """Return the text of docs/export.md with its tables as the columns are now."""
    for subject, columns in COLUMNS.items():
        begin, end = marks(subject)
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise ValueError(f"docs/export.md lacks {begin!r} or {end!r}")
        text = f"{before}{begin}\n\n{table(columns)}\n{end}{after}"
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
