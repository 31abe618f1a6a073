"""What ORDER BY demands of the indexing policy: the service refuses to sort without an index."""

from typing import Any

from local.cosmos.errors import bad_request
from local.cosmos.tree import Query, Sort

_ALWAYS_INDEXED = ("/id", "/_ts")


def check_order_by(query: Query, properties: dict[str, Any]) -> None:
    """Raise the service's 400 if the sort has no index, naming the one it needs."""
    policy = properties.get("indexingPolicy") or {}
    for sort in query.order_by:
        path = _path(sort)
        if path not in _ALWAYS_INDEXED and not _best(policy, path)[1]:
            raise bad_request(f"The order-by item {path} is excluded from the indexing policy.")
    if len(query.order_by) > 1 and not _composite(query, policy):
        wanted = ", ".join(f"{_path(s)} {_direction(s.descending)}" for s in query.order_by)
        raise bad_request(
            "The order by query does not have a corresponding composite index that it can be"
            f" served from: {wanted}."
        )


def keeps_undefined(query: Query, sort: Sort, properties: dict[str, Any]) -> bool:
    """Whether items without the path are in the result: only if it is indexed by name."""
    policy = properties.get("indexingPolicy") or {}
    return len(query.order_by) > 1 or _best(policy, _path(sort))[0].endswith("?")


def _path(sort: Sort) -> str:
    return "/" + "/".join(map(str, sort.path.keys))


def _direction(descending: bool) -> str:
    return "descending" if descending else "ascending"


def _composite(query: Query, policy: dict[str, Any]) -> bool:
    def entries(*, reverse: bool) -> list[tuple[str, str]]:
        return [(_path(s), _direction(s.descending is not reverse)) for s in query.order_by]

    wanted = (entries(reverse=False), entries(reverse=True))
    return any(
        [(one["path"].replace('"', ""), one.get("order", "ascending")) for one in index] in wanted
        for index in policy.get("compositeIndexes", ())
    )


def _best(policy: dict[str, Any], path: str) -> tuple[str, bool]:
    """The most precise pattern that covers the path, and whether it includes it."""
    best = ("", "includedPaths" not in policy)
    for kind in ("excludedPaths", "includedPaths"):
        for entry in policy.get(kind, ()):
            pattern = entry["path"].replace('"', "")
            covers = pattern[:-2] == path if pattern.endswith("/?") else _below(pattern, path)
            if covers and len(pattern) >= len(best[0]):
                best = (pattern, kind == "includedPaths")
    return best


def _below(pattern: str, path: str) -> bool:
    return pattern.endswith("/*") and f"{path}/".startswith(pattern[:-1])
