"""One client's connection: frames in and out, its sessions and their links."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from local.event_hubs import codec
from local.event_hubs.broker import Broker
from local.event_hubs.codec import (
    AMQP_FRAME,
    FALSE,
    FRAME_HEADER,
    NULL,
    SASL_FRAME,
    AmqpError,
    Code,
    Performative,
)
from local.event_hubs.links import (
    MAX_MESSAGE_BYTES,
    SESSION_WINDOW,
    Incoming,
    Link,
    Outgoing,
    open_link,
)

AMQP_HEADER, SASL_HEADER = b"AMQP\x00\x01\x00\x00", b"AMQP\x03\x01\x00\x00"
MAX_FRAME_BYTES = 65536
MIN_FRAME_BYTES = 512  # what every AMQP implementation must take
MECHANISMS = (b"ANONYMOUS", b"PLAIN", b"EXTERNAL", b"MSSBCBS")


@dataclass(slots=True)
class Session:
    """A session and its counters; it has the same channel number in both directions."""

    channel: int
    transfers_received: int = 0
    transfers_sent: int = 0
    next_delivery_id: int = 0


class Connection(asyncio.Protocol):
    """Reads frames as they come and acts on them at once; nothing here waits."""

    transport: asyncio.Transport

    def __init__(self, broker: Broker, on_lost: Callable[["Connection"], None]) -> None:
        self.broker = broker
        self.is_congested = False
        self.peer_frame_bytes = MIN_FRAME_BYTES
        self.lost = asyncio.get_running_loop().create_future()
        self._on_lost = on_lost
        self._received = bytearray()
        self._unsent: list[bytes] = []
        self._awaits_header = True
        self._heartbeat: asyncio.TimerHandle | None = None
        self._sessions: dict[int, Session] = {}
        self._links: dict[tuple[int, int], Link] = {}
        self._actions = {
            Code.OPEN: self._on_open,
            Code.BEGIN: self._on_begin,
            Code.ATTACH: self._on_attach,
            Code.FLOW: self._on_flow,
            Code.TRANSFER: self._on_transfer,
            Code.DISPOSITION: self._on_disposition,
            Code.DETACH: self._on_detach,
            Code.END: self._on_end,
            Code.CLOSE: self._on_close,
        }

    # Called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a TCP server's always is
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of every link."""
        del exc
        if self._heartbeat:
            self._heartbeat.cancel()
        for link in list(self._links.values()):
            self.forget(link)
        self._on_lost(self)
        self.lost.set_result(None)

    def pause_writing(self) -> None:
        """Stop delivering: the client reads more slowly than events are read from the file."""
        self.is_congested = True

    def resume_writing(self) -> None:
        """Deliver again."""
        self.is_congested = False
        for link in list(self._links.values()):
            link.wake()

    def data_received(self, data: bytes) -> None:
        """Act on every frame that is complete."""
        self._received += data
        try:
            while not self.transport.is_closing() and self._take_next():
                pass
        except AmqpError as error:
            self.close(error)

    # Frames

    def _take_next(self) -> bool:
        """Act on the next protocol header or frame; False while it has not fully arrived."""
        if len(self._received) < FRAME_HEADER.size:
            return False
        if self._awaits_header:
            self._on_header(self._take(FRAME_HEADER.size))
            return True
        size, offset_words, kind, channel = FRAME_HEADER.unpack_from(self._received)
        if not FRAME_HEADER.size <= offset_words * 4 <= size <= MAX_FRAME_BYTES:
            raise AmqpError("amqp:connection:framing-error", f"A frame of {size} bytes.")
        if len(self._received) < size:
            return False
        body = self._take(size)[offset_words * 4 :]
        if body:  # an empty frame only says that the client is alive
            self._on_frame(kind, channel, body)
        return True

    def _take(self, size: int) -> bytes:
        taken = bytes(self._received[:size])
        del self._received[:size]
        return taken

    def _on_header(self, header: bytes) -> None:
        if header not in (AMQP_HEADER, SASL_HEADER):  # TLS, WebSockets, HTTP ...
            self.transport.write(AMQP_HEADER)  # AMQP's way to say what would be understood
            self.transport.close()
            return
        self._awaits_header = False
        self._write(header)
        if header == SASL_HEADER:
            mechanisms = codec.performative(
                Code.SASL_MECHANISMS, mechanisms=codec.encode_array(0xB3, MECHANISMS)
            )
            self._write(codec.frame(0, mechanisms, SASL_FRAME))

    def _on_frame(self, kind: int, channel: int, body: bytes) -> None:
        received = codec.parse_performative(body)
        if kind == SASL_FRAME and received.code is Code.SASL_INIT:  # anyone may come in
            outcome = codec.performative(Code.SASL_OUTCOME, code=codec.ubyte(0))
            self._write(codec.frame(0, outcome, SASL_FRAME))
            self._awaits_header = True
        elif kind == AMQP_FRAME and received.code in self._actions:
            self._actions[received.code](channel, received)
        else:
            raise AmqpError("amqp:not-allowed", f"{received.code.name} in a frame of kind {kind}")

    def send(self, channel: int, body: bytes) -> None:
        """Send a frame. Those of one turn of the event loop leave together."""
        self._write(codec.frame(channel, body))

    def _write(self, encoded: bytes) -> None:
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self.flush)
        self._unsent.append(encoded)

    def flush(self) -> None:
        """Hand what has been sent to the socket; `is_congested` is up to date afterwards."""
        encoded, self._unsent = b"".join(self._unsent), []
        if encoded and not self.transport.is_closing():
            self.transport.write(encoded)

    def close(self, error: AmqpError | None = None) -> None:
        """Close the connection, telling the client why."""
        fields = {"error": error.encode()} if error else {}
        self.send(0, codec.performative(Code.CLOSE, **fields))
        self.flush()
        self.transport.close()

    # Performatives

    def _on_open(self, channel: int, received: Performative) -> None:
        offered = received.get("max_frame_size") or MAX_FRAME_BYTES
        self.peer_frame_bytes = max(MIN_FRAME_BYTES, min(offered, MAX_FRAME_BYTES))
        if received.get("idle_timeout"):
            self._beat(received.get("idle_timeout") / 1000 / 2)
        reply = codec.performative(
            Code.OPEN,
            container_id=codec.string("local-event-hubs"),
            max_frame_size=codec.uint(MAX_FRAME_BYTES),
            channel_max=codec.ushort(0xFFFF),
        )
        self.send(channel, reply)

    def _beat(self, seconds: float) -> None:
        """Send empty frames so that a client with an idle timeout stays."""
        self.send(0, b"")
        loop = asyncio.get_running_loop()
        self._heartbeat = loop.call_later(seconds, self._beat, seconds)

    def _on_begin(self, channel: int, received: Performative) -> None:
        del received
        self._sessions[channel] = Session(channel)
        reply = codec.performative(
            Code.BEGIN,
            remote_channel=codec.ushort(channel),
            next_outgoing_id=codec.uint(0),
            incoming_window=codec.uint(SESSION_WINDOW),
            outgoing_window=codec.uint(SESSION_WINDOW),
            handle_max=codec.uint(0xFFFF),
        )
        self.send(channel, reply)

    def _on_attach(self, channel: int, received: Performative) -> None:
        """Open a link. A refused one is attached all the same, then detached with the error."""
        session = self._session(channel)
        error: AmqpError | None = None
        try:
            link = open_link(self, session, received)
            self._links[channel, link.handle] = link
        except AmqpError as refusal:
            error, link = refusal, Link(self, session, received)
        echoed = {name: received.encoded.get(name, NULL) for name in _ECHOED_FIELDS}
        if error:
            echoed |= {"source": NULL, "target": NULL}
        elif received.get("role"):
            echoed["initial_delivery_count"] = codec.uint(0)
        reply = codec.performative(
            Code.ATTACH,
            role=codec.boolean(not received.get("role")),
            incomplete_unsettled=FALSE,
            max_message_size=codec.ulong(MAX_MESSAGE_BYTES),
            **echoed,
        )
        self.send(channel, reply)
        if error:
            link.close(error)
        else:
            link.started()

    def _on_flow(self, channel: int, received: Performative) -> None:
        link = self._find_link(channel, received)
        if isinstance(link, Outgoing):
            self._run(link, lambda: link.flow(received))

    def _on_transfer(self, channel: int, received: Performative) -> None:
        self._session(channel).transfers_received += 1
        link = self._find_link(channel, received)
        if isinstance(link, Incoming):
            self._run(link, lambda: link.transfer(received))

    def _run(self, link: Link, action: Callable[[], None]) -> None:
        try:
            action()
        except AmqpError as error:
            link.close(error)

    def _on_disposition(self, channel: int, received: Performative) -> None:
        """Ignore what becomes of a delivery: a partition keeps its events either way."""

    def _on_detach(self, channel: int, received: Performative) -> None:
        link = self._find_link(channel, received)
        if link:
            link.close()

    def _on_end(self, channel: int, received: Performative) -> None:
        del received
        session = self._session(channel)
        for link in self.session_links(session):
            self.forget(link)
        del self._sessions[channel]
        self.send(channel, codec.performative(Code.END))

    def _on_close(self, channel: int, received: Performative) -> None:
        del channel, received
        self.close()

    # Sessions and links

    def _session(self, channel: int) -> Session:
        if channel not in self._sessions:
            raise AmqpError("amqp:not-allowed", f"Channel {channel} has no session.")
        return self._sessions[channel]

    def session_links(self, session: Session) -> list[Link]:
        """Return the links attached in a session."""
        return [link for link in self._links.values() if link.session is session]

    def _find_link(self, channel: int, received: Performative) -> Link | None:
        """Return the link a frame is about; None for one just detached, or a session's flow."""
        session = self._session(channel)
        return self._links.get((session.channel, received.get("handle")))

    def forget(self, link: Link) -> None:
        """Drop a link that has been detached."""
        if self._links.get((link.session.channel, link.handle)) is link:
            del self._links[link.session.channel, link.handle]
            link.detached()


_ECHOED_FIELDS = ("name", "handle", "snd_settle_mode", "rcv_settle_mode", "source", "target")
