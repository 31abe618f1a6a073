"""Tables of documents that are written from the code: what stands between two marks."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path


def between(text: str, begin: str, end: str, table: str) -> str:
    """Return a text with the table between its marks as it is now."""
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"the document lacks {begin!r} or {end!r}")
    return f"{before}{begin}\n\n{table}\n{end}{after}"


def write_tables(
    document: Path, with_tables: Callable[[str], str], module: str, arguments: Sequence[str]
) -> int:
    """Write a document's tables anew; with `--check` only say whether they differ.

    Returns:
        The exit code.
    """
    told = document.read_text(encoding="utf-8")
    wanted = with_tables(told)
    if told == wanted:
        return 0
    if "--check" in arguments:
        sys.stderr.write(f"the tables of {document.name} differ: run python -m {module}\n")
        return 1
    document.write_text(wanted, encoding="utf-8")
    return 0
