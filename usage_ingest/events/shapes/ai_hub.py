"""Azure-Samples/ai-hub-gateway-solution-accelerator: 21 flat fields, "NA" for null. Pure.

Written by its fragments frag-openai-usage (the response's id, object and model) and frag-ai-usage
(other AI services: an id of its own making). Its counts default to 1/0/1, which says nothing
where model or object is "NA". Its times are culture-formatted texts without a zone.
"""

from collections.abc import Mapping
from typing import Any, Final

from usage_ingest.errors import InvalidEventError
from usage_ingest.events.call import Call
from usage_ingest.events.fields import raw_id, text, token_count

_MARKS: Final = frozenset({"promptTokens", "responseTokens", "totalTokens", "aiGatewayId"})
_STAND_INS: Final = frozenset({"na", "n/a", "portal-admin", "portal-admin-sub"})
_DEFAULTS: Final = (1, 0, 1)
_STREAMING_EXPORT: Final = "streaming-"
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
_API_KINDS: Final = {
    "chat.completion": "chat",
    "text_completion": "completions",
    "list": "embeddings",
    "response": "responses",
}


def matches(element: Mapping[str, Any]) -> bool:
    """Whether the element has the counts and the gateway id that only this gateway writes."""
    return element.keys() >= _MARKS


def read(element: Mapping[str, Any]) -> Call:
    """Read the event.

    Raises:
        InvalidEventError: A count is bad, or it is a row that its streaming flow exported
            (those tokens count by the metrics).
    """
    response_id = _raw(element.get("id"))
    if response_id is not None and response_id.startswith(_STREAMING_EXPORT):
        raise InvalidEventError("counted_elsewhere", "id", "a row of its streaming export")
    fields: dict[str, Any] = {name: _value(element.get(key)) for name, key in _FIELDS}
    fields["product_id"] = fields["product_name"]
    fields["response_id"] = text(response_id)
    known = bool(fields["response_model"] and fields["object"])
    fields["api_kind"] = _API_KINDS.get(fields["object"]) if known else None
    return Call(
        shape="ai_hub",
        fields=fields,
        gateway=_raw(element.get("gatewayName")),
        response_id=response_id,
        event_time=_time(element.get("timestamp")),
        usage=_usage(element, known=known),
        streaming=False,
    )


def _usage(element: Mapping[str, Any], *, known: bool) -> dict[str, int] | None:
    counts = (
        token_count(_number(element["promptTokens"]), "promptTokens"),
        token_count(_number(element["responseTokens"]), "responseTokens"),
        token_count(_number(element["totalTokens"]), "totalTokens"),
    )
    if counts == _DEFAULTS and not known:
        return None
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    return {name: count for name, count in zip(names, counts, strict=True) if count is not None}


def _number(value: object) -> object:
    return None if isinstance(value, str) and value.strip().lower() in _STAND_INS else value


def _value(value: object) -> str | None:
    read_as = text(value)
    return None if read_as is None or read_as.lower() in _STAND_INS else read_as


def _raw(value: object) -> str | None:
    return None if _value(value) is None else raw_id(value)


def _time(value: object) -> str | None:
    return value if isinstance(value, str) and _value(value) else None
