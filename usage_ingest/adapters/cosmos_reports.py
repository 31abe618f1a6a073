"""What reports read over Cosmos DB: rollups and counts by day, projected, page by page."""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from azure.cosmos.exceptions import CosmosResourceNotFoundError

from usage_ingest.adapters.cosmos import DEAD_LETTERS, STATE, USAGE, Cosmos
from usage_ingest.adapters.cosmos_reads import pages
from usage_ingest.dead_letter_document import COUNTS_TYPE
from usage_ingest.errors import ConfigError
from usage_ingest.rollup import ROLLUP_TYPE

_PAGE = 1_000


class CosmosReportReader:
    """Implements ports.ReportReader."""

    def __init__(self, cosmos: Cosmos) -> None:
        """Use the given connection; nothing is asked of the service."""
        self._cosmos = cosmos

    async def rollups(
        self, columns: Sequence[str], start: str, end: str, filters: Mapping[str, Sequence[Any]]
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield the named columns of the days' rollups; see ports.ReportReader."""
        parameters = _days(ROLLUP_TYPE, start, end)
        conditions = [_DAYS, *_conditions(filters, parameters)]
        query = _select(_selected(columns), conditions)
        async for row in self._rows(USAGE, query, parameters):
            yield row

    async def dead_letter_counts(self, start: str, end: str) -> AsyncIterator[dict[str, Any]]:
        """Yield the counts documents of the days; see ports.ReportReader."""
        parameters = _days(COUNTS_TYPE, start, end)
        async for row in self._rows(DEAD_LETTERS, _select(["*"], [_DAYS]), parameters):
            yield row

    async def check(self) -> None:
        """Read the containers' own properties, and an item; see ports.ReportReader."""
        for name in (USAGE, DEAD_LETTERS, STATE):
            container = self._cosmos.container(name)
            try:
                await self._cosmos.patience.call(container.read)
            except CosmosResourceNotFoundError as error:
                raise ConfigError(
                    f"Cosmos DB has no container {name} in the database of COSMOS_DATABASE"
                ) from error
        state = self._cosmos.container(STATE)
        with contextlib.suppress(CosmosResourceNotFoundError):  # the item need not exist
            await self._cosmos.patience.call(lambda: state.read_item("0", partition_key="check"))

    async def _rows(
        self, container: str, query: str, parameters: list[dict[str, Any]]
    ) -> AsyncIterator[dict[str, Any]]:
        chosen = self._cosmos.container(container)
        found = pages(chosen, self._cosmos.patience, query, _PAGE, parameters=parameters)
        async for page in found:
            for row in page:
                yield row


_DAYS = "c.type = @type AND c.day >= @start AND c.day <= @end"


def _days(document_type: str, start: str, end: str) -> list[dict[str, Any]]:
    return [
        {"name": "@type", "value": document_type},
        {"name": "@start", "value": start},
        {"name": "@end", "value": end},
    ]


def _select(selected: Sequence[str], conditions: Sequence[str]) -> str:
    return " ".join(["SELECT", ", ".join(selected), "FROM c WHERE", " AND ".join(conditions)])


def _path(column: str) -> str:
    """Write a stored field as a path: `tags.team` is c["tags"]["team"]."""
    return "c" + "".join(f'["{name}"]' for name in column.split(".", 1))


def _selected(columns: Sequence[str]) -> list[str]:
    """Select plain fields by name; of tags the whole small object."""
    plain = [column for column in columns if "." not in column]
    nested = {column.split(".", 1)[0] for column in columns if "." in column}
    return [f"{_path(name)} AS {name}" for name in dict.fromkeys([*plain, *sorted(nested)])]


def _conditions(
    filters: Mapping[str, Sequence[Any]], parameters: list[dict[str, Any]]
) -> list[str]:
    """Write each filter as one condition; None among its values means the field is absent."""
    conditions = []
    for column, values in filters.items():
        options = []
        for value in values:
            if value is None:
                options.append(f"NOT IS_DEFINED({_path(column)})")
                continue
            name = f"@p{len(parameters)}"
            parameters.append({"name": name, "value": value})
            options.append(f"{_path(column)} = {name}")
        conditions.append(f"({' OR '.join(options)})")
    return conditions
