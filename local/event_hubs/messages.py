"""From the messages of a sender to stored events, and from stored events to delivered messages.

Annotations: https://learn.microsoft.com/azure/event-hubs/event-hubs-amqp-protocol-guide
"""

from typing import Any

from local.event_hubs import codec
from local.event_hubs.codec import MALFORMED, AmqpError
from local.event_hubs.store import NewEvent, PartitionState, StoredEvent

BATCH_FORMAT = 0x80013700  # the message format of a batch: each data section is a whole message
HEADER, DELIVERY_ANNOTATIONS, MESSAGE_ANNOTATIONS, PROPERTIES = 0x70, 0x71, 0x72, 0x73
APPLICATION_PROPERTIES, DATA, VALUE, FOOTER = 0x74, 0x75, 0x77, 0x78
PARTITION_KEY = "x-opt-partition-key"


def parse_events(message: bytes, message_format: int) -> tuple[str | None, list[NewEvent]]:
    """Return the partition key that routes a sent message, and the events in it."""
    try:
        if message_format == BATCH_FORMAT:
            return _parse_batch(message)
        event = _parse_event(message)
    except MALFORMED as error:
        raise AmqpError("amqp:decode-error", f"malformed message: {error!r}") from error
    return event.partition_key, [event]


def _parse_batch(message: bytes) -> tuple[str | None, list[NewEvent]]:
    routing_key: str | None = None
    events: list[NewEvent] = []
    for section in codec.sections(message):
        if section.code == DATA:
            events.append(_parse_event(codec.decode(message, section.value_start)))
        elif section.code == MESSAGE_ANNOTATIONS:
            routing_key = _partition_key(codec.decode(message, section.value_start))
    if not events:
        raise AmqpError("amqp:decode-error", "a batch without events")
    if routing_key is not None:
        events = [NewEvent(routing_key, event.message) for event in events]
    return routing_key, events


def _parse_event(message: bytes) -> NewEvent:
    """Take off what belongs to the delivery; keep the bare message as it is."""
    partition_key: str | None = None
    bare_start: int | None = None
    for section in codec.sections(message):
        if not HEADER <= section.code <= FOOTER:
            raise AmqpError("amqp:decode-error", f"unknown message section {section.code}")
        if section.code == MESSAGE_ANNOTATIONS:
            partition_key = _partition_key(codec.decode(message, section.value_start))
        elif section.code >= PROPERTIES and bare_start is None:
            bare_start = section.start
    if bare_start is None:
        raise AmqpError("amqp:decode-error", "a message without a body")
    return NewEvent(partition_key, message[bare_start:])


def _partition_key(annotations: dict[str, Any]) -> str | None:
    if unsupported := annotations.keys() - {PARTITION_KEY}:
        raise AmqpError("amqp:not-implemented", f"message annotations {sorted(unsupported)}")
    key = annotations.get(PARTITION_KEY)
    if key is not None and not isinstance(key, str):
        raise AmqpError("amqp:invalid-field", "the partition key must be a string")
    return key


def encode_event(event: StoredEvent) -> bytes:
    """Return an event as a receiver gets it: the service's annotations, then the bare message."""
    annotations = [
        (codec.symbol("x-opt-sequence-number"), codec.long(event.sequence_number)),
        (codec.symbol("x-opt-offset"), codec.string(str(event.offset))),
        (codec.symbol("x-opt-enqueued-time"), codec.timestamp(event.enqueued_ms)),
    ]
    if event.partition_key is not None:
        annotations.append((codec.symbol(PARTITION_KEY), codec.string(event.partition_key)))
    return codec.described(MESSAGE_ANNOTATIONS, codec.encode_map(annotations)) + event.message


def encode_last_enqueued(state: PartitionState, now_ms: int) -> bytes:
    """Return the delivery annotations of a receiver that tracks the partition's last event."""
    annotations = [
        (codec.symbol("last_enqueued_sequence_number"), codec.long(state.last_sequence_number)),
        (codec.symbol("last_enqueued_offset"), codec.string(str(state.last_offset))),
        (codec.symbol("last_enqueued_time_utc"), codec.timestamp(state.last_enqueued_ms)),
        (codec.symbol("runtime_info_retrieval_time_utc"), codec.timestamp(now_ms)),
    ]
    return codec.described(DELIVERY_ANNOTATIONS, codec.encode_map(annotations))
