"""The server's side of a client's links: readers, writers and request-response pairs."""

from typing import TYPE_CHECKING, Any

from local.event_hubs import codec
from local.event_hubs.broker import FROM_THE_START, Broker
from local.event_hubs.codec import (
    FALSE,
    NULL,
    PAYLOAD_OVERHEAD,
    TRUE,
    AmqpError,
    Code,
    Performative,
)
from local.event_hubs.management import NODES, answer
from local.event_hubs.messages import encode_event, encode_last_enqueued

if TYPE_CHECKING:
    from local.event_hubs.connection import Connection, Session

MAX_MESSAGE_BYTES = 1024 * 1024
WRITER_CREDIT = 1000
SESSION_WINDOW = 65536  # not enforced: link credit already limits what is under way
SLICE_EVENTS, SLICE_BYTES = 250, 1024 * 1024  # read from the store at a time
SETTLED_MODE = 1  # snd-settle-mode of a sender that wants no acknowledgements
EPOCH = "com.microsoft:epoch"
SELECTOR_FILTER = "apache.org:selector-filter:string"
TRACK_LAST_ENQUEUED = b"com.microsoft:enable-receiver-runtime-metric"
ACCEPTED = codec.described(0x24, codec.encode_list())
NODE_SOURCE_FILTER = 7  # position of the filter in AMQP's source composite


class Link:
    """One end of a link; `handle` and `session` name it on its connection."""

    def __init__(self, connection: "Connection", session: "Session", attach: Performative) -> None:
        self.connection = connection
        self.session = session
        self.name: str = attach.get("name")
        self.handle: int = attach.get("handle")
        self.credit = 0
        self.delivery_count = 0

    def close(self, error: AmqpError | None = None) -> None:
        """Detach, telling the client why."""
        fields = {"error": error.encode()} if error else {}
        detach = codec.performative(
            Code.DETACH, handle=codec.uint(self.handle), closed=TRUE, **fields
        )
        self.connection.send(self.session.channel, detach)
        self.connection.forget(self)

    def detached(self) -> None:
        """Let go of what the link holds; it is no longer attached."""

    def wake(self) -> None:
        """Deliver what can be delivered; only a reader has something to deliver."""

    def started(self) -> None:
        """Begin, now that the client knows that the link is attached."""


class Outgoing(Link):
    """A link that the client receives on."""

    def __init__(self, connection: "Connection", session: "Session", attach: Performative) -> None:
        super().__init__(connection, session, attach)
        self.settled = attach.get("snd_settle_mode") == SETTLED_MODE

    def deliver(self, message: bytes) -> None:
        """Send one message, in as many frames as the client's frame size asks for."""
        delivery_id = self.session.next_delivery_id
        self.session.next_delivery_id += 1
        self.delivery_count += 1
        self.credit -= 1
        step = self.connection.peer_frame_bytes - PAYLOAD_OVERHEAD
        for start in range(0, len(message), step):
            transfer = codec.performative(
                Code.TRANSFER,
                handle=codec.uint(self.handle),
                delivery_id=codec.uint(delivery_id),
                delivery_tag=codec.binary(delivery_id.to_bytes(4, "big")),
                message_format=codec.uint(0),
                settled=codec.boolean(self.settled),
                more=codec.boolean(start + step < len(message)),
                resume=FALSE,
                aborted=FALSE,
                batchable=FALSE,
            )
            self.connection.send(self.session.channel, transfer + message[start : start + step])
            self.session.transfers_sent += 1

    def flow(self, flow: Performative) -> None:
        """Take over the credit that the client grants."""
        granted = (flow.get("delivery_count") or 0) + (flow.get("link_credit") or 0)
        self.credit = granted - self.delivery_count
        if flow.get("drain"):
            raise AmqpError("amqp:not-implemented", "draining a link")
        self.wake()


