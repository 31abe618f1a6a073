"""A call as an event told it -> the record that counts: time, identity, usage, privacy. Pure.

Subscription, day and shard are functions of the raw event alone; where the day has to come from
the enqueued time, so does the identity.
"""

import functools
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from usage_ingest.errors import InvalidEventError
from usage_ingest.events.call import Call
from usage_ingest.events.fields import text, within
from usage_ingest.events.privacy import Privacy
from usage_ingest.events.times import event_time
from usage_ingest.events.usage import has_usage_apart, read_usage, service_tier
from usage_ingest.events.usage.hint import Hint
from usage_ingest.identity import Identity
from usage_ingest.metric_profile import covering_profile
from usage_ingest.record import (
    NO_USAGE,
    TOKEN_FIELDS,
    Flag,
    Source,
    TokenUsage,
    UsageRecord,
    UsageState,
)
from usage_ingest.record_id import Coordinates, RawIdentity, record_id
from usage_ingest.value import value

_OK: Final = range(200, 300)
_TOKENS: Final = frozenset(TOKEN_FIELDS)


@value()
class Rules:
    """What the deployment decides about every record."""

    identity: Identity
    privacy: Privacy
    ledger_ttl_days: int
    keep_raw: bool = False


@value()
class Sighting:
    """Where and when an element was seen."""

    hub: Coordinates
    element: int
    body: bytes
    now: datetime


@value()
class _Dated:
    time: datetime
    raw: str | None  # as it was sent; None where the enqueued time had to do
    flag: Flag | None


def to_record(call: Call, seen: Sighting, rules: Rules) -> UsageRecord:
    """Decide what a call is and when it counts.

    Raises:
        InvalidEventError: Its time, counts, usage or identity cannot be read, or it is too old.
        ConfigError: The HMAC key of its day is missing.
    """
    dated = _dated(call, seen.hub.enqueued_time)
    if dated.time < oldest(seen.now, rules.ledger_ttl_days):
        raise InvalidEventError("too_old", "event_time", "older than the ledger keeps")
    gateway = call.gateway or seen.hub.hub
    raw = RawIdentity(
        gateway=gateway,
        gateway_request_id=call.gateway_request_id,
        item=call.item,
        response_id=call.response_id,
        event_time=dated.raw,
        background=bool(call.background),
        dated=dated.raw is not None,
    )
    identity = record_id(raw, seen.hub, seen.element, seen.body)
    if identity is None:
        raise InvalidEventError("no_identity", "", "no id, and the hub gave no sequence number")
    day = dated.time.date().isoformat()
    fields = _fields(call, day, rules)
    usage, state, flags = _usage(call)
    if _TOKENS & usage.reported().keys() and covering_profile(rules.identity, day, fields):
        usage = replace(usage, **dict.fromkeys(TOKEN_FIELDS))  # events alone tell other units
        state = UsageState.AWAITING_METRICS
        flags.add(Flag.COVERED_BY_METRICS)
    if dated.flag is not None:
        flags.add(dated.flag)
    if not _has_own_identity(raw):
        flags.add(Flag.REDELIVERY_ONLY)
    if call.odd:
        flags.add(Flag.ODD_VALUE)
    return UsageRecord(
        record_id=identity,
        shape=call.shape,
        source=Source.EVENT_HUB,
        event_time=dated.time,
        ingested_at=seen.now,
        usage=usage,
        usage_state=state,
        flags=tuple(sorted(flags)),
        coordinates=seen.hub,
        element=seen.element,
        gateway=text(gateway) or seen.hub.hub,
        streaming=call.streaming,
        background=call.background,
        status=call.status,
        **fields,
    )


@functools.lru_cache(maxsize=4)  # the same for all events of a batch
def oldest(now: datetime, ledger_ttl_days: int) -> datetime:
    """Return the earliest time of an event that the ledger still takes."""
    return now - timedelta(days=ledger_ttl_days - 1)


def _fields(call: Call, day: str, rules: Rules) -> dict[str, Any]:
    """Return what is taken over as it is, but for what it says of people and their keys."""
    privacy, fields = rules.privacy, dict(call.fields)
    fields["end_user_id"] = privacy.end_user(fields.get("end_user_id"), day, rules.identity)
    fields["client_ip"] = privacy.network(fields.get("client_ip"))
    if call.caller_key is not None and fields.get("subscription_id") is None:
        fields["subscription_id"] = privacy.hashed(call.caller_key, day, rules.identity)
    if call.usage and fields.get("service_tier") is None:
        fields["service_tier"] = service_tier(call.usage)
    return fields


def _dated(call: Call, enqueued: datetime | None) -> _Dated:
    if call.background and call.response_id:
        if call.created is None:
            raise InvalidEventError(
                "no_identity", "response_created", "a polled response without its creation time"
            )
        time = event_time(call.created, enqueued, "response_created")
        return _Dated(time, str(call.created), None)
    if call.event_time is not None:
        time = event_time(call.event_time, enqueued, "event_time")
        return _Dated(time, str(call.event_time), None)
    if call.created is not None:
        time = event_time(call.created, enqueued, "response_created")
        return _Dated(time, str(call.created), Flag.TIME_FROM_BODY)
    if enqueued is None:
        raise InvalidEventError("no_identity", "event_time", "neither event nor hub gives a time")
    return _Dated(enqueued, None, Flag.TIME_FROM_ENQUEUED)


def _has_own_identity(raw: RawIdentity) -> bool:
    return raw.dated and bool(raw.gateway_request_id or raw.response_id)


def _usage(call: Call) -> tuple[TokenUsage, UsageState, set[Flag]]:
    is_poll = call.background and call.response_id  # all polls of a response are one record
    if call.method is not None and call.method.upper() == "GET" and not is_poll:
        return NO_USAGE, UsageState.NONE, {Flag.READ_BACK} if call.usage else set()
    usage, flags = _units(call)
    if usage != NO_USAGE:
        return usage, UsageState.REPORTED, flags
    if call.streaming and within(call.status, _OK):
        return usage, UsageState.AWAITING_METRICS, flags
    return usage, UsageState.NONE, flags


def _units(call: Call) -> tuple[TokenUsage, set[Flag]]:
    usage, flags = NO_USAGE, set()
    if call.usage:
        usage, consistent = read_usage(call.usage, hint_of(call))
        if not consistent:
            flags.add(Flag.INCONSISTENT_USAGE)
        if has_usage_apart(call.usage):
            flags.add(Flag.USAGE_APART)
    if call.usage_apart:
        flags.add(Flag.USAGE_APART)
    return replace(usage, images=call.images) if call.images else usage, flags


def hint_of(call: Call) -> Hint:
    """Return what a call says of its API beside the usage object."""
    fields = call.fields
    model = fields.get("response_model") or fields.get("request_model") or fields.get("deployment")
    return Hint(fields.get("provider"), fields.get("api_kind"), model)
