"""AMQP 1.0 on the wire: the types, frames and performatives that Event Hubs clients exchange.

Layouts: https://docs.oasis-open.org/amqp/core/v1.0/os/amqp-core-types-v1.0-os.html
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import zip_longest
from typing import Any, NamedTuple

FRAME_HEADER = struct.Struct(">IBBH")  # size, data offset in 4-byte words, frame kind, channel

# The fields of every performative, in order; "_" where neither side of this server uses one.
_FIELDS = {
    "open": "container_id hostname max_frame_size channel_max _ _ _ _ _ _",
    "begin": "remote_channel next_outgoing_id incoming_window outgoing_window handle_max _ _ _",
    "attach": "name handle role snd_settle_mode rcv_settle_mode source target _ _ "
    "initial_delivery_count max_message_size _ desired_capabilities properties",
    "flow": "next_incoming_id incoming_window next_outgoing_id outgoing_window handle "
    "delivery_count link_credit _ _ _ _",
    "transfer": "handle delivery_id delivery_tag message_format settled more _ _ _ _ _",
    "disposition": "role first last settled state _",
    "detach": "handle closed error",
    "end": "error",
    "close": "error",
    "sasl_mechanisms": "mechanisms",
    "sasl_init": "mechanism initial_response hostname",
    "sasl_outcome": "code additional_data",
}
_CODES = dict(zip(_FIELDS, (*range(0x10, 0x19), 0x40, 0x41, 0x44), strict=True))
_NAMES = {code: name for name, code in _CODES.items()}


class AmqpError(Exception):
    """A refusal in AMQP's terms: an error condition and a text for the person who reads it."""

    def __init__(self, condition: str, description: str) -> None:
        super().__init__(f"{condition}: {description}")
        self.condition = condition
        self.description = description


# What acting on a client's frame raises: a refusal, or what comes of reading the unforeseen.
REFUSALS = (AmqpError, LookupError, ValueError, TypeError, AttributeError, struct.error)


def refusal(error: Exception) -> AmqpError:
    """Return one of REFUSALS in AMQP's terms: the unforeseen is not implemented."""
    if isinstance(error, AmqpError):
        return error
    return AmqpError("amqp:not-implemented", f"This server does not understand: {error!r}")


_CONSTANTS: dict[int, bool | int | None] = {0x40: None, 0x41: True, 0x42: False, 0x43: 0, 0x44: 0}
_FIXED = bytes.fromhex("50 51 52 53 54 55 56  60 61  70 71 72 73 74  80 81 82 83 84  94 98")
_LAYOUTS = "B b B B b b ?  H h  I i f 4s 4s  Q q d q 8s  16s 16s".split()
_STRUCTS = {code: struct.Struct(">" + each) for code, each in zip(_FIXED, _LAYOUTS, strict=True)}


def decode(data: bytes, start: int = 0) -> tuple[Any, int]:
    """Return the value at `start` and the index after it. Arrays are returned as their bytes."""
    constructor, start = data[start], start + 1
    if constructor == 0x00:  # a descriptor, then the value it describes
        return decode(data, decode(data, start)[1])
    if constructor in _CONSTANTS:
        return _CONSTANTS[constructor], start
    if constructor in _STRUCTS:
        layout = _STRUCTS[constructor]
        return layout.unpack_from(data, start)[0], start + layout.size
    category, kind = constructor >> 4, constructor & 0x0F
    width = 1 if category in (0xA, 0xC, 0xE) else 4
    content_start = start + width
    end = content_start + int.from_bytes(data[start:content_start], "big")
    content = data[content_start:end]
    if end > len(data):
        raise ValueError("a value that reaches past the end of its frame")
    if category in (0xC, 0xD):
        values, position = [], width  # the elements stand after their count
        for _ in range(int.from_bytes(content[:width], "big")):
            value, position = decode(content, position)
            values.append(value)
        return values if kind == 0 else dict(zip(values[::2], values[1::2], strict=True)), end
    return content.decode() if kind in (0x1, 0x3) and category < 0xC else content, end


