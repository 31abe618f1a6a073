"""Rows of a query, page by page; a page is asked for again while the store is busy."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from usage_ingest.adapters.cosmos import Cosmos

_PAGE: Final = 1_000


async def pages(
    cosmos: Cosmos,
    container: str,
    query: str,
    parameters: Mapping[str, Any],
    cosmos_partition_key: str | None = None,
) -> AsyncIterator[list[dict[str, Any]]]:
    """Yield pages of rows.

    Args:
        cosmos: The connection.
        container: Where from.
        query: One that no client has to merge: no ORDER BY, DISTINCT, TOP or aggregate.
        parameters: Its parameters, by name.
        cosmos_partition_key: One logical partition; None means all.
    """
    given = [{"name": name, "value": value} for name, value in parameters.items()]
    where: dict[str, Any] = (
        {} if cosmos_partition_key is None else {"partition_key": cosmos_partition_key}
    )
    found = cosmos.container(container).query_items(
        query, parameters=given, max_item_count=_PAGE, **where
    )
    by_page = found.by_page()

    async def following() -> list[dict[str, Any]] | None:
        try:
            page = await anext(by_page)
        except StopAsyncIteration:
            return None
        return [row async for row in page]

    while (rows := await cosmos.patience.call(following)) is not None:
        yield rows