class Reader(Outgoing):
    """Delivers a partition's events to one receiver, as far as its credit allows."""

    def __init__(self, connection: "Connection", session: "Session", attach: Performative) -> None:
        super().__init__(connection, session, attach)
        self.broker: Broker = connection.broker
        source: list[Any] = attach.get("source")
        self.hub, self.consumer_group, self.partition_id = _reader_address(source[0])
        self.epoch: int | None = (attach.get("properties") or {}).get(EPOCH)
        self.tracks_last_enqueued = TRACK_LAST_ENQUEUED in attach.encoded.get(
            "desired_capabilities", NULL
        )
        self.broker.check_consumer_group(self.hub, self.consumer_group)
        self.position = self.broker.start_position(self.hub, self.partition_id, _selector(source))
        self.broker.add_reader(self)

    def detached(self) -> None:
        """Leave the broker."""
        self.broker.readers.discard(self)

    def wake(self) -> None:
        """Deliver events in slices until there is no credit, no event or no room in the socket."""
        while self.credit > 0 and not self.connection.is_congested:
            state = self.broker.store.state(self.hub, self.partition_id)
            limit = min(self.credit, SLICE_EVENTS)
            events = self.broker.store.read(state.row_id, self.position, limit, SLICE_BYTES)
            if not events:
                return
            prefix = b""
            if self.tracks_last_enqueued:
                prefix = encode_last_enqueued(state, self.broker.store.clock())
            for event in events:
                self.deliver(prefix + encode_event(event))
            self.position = events[-1].sequence_number + 1
            self.connection.flush()


class Responder(Outgoing):
    """Carries the answers to the requests that come in on the same session and node."""

    def __init__(self, connection: "Connection", session: "Session", attach: Performative) -> None:
        super().__init__(connection, session, attach)
        self.node: str = _path(attach.get("source")[0])[-1]


class Incoming(Link):
    """A link that the client sends on."""

    def __init__(self, connection: "Connection", session: "Session", attach: Performative) -> None:
        super().__init__(connection, session, attach)
        self._begin_message()

    def _begin_message(self) -> None:
        self._first: Performative | None = None
        self._parts: list[bytes] = []
        self._size = 0

    def accept(self, message: bytes, message_format: int) -> None:
        """Take a whole message. Raises AmqpError to refuse it."""
        raise NotImplementedError

    def started(self) -> None:
        """Let the client send."""
        self._grant_credit()

    def _grant_credit(self) -> None:
        self.credit = WRITER_CREDIT
        flow = codec.performative(
            Code.FLOW,
            next_incoming_id=codec.uint(self.session.transfers_received),
            incoming_window=codec.uint(SESSION_WINDOW),
            next_outgoing_id=codec.uint(self.session.transfers_sent),
            outgoing_window=codec.uint(SESSION_WINDOW),
            handle=codec.uint(self.handle),
            delivery_count=codec.uint(self.delivery_count),
            link_credit=codec.uint(self.credit),
            drain=FALSE,
            echo=FALSE,
        )
        self.connection.send(self.session.channel, flow)

    def transfer(self, transfer: Performative) -> None:
        """Collect a message frame by frame; what exceeds the size limit is not kept."""
        if transfer.get("aborted"):
            raise AmqpError("amqp:not-implemented", "aborted transfers")
        self._first = self._first or transfer
        self._size += len(transfer.payload)
        if self._size <= MAX_MESSAGE_BYTES:
            self._parts.append(transfer.payload)
        if not transfer.get("more"):
            first, message, size = self._first, b"".join(self._parts), self._size
            self._begin_message()
            self.delivery_count += 1
            self.credit -= 1
            self._settle(first, message, size)
            if self.credit < WRITER_CREDIT // 2:
                self._grant_credit()

    def _settle(self, first: Performative, message: bytes, size: int) -> None:
        outcome = ACCEPTED
        try:
            _check_size(size)
            self.accept(message, first.get("message_format") or 0)
        except AmqpError as error:
            if first.get("settled"):  # nobody waits for an outcome: the link must say it
                raise
            outcome = codec.described(0x25, codec.encode_list(error.encode()))
        if not first.get("settled"):
            delivery_id = codec.uint(first.get("delivery_id"))
            disposition = codec.performative(
                Code.DISPOSITION,
                role=TRUE,
                first=delivery_id,
                last=delivery_id,
                settled=TRUE,
                state=outcome,
                batchable=FALSE,
            )
            self.connection.send(self.session.channel, disposition)


