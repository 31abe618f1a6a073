"""Our own event, `usage-ingest/1`: one flat object with the record's own names. Pure."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from usage_ingest.errors import InvalidEventError
from usage_ingest.events.call import Call
from usage_ingest.events.fields import flag, raw_id, tags, text, whole, within

SCHEMA: Final = "usage-ingest/1"
_FAMILY: Final = "usage-ingest/"
TEXTS: Final = (
    "gateway_id",
    "region",
    "gateway_request_id",
    "subscription_id",
    "subscription_name",
    "product_id",
    "product_name",
    "api_id",
    "api_name",
    "operation_id",
    "operation_name",
    "user_id",
    "app_id",
    "tenant_id",
    "app_hint",
    "end_user_id",
    "session_id",
    "provider",
    "api_kind",
    "deployment",
    "request_model",
    "backend",
    "method",
    "served_deployment",
    "spillover_from",
    "response_id",
    "response_model",
    "object",
    "service_tier",
    "error_source",
    "error_reason",
)
"""In the order that the policies write them in, which is the quickest to decode."""
_STATUS: Final = range(100, 600)
_LATENCY: Final = range(2**31)
"""Milliseconds, up to 24 days: a value beyond would spoil the sums for good."""


def _status(value: object) -> int | None:
    return within(whole(value), _STATUS)


def _latency(value: object) -> int | None:
    return within(whole(value), _LATENCY)


VALUES: Final[tuple[tuple[str, Callable[[object], Any]], ...]] = (
    ("status", _status),
    ("latency_ms", _latency),
    ("response_created", whole),
    ("streaming", flag),
    ("background", flag),
)
"""What is no text, with how it is read; one that is there and cannot be read is odd."""
KEYS: Final = frozenset({"schema", "gateway", "event_time", "tags", "usage"}).union(
    TEXTS, (name for name, _ in VALUES)
)
"""Every key of an event; the tests hold what policies/ emits against these tables."""


def matches(element: Mapping[str, Any]) -> bool:
    """Whether the element says that it is ours, of whatever version."""
    schema = element.get("schema")
    return isinstance(schema, str) and schema.startswith(_FAMILY)


def read(element: Mapping[str, Any]) -> Call:
    """Read the event; keys that are not known are passed over: additions keep the schema.

    Raises:
        InvalidEventError: It is of a later schema, or `usage` is neither an object nor null.
    """
    if element["schema"] != SCHEMA:
        raise InvalidEventError("unknown_shape", "schema", "a schema of a later version")
    usage = element.get("usage")
    if usage is not None and not isinstance(usage, dict):
        raise InvalidEventError("unknown_usage", "usage", f"a {type(usage).__name__}")
    values, odd = _values(element)
    fields: dict[str, Any] = {name: text(element[name]) for name in TEXTS if name in element}
    fields["tags"] = tags(element.get("tags"))
    fields["latency_ms"] = values["latency_ms"]
    response_id = raw_id(element.get("response_id"))
    return Call(
        shape="own",
        fields=fields,
        gateway=raw_id(element.get("gateway")),
        gateway_request_id=raw_id(element.get("gateway_request_id")),
        response_id=response_id,
        event_time=_time(element.get("event_time")),
        created=values["response_created"],
        usage=usage,
        streaming=values["streaming"],
        background=values["background"],
        method=fields.get("method"),
        status=values["status"],
        odd=odd,
        item=response_id if _is_realtime(fields) else None,
    )


def _values(element: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """Return what is no text, and whether a value is there that cannot be read."""
    values, odd = {}, False
    for name, read_as in VALUES:
        written = element.get(name)
        values[name] = found = read_as(written)
        odd = odd or (found is None and written is not None and written != "")
    return values, odd


def _is_realtime(fields: Mapping[str, Any]) -> bool:
    """Whether many responses share the gateway request: a session is one request."""
    kind, name = fields.get("api_kind") or "", fields.get("object") or ""
    return kind.lower().startswith("realtime") or name.lower().startswith("realtime")


def _time(value: object) -> str | float | None:
    if value is None or value == "":
        return None
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return value
    raise InvalidEventError("impossible_time", "event_time", f"a {type(value).__name__}")
