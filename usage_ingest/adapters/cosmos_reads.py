"""Reads: one document that may not be there, and the rows of a query page by page."""

from collections.abc import AsyncIterator
from typing import Any

from azure.cosmos.aio import ContainerProxy
from azure.cosmos.exceptions import CosmosResourceNotFoundError

from usage_ingest.adapters.patience import Patience


async def read_or_none(
    container: ContainerProxy, patience: Patience, document_id: str, cosmos_partition_key: str
) -> dict[str, Any] | None:
    """Return a document of a logical partition, or None."""

    async def request() -> dict[str, Any]:
        return dict(await container.read_item(document_id, partition_key=cosmos_partition_key))

    try:
        return await patience.call(request)
    except CosmosResourceNotFoundError:
        return None


async def pages(
    container: ContainerProxy,
    patience: Patience,
    query: str,
    size: int,
    **named: Any,  # noqa: ANN401
) -> AsyncIterator[list[dict[str, Any]]]:
    """Yield rows page by page; a page is asked for again while the store is busy.

    Args:
        container: Where from.
        patience: How long a busy store is waited for.
        query: One that no client has to merge: no ORDER BY, DISTINCT, TOP or aggregate.
        size: How many rows a page has at most.
        named: Further arguments of `query_items`: parameters, or one logical partition.
    """
    by_page = container.query_items(query, max_item_count=size, **named).by_page()
    while True:
        page = await patience.call(lambda: _next_page(by_page))
        if page is None:
            return
        yield page


async def _next_page(by_page: AsyncIterator[AsyncIterator[dict[str, Any]]]) -> list[Any] | None:
    try:
        page = await anext(by_page)
    except StopAsyncIteration:
        return None
    return [row async for row in page]
