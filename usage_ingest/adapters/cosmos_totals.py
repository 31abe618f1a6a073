"""Rollups with the ledger documents beside them, over Cosmos DB: read to compare, and rewritten."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

from usage_ingest import telemetry
from usage_ingest.adapters.cosmos import (
    CONFLICT,
    NOT_FOUND,
    PRECONDITION,
    USAGE,
    Cosmos,
    Operation,
    try_batch,
)
from usage_ingest.adapters.cosmos_reads import pages
from usage_ingest.document import USAGE_TYPE
from usage_ingest.errors import TransientError
from usage_ingest.rollup import ROLLUP_TYPE
from usage_ingest.totals.ports import Write

_PAGE: Final = 1_000
_CHANGED: Final = frozenset({CONFLICT, NOT_FOUND, PRECONDITION})
_OF_DAY: Final = "FROM c WHERE c.type = @type AND c.day = @day"
_OF_TYPE: Final = "FROM c WHERE c.type = @type"


class CosmosTotals:
    """Implements totals.ports.TotalsStore and DayStore."""

    def __init__(self, cosmos: Cosmos) -> None:
        """Use the given connection; nothing is asked of the service."""
        self._cosmos = cosmos
        self._container = cosmos.container(USAGE)

    async def partitions(self, day: str, subscription: str | None) -> list[str]:
        """Return the logical partitions of a day; see totals.ports.TotalsStore."""
        found = set[str]()
        for kind in (ROLLUP_TYPE, USAGE_TYPE):  # a rollup may be missing, or documents
            query, parameters = _of_day("DISTINCT VALUE c.partitionKey", kind, day, subscription)
            found.update(await self._distinct(query, parameters))
        return sorted(each for each in found if each.rsplit("|", 2)[1:2] == [day])

    async def _distinct(self, query: str, parameters: Mapping[str, Any]) -> list[str]:
        """Read all of it anew while the store is busy: merged pages cannot be asked for again."""

        async def attempt() -> list[str]:
            rows = self._container.query_items(query, parameters=_given(parameters))
            return [str(row) async for row in rows]

        return await self._cosmos.patience.call(attempt)

    async def rollups(self, partition: str) -> list[dict[str, Any]]:
        """Return a logical partition's rollups; see totals.ports.TotalsStore."""
        return await self._rollups("*", partition)

    async def etags(self, partition: str) -> dict[str, str]:
        """Return the ETags of a logical partition's rollups; see totals.ports.TotalsStore."""
        rows = await self._rollups("c.id, c._etag", partition)
        return {row["id"]: row["_etag"] for row in rows}

    async def _rollups(self, columns: str, partition: str) -> list[dict[str, Any]]:
        found = self._pages(f"SELECT {columns} {_OF_TYPE}", {"@type": ROLLUP_TYPE}, partition)
        return [row async for page in found for row in page]

    async def ledger(
        self, partition: str, rollup_ids: Sequence[str] | None
    ) -> AsyncIterator[Sequence[dict[str, Any]]]:
        """Yield a logical partition's ledger documents; see totals.ports.TotalsStore."""
        query, parameters = f"SELECT * {_OF_TYPE}", dict[str, Any]({"@type": USAGE_TYPE})
        if rollup_ids is not None:
            query += " AND ARRAY_CONTAINS(@rollups, c.rollup_id)"
            parameters["@rollups"] = list(rollup_ids)
        async for page in self._pages(query, parameters, partition):
            yield page

    async def documents(
        self, document_type: str, day: str, subscription: str | None
    ) -> AsyncIterator[Sequence[dict[str, Any]]]:
        """Yield a day's documents; see totals.ports.DayStore."""
        query, parameters = _of_day("*", document_type, day, subscription)
        async for page in self._pages(query, parameters, None):
            yield page

    def _pages(
        self, query: str, parameters: Mapping[str, Any], partition: str | None
    ) -> AsyncIterator[list[dict[str, Any]]]:
        named: dict[str, Any] = {"parameters": _given(parameters)}
        if partition is not None:
            named["partition_key"] = partition
        return pages(self._container, self._cosmos.patience, query, _PAGE, **named)

    async def write(self, partition: str, writes: Sequence[Write]) -> bool:
        """Write rollups in one batch; see totals.ports.TotalsStore."""
        operations = [_operation(each) for each in writes]
        refused = await try_batch(self._container, self._cosmos.patience, partition, operations)
        if refused is None:
            return True
        index, status = refused
        if index is not None and status in _CHANGED:
            return False
        name = writes[index or 0].document["id"]
        telemetry.alarm(
            "rollup_refused", id=name, operation=operations[index or 0][0], status=status
        )
        raise TransientError(f"rollup {name}: the store answers a rebuild with {status}")


def _given(parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"name": name, "value": value} for name, value in parameters.items()]


def _of_day(
    columns: str, document_type: str, day: str, subscription: str | None
) -> tuple[str, dict[str, Any]]:
    query, parameters = f"SELECT {columns} {_OF_DAY}", {"@type": document_type, "@day": day}
    if subscription is not None:
        query += " AND STARTSWITH(c.partitionKey, @prefix)"
        parameters["@prefix"] = f"{subscription}|{day}|"
    return query, parameters


def _operation(write: Write) -> Operation:
    document = write.document
    if write.etag is None:
        return ("create", (document,))
    return ("replace", (document["id"], document), {"if_match_etag": write.etag})
