"""One client's connection: frames in and out, its sessions and their links."""

import asyncio
from dataclasses import dataclass

from local.event_hubs import codec
from local.event_hubs.broker import Address, Broker
from local.event_hubs.codec import REFUSALS, AmqpError, Encodable, Frame, refusal
from local.event_hubs.messages import answer, encode_event, encode_last_enqueued, parse_events

AMQP_HEADER, SASL_HEADER = b"AMQP\x00\x01\x00\x00", b"AMQP\x03\x01\x00\x00"
MAX_FRAME_BYTES = 65536
TRANSFER_OVERHEAD = 128  # more than a frame header and a transfer with all its fields take
MAX_MESSAGE_BYTES = 1024 * 1024
NO_LIMIT = 0x7FFFFFFF  # on what clients send: every message is dealt with at once
WINDOWS = {"incoming_window": NO_LIMIT, "outgoing_window": NO_LIMIT}
SLICE_EVENTS = 50  # read from the store at a time
REQUEST_NODES = ("$cbs", "$management")


@dataclass(eq=False)
class Link:
    """One end of a link; by itself, one that a client receives answers on."""

    connection: "Connection"
    channel: int
    handle: int
    address: Address
    epoch: int | None = None
    credit: int = 0
    delivery_count: int = 0

    def prepare(self, _: Frame) -> None:
        """Get ready, or refuse."""
        self.connection.answer_links[self.channel, self.address.hub] = self

    def wake(self) -> None:
        """Deliver what has arrived; only a reader waits for something."""

    def send(self, name: str, payload: bytes = b"", /, **fields: Encodable) -> None:
        """Send a frame about this link."""
        self.connection.send(self.channel, name, payload, handle=self.handle, **fields)

    def close(self, error: AmqpError | None = None) -> None:
        """Detach, telling the client why."""
        self.send("detach", closed=True, error=error)
        self.connection.forget(self)

    def deliver(self, message: bytes) -> None:
        """Send one message, in as many frames as the client's frame size asks for."""
        number = self.connection.transfers_sent[self.channel]
        names = {"delivery_id": codec.uint(number), "delivery_tag": codec.binary4(number)}
        self.delivery_count += 1
        self.credit -= 1
        step = self.connection.peer_frame_bytes - TRANSFER_OVERHEAD
        for start in range(0, len(message), step):
            self.connection.transfers_sent[self.channel] += 1
            part, more = message[start : start + step], start + step < len(message)
            self.send("transfer", part, message_format=0, settled=True, more=more, **names)


class Reader(Link):
    """Delivers a partition's events to one receiver."""

    def prepare(self, attach: Frame) -> None:
        """Find the position to start from and take the place of others."""
        fields, broker = attach.fields, self.connection.broker
        wanted = str(fields["desired_capabilities"])
        self._tracks_last_enqueued = "com.microsoft:enable-receiver-runtime-metric" in wanted
        self.epoch = (fields["properties"] or {}).get("com.microsoft:epoch")
        (selector,) = fields["source"][7].values()  # its filters
        self._position = broker.start_position(self.address, selector)
        broker.admit_reader(self.address, self.epoch)

    def wake(self) -> None:
        """Deliver events in slices until there is no credit or no event."""
        store = self.connection.broker.store
        hub, partition_id, _ = self.address
        while self.credit > 0:
            limit = min(self.credit, SLICE_EVENTS)
            events = store.read(hub, partition_id, self._position, limit)
            if not events:
                return
            prefix = b""
            if self._tracks_last_enqueued:
                prefix = encode_last_enqueued(store.state(hub, partition_id), store.clock())
            for event in events:
                self.deliver(prefix + encode_event(event))
            self._position = events[-1].sequence_number + 1


