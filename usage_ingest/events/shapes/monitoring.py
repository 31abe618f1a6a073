"""ashwanibalwani/AOAIMonitoring: prompt, completion and the usage object as it came. Pure.

Written by its fragment for chat completions, whatever the status was. `Prompt` and `Response` are
never looked into: neither model nor deployment is known.
"""

from collections.abc import Mapping
from typing import Any, Final

from usage_ingest.errors import InvalidEventError
from usage_ingest.events.call import Call
from usage_ingest.events.stand_ins import known_id, known_text, known_time

_MARKS: Final = frozenset({"ServiceName", "RequestId", "Prompt", "Response", "Tokens"})
_FIELDS: Final = (
    ("subscription_id", "SubscriptionId"),
    ("gateway_request_id", "RequestId"),
    ("client_ip", "RequestIp"),
    ("operation_name", "OperationName"),
)


def matches(element: Mapping[str, Any]) -> bool:
    """Whether the element has the fields that only this gateway writes together."""
    return element.keys() >= _MARKS


def read(element: Mapping[str, Any]) -> Call:
    """Read the event.

    Raises:
        InvalidEventError: `Tokens` is neither an object nor null.
    """
    usage = element["Tokens"]
    if usage is not None and not isinstance(usage, Mapping):
        raise InvalidEventError("unknown_usage", "Tokens", f"a {type(usage).__name__}")
    return Call(
        shape="monitoring",
        fields={name: known_text(element.get(key)) for name, key in _FIELDS},
        gateway=known_id(element["ServiceName"]),
        gateway_request_id=known_id(element["RequestId"]),
        event_time=known_time(element.get("EventTime")),
        usage=usage,
    )
