"""Writes the configuration tables of README.md from usage_ingest/settings.py.

`python -m tests.readme_table` rewrites them; `--check` fails where they differ.
"""

import sys
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, get_args

from pydantic.fields import FieldInfo

from tests.written_tables import between, write_tables
from usage_ingest.settings import HOST_SETTINGS, Settings

README: Final = Path(__file__).resolve().parent.parent / "README.md"
BEGIN: Final = "<!-- settings: begin; written by `python -m tests.readme_table` -->"
END: Final = "<!-- settings: end -->"


def main(arguments: Sequence[str]) -> int:
    return write_tables(README, with_tables, "tests.readme_table", arguments)


def with_tables(readme: str) -> str:
    """Return the text of README.md with its tables as the settings are now."""
    return between(readme, BEGIN, END, tables())


def tables() -> str:
    """Return both tables: what the app reads, and what the Functions host reads."""
    own = [
        (f"`{field.alias}`", _default(field), f"{field.description}.", _takes(field))
        for field in Settings.model_fields.values()
    ]
    host = [
        (f"`{each.name}`", f"{each.description}.", f"`{each.example}`" if each.example else "")
        for each in HOST_SETTINGS
    ]
    return (
        "What the app reads:\n\n"
        + _table(("Setting", "Default", "What it is", "Takes"), own)
        + "\nWhat the Functions host reads, without defaults:\n\n"
        + _table(("Setting", "What it is", "Example"), host)
    )


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |\n" for row in lines
    )


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(default, tuple):
        default = ",".join(default)
    return f"`{_told(default)}`" if default else "none"


def _told(value: object) -> str:
    """Write a duration as the settings take it."""
    if not isinstance(value, timedelta):
        return str(value)
    minutes, seconds = divmod(int(value.total_seconds()), 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"


def _takes(field: FieldInfo) -> str:
    if choices := [each for each in get_args(field.annotation) if isinstance(each, str)]:
        return " or ".join(f"`{each}`" for each in choices)
    least, most = _bound(field, "ge"), _bound(field, "le")
    if least is not None:
        return f"{_told(least)} to {_told(most)}"
    return f"for example `{field.examples[0]}`" if field.examples else ""


def _bound(field: FieldInfo, name: str) -> Any:
    return next((getattr(each, name) for each in field.metadata if hasattr(each, name)), None)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