class Writer(Link):
    """Takes the messages of one sender: events, or requests to a request node."""

    def prepare(self, _: Frame) -> None:
        """Check the hub or partition that is written to."""
        self._frames: list[Frame] = []  # of a message that is not yet complete
        hub, partition_id = self.address[:2]
        if hub not in REQUEST_NODES:
            self.connection.broker.find_partition(hub, partition_id or "0")
            self.connection.broker.admit_sender()

    def grant_credit(self) -> None:
        """Let the client send."""
        received = self.connection.transfers_received[self.channel]
        sent = self.connection.transfers_sent[self.channel]
        counts = {"next_incoming_id": received, "next_outgoing_id": sent, "delivery_count": 0}
        self.send("flow", link_credit=NO_LIMIT, **counts, **WINDOWS)

    def transfer(self, frame: Frame) -> None:
        """Collect a message frame by frame, then tell the sender what became of it."""
        self._frames.append(frame)
        if frame.fields["more"]:
            return
        frames, self._frames = self._frames, []
        first = frames[0].fields
        state = codec.described(0x24, codec.encode_list())  # accepted
        try:
            if self.address.hub not in REQUEST_NODES and not self.connection.broker.admit_message():
                return
            self._take(b"".join(each.payload for each in frames), first["message_format"])
        except REFUSALS as error:
            state = codec.described(0x25, codec.encode_list(refusal(error)))  # rejected
        outcome = {"first": codec.uint(first["delivery_id"]), "state": state}
        self.connection.send(self.channel, "disposition", role=True, settled=True, **outcome)

    def _take(self, message: bytes, message_format: int | None) -> None:
        if len(message) > MAX_MESSAGE_BYTES:
            text = f"The message of {len(message)} bytes exceeds the limit of {MAX_MESSAGE_BYTES}."
            raise AmqpError("amqp:link:message-size-exceeded", text)
        broker, hub = self.connection.broker, self.address.hub
        if hub in REQUEST_NODES:
            self.connection.answer_links[self.channel, hub].deliver(answer(broker, message))
        else:
            broker.publish(self.address, parse_events(message, message_format))


