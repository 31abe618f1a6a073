"""What is inside messages: the events of a sender or for a receiver, requests and answers."""

from local.event_hubs import codec
from local.event_hubs.broker import Broker
from local.event_hubs.codec import Encodable
from local.event_hubs.store import OFFSET_STEP, NewEvent, PartitionState, StoredEvent

BATCH_FORMAT = 0x80013700  # the message format of a batch: each data section is a whole message
DELIVERY_ANNOTATIONS, MESSAGE_ANNOTATIONS, PROPERTIES = 0x71, 0x72, 0x73
APPLICATION_PROPERTIES, DATA, VALUE = 0x74, 0x75, 0x77
# https://learn.microsoft.com/azure/event-hubs/event-hubs-amqp-protocol-guide
PARTITION_KEY = "x-opt-partition-key"


def parse_events(message: bytes, message_format: int | None) -> list[NewEvent]:
    """Return the events in a sent message. They share the partition key of that message."""
    partition_key, bare_message = _parse_event(message)
    if message_format != BATCH_FORMAT:
        return [(partition_key, bare_message)]
    contents = [value for code, _, value in codec.sections(bare_message) if code == DATA]
    return [(partition_key, _parse_event(content)[1]) for content in contents]


def _parse_event(message: bytes) -> NewEvent:
    """Keep the bare message as it is, and of what belongs to the delivery the partition key."""
    partition_key: str | None = None
    for code, start, value in codec.sections(message):
        if code == MESSAGE_ANNOTATIONS:
            partition_key = value.get(PARTITION_KEY)
        elif code >= PROPERTIES:
            return partition_key, message[start:]
    raise ValueError("a message without a body")


def encode_event(event: StoredEvent) -> bytes:
    """Return an event as a receiver gets it: the service's annotations, then the bare message."""
    annotations: dict[str, Encodable] = {
        "x-opt-sequence-number": codec.long(event.sequence_number),
        "x-opt-offset": str(event.sequence_number * OFFSET_STEP),
        "x-opt-enqueued-time": codec.timestamp(event.enqueued_ms),
    }
    if event.partition_key is not None:
        annotations[PARTITION_KEY] = event.partition_key
    encoded = codec.encode_map(codec.symbol, annotations)
    return codec.described(MESSAGE_ANNOTATIONS, encoded) + event.message


def encode_last_enqueued(state: PartitionState, now_ms: int) -> bytes:
    """Return the delivery annotations of a receiver that tracks the partition's last event."""
    annotations: dict[str, Encodable] = {
        "last_enqueued_sequence_number": codec.long(state.last_sequence_number),
        "last_enqueued_offset": str(state.last_offset),
        "last_enqueued_time_utc": codec.timestamp(state.last_enqueued_ms),
        "runtime_info_retrieval_time_utc": codec.timestamp(now_ms),
    }
    return codec.described(DELIVERY_ANNOTATIONS, codec.encode_map(codec.symbol, annotations))


def answer(broker: Broker, message: bytes) -> bytes:
    """Return the answer to a request: any credentials will do, and hubs tell how they are."""
    found = {code: value for code, _, value in codec.sections(message)}
    message_id, request = found[PROPERTIES][0], found[APPLICATION_PROPERTIES]
    status, description, facts = codec.integer(200), "OK", dict[str, Encodable]()
    try:
        match request["operation"], request["type"]:
            case "put-token", _:
                pass
            case "READ", "com.microsoft:eventhub":
                facts = _describe_hub(broker, request["name"])
            case "READ", "com.microsoft:partition":
                facts = _describe_partition(broker, request["name"], request["partition"])
            case unknown:
                raise ValueError(f"operation {unknown}")
    except codec.AmqpError as error:
        status = codec.integer(404 if error.condition == "amqp:not-found" else 400)
        description = error.description
    properties = codec.encode_list(*[None] * 5, b"\x98" + message_id)  # a uuid
    outcome: dict[str, Encodable] = {"status-code": status, "status-description": description}
    return (
        codec.described(PROPERTIES, properties)
        + codec.described(APPLICATION_PROPERTIES, codec.encode_map(codec.string, outcome))
        + codec.described(VALUE, codec.encode_map(codec.string, facts))
    )


def _describe_hub(broker: Broker, hub: str) -> dict[str, Encodable]:
    return {
        "name": hub,
        "created_at": codec.timestamp(broker.find_partition(hub, "0").created_ms),
        "partition_ids": codec.encode_array(0xB1, broker.partition_ids(hub)),
    }


def _describe_partition(broker: Broker, hub: str, partition_id: str) -> dict[str, Encodable]:
    state = broker.find_partition(hub, partition_id)
    begin, last = state.begin_sequence_number, state.last_sequence_number
    return {
        "name": hub,
        "partition": partition_id,
        "begin_sequence_number": codec.long(-1 if last < 0 else begin),
        "last_enqueued_sequence_number": codec.long(last),
        "last_enqueued_offset": str(state.last_offset),
        "last_enqueued_time_utc": codec.timestamp(state.last_enqueued_ms),
        "is_partition_empty": begin > last,
    }