def sections(message: bytes) -> Iterator[tuple[int, int, Any]]:
    """Yield the code of each section, where it starts and its value."""
    start = 0
    while start < len(message):
        code, value_start = decode(message, start + 1)
        value, end = decode(message, value_start)
        yield code, start, value
        start = end


class Frame(NamedTuple):
    """A received frame: its performative with all fields by name, and what follows it."""

    channel: int
    name: str
    fields: dict[str, Any]
    payload: bytes


def parse_frame(channel: int, body: bytes) -> Frame:
    """Read a frame's body. Fields that were left out are None."""
    code, start = decode(body, 1)
    values, end = decode(body, start)
    name = _NAMES[code]
    return Frame(channel, name, dict(zip_longest(_FIELDS[name].split(), values)), body[end:])


# What is sent; bytes are encoded already, and an int is a uint.
Encodable = bytes | str | bool | int | AmqpError | None

ubyte = partial(struct.pack, ">BB", 0x50)
ushort = partial(struct.pack, ">BH", 0x60)
uint = partial(struct.pack, ">BI", 0x70)
ulong = partial(struct.pack, ">BQ", 0x80)
integer = partial(struct.pack, ">Bi", 0x71)
long = partial(struct.pack, ">Bq", 0x81)
timestamp = partial(struct.pack, ">Bq", 0x83)  # milliseconds since 1970
binary4 = partial(struct.pack, ">BBI", 0xA0, 4)  # a number as four bytes


def string(text: str, short_constructor: int = 0xA1) -> bytes:
    """Encode text."""
    content = text.encode()
    if len(content) < 256:
        return bytes((short_constructor, len(content))) + content
    return struct.pack(">BI", short_constructor + 0x10, len(content)) + content


symbol = partial(string, short_constructor=0xA3)  # a name that AMQP gives a meaning to


def _encode(value: Encodable) -> bytes:
    match value:
        case None | True | False:
            return {None: b"\x40", True: b"\x41", False: b"\x42"}[value]
        case int():
            return uint(value)
        case str():
            return string(value)
        case AmqpError():
            return described(0x1D, encode_list(symbol(value.condition), value.description, None))
    return value


def encode_list(*values: Encodable) -> bytes:
    """Encode a list."""
    content = b"".join(map(_encode, values))
    return struct.pack(">BII", 0xD0, len(content) + 4, len(values)) + content


def encode_map(key: Callable[[str], bytes], values: Mapping[str, Encodable]) -> bytes:
    """Encode a map whose keys are strings or symbols."""
    content = b"".join(key(name) + _encode(value) for name, value in values.items())
    return struct.pack(">BII", 0xD1, len(content) + 4, len(values) * 2) + content


def encode_array(constructor: int, texts: Iterable[str]) -> bytes:
    """Encode an array of ASCII strings (0xB1) or symbols (0xB3)."""
    encoded = [struct.pack(">I", len(text)) + text.encode("ascii") for text in texts]
    size = sum(map(len, encoded)) + 5
    return struct.pack(">BIIB", 0xF0, size, len(encoded), constructor) + b"".join(encoded)


def described(code: int, value: bytes) -> bytes:
    """Put a descriptor before an encoded value."""
    return bytes((0x00, 0x53, code)) + value


def frame(channel: int, name: str, payload: bytes = b"", /, **fields: Encodable) -> bytes:
    """Encode a frame; every field takes its place, for azure-eventhub fails on short lists."""
    values = [fields.get(field) for field in _FIELDS[name].split()]
    body = described(_CODES[name], encode_list(*values)) + payload
    kind = 1 if name.startswith("sasl") else 0
    return FRAME_HEADER.pack(FRAME_HEADER.size + len(body), 2, kind, channel) + body
