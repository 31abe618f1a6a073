"""A stored document as a row of an export: only what a column names. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from usage_ingest.document import time_of
from usage_ingest.errors import ConfigError
from usage_ingest.export.columns import Column

Cell = str | int | bool | datetime | None


def columns_of(
    documents: Iterable[Mapping[str, Any]], columns: Sequence[Column]
) -> dict[str, list[Cell]]:
    """Return the values of a page of documents, column by column.

    Raises:
        ConfigError: A document was changed by hand into what no column holds.
    """
    page = list(documents)
    return {column.name: [_cell(each, column) for each in page] for column in columns}


def _cell(document: Mapping[str, Any], column: Column) -> Cell:
    found = document.get(column.field)
    if found is None:
        return None
    try:
        return _converted(found, column)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"document {document.get('id')}: its {column.field} is no {column.type}: it was "
            "changed by hand; mend it, and export again"
        ) from error


def _converted(found: Any, column: Column) -> Cell:  # noqa: ANN401 - any JSON
    match column.type:
        case "json":
            return orjson.dumps(found, option=orjson.OPT_SORT_KEYS).decode()
        case "time":
            return time_of(found)
        case "integer":
            if isinstance(found, bool) or found != int(found):
                raise ValueError
            return int(found)
        case "boolean" if isinstance(found, bool):
            return found
        case "text" if isinstance(found, str):
            return found
    raise TypeError
