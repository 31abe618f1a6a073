"""The query plan that the SDK asks for when a query must be merged across partitions."""

from typing import Any

from local.cosmos.errors import bad_request
from local.cosmos.tree import Aggregate, Query

RANGES = {"min": "", "max": "FF", "isMinInclusive": True, "isMaxInclusive": False}
_NAMES = {"COUNT": "Count", "SUM": "Sum", "MIN": "Min", "MAX": "Max", "AVG": "Average"}


def needs_merging(query: Query) -> bool:
    """Whether the client must merge the answers of partitions."""
    parts = (query.top, query.offset, query.limit)
    merged = query.order_by or query.group_by or query.distinct or query.aggregates
    return bool(merged) or any(part is not None for part in parts)


def query_plan(query: Query) -> dict[str, Any]:
    """The plan; raises the service's 400 for what this client cannot merge."""
    if query.group_by:
        raise bad_request(
            "Query contained the following features, which the calling client does not support:"
            " GroupBy. Give partition_key=, or fold on the client."
        )
    return {
        "partitionedQueryExecutionInfoVersion": 2,
        "queryInfo": {
            "distinctType": "Unordered" if query.distinct else "None",
            "top": query.top,
            "offset": query.offset,
            "limit": query.limit,
            "orderBy": ["Descending" if s.descending else "Ascending" for s in query.order_by],
            "orderByExpressions": [sort.text for sort in query.order_by],
            "groupByExpressions": [],
            "groupByAliases": [],
            "aggregates": [_NAMES[node.name] for node in query.aggregates],
            "groupByAliasToAggregateType": {},
            "rewrittenQuery": _rewritten(query),
            "hasSelectValue": query.value,
            "hasNonStreamingOrderBy": False,
        },
        "queryRanges": [RANGES],
    }


def _rewritten(query: Query) -> str:
    head = "SELECT "
    where = f"({query.where_text})" if query.where_text else ""
    if query.distinct and not query.order_by:
        head += "DISTINCT "
    tail = ""
    if not query.distinct:
        head += "" if query.top is None else f"TOP {query.top} "
        if query.limit is not None:
            tail = f" OFFSET 0 LIMIT {(query.offset or 0) + query.limit}"
    if query.order_by:
        tail = f" ORDER BY {query.order_by_text}{tail}"
        if query.value:
            where += f"{' AND ' if where else ''}IS_DEFINED({query.select[0].text})"
    where = f" WHERE {where}" if where else ""
    return f"{head}{_select(query)} FROM {query.source}{where}{tail}"


def _select(query: Query) -> str:
    if query.aggregates:
        return _partial_aggregate(query)
    if query.order_by:
        items = ", ".join(f'{{"item": {sort.text}}}' for sort in query.order_by)
        payload = f"{_payload(query)} AS payload"
        return f"{query.alias}._rid, [{items}] AS orderByItems, {payload}"
    if not query.select:
        return "*"
    if query.value:
        return f"VALUE {query.select[0].text}"
    return f"VALUE {_payload(query)}"


def _payload(query: Query) -> str:
    if not query.select:
        return query.alias
    if query.value:
        return query.select[0].text
    return "{" + ", ".join(f'"{item.name}": {item.text}' for item in query.select) + "}"


def _partial_aggregate(query: Query) -> str:
    node = query.select[0].value
    if not query.value:
        return "*"  # the client refuses such a plan by itself
    if not isinstance(node, Aggregate):
        raise bad_request("Across partitions only SELECT VALUE of one aggregate is supported.")
    text = query.select[0].text
    if node.name == "AVG":
        argument = text[text.index("(") :]
        text = f'{{"sum": SUM{argument}, "count": COUNT{argument}}}'
    return f'VALUE [{{"item": {text}}}]'
