"""Two gateways that POST both bodies of a call to a chargeback API. Pure.

andyogah/apim-openai-chargeback-environment says the subscription; seiggy/apim-chargeback, in
.NET, the token's tenant and application. Of a stream they send the last data chunk. No id and no
time is theirs: the response's have to do, or `requestId` and `timestamp`, two keys that their
policies may add.

Their policies paste texts into JSON: the request's body, and a piece of its path. Whoever calls
could so write keys of his own. So an event of theirs has exactly the keys below, none of them
twice, and `matches` goes by what stands before anything pasted: it must be asked first.
"""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from usage_ingest.errors import InvalidEventError
from usage_ingest.events.body import Body, read_body, read_parsed
from usage_ingest.events.call import Call
from usage_ingest.events.fields import flag, raw_id, text, whole
from usage_ingest.events.kinds import api_kind
from usage_ingest.events.stand_ins import known_id, known_text, known_time

_BODIES: Final = frozenset({"requestBody", "responseBody", "deploymentId"})
_BY_SUBSCRIPTION: Final = _BODIES | {"subscriptionId"}
_BY_TOKEN: Final = _BODIES | {"tenantId", "clientAppId", "audience"}
_ADDED: Final = frozenset({"requestId", "timestamp"})
_PATH_WORDS: Final = frozenset(
    {"audio", "chat", "completions", "embeddings", "images", "models", "responses", "v1"}
)
"""`deploymentId` is the path's third piece, which names no deployment in /openai/v1/responses."""
_CHAT_CHUNK: Final = "chat.completion.chunk"
_RESPONSES_EVENT: Final = "response."
_STATUS: Final = 200  # of whatever came as a stream
_READ_OF_REQUEST: Final = ("model", "stream")
_CONTENT: Final = frozenset(
    "choices output output_text content candidates instructions input prompt messages tools".split()
)


def matches(element: Mapping[str, Any]) -> bool:
    """Whether the element begins as the events of these gateways do."""
    return "requestBody" in element and ("subscriptionId" in element or "clientAppId" in element)


def read(element: Mapping[str, Any]) -> Call:
    """Read the event.

    Raises:
        InvalidEventError: It has other keys than its gateway writes.
    """
    if element.keys() - _ADDED not in (_BY_SUBSCRIPTION, _BY_TOKEN):
        raise InvalidEventError("unknown_shape", "", "other keys than its gateway writes")
    request, written = _object(element["requestBody"]), _parsed(element["responseBody"])
    response = read_body(written) if isinstance(written, str) else read_parsed(written)
    is_chunk = response.streamed or _is_chunk(written)
    fields = _fields(element, request, response)
    return Call(
        shape="chargeback",
        fields=fields,
        gateway_request_id=known_id(element.get("requestId")),
        response_id=raw_id(response.id),
        event_time=known_time(element.get("timestamp")),
        created=whole(response.created),
        usage=response.usage,
        streaming=True if is_chunk else _streaming(request),
        background=flag(response.background),
        status=_STATUS if is_chunk else None,
        images=response.images,
        usage_apart=response.usage_apart,
        pasted=True,
    )


def without_content(element: Mapping[str, Any]) -> dict[str, Any]:
    """Return the event, to be read as before, without what was asked and what was answered."""
    request, answer = _object(element.get("requestBody")), _parsed(element.get("responseBody"))
    if isinstance(answer, dict):
        answer = _bare(answer)
        if isinstance(answer.get("response"), dict):
            answer["response"] = _bare(answer["response"])
    asked = {name: request.get(name) for name in _READ_OF_REQUEST} if request else None
    return {**element, "requestBody": asked, "responseBody": answer}


def _bare(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in _CONTENT}


def _fields(
    element: Mapping[str, Any], request: Mapping[str, Any], response: Body
) -> dict[str, Any]:
    asked, deployment = text(request.get("model")), known_text(element["deploymentId"])
    is_word = deployment in _PATH_WORDS
    fields = {
        "subscription_id": known_text(element.get("subscriptionId")),
        "tenant_id": known_text(element.get("tenantId")),
        "app_id": known_text(element.get("clientAppId")),
        "gateway_request_id": known_text(element.get("requestId")),
        "deployment": deployment if deployment and not is_word else asked or deployment,
        "request_model": asked,
        "response_id": text(response.id),
        "response_model": text(response.model),
        "object": text(response.object),
        "service_tier": text(response.service_tier),
    }
    model = fields["response_model"] or fields["request_model"]
    fields["api_kind"] = "images" if response.images else api_kind(fields["object"], model)
    return fields


def _parsed(written: object) -> object:
    """Return a body's JSON where it came as text; what is none stays the text that it is."""
    try:
        return orjson.loads(written) if isinstance(written, str) else written
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return written


def _object(written: object) -> Mapping[str, Any]:
    parsed = _parsed(written)
    return parsed if isinstance(parsed, dict) else {}


def _is_chunk(written: object) -> bool:
    """Whether a body is a piece of a stream: a chat chunk, or an event of the Responses API."""
    if not isinstance(written, dict):
        return False
    kind = text(written.get("type")) or ""
    return written.get("object") == _CHAT_CHUNK or kind.startswith(_RESPONSES_EVENT)


def _streaming(request: Mapping[str, Any]) -> bool | None:
    """Return whether a stream was asked for; a request that was read and does not ask did not."""
    return flag(request.get("stream") or False) if request else None
