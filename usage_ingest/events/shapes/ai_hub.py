"""Azure-Samples/ai-hub-gateway-solution-accelerator: 21 flat fields, "NA" for null. Pure.

Written by its fragments frag-openai-usage (the response's id, object and model) and frag-ai-usage
(other AI services: an id of its own making). Its counts default to 1/0/1, which says nothing
where model or object is "NA". Each stands for itself: the Responses API and images have a total
only, so 1/0/5120 is a total of 5,120 and nothing else. Its times are culture-formatted texts
without a zone.

Its branch citadel meters all calls by a metric and writes no event of another form; what it adds
are the rows of its export (`id` "llm-...", `customDimension1`), refused like those of the
streaming export: hours of metrics with almost the fields of an event.
"""

from collections.abc import Mapping
from typing import Any, Final

from usage_ingest.errors import InvalidEventError
from usage_ingest.events.call import Call
from usage_ingest.events.fields import text, token_count
from usage_ingest.events.kinds import api_kind
from usage_ingest.events.stand_ins import is_stand_in, known_id, known_text, known_time

_MARKS: Final = frozenset({"promptTokens", "responseTokens", "totalTokens", "aiGatewayId"})
_DEFAULTS: Final = (1, 0, 1)
_STREAMING_EXPORT: Final = "streaming-"
_CITADEL_EXPORT: Final = ("llm-", "customDimension1")
_FIELDS: Final = (
    ("app_id", "appId"),
    ("subscription_id", "subscriptionId"),
    ("product_name", "productName"),
    ("object", "targetService"),
    ("response_model", "model"),
    ("region", "gatewayRegion"),
    ("gateway_id", "aiGatewayId"),
    ("client_ip", "RequestIp"),
    ("operation_name", "operationName"),
    ("session_id", "sessionId"),
    ("end_user_id", "endUserId"),
    ("backend", "backendId"),
    ("route", "routeName"),
    ("deployment", "deploymentName"),
)


def matches(element: Mapping[str, Any]) -> bool:
    """Whether the element has the counts and the gateway id that only this gateway writes."""
    return element.keys() >= _MARKS


def read(element: Mapping[str, Any]) -> Call:
    """Read the event.

    Raises:
        InvalidEventError: A count is bad, or it is a row that its streaming flow exported
            (those tokens count by the metrics).
    """
    response_id = known_id(element.get("id"))
    if _is_exported(element, response_id):
        raise InvalidEventError("counted_elsewhere", "id", "a row of its streaming export")
    fields: dict[str, Any] = {name: known_text(element.get(key)) for name, key in _FIELDS}
    fields["product_id"] = fields["product_name"]
    fields["response_id"] = text(response_id)
    known = bool(fields["response_model"] and fields["object"] not in (None, "response"))
    fields["api_kind"] = api_kind(fields["object"], fields["response_model"])
    return Call(
        shape="ai_hub",
        fields=fields,
        gateway=known_id(element.get("gatewayName")),
        response_id=response_id,
        event_time=known_time(element.get("timestamp")),
        usage=_usage(element, known=known),
        streaming=False,
    )


def _is_exported(element: Mapping[str, Any], row_id: str | None) -> bool:
    """Whether it is an hour of metrics that a Logic App exported, not an event of one call."""
    if row_id is None:
        return False
    prefix, mark = _CITADEL_EXPORT
    return row_id.startswith(_STREAMING_EXPORT) or (row_id.startswith(prefix) and mark in element)


def _usage(element: Mapping[str, Any], *, known: bool) -> dict[str, int] | None:
    counts = (
        token_count(_count(element["promptTokens"]), "promptTokens"),
        token_count(_count(element["responseTokens"]), "responseTokens"),
        token_count(_count(element["totalTokens"]), "totalTokens"),
    )
    if counts[:2] == _DEFAULTS[:2] and counts[2] != _DEFAULTS[2]:
        return None if counts[2] is None else {"total_tokens": counts[2]}
    if counts == _DEFAULTS and not known:
        return None
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    return {name: count for name, count in zip(names, counts, strict=True) if count is not None}


def _count(value: object) -> object:
    return None if is_stand_in(value) else value
