"""Queries carried out: narrowing, streaming or folding, pages with continuation tokens."""

import base64
import hashlib
import uuid
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeGuard

from local.cosmos.errors import CosmosError, bad_request
from local.cosmos.evaluate import aggregate, check_grouping, compile_node, compile_projection
from local.cosmos.indexing import check_order_by, keeps_undefined
from local.cosmos.store import Container, Store
from local.cosmos.tree import Compare, In, Literal, Logical, Node, Path, Query
from local.cosmos.values import UNDEFINED, dumps, loads, partition_key_text, sort_key

MAX_PAGE_BYTES = 4 * 1024 * 1024
_KEPT_RESULTS = 16


@dataclass(frozen=True, slots=True)
class Request:
    """A query on a container; `pk` is None across partitions, `size` the page's most rows."""

    container: Container
    query: Query
    identity: bytes  # text and parameters: a token belongs to one query
    pk: str | None
    size: int
    token: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """Rows as JSON, the token of the next page, and a rough charge."""

    rows: list[bytes]
    token: str | None
    charge: float


class QueryRunner:
    """Runs queries; results that must be complete to be sorted or folded are kept between pages."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._results: OrderedDict[str, list[bytes]] = OrderedDict()

    def page(self, request: Request) -> Page:
        """The page that the token points to, or the first."""
        query = request.query
        if query.order_by:
            check_order_by(query, request.container.properties)
        digest = hashlib.sha256(
            request.identity + f"{request.container.rid} {request.pk}".encode()
        ).hexdigest()[:16]
        position = _position(request.token, digest)
        if query.order_by or query.group_by or query.distinct or query.aggregates:
            return self._complete_page(request, digest, position)
        return self._streamed_page(request, digest, position)

    def _streamed_page(self, request: Request, digest: str, position: dict[str, Any]) -> Page:
        project = compile_projection(request.query)
        start, stop = _window(request.query)
        after, done = position.get("after", 0), position.get("done", 0)
        rows: list[bytes] = []
        room, scanned = MAX_PAGE_BYTES, 0
        for seq, document, body in self._matches(request, after):
            if done >= stop:
                break
            if len(rows) == request.size or room < 0:
                token = _token({"q": digest, "after": after, "done": done})
                return Page(rows, token, _charge(scanned, rows))
            after = seq
            scanned += 1
            row = project(document)
            if row is UNDEFINED:
                continue
            done += 1
            if done > start:
                rows.append(body if request.query.select == () else dumps(row))
                room -= len(rows[-1])
        return Page(rows, None, _charge(scanned, rows))

    def _complete_page(self, request: Request, digest: str, position: dict[str, Any]) -> Page:
        key = position.get("key") or uuid.uuid4().hex
        results = self._results.get(key)
        if results is None:
            start, stop = _window(request.query)
            rows = list(_distinct(self._all_rows(request), wanted=request.query.distinct))
            results = rows[start : None if stop == float("inf") else int(stop)]
        at = position.get("at", 0)
        end = min(at + request.size, len(results))
        while sum(map(len, results[at:end])) > MAX_PAGE_BYTES and end > at + 1:
            end = (at + end + 1) // 2
        rows, token = results[at:end], None
        self._results.pop(key, None)
        if end < len(results):
            self._results[key] = results
            token = _token({"q": digest, "key": key, "at": end})
        if len(self._results) > _KEPT_RESULTS:
            self._results.popitem(last=False)
        return Page(rows, token, _charge(len(rows), rows))

    def _all_rows(self, request: Request) -> Iterator[bytes]:
        query = request.query
        documents = [document for _, document, _ in self._matches(request, 0)]
        if query.group_by or query.aggregates:
            documents = list(_groups(query, documents))
        elif query.order_by:
            documents = _sorted(query, documents, request.container)
        project = compile_projection(query)
        return (dumps(row) for row in map(project, documents) if row is not UNDEFINED)

    def _matches(self, request: Request, after: int) -> Iterator[tuple[int, Any, bytes]]:
        query, container = request.query, request.container
        ids = _bounds(query.where, ("id",))
        pks = {request.pk} if request.pk is not None else None
        if pks is None:
            pks = pinned_partitions(query, container)
        keep = compile_node(query.where) if query.where else None
        for seq, body in self._store.scan(container, after=after, pks=pks, ids=ids):
            document = loads(body)
            if keep is None or keep(document) is True:
                yield seq, document, body


def pinned_partitions(query: Query, container: Container) -> set[str] | None:
    """The logical partitions that the filter allows, or None if it does not say."""
    if len(container.partition_key_paths) > 1:
        return None
    values = _bounds(query.where, tuple(container.partition_key_paths[0]))
    return None if values is None else {partition_key_text([value]) for value in values}


def _bounds(node: Node | None, keys: tuple[str, ...]) -> set[str] | None:
    """The texts that the filter allows at a path, where it says so."""
    if isinstance(node, Compare) and node.operator == "=":
        return _bounds(In(node.left, (node.right,)), keys) or _bounds(
            In(node.right, (node.left,)), keys
        )
    if isinstance(node, In):
        texts = {one.value for one in node.options if _is_text(one)}
        sure = node.subject == Path(keys) and all(map(_is_text, node.options))
        return texts if sure else None
    if not isinstance(node, Logical):
        return None
    found = [_bounds(operand, keys) for operand in node.operands]
    known = [values for values in found if values is not None]
    if node.word == "AND":
        return set.intersection(*known) if known else None
    return set.union(*known) if len(known) == len(found) else None


def _is_text(node: Any) -> TypeGuard[Literal]:
    return isinstance(node, Literal) and isinstance(node.value, str)


def _groups(query: Query, documents: list[Any]) -> Iterator[Any]:
    check_grouping(query)
    keys = [compile_node(node) for node in query.group_by]
    groups: dict[bytes, list[Any]] = {} if keys else {b"": []}
    for document in documents:
        values = [
            [] if value is UNDEFINED else [value] for value in (key(document) for key in keys)
        ]
        groups.setdefault(dumps(values) if keys else b"", []).append(document)
    for members in groups.values():
        folded = {id(node): aggregate(node, members) for node in query.aggregates}
        yield {**(members[0] if members else {}), **folded}


def _sorted(query: Query, documents: list[Any], container: Container) -> list[Any]:
    for sort in reversed(query.order_by):
        get = compile_node(sort.path)
        if not keeps_undefined(query, sort, container.properties):
            documents = [one for one in documents if get(one) is not UNDEFINED]
        documents.sort(key=lambda one, get=get: sort_key(get(one)), reverse=sort.descending)  # type: ignore[misc]
    return documents


def _distinct(rows: Iterator[bytes], *, wanted: bool) -> Iterator[bytes]:
    return iter(dict.fromkeys(rows)) if wanted else rows


def _window(query: Query) -> tuple[int, float]:
    start = query.offset or 0
    most = query.top if query.limit is None else query.limit
    return start, float("inf") if most is None else start + most


def _charge(scanned: int, rows: list[bytes]) -> float:
    return round(2.3 + scanned * 0.03 + sum(map(len, rows)) / 10_240, 2)


def _token(position: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(dumps(position)).decode()


def _position(token: str | None, digest: str) -> dict[str, Any]:
    if not token:
        return {"q": digest}
    try:
        position = loads(base64.urlsafe_b64decode(token))
    except (ValueError, CosmosError):
        position = {}
    if not isinstance(position, dict) or position.get("q") != digest:
        raise bad_request("Invalid Continuation Token: it belongs to another query.")
    return position
