"""Our own events that are alike: a record made of what one before came to. Pure.

A caller's events repeat nearly all of their values; they differ in id, time, latency and usage.
What the values that repeat come to is found once, in the general way (shapes/own.py,
to_record.py), and kept as a record; each event puts its own values into a copy of it. An event
with anything that is not plain is left to the general way: it alone decides and refuses, and
tests/events/test_alike.py holds this one against it.
"""

import functools
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final, cast

from msgspec import Meta, MsgspecError, Struct, defstruct
from msgspec.json import Decoder
from msgspec.structs import astuple

from usage_ingest.errors import InvalidEventError
from usage_ingest.events.call import Call
from usage_ingest.events.fields import text
from usage_ingest.events.privacy import Privacy
from usage_ingest.events.shapes import own
from usage_ingest.events.times import event_time
from usage_ingest.events.to_record import Rules, Sighting, hint_of, oldest, to_record
from usage_ingest.events.usage import reader_of, responses
from usage_ingest.events.usage.plain import ChatUsage, ResponsesUsage, read_plain
from usage_ingest.identity import Identity
from usage_ingest.metric_profile import covering_profile
from usage_ingest.record import NO_USAGE, TokenUsage, UsageRecord, UsageState
from usage_ingest.record_id import Coordinates, request_digest, spelled
from usage_ingest.value import replacer

_LONGEST: Final = 4_096
"""Bytes of a body: what is kept of events has to have a bound."""
_BEGINNING: Final = b'{"schema":"usage-ingest/1",'
_CHAT: Final = b'"prompt_tokens"'


class _Event(Struct, forbid_unknown_fields=True, gc=False):
    """An event of ours: the keys whose values do not repeat, or are objects."""

    gateway_request_id: str
    event_time: str
    response_id: str | None = None
    session_id: str | None = None
    end_user_id: str | None = None
    latency_ms: Annotated[int, Meta(ge=0, lt=2**31)] | None = None
    response_created: int | None = None
    tags: dict[str, str] | None = None
    usage: Any = None


_EACH_ITS_OWN: Final = len(_Event.__struct_fields__)
_TYPES: Final[dict[str, Any]] = {"status": int, "streaming": bool, "background": bool}
_REPEATED: Final = tuple(
    name
    for name in ("schema", "gateway", *own.TEXTS, *_TYPES)
    if name not in _Event.__struct_fields__
)


def _decoder(usage: type[Struct]) -> Decoder[_Event]:
    """Return what decodes an event with all its keys and this form of usage."""
    fields = [(name, _TYPES.get(name, str) | None, None) for name in _REPEATED]
    fields.append(("usage", usage | None, None))
    return cast("Decoder[_Event]", Decoder(defstruct("Event", fields, bases=(_Event,), gc=False)))


_chat: Final = _decoder(ChatUsage).decode
_responses: Final = _decoder(ResponsesUsage).decode


@dataclass(frozen=True, slots=True)
class _Kind:
    """What events have in common whose repeated values are the same."""

    record: UsageRecord
    call: Call
    gateway: str  # as its record ids begin
    has_responses: bool


class _NotPlainError(Exception):
    """The general way has to read the event."""


def record_alike(seen: Sighting, rules: Rules) -> UsageRecord | None:
    """Return the record of an event, or None where the general way has to read it.

    Raises:
        ConfigError: The HMAC key of its day is missing.
    """
    if len(seen.body) > _LONGEST or not seen.body.startswith(_BEGINNING):
        return None
    try:
        return _record(seen, rules)
    except (MsgspecError, UnicodeDecodeError, InvalidEventError, _NotPlainError):
        return None


_replaced: Final = replacer(
    UsageRecord,
    "record_id",
    "event_time",
    "ingested_at",
    "usage",
    "usage_state",
    "coordinates",
    "gateway_request_id",
    "response_id",
    "latency_ms",
    "session_id",
    "end_user_id",
)


def _record(seen: Sighting, rules: Rules) -> UsageRecord:
    body, hub = seen.body, seen.hub
    event = _chat(body) if body.rfind(_CHAT) > 0 else _responses(body)  # near the end
    tags = tuple(event.tags.items()) if event.tags else ()
    kind = _kind(astuple(event)[_EACH_ITS_OWN:], tags)
    time = event_time(event.event_time, hub.enqueued_time, "event_time")
    request_id = text(event.gateway_request_id)
    if kind is None or request_id is None or time < oldest(seen.now, rules.ledger_ttl_days):
        raise _NotPlainError
    session, end_user = event.session_id, event.end_user_id
    if end_user is not None:
        day = time.date().isoformat()
        end_user = rules.privacy.end_user(text(end_user), day, rules.identity)
    usage, state = NO_USAGE, kind.record.usage_state
    if event.usage is not None:
        usage, state = _usage(event.usage, kind, time, rules), UsageState.REPORTED
    return _replaced(
        kind.record,
        request_digest(kind.gateway, event.gateway_request_id),
        time,
        seen.now,
        usage,
        state,
        hub,
        request_id,
        text(event.response_id),
        event.latency_ms,
        session if session is None else text(session),
        end_user,
    )


def _usage(
    usage: ChatUsage | ResponsesUsage, kind: _Kind, time: datetime, rules: Rules
) -> TokenUsage:
    found, identity = read_plain(usage), rules.identity
    if found is None or (type(usage) is ResponsesUsage and not kind.has_responses):
        raise _NotPlainError
    if identity.metric_profiles():
        day = time.date().isoformat()
        if covering_profile(identity, day, kind.call.fields):  # they count by its metrics
            raise _NotPlainError
    return found


_NOON: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)
_NOWHERE: Final = Coordinates(
    namespace="-", hub="-", partition_id=None, sequence_number=None, enqueued_time=None
)
_ANY_SIGHTING: Final = Sighting(_NOWHERE, 0, b"", _NOON)
_ANY_RULES: Final = Rules(Identity(), Privacy(), ledger_ttl_days=400)
_ANY: Final = {"gateway_request_id": "-", "event_time": _NOON.isoformat(), "response_id": "-"}


@functools.lru_cache(maxsize=1_024)
def _kind(values: tuple[object, ...], tags: tuple[tuple[str, str], ...]) -> _Kind | None:
    """Read the values that repeat, with others beside them; None where those would matter."""
    element = dict(zip(_REPEATED, values, strict=True)) | _ANY | {"tags": dict(tags)}
    try:
        call = own.read(element)
        record = to_record(call, _ANY_SIGHTING, _ANY_RULES)
    except InvalidEventError:
        return None
    reads_back = (call.method or "").upper() == "GET"
    if text(call.gateway) is None or call.background or call.item or reads_back or record.flags:
        return None
    reader = reader_of({"input_tokens": 0, "output_tokens": 0}, hint_of(call))
    return _Kind(record, call, spelled("event", call.gateway), reader is responses)
