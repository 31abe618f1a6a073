"""What Event Hubs decides: where an event goes, who may read a partition and from where on."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from azure.eventhub._buffered_producer._partition_resolver import PartitionResolver

from local.event_hubs.codec import AmqpError
from local.event_hubs.store import OFFSET_STEP, EventStore, NewEvent, PartitionState

if TYPE_CHECKING:
    from local.event_hubs.connection import Link

_SELECTOR = re.compile(
    r"amqp\.annotation\.x-opt-(offset|sequence-number|enqueued-time) (>=?) '?(-?\d+|@latest)'?"
)


@dataclass(frozen=True, slots=True)
class HubSpec:
    """A hub to serve; the consumer group $Default always exists besides those named here."""

    partitions: int
    consumer_groups: tuple[str, ...] = ()


@dataclass(slots=True)
class SendFault:
    """What becomes of events that are sent, until it is taken away; requests go on."""

    condition: str | None  # the refusal in AMQP's terms; None: there is no answer
    after: int = 0  # so many messages are taken before
    at_attach: bool = False  # refuse a sender rather than what it sends


class Address(NamedTuple):
    """What a link is attached to: a hub or a request node, and what of it."""

    hub: str
    partition_id: str = ""  # without one, a sender leaves the choice to the hub
    consumer_group: str = ""

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read the address of a link's source or target."""
        match urlsplit(text).path.strip("/").split("/"):
            case [hub] | [_, "$management" as hub]:
                return cls(hub)
            case [hub, "Partitions", partition_id]:
                return cls(hub, partition_id)
            case [hub, "ConsumerGroups", consumer_group, "Partitions", partition_id]:
                return cls(hub, partition_id, consumer_group)
        raise ValueError(f"address {text}")


class Broker:
    """The hubs, their store and the links attached to them."""

    def __init__(self, hubs: Mapping[str, HubSpec], store: EventStore) -> None:
        self.hubs = dict(hubs)
        self.store = store
        self.links: set[Link] = set()
        self.send_fault: SendFault | None = None
        self._turns = count()

    def admit_sender(self) -> None:
        """Refuse a sender, where a fault says so."""
        fault = self.send_fault
        if fault is not None and fault.at_attach:
            raise AmqpError(str(fault.condition), "The sender is refused, as was asked for.")

    def admit_message(self) -> bool:
        """Return whether a message is taken and answered; refuse it where a fault says so."""
        fault = self.send_fault
        if fault is None or fault.at_attach:
            return True
        if fault.after > 0:
            fault.after -= 1
            return True
        if fault.condition is not None:
            raise AmqpError(fault.condition, "The message is refused, as was asked for.")
        return False

    def partition_ids(self, hub: str) -> list[str]:
        """Return a hub's partition ids, or refuse."""
        if hub not in self.hubs:
            raise AmqpError("amqp:not-found", f"The messaging entity '{hub}' could not be found.")
        return [str(number) for number in range(self.hubs[hub].partitions)]

    def find_partition(self, hub: str, partition_id: str) -> PartitionState:
        """Return a partition's state, or refuse."""
        if partition_id not in self.partition_ids(hub):
            message = f"The specified partition is invalid for '{hub}': '{partition_id}'."
            raise AmqpError("com.microsoft:argument-out-of-range", message)
        return self.store.state(hub, partition_id)

    def publish(self, address: Address, events: Sequence[NewEvent]) -> None:
        """Store events together, then hand them to the readers that wait for them."""
        hub = address.hub
        partition_id = address.partition_id or self._choose_partition(hub, events[0][0])
        self.store.append(hub, partition_id, events)
        for link in self.links:
            if link.address[:2] == (hub, partition_id):
                link.wake()

    def _choose_partition(self, hub: str, partition_key: str | None) -> str:
        partition_ids = self.partition_ids(hub)
        if partition_key is not None:
            resolver = PartitionResolver(partition_ids)  # type: ignore[no-untyped-call]
            return str(resolver.get_partition_id_by_partition_key(partition_key))  # type: ignore[no-untyped-call]
        return partition_ids[next(self._turns) % len(partition_ids)]

    def start_position(self, address: Address, selector: str) -> int:
        """Return the first sequence number that a receiver's filter lets through."""
        hub, partition_id, _ = address
        last = self.find_partition(hub, partition_id).last_sequence_number
        if not (match := _SELECTOR.fullmatch(selector)):
            raise ValueError(f"filter {selector}")
        annotation, comparison, text = match.groups()
        if text == "@latest":
            return last + 1
        value = int(text) // (OFFSET_STEP if annotation == "offset" else 1)
        start = value + (comparison == ">")
        if annotation == "enqueued-time":
            return self.store.find(hub, partition_id, start)
        if value > last:
            message = f"The supplied {annotation} '{text}' is invalid. The last event is '{last}'."
            raise AmqpError("com.microsoft:argument-error", message)
        return start

    def admit_reader(self, address: Address, epoch: int | None) -> None:
        """Refuse a reader, or detach those whose epoch (the SDK's owner_level) is not higher."""
        hub, _, group = address
        if group not in ("$Default", *self.hubs[hub].consumer_groups):
            raise AmqpError("amqp:not-found", f"'{hub}' has no consumer group '{group}'.")
        rivals = [link for link in self.links if link.address == address]
        highest = max((rival.epoch for rival in rivals if rival.epoch is not None), default=None)
        if highest is not None and (epoch is None or epoch < highest):
            raise AmqpError("amqp:link:stolen", f"A receiver with epoch '{highest}' exists.")
        for rival in rivals if epoch is not None else ():
            rival.close(AmqpError("amqp:link:stolen", f"A receiver with epoch '{epoch}' came."))

    def recreate(self, hub: str, partitions: int) -> None:
        """Delete a hub, create it anew and close all links to the old one."""
        self.store.recreate(hub, partitions)
        self.hubs[hub] = HubSpec(partitions, self.hubs[hub].consumer_groups)
        for link in [link for link in self.links if link.address.hub == hub]:
            link.close(AmqpError("amqp:link:detach-forced", f"The hub '{hub}' was deleted."))
