"""YAML -> plain objects of texts, with the line of everything in it.

Numbers stay the texts they are: a price never becomes a float, and a version 0125 keeps its 0.
"""

from collections.abc import Mapping
from typing import Any, Final

from usage_ingest.chargeback.imports.found import Path

_DEEPEST: Final = 20
_NULL: Final = "tag:yaml.org,2002:null"


class Unreadable(Exception):  # noqa: N818 - it says what the text is
    """The text is no YAML of ours."""

    def __init__(self, text: str, line: int) -> None:
        super().__init__(text)
        self.text = text
        self.line = line


def yaml_tree(text: str) -> tuple[Any, Mapping[Path, int]]:
    """Read one YAML document.

    Returns:
        Objects, lists, texts and None; and the line of each path.

    Raises:
        Unreadable: It is no YAML, or has aliases, tags, repeated keys or more than one document.
    """
    import yaml  # noqa: PLC0415 - only commands need it

    try:
        _refuse_what_is_not_plain(text)
        node = yaml.compose(text, _loader())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise Unreadable(f"is no YAML: {error.problem}", mark.line + 1 if mark else 1) from error
    except yaml.YAMLError as error:
        raise Unreadable(f"is no YAML: {error}".splitlines()[0], 1) from error
    lines: dict[Path, int] = {(): 1}
    return (None if node is None else _read(node, (), lines)), lines


def _loader() -> Any:  # noqa: ANN401 - one of PyYAML's classes
    """Return the parser in C where this PyYAML has it: it is ten times faster."""
    import yaml  # noqa: PLC0415

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _refuse_what_is_not_plain(text: str) -> None:
    """Refuse tags, which we have no use for, and aliases: one may stand for more than fits."""
    import yaml  # noqa: PLC0415

    depth = 0
    for event in yaml.parse(text, _loader()):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.AliasEvent):
            raise Unreadable("has an alias (*name): write it out", line)
        if getattr(event, "tag", None) is not None:
            raise Unreadable("has a tag (!name): write it without", line)
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise Unreadable("is nested too deeply", line)


def _read(node: Any, path: Path, lines: dict[Path, int]) -> Any:  # noqa: ANN401 - PyYAML's nodes
    lines[path] = node.start_mark.line + 1
    if node.id == "sequence":
        return [_read(each, (*path, at), lines) for at, each in enumerate(node.value)]
    if node.id == "mapping":
        return _read_mapping(node, path, lines)
    return None if node.tag == _NULL else node.value


def _read_mapping(node: Any, path: Path, lines: dict[Path, int]) -> dict[str, Any]:  # noqa: ANN401
    found: dict[str, Any] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if key.id != "scalar":
            raise Unreadable("has a key that is no text", line)
        if key.value in found:
            raise Unreadable(f"has the key {key.value!r} twice", line)
        found[key.value] = _read(value, (*path, key.value), lines)
        lines[(*path, key.value)] = line
    return found