def _check_size(size: int) -> None:
    if size > MAX_MESSAGE_BYTES:
        raise AmqpError(
            "amqp:link:message-size-exceeded",
            f"The received message (size: {size} bytes) exceeds the limit "
            f"({MAX_MESSAGE_BYTES} bytes) currently allowed on the link.",
        )


class Writer(Incoming):
    """Takes events for a hub, or for one of its partitions."""

    def __init__(self, connection: "Connection", session: "Session", attach: Performative) -> None:
        super().__init__(connection, session, attach)
        self.broker: Broker = connection.broker
        self.hub, self.partition_id = _writer_address(attach.get("target")[0])
        self.broker.find_hub(self.hub)
        if self.partition_id is not None:
            self.broker.find_partition(self.hub, self.partition_id)
        self.broker.writers.add(self)

    def detached(self) -> None:
        """Leave the broker."""
        self.broker.writers.discard(self)

    def accept(self, message: bytes, message_format: int) -> None:
        """Publish the message's events."""
        self.broker.publish(self.hub, self.partition_id, message, message_format)


class Requests(Incoming):
    """Takes requests to $cbs or $management and answers them on the session's other link."""

    def __init__(self, connection: "Connection", session: "Session", attach: Performative) -> None:
        super().__init__(connection, session, attach)
        self.node: str = _path(attach.get("target")[0])[-1]

    def accept(self, message: bytes, message_format: int) -> None:
        """Answer the request."""
        del message_format
        response = answer(self.connection.broker, self.node, message)
        for link in self.connection.session_links(self.session):
            if isinstance(link, Responder) and link.node == self.node:
                link.deliver(response)
                return
        raise AmqpError("amqp:precondition-failed", f"No link receives from {self.node}.")


def open_link(connection: "Connection", session: "Session", attach: Performative) -> Link:
    """Return the link that an attach asks for. Raises AmqpError to refuse it."""
    client_receives = attach.get("role")
    node = attach.get("source" if client_receives else "target") or [None]
    is_request_node = _path(node[0])[-1] in NODES
    if client_receives:
        link_class: type[Link] = Responder if is_request_node else Reader
    else:
        link_class = Requests if is_request_node else Writer
    return link_class(connection, session, attach)


def _reader_address(address: str) -> tuple[str, str, str]:
    """Split hub/ConsumerGroups/group/Partitions/id."""
    match _path(address):
        case [hub, "ConsumerGroups", consumer_group, "Partitions", partition_id]:
            return hub, consumer_group, partition_id
    raise AmqpError("amqp:not-implemented", f"Cannot receive from '{address}'.")


def _writer_address(address: str) -> tuple[str, str | None]:
    """Split hub or hub/Partitions/id."""
    match _path(address):
        case [hub]:
            return hub, None
        case [hub, "Partitions", partition_id]:
            return hub, partition_id
    raise AmqpError("amqp:not-implemented", f"Cannot send to '{address}'.")


def _path(address: Any) -> list[str]:
    if not isinstance(address, str):
        raise AmqpError("amqp:not-implemented", "A link needs the address of a hub.")
    _, separator, rest = address.partition("://")
    path = rest.partition("/")[2] if separator else address
    return path.strip("/").split("/")


def _selector(source: list[Any]) -> str:
    filters = (source[NODE_SOURCE_FILTER] if len(source) > NODE_SOURCE_FILTER else None) or {}
    if filters.keys() - {SELECTOR_FILTER}:
        raise AmqpError("amqp:not-implemented", f"Unsupported filters: {sorted(filters)}")
    return str(filters.get(SELECTOR_FILTER, FROM_THE_START))
