"""Writes the table of parameters in docs/deploy.md from infra/main.bicep.

`python -m tests.infra.parameter_table` rewrites it; `--check` fails where it differs.
"""

import json
import sys
from collections.abc import Sequence
from typing import Any, Final

from tests.infra.bicep.files import read
from tests.infra.bicep.tree import Array, Expression, Literal, Param, Unary
from tests.infra.deployments import INFRA, ROOT
from tests.written_tables import between, write_tables

DOCUMENT: Final = ROOT / "docs/deploy.md"
BEGIN: Final = "<!-- parameters: begin; written by `python -m tests.infra.parameter_table` -->"
END: Final = "<!-- parameters: end -->"


def main(arguments: Sequence[str]) -> int:
    return write_tables(DOCUMENT, with_table, "tests.infra.parameter_table", arguments)


def with_table(document: str) -> str:
    """Return the document with its table as the parameters are now."""
    return between(document, BEGIN, END, table())


def table() -> str:
    parameters = json.loads((INFRA / "main.parameters.json").read_text())["parameters"]
    lines = ["| azd value | parameter | default | what it is |", "| --- | --- | --- | --- |"]
    statements = read(INFRA / "main.bicep").statements.values()
    params = (each for each in statements if isinstance(each, Param))
    lines.extend(row(each, parameters[each.name]["value"]) for each in params)
    return "\n".join(lines) + "\n"


def row(param: Param, filled: Any) -> str:
    """Return a line; a value that is no text is written into main.parameters.json itself."""
    name = filled.strip("${}").partition("=")[0] if isinstance(filled, str) else ""
    cells = [f"`{name}`" if name else "", f"`{param.name}`", default(param), meaning(param)]
    return f"| {' | '.join(cells)} |"


def default(param: Param) -> str:
    if param.default is None:
        return "required"
    value = plain(param.default)
    return f"`{value}`" if value != "" else "empty"


def meaning(param: Param) -> str:
    (text,) = param.decorators["description"]
    told = str(plain(text))
    if "allowed" in param.decorators:
        (listed,) = param.decorators["allowed"]
        assert isinstance(listed, Array)
        return f"{told} {', '.join(f'`{plain(each)}`' for each in listed.items)}."
    least, most = (param.decorators.get(name) for name in ("minValue", "maxValue"))
    if least and most:
        return f"{told} {plain(least[0])} to {plain(most[0])}."
    return told


def plain(value: Expression) -> Any:
    if isinstance(value, Unary):
        return -plain(value.of)
    if isinstance(value, Literal):
        return str(value.value).lower() if isinstance(value.value, bool) else value.value
    return "[]" if isinstance(value, Array) else "{}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
