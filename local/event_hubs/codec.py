"""AMQP 1.0 on the wire: the types, frames and performatives that Event Hubs clients exchange.

Layouts: https://docs.oasis-open.org/amqp/core/v1.0/os/amqp-core-types-v1.0-os.html
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import Any, NamedTuple

NULL, TRUE, FALSE = b"\x40", b"\x41", b"\x42"
AMQP_FRAME, SASL_FRAME = 0, 1
FRAME_HEADER = struct.Struct(">IBBH")  # size, data offset in 4-byte words, frame kind, channel
PAYLOAD_OVERHEAD = 128  # more than a frame header and a transfer with all its fields take

# What reading a malformed value raises; callers turn it into amqp:decode-error.
MALFORMED = (IndexError, struct.error, ValueError, TypeError, RecursionError)


class AmqpError(Exception):
    """A refusal in AMQP's terms: an error condition and a text for the person who reads it."""

    def __init__(self, condition: str, description: str) -> None:
        super().__init__(f"{condition}: {description}")
        self.condition = condition
        self.description = description

    def encode(self) -> bytes:
        """Return AMQP's error composite."""
        return described(0x1D, encode_list(symbol(self.condition), string(self.description), NULL))


class Code(IntEnum):
    """Descriptors of the performatives."""

    OPEN = 0x10
    BEGIN = 0x11
    ATTACH = 0x12
    FLOW = 0x13
    TRANSFER = 0x14
    DISPOSITION = 0x15
    DETACH = 0x16
    END = 0x17
    CLOSE = 0x18
    SASL_MECHANISMS = 0x40
    SASL_INIT = 0x41
    SASL_OUTCOME = 0x44


_FIELD_NAMES = {
    Code.OPEN: "container_id hostname max_frame_size channel_max idle_timeout outgoing_locales "
    "incoming_locales offered_capabilities desired_capabilities properties",
    Code.BEGIN: "remote_channel next_outgoing_id incoming_window outgoing_window handle_max "
    "offered_capabilities desired_capabilities properties",
    Code.ATTACH: "name handle role snd_settle_mode rcv_settle_mode source target unsettled "
    "incomplete_unsettled initial_delivery_count max_message_size offered_capabilities "
    "desired_capabilities properties",
    Code.FLOW: "next_incoming_id incoming_window next_outgoing_id outgoing_window handle "
    "delivery_count link_credit available drain echo properties",
    Code.TRANSFER: "handle delivery_id delivery_tag message_format settled more rcv_settle_mode "
    "state resume aborted batchable",
    Code.DISPOSITION: "role first last settled state batchable",
    Code.DETACH: "handle closed error",
    Code.END: "error",
    Code.CLOSE: "error",
    Code.SASL_MECHANISMS: "mechanisms",
    Code.SASL_INIT: "mechanism initial_response hostname",
    Code.SASL_OUTCOME: "code additional_data",
}
FIELDS = {code: tuple(names.split()) for code, names in _FIELD_NAMES.items()}


# Decoding

_CONSTANTS: dict[int, bool | int | None] = {0x40: None, 0x41: True, 0x42: False, 0x43: 0, 0x44: 0}
_NUMBER_CONSTRUCTORS = bytes.fromhex("50 51 52 53 54 55 56  60 61  70 71 72  80 81 82 83")
_NUMBERS = {
    constructor: struct.Struct(f">{layout}")
    for constructor, layout in zip(_NUMBER_CONSTRUCTORS, "BbBBbb?HhIifQqdq", strict=True)
}
_FIXED_WIDTHS = {0x4: 0, 0x5: 1, 0x6: 2, 0x7: 4, 0x8: 8, 0x9: 16}
_BINARY, _TEXT, _LONG = (0xA0, 0xB0), (0xA1, 0xA3, 0xB1, 0xB3), (0xB0, 0xB1, 0xB3)
_EMPTY_LIST, _LISTS, _MAPS = 0x45, (0x45, 0xC0, 0xD0), (0xC1, 0xD1)


def value_end(buffer: bytes, start: int) -> int:
    """Return the index after the value whose constructor stands at `start`."""
    constructor = buffer[start]
    category = constructor >> 4
    if constructor == 0x00:  # a descriptor, then the value it describes
        return value_end(buffer, value_end(buffer, start + 1))
    if category in _FIXED_WIDTHS:
        end = start + 1 + _FIXED_WIDTHS[category]
    elif category in (0xA, 0xC, 0xE):
        end = start + 2 + buffer[start + 1]
    elif category in (0xB, 0xD, 0xF):
        end = start + 5 + int.from_bytes(buffer[start + 1 : start + 5], "big")
    else:
        raise AmqpError("amqp:decode-error", f"unknown type constructor 0x{constructor:02x}")
    if end > len(buffer):
        raise AmqpError("amqp:decode-error", "a value reaches past the end of its frame")
    return end


def element_starts(buffer: bytes, start: int) -> Iterator[int]:
    """Yield where each element of the list or map at `start` begins, then where the last ends."""
    constructor = buffer[start]
    if constructor == _EMPTY_LIST:  # it has neither size nor count
        count, position = 0, start + 1
    elif constructor in (0xC0, 0xC1):
        count, position = buffer[start + 2], start + 3
    else:
        count, position = int.from_bytes(buffer[start + 5 : start + 9], "big"), start + 9
    for _ in range(count):
        yield position
        position = value_end(buffer, position)
    yield position


