"""One batch of a partition in the form in which the real host sends it to the Python worker.

Field names and formats: EventHubTriggerBindingStrategy.cs in Azure/azure-sdk-for-net.
"""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from azure.eventhub.amqp import AmqpMessageBodyType
from azure.functions.eventhub import EventHubTriggerConverter
from azure.functions.meta import Datum

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    import azure.functions as func
    from azure.eventhub import EventData

    from local.host.bindings import EventHubBinding

# The host shows these four under other names.
_OWN_NAMES = {
    b"x-opt-sequence-number",
    b"x-opt-offset",
    b"x-opt-enqueued-time",
    b"x-opt-partition-key",
}


def decode_batch(
    events: Sequence[EventData], hub: EventHubBinding, partition_id: str, *, checkpointing: bool
) -> list[func.EventHubEvent]:
    """Build the function's argument through azure.functions' own converter."""
    context = {
        "FullyQualifiedNamespace": hub.namespace,
        "EventHubName": hub.hub,
        "ConsumerGroup": hub.consumer_group,
        "PartitionId": partition_id,
        "IsCheckpointingAfterInvocation": checkpointing,
    }
    arrays: dict[str, Any] = {
        # A list of strings loses its empty ones on the way, so its indexes do not match.
        "PartitionKeyArray": [key for key in map(_partition_key, events) if key],
        "OffsetArray": [str(event.offset) for event in events],
        "SequenceNumberArray": [event.sequence_number for event in events],
        "EnqueuedTimeUtcArray": [_host_time(event.enqueued_time) for event in events],
        "PropertiesArray": [_plain(event.properties or {}) for event in events],
        "SystemPropertiesArray": [_system_properties(event) for event in events],
        "PartitionContext": context,
    }
    metadata = {
        name: Datum(json.dumps(value, default=str), "json") for name, value in arrays.items()
    }
    decoded = EventHubTriggerConverter.decode(
        _bodies(events, binary=hub.binary), trigger_metadata=metadata
    )
    return decoded if isinstance(decoded, list) else [decoded]


def _bodies(events: Sequence[EventData], *, binary: bool) -> Datum:
    bodies = [_body(event) for event in events]
    if binary:
        return Datum(SimpleNamespace(bytes=bodies), "collection_bytes")
    # As strings, invalid UTF-8 is replaced and an empty body is lost, which fails the batch.
    texts = [body.decode("utf-8", "replace") for body in bodies if body]
    return Datum(SimpleNamespace(string=texts), "collection_string")


def _body(event: EventData) -> bytes:
    if event.body_type is AmqpMessageBodyType.DATA:
        return b"".join(cast("Iterable[bytes]", event.body))
    return event.body_as_str().encode()


def _system_properties(event: EventData) -> dict[str, Any]:
    rest = {
        name: value for name, value in event.system_properties.items() if name not in _OWN_NAMES
    }
    return {
        **_plain(rest),
        "SequenceNumber": event.sequence_number,
        "Offset": event.offset,
        "PartitionKey": _partition_key(event),
        "EnqueuedTimeUtc": _host_time(event.enqueued_time),
    }


def _partition_key(event: EventData) -> str | None:
    key = event.partition_key
    return None if key is None else str(_text(key))


def _host_time(time: datetime | None) -> str | None:
    """A .NET DateTime without a kind: no time zone, no trailing zeros."""
    if time is None:
        return None
    text = time.replace(tzinfo=None).isoformat()
    return text.rstrip("0") if "." in text else text


def _plain(properties: dict[Any, Any]) -> dict[str, Any]:
    """AMQP strings reach Python as bytes."""
    return {str(_text(name)): _text(value) for name, value in properties.items()}


def _text(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
