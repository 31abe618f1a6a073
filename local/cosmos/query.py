"""Queries carried out page by page, and the plan by which the client merges partitions."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import orjson

from local.cosmos.documents import UNDEFINED, bad_request, is_number, sort_key
from local.cosmos.sql import AGGREGATES, PARTIAL, Query
from local.cosmos.store import Container, Store, partition_key_text

MAX_PAGE_BYTES = 4 * 1024 * 1024
_PAGE = 100
_SORTED_PAGE = 10_000  # each page of a sorted result sorts anew
_Found = Iterable[tuple[int, Any]]  # an item's number, and its document or a row made of it


@dataclass(frozen=True, slots=True)
class Request:
    """A query; `pk` is None across partitions, `size` not positive if we may choose."""

    container: Container
    query: Query
    pk: str | None
    size: int
    token: str | None


def needs_merging(query: Query) -> bool:
    """Whether the client must merge the answers of partitions."""
    merged = query.top is not None or query.order_by or query.aggregate or query.distinct
    return bool(merged) and not query.partial


def query_plan(text: str, query: Query) -> dict[str, Any]:
    """What the client does with the rows of `rewrittenQuery`."""
    orders = ["Descending" if descending else "Ascending" for _, descending in query.order_by]
    info = {
        "distinctType": "Unordered" if query.distinct else "None",
        "top": query.top,
        "orderBy": orders,
        "aggregates": [query.aggregate.capitalize()] if query.aggregate else [],
        "rewrittenQuery": f"{PARTIAL} {text}",
        "hasSelectValue": query.aggregate is not None,
    }
    ranges = [{"min": "", "max": "FF", "isMinInclusive": True, "isMaxInclusive": False}]
    return {"queryInfo": info, "queryRanges": ranges}


def query_page(store: Store, request: Request) -> tuple[list[bytes], str | None]:
    """The rows of the page that the token points to, and the token of the next page."""
    query, rows, room = request.query, list[bytes](), MAX_PAGE_BYTES
    if query.distinct and not query.partial:
        raise bad_request("DISTINCT within one logical partition is not supported here.")
    seen = set[bytes]()  # of this page: the client compares pages
    # The number of the last item that was read, and how many rows there were up to it.
    after, done = map(int, (request.token or "0 0").split())
    chosen = _SORTED_PAGE if query.order_by else _PAGE
    size = request.size if request.size > 0 else chosen
    for number, row in _rows(store, request, after, done):
        if done == query.top:
            break
        if len(rows) == size or room < 0:
            return rows, f"{after} {done}"
        after, done = number, done + 1
        if query.distinct:
            if (written := orjson.dumps(row)) in seen:
                continue
            seen.add(written)
        rows.append(orjson.dumps(row))
        room -= len(rows[-1])
    return rows, None


def _rows(store: Store, request: Request, after: int, done: int) -> _Found:
    query = request.query
    matches = _matches(store, request, after)
    if query.aggregate:
        return [(0, row) for row in _folded(query, query.aggregate, matches)]
    if not query.order_by:
        return _projected(query, matches)
    found = [(0, document) for _, document in matches]
    for get, descending in reversed(query.order_by):
        found.sort(key=lambda one, get=get: sort_key(get(one[1])), reverse=descending)  # type: ignore[misc]
    return islice(_projected(query, found), done, None)


def _matches(store: Store, request: Request, after: int) -> Iterator[tuple[int, Any]]:
    where, container, pks = request.query.where, request.container, None
    allowed = where.allowed if where else {}
    if request.pk is not None:
        pks = {request.pk}
    elif container.partition_key in allowed:
        pks = {partition_key_text(value) for value in allowed[container.partition_key]}
    for number, body in store.scan(container, after=after, pks=pks, ids=allowed.get(("id",))):
        document = orjson.loads(body)
        if where is None or where.get(document) is True:
            yield number, document


def _projected(query: Query, found: _Found) -> Iterator[tuple[int, Any]]:
    for number, document in found:
        row = query.project(document)
        if row is UNDEFINED:
            continue
        if query.partial and query.order_by:
            items = [_item(get(document)) for get, _ in query.order_by]
            row = {"_rid": document["_rid"], "orderByItems": items, "payload": row}
        yield number, row


def _folded(query: Query, name: str, found: _Found) -> list[Any]:
    values = [value for _, one in found if (value := query.project(one)) is not UNDEFINED]
    texts = name != "SUM" and all(isinstance(value, str) for value in values)
    if not (name == "COUNT" or texts or all(map(is_number, values))):
        raise bad_request(f"{name} of other values than numbers is not supported here.")
    result = UNDEFINED if name in ("MIN", "MAX") and not values else AGGREGATES[name](values)
    if query.partial:
        return [[_item(result)]]
    return [] if result is UNDEFINED else [result]


def _item(value: Any) -> dict[str, Any]:
    return {} if value is UNDEFINED else {"item": value}
