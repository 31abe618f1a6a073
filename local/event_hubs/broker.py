"""What Event Hubs decides: where an event goes, who may read a partition and from where on."""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from azure.eventhub._buffered_producer._partition_resolver import PartitionResolver

from local.event_hubs.codec import AmqpError
from local.event_hubs.messages import parse_events
from local.event_hubs.store import EventStore, PartitionState

DEFAULT_CONSUMER_GROUP = "$Default"
MAX_READERS = 5  # without an epoch, per partition and consumer group
FROM_THE_START = "amqp.annotation.x-opt-offset > '-1'"
_SELECTOR = re.compile(
    r"amqp\.annotation\.x-opt-(offset|sequence-number|enqueued-time) (>=?) '?(-?\d+|@latest)'?"
)
_COLUMNS = {
    "offset": "offset",
    "sequence-number": "sequence_number",
    "enqueued-time": "enqueued_ms",
}


@dataclass(frozen=True, slots=True)
class HubSpec:
    """A hub to serve; the consumer group $Default always exists besides those named here."""

    partitions: int
    consumer_groups: tuple[str, ...] = ()


class HubLink(Protocol):
    """An attached link that writes to a hub, as far as the broker knows it."""

    hub: str

    def close(self, error: AmqpError | None = None) -> None:
        """Detach, telling the client why."""


class ReaderLink(HubLink, Protocol):
    """An attached link that reads a partition."""

    partition_id: str
    consumer_group: str
    epoch: int | None

    def wake(self) -> None:
        """Look for events to deliver: some have arrived."""


class Broker:
    """The hubs, their store and the links attached to them."""

    def __init__(self, hubs: Mapping[str, HubSpec], store: EventStore) -> None:
        self.hubs = dict(hubs)
        self.store = store
        self.writers: set[HubLink] = set()
        self.readers: set[ReaderLink] = set()
        self._next_partition: dict[str, int] = defaultdict(int)

    def find_hub(self, hub: str) -> HubSpec:
        """Return a hub's spec, or refuse."""
        if hub not in self.hubs:
            raise AmqpError("amqp:not-found", f"The messaging entity '{hub}' could not be found.")
        return self.hubs[hub]

    def find_partition(self, hub: str, partition_id: str) -> PartitionState:
        """Return a partition's state, or refuse."""
        self.find_hub(hub)
        try:
            return self.store.state(hub, partition_id)
        except KeyError as error:
            raise AmqpError(
                "com.microsoft:argument-out-of-range",
                f"The specified partition is invalid for an EventHub: '{partition_id}' of '{hub}'.",
            ) from error

    def publish(
        self, hub: str, partition_id: str | None, message: bytes, message_format: int
    ) -> None:
        """Store the events of a message, then hand them to the readers that wait for them."""
        partition_key, events = parse_events(message, message_format)
        if partition_id is None:
            partition_id = self._choose_partition(hub, partition_key)
        elif partition_key is not None:
            raise AmqpError(
                "amqp:not-allowed", "A partition key cannot be used by a sender of one partition."
            )
        self.store.append(hub, partition_id, events)
        for reader in self._readers_of(hub, partition_id):
            reader.wake()

    def _readers_of(self, hub: str, partition_id: str) -> list[ReaderLink]:
        wanted = (hub, partition_id)
        return [reader for reader in self.readers if (reader.hub, reader.partition_id) == wanted]

    def _choose_partition(self, hub: str, partition_key: str | None) -> str:
        partitions = self.hubs[hub].partitions
        if partition_key is not None:
            resolver = PartitionResolver([str(number) for number in range(partitions)])  # type: ignore[no-untyped-call]
            return str(resolver.get_partition_id_by_partition_key(partition_key))  # type: ignore[no-untyped-call]
        chosen = self._next_partition[hub] % partitions
        self._next_partition[hub] += 1
        return str(chosen)

    def start_position(self, hub: str, partition_id: str, selector: str) -> int:
        """Return the first sequence number that a receiver's filter lets through."""
        state = self.find_partition(hub, partition_id)
        match = _SELECTOR.fullmatch(selector)
        if match is None:
            raise AmqpError("amqp:invalid-field", f"Unsupported filter: {selector}")
        annotation, comparison, text = match.groups()
        if text == "@latest":
            return state.next_sequence_number
        value = int(text)
        last = {"offset": state.last_offset, "sequence-number": state.last_sequence_number}
        if annotation in last and value > last[annotation]:
            name = annotation.replace("-", " ")
            raise AmqpError(
                "com.microsoft:argument-error",
                f"The supplied {name} '{value}' is invalid. "
                f"The last {name} in the system is '{last[annotation]}'.",
            )
        return self.store.find(state, _COLUMNS[annotation], comparison, value)

    def check_consumer_group(self, hub: str, consumer_group: str) -> None:
        """Refuse a consumer group that the hub does not have."""
        if consumer_group not in (DEFAULT_CONSUMER_GROUP, *self.find_hub(hub).consumer_groups):
            raise AmqpError(
                "amqp:not-found",
                f"The messaging entity '{hub}/ConsumerGroups/{consumer_group}' could not be found.",
            )

    def add_reader(self, reader: ReaderLink) -> None:
        """Let a reader in. It may displace others, or be refused for their sake.

        With an epoch (the SDK's owner_level) a reader owns the partition in its consumer group
        until one with the same or a higher epoch comes.
        """
        rivals = [
            other
            for other in self._readers_of(reader.hub, reader.partition_id)
            if other.consumer_group == reader.consumer_group
        ]
        highest = max((rival.epoch for rival in rivals if rival.epoch is not None), default=None)
        if highest is not None and (reader.epoch is None or reader.epoch < highest):
            raise AmqpError(
                "amqp:link:stolen", f"A receiver with a higher epoch '{highest}' already exists."
            )
        if reader.epoch is None and len(rivals) >= MAX_READERS:
            raise AmqpError(
                "amqp:resource-limit-exceeded",
                f"At most {MAX_READERS} receivers may read a partition in one consumer group.",
            )
        if reader.epoch is not None:
            description = f"A new receiver with epoch '{reader.epoch}' was created."
            for rival in rivals:
                rival.close(AmqpError("amqp:link:stolen", description))
        self.readers.add(reader)

    def recreate(self, hub: str, partitions: int) -> None:
        """Delete a hub, create it anew and close all links to the old one."""
        consumer_groups = self.hubs[hub].consumer_groups
        self.store.recreate(hub, partitions)
        self.hubs[hub] = HubSpec(partitions, consumer_groups)
        for link in [link for link in self.writers | self.readers if link.hub == hub]:
            link.close(AmqpError("amqp:link:detach-forced", f"The hub '{hub}' was deleted."))
