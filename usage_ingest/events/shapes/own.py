"""Our own event, `usage-ingest/1`: one flat object with the record's own names. Pure."""

from collections.abc import Mapping
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
    "app_hint",
    "tenant_id",
    "end_user_id",
    "session_id",
    "provider",
    "api_kind",
    "object",
    "request_model",
    "response_model",
    "response_id",
    "deployment",
    "served_deployment",
    "spillover_from",
    "backend",
    "service_tier",
    "method",
    "error_source",
    "error_reason",
)
NUMBERS: Final = ("status", "latency_ms", "response_created")
FLAGS: Final = ("streaming", "background")
KEYS: Final = frozenset({"schema", "gateway", "event_time", "tags", "usage"}).union(
    TEXTS, NUMBERS, FLAGS
)
"""Every key of an event; the tests hold what policies/ emits against these tables."""
_STATUS: Final = range(100, 600)
_LATENCY: Final = range(2**31)
"""Milliseconds, up to 24 days: a value beyond would spoil the sums for good."""


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
    if usage is not None and not isinstance(usage, Mapping):
        raise InvalidEventError("unknown_usage", "usage", f"a {type(usage).__name__}")
    status, latency = _number(element, "status"), _number(element, "latency_ms")
    created = _number(element, "response_created")
    streaming, background = flag(element.get("streaming")), flag(element.get("background"))
    odd = [
        _is_odd(element, "status", within(status, _STATUS)),
        _is_odd(element, "latency_ms", within(latency, _LATENCY)),
        _is_odd(element, "response_created", created),
        _is_odd(element, "streaming", streaming),
        _is_odd(element, "background", background),
    ]
    fields: dict[str, Any] = {name: text(element.get(name)) for name in TEXTS}
    fields["tags"] = tags(element.get("tags"))
    fields["latency_ms"] = None if odd[1] else latency
    return Call(
        shape="own",
        fields=fields,
        gateway=raw_id(element.get("gateway")),
        gateway_request_id=raw_id(element.get("gateway_request_id")),
        response_id=raw_id(element.get("response_id")),
        event_time=_time(element.get("event_time")),
        created=created,
        usage=usage,
        streaming=streaming,
        background=background,
        method=fields["method"],
        status=None if odd[0] else status,
        odd=any(odd),
        item=raw_id(element.get("response_id")) if _is_realtime(fields) else None,
    )


def _is_realtime(fields: Mapping[str, Any]) -> bool:
    """Whether many responses share the gateway request: a session is one request."""
    named = (fields["api_kind"] or "", fields["object"] or "")
    return any(name.lower().startswith("realtime") for name in named)


def _number(element: Mapping[str, Any], key: str) -> int | None:
    return whole(element.get(key))


def _is_odd(element: Mapping[str, Any], key: str, read_as: object) -> bool:
    return read_as is None and element.get(key) not in (None, "")


def _time(value: object) -> str | float | None:
    if value is None or value == "":
        return None
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return value
    raise InvalidEventError("impossible_time", "event_time", f"a {type(value).__name__}")