def decode(buffer: bytes, start: int = 0) -> Any:
    """Return the value at `start`; of a described value, the value alone.

    Arrays, uuids, decimals and chars are returned as their encoded bytes: nothing here needs more.
    """
    constructor = buffer[start]
    if constructor == 0x00:
        return decode(buffer, value_end(buffer, start + 1))
    if constructor in _CONSTANTS:
        return _CONSTANTS[constructor]
    if constructor in _NUMBERS:
        return _NUMBERS[constructor].unpack_from(buffer, start + 1)[0]
    if constructor in _LISTS or constructor in _MAPS:
        values = [decode(buffer, position) for position in list(element_starts(buffer, start))[:-1]]
        is_list = constructor in _LISTS
        return values if is_list else dict(zip(values[::2], values[1::2], strict=True))
    encoded = buffer[start : value_end(buffer, start)]
    if constructor in _BINARY or constructor in _TEXT:
        content = encoded[5 if constructor in _LONG else 2 :]
        return content if constructor in _BINARY else content.decode()
    return encoded


class Section(NamedTuple):
    """Where one section of an encoded message lies."""

    code: int
    start: int
    value_start: int
    end: int


def sections(message: bytes) -> Iterator[Section]:
    """Yield the sections of a message, in order."""
    start = 0
    while start < len(message):
        if message[start] != 0x00:
            raise AmqpError("amqp:decode-error", "a message section must be a described value")
        value_start = value_end(message, start + 1)
        end = value_end(message, value_start)
        yield Section(decode(message, start + 1), start, value_start, end)
        start = end


@dataclass(frozen=True, slots=True)
class Performative:
    """A received performative: its fields by name, decoded and as they came."""

    code: Code
    values: dict[str, Any]
    encoded: dict[str, bytes]
    payload: bytes

    def get(self, name: str) -> Any:
        """Return a field's value; None when it was left out."""
        return self.values.get(name)


def parse_performative(body: bytes) -> Performative:
    """Read a frame's body. Raises AmqpError for what is malformed or not a performative."""
    try:
        descriptor = decode(body, 1)
        fields_start = value_end(body, 1)
        starts = list(element_starts(body, fields_start))
        values = [decode(body, position) for position in starts[:-1]]
        payload = body[value_end(body, fields_start) :]
    except MALFORMED as error:
        raise AmqpError("amqp:decode-error", f"malformed frame: {error!r}") from error
    if descriptor not in FIELDS:
        raise AmqpError("amqp:not-implemented", f"unknown performative {descriptor!r}")
    code = Code(descriptor)
    encoded = [body[start:end] for start, end in pairwise(starts)]
    names = FIELDS[code]
    return Performative(
        code,
        dict(zip(names, values, strict=False)),
        dict(zip(names, encoded, strict=False)),
        payload,
    )


# Encoding


def _number_encoder(constructor: int, layout: str) -> Callable[[int], bytes]:
    packer = struct.Struct(f">B{layout}")

    def encode(value: int) -> bytes:
        return packer.pack(constructor, value)

    return encode


ubyte = _number_encoder(0x50, "B")
ushort = _number_encoder(0x60, "H")
uint = _number_encoder(0x70, "I")
ulong = _number_encoder(0x80, "Q")
integer = _number_encoder(0x71, "i")
long = _number_encoder(0x81, "q")
timestamp = _number_encoder(0x83, "q")  # milliseconds since 1970


def boolean(value: bool) -> bytes:
    """Encode a boolean."""
    return TRUE if value else FALSE


def string(text: str) -> bytes:
    """Encode text."""
    return _variable(0xA1, text.encode())


def symbol(text: str) -> bytes:
    """Encode a symbol: a name that AMQP or the service gives a meaning to."""
    return _variable(0xA3, text.encode())


def binary(content: bytes) -> bytes:
    """Encode bytes."""
    return _variable(0xA0, content)


def _variable(short_constructor: int, content: bytes) -> bytes:
    if len(content) < 256:
        return bytes((short_constructor, len(content))) + content
    return struct.pack(">BI", short_constructor + 0x10, len(content)) + content


def encode_list(*elements: bytes) -> bytes:
    """Encode a list of encoded elements."""
    return _compound(0xD0, elements)


def encode_map(pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Encode a map of encoded keys and values."""
    return _compound(0xD1, [element for pair in pairs for element in pair])


def _compound(constructor: int, elements: Sequence[bytes]) -> bytes:
    content = b"".join(elements)
    return struct.pack(">BII", constructor, len(content) + 4, len(elements)) + content


def encode_array(constructor: int, contents: Iterable[bytes]) -> bytes:
    """Encode an array of strings (0xB1) or symbols (0xB3)."""
    elements = [struct.pack(">I", len(content)) + content for content in contents]
    content = b"".join(elements)
    return struct.pack(">BIIB", 0xF0, len(content) + 5, len(elements), constructor) + content


def described(code: int, value: bytes) -> bytes:
    """Put a descriptor before an encoded value."""
    return bytes((0x00, 0x53, code)) + value


def performative(code: Code, /, **fields: bytes) -> bytes:
    """Encode a performative with every field, null where none is given.

    AMQP lets trailing nulls be left out, but azure-eventhub reads fields by position and fails.
    """
    if unknown := fields.keys() - FIELDS[code]:
        raise TypeError(f"{code.name} has no fields {sorted(unknown)}")
    return described(code, encode_list(*(fields.get(name, NULL) for name in FIELDS[code])))


def frame(channel: int, body: bytes, kind: int = AMQP_FRAME) -> bytes:
    """Put a frame header before a frame's body."""
    size = FRAME_HEADER.size + len(body)
    return FRAME_HEADER.pack(size, 2, kind, channel) + body
