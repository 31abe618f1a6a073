"""Answers to requests on the nodes $cbs (credentials) and $management (runtime information)."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from local.event_hubs import codec
from local.event_hubs.broker import Broker
from local.event_hubs.codec import MALFORMED, NULL, AmqpError
from local.event_hubs.messages import APPLICATION_PROPERTIES, PROPERTIES, VALUE

NODES = ("$cbs", "$management")
_STATUS = {  # of a refusal; anything else is 400
    "amqp:not-found": 404,
    "amqp:not-implemented": 501,
}


class Request(NamedTuple):
    """A request: the encoded id to answer it under, and what it asks."""

    message_id: bytes
    properties: dict[str, Any]


def answer(broker: Broker, node: str, message: bytes) -> bytes:
    """Return the encoded response to an encoded request."""
    request = _parse_request(message)
    operation = f"{node} {request.properties.get('operation')} {request.properties.get('type')}"
    try:
        if operation.startswith("$cbs put-token "):  # any credentials will do
            return _respond(request, 202, "Accepted")
        if operation == "$management READ com.microsoft:eventhub":
            body = _describe_hub(broker, request)
        elif operation == "$management READ com.microsoft:partition":
            body = _describe_partition(broker, request)
        else:
            return _refuse(request, AmqpError("amqp:not-implemented", operation))
    except AmqpError as error:
        return _refuse(request, error)
    return _respond(request, 200, "OK", body)


def _parse_request(message: bytes) -> Request:
    try:
        starts = {section.code: section.value_start for section in codec.sections(message)}
        id_start, id_end, *_ = codec.element_starts(message, starts[PROPERTIES])
        properties = codec.decode(message, starts[APPLICATION_PROPERTIES])
    except (*MALFORMED, KeyError) as error:
        raise AmqpError("amqp:decode-error", f"malformed request: {error!r}") from error
    return Request(message[id_start:id_end], properties)


def _describe_hub(broker: Broker, request: Request) -> bytes:
    hub = str(request.properties.get("name"))
    partition_ids = [str(number) for number in range(broker.find_hub(hub).partitions)]
    return _fields(
        {
            "name": codec.string(hub),
            "type": codec.string("com.microsoft:eventhub"),
            "created_at": codec.timestamp(broker.store.created_ms(hub)),
            "partition_count": codec.integer(len(partition_ids)),
            "partition_ids": codec.encode_array(0xB1, [each.encode() for each in partition_ids]),
        }
    )


def _describe_partition(broker: Broker, request: Request) -> bytes:
    hub, partition_id = (str(request.properties.get(name)) for name in ("name", "partition"))
    state = broker.find_partition(hub, partition_id)
    never_used = state.is_empty and state.last_sequence_number < 0
    return _fields(
        {
            "name": codec.string(hub),
            "type": codec.string("com.microsoft:partition"),
            "partition": codec.string(partition_id),
            "begin_sequence_number": codec.long(-1 if never_used else state.begin_sequence_number),
            "last_enqueued_sequence_number": codec.long(state.last_sequence_number),
            "last_enqueued_offset": codec.string(str(state.last_offset)),
            "last_enqueued_time_utc": codec.timestamp(state.last_enqueued_ms),
            "is_partition_empty": codec.boolean(state.is_empty),
        }
    )


def _refuse(request: Request, error: AmqpError) -> bytes:
    return _respond(request, _STATUS.get(error.condition, 400), error.description)


def _respond(request: Request, status: int, description: str, body: bytes = NULL) -> bytes:
    correlation = codec.encode_list(NULL, NULL, NULL, NULL, NULL, request.message_id)
    outcome = {
        "status-code": codec.integer(status),
        "status-description": codec.string(description),
    }
    return (
        codec.described(PROPERTIES, correlation)
        + codec.described(APPLICATION_PROPERTIES, _fields(outcome))
        + codec.described(VALUE, body)
    )


def _fields(fields: Mapping[str, bytes]) -> bytes:
    return codec.encode_map((codec.string(name), value) for name, value in fields.items())
