"""Azure-Samples/apim-genai-gateway-toolkit: who called, and a total of tokens. Pure.

Written by its fragment usage-tracking-outbound. The total comes as text, neither split nor with a
model: input and output stay unknown. It writes no event for a streamed call. Its metric
`usage-tracking` carries the same tokens and must not be collected beside these events.
"""

from collections.abc import Mapping
from typing import Any, Final

from usage_ingest.events.call import Call
from usage_ingest.events.fields import token_count
from usage_ingest.events.stand_ins import known_id, known_text, known_time

_MARKS: Final = frozenset({"ServiceName", "GatewayId", "RequestId", "TotalTokens"})
_TYPE: Final = "Message"
_FIELDS: Final = (
    ("subscription_id", "SubscriptionId"),
    ("gateway_id", "GatewayId"),
    ("gateway_request_id", "RequestId"),
    ("client_ip", "RequestIp"),
    ("operation_name", "OperationName"),
)


def matches(element: Mapping[str, Any]) -> bool:
    """Whether the element is such a message with a total."""
    return element.get("Type") == _TYPE and element.keys() >= _MARKS


def read(element: Mapping[str, Any]) -> Call:
    """Read the event.

    Raises:
        InvalidEventError: The total is no count.
    """
    total = token_count(element["TotalTokens"], "TotalTokens")
    return Call(
        shape="toolkit",
        fields={name: known_text(element.get(key)) for name, key in _FIELDS},
        gateway=known_id(element["ServiceName"]),
        gateway_request_id=known_id(element["RequestId"]),
        event_time=known_time(element.get("EventTime")),
        usage=None if total is None else {"total_tokens": total},
    )
