"""howardginsburg/AIAsAService: the caller's live key, and both bodies as text. Pure.

Written for answers with 200 only. Of the request its model
(which names the deployment) and whether it streams are read, of the response its names and its
usage; their other text is never kept. The key's keyed hash stands for the subscription.
"""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from usage_ingest.events.body import Body, read_body
from usage_ingest.events.call import Call
from usage_ingest.events.fields import flag, raw_id, text, whole
from usage_ingest.events.kinds import api_kind
from usage_ingest.events.stand_ins import known_time

_MARKS: Final = frozenset({"AppSubscriptionKey", "Request", "Response"})
_STATUS: Final = 200  # nothing else is written


def matches(element: Mapping[str, Any]) -> bool:
    """Whether the element has the key and the two bodies."""
    return element.keys() >= _MARKS


def read(element: Mapping[str, Any]) -> Call:
    """Read the event; a body that is no text says nothing."""
    request, response = _request(element["Request"]), _response(element["Response"])
    fields: dict[str, Any] = {
        "request_model": text(request.get("model")),
        "deployment": text(request.get("model")),
        "response_id": text(response.id),
        "response_model": text(response.model),
        "object": text(response.object),
        "service_tier": text(response.service_tier),
    }
    model = fields["response_model"] or fields["request_model"]
    fields["api_kind"] = "images" if response.images else api_kind(fields["object"], model)
    return Call(
        shape="fabric",
        fields=fields,
        response_id=raw_id(response.id),
        event_time=known_time(element.get("EventTime")),
        created=whole(response.created),
        usage=response.usage,
        streaming=_streaming(request, response),
        background=flag(response.background),
        method=_method(element["Request"]),
        status=_STATUS,
        caller_key=raw_id(element["AppSubscriptionKey"]),
        images=response.images,
        usage_apart=response.usage_apart,
    )


def _request(written: object) -> Mapping[str, Any]:
    """Return the request, or nothing where it is cut, no JSON or no text."""
    try:
        parsed = orjson.loads(written) if isinstance(written, str) else None
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _response(written: object) -> Body:
    return read_body(written) if isinstance(written, str) else Body()


def _streaming(request: Mapping[str, Any], response: Body) -> bool | None:
    """Return whether it was streamed; a request that was read and does not ask for it was not."""
    if response.streamed:
        return True
    return flag(request.get("stream") or False) if request else None


def _method(request: object) -> str | None:
    """Return GET for a stored response that was fetched: only a GET has an empty body."""
    return "GET" if request == "" else None