class Connection:
    """Reads frames and acts on them, each by the method that is named after it."""

    def __init__(
        self, broker: Broker, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.broker = broker
        self.peer_frame_bytes = MAX_FRAME_BYTES
        self.transfers_received: dict[int, int] = {}  # by channel, the number of a session
        self.transfers_sent: dict[int, int] = {}
        self.answer_links: dict[tuple[int, str], Link] = {}  # by channel and request node
        self._links: dict[tuple[int, int], Link] = {}  # by channel and handle
        self._reader = reader
        self._writer = writer
        self._awaits_header = True

    async def serve(self) -> None:
        """Act on frames until one side closes; what cannot be acted on makes this side close."""
        try:
            while not self._writer.is_closing():
                await self._take_next()
        except (EOFError, ConnectionError):
            pass
        except REFUSALS as error:
            self._close(refusal(error))
        except asyncio.CancelledError:
            self._close(AmqpError("amqp:connection:forced", "The server is stopping."))
            self._writer.transport.abort()  # where the client does not read
        finally:
            self._writer.close()
            self.broker.links.difference_update(self._links.values())

    async def _take_next(self) -> None:
        header = await self._reader.readexactly(codec.FRAME_HEADER.size)
        if self._awaits_header:
            self._on_header(header)
            return
        size, offset_words, _, channel = codec.FRAME_HEADER.unpack(header)
        frame = header + await self._reader.readexactly(size - len(header))
        if body := frame[offset_words * 4 :]:  # an empty frame only says: I am alive
            received = codec.parse_frame(channel, body)
            getattr(self, f"_on_{received.name}")(received)

    def send(self, channel: int, name: str, payload: bytes = b"", /, **fields: Encodable) -> None:
        """Send a frame."""
        self._writer.write(codec.frame(channel, name, payload, **fields))

    def forget(self, link: Link) -> None:
        """Drop a link that has been detached."""
        self._links.pop((link.channel, link.handle), None)
        self.broker.links.discard(link)

    def _close(self, error: AmqpError | None) -> None:
        self.send(0, "close", error=error)
        self._writer.close()

    def _find_link(self, received: Frame) -> Link | None:
        """Return the link a frame is about; None for one just detached, or a session's flow."""
        return self._links.get((received.channel, received.fields["handle"]))

    def _on_header(self, header: bytes) -> None:
        if header not in (AMQP_HEADER, SASL_HEADER):
            raise ValueError(f"a connection that begins with {header!r}")
        self._awaits_header = False
        self._writer.write(header)
        if header == SASL_HEADER:
            self.send(0, "sasl_mechanisms", mechanisms=codec.encode_array(0xB3, ["ANONYMOUS"]))

    def _on_sasl_init(self, _: Frame) -> None:
        self.send(0, "sasl_outcome", code=codec.ubyte(0))  # anyone may come in
        self._awaits_header = True

    def _on_open(self, received: Frame) -> None:
        self.peer_frame_bytes = min(received.fields["max_frame_size"], MAX_FRAME_BYTES)
        limits = {"max_frame_size": codec.uint(MAX_FRAME_BYTES), "channel_max": codec.ushort(255)}
        self.send(0, "open", container_id="local-event-hubs", **limits)

    def _on_begin(self, received: Frame) -> None:
        channel = received.channel
        self.transfers_received[channel] = self.transfers_sent[channel] = 0
        facts = {"remote_channel": codec.ushort(channel), "handle_max": codec.uint(255)}
        self.send(channel, "begin", next_outgoing_id=0, **facts, **WINDOWS)

    def _on_attach(self, received: Frame) -> None:
        """Open a link. A refused one is attached all the same, then detached with the error."""
        channel, _, fields, _ = received
        link, error = Link(self, channel, fields["handle"], Address("")), None
        reply = {
            "name": codec.string(fields["name"]),
            "source": codec.described(0x28, codec.encode_list(fields["source"][0])),
            "target": codec.described(0x29, codec.encode_list(fields["target"][0])),
            "max_message_size": codec.ulong(MAX_MESSAGE_BYTES),
        }
        try:
            link = self._open_link(received)
        except REFUSALS as refused:
            error = refusal(refused)
            del reply["source"], reply["target"]
        self._links[channel, link.handle] = link
        self.broker.links.add(link)
        link.send("attach", role=not fields["role"], initial_delivery_count=0, **reply)
        if error:
            link.close(error)
        elif isinstance(link, Writer):
            link.grant_credit()

    def _open_link(self, attach: Frame) -> Link:
        client_receives = attach.fields["role"]
        address = Address.parse(attach.fields["source" if client_receives else "target"][0])
        kind: type[Link] = Reader if client_receives else Writer
        if client_receives and address.hub in REQUEST_NODES:
            kind = Link
        link = kind(self, attach.channel, attach.fields["handle"], address)
        link.prepare(attach)
        return link

    def _on_flow(self, received: Frame) -> None:
        link, fields = self._find_link(received), received.fields
        if link and not isinstance(link, Writer):
            granted = (fields["delivery_count"] or 0) + fields["link_credit"]
            link.credit = granted - link.delivery_count
            link.wake()

    def _on_transfer(self, received: Frame) -> None:
        self.transfers_received[received.channel] += 1
        link = self._find_link(received)
        if isinstance(link, Writer):
            link.transfer(received)

    def _on_disposition(self, received: Frame) -> None:
        """Ignore what becomes of a delivery: a partition keeps its events either way."""

    def _on_detach(self, received: Frame) -> None:
        if link := self._find_link(received):
            link.close()

    def _on_end(self, received: Frame) -> None:
        for link in [each for each in self._links.values() if each.channel == received.channel]:
            self.forget(link)
        self.send(received.channel, "end")

    def _on_close(self, _: Frame) -> None:
        self._close(None)
