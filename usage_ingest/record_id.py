"""What makes a record itself: the hash that its document is stored under. Pure and frozen.

No setting enters an id, nor the hub's offset, nor a provider's response id alone.
"""

import functools
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256

from usage_ingest.value import value


@value(kw_only=True)
class Coordinates:
    """Where in Event Hubs an event stands; the offset is no identity and is not kept."""

    namespace: str
    hub: str
    partition_id: str | None
    sequence_number: int | None
    enqueued_time: datetime | None


@value(kw_only=True)
class MetricBin:
    """Which rows of the metrics a record sums up, and when they were read.

    `component` is the resource id of the Application Insights component in lower case, `as_of`
    the service's own time of the reading. The bin starts at the record's event time.
    """

    component: str
    profile: str
    role_name: str
    bin_seconds: int
    as_of: datetime


def digest(kind: str, *parts: str | int | None) -> str:
    """Hash a list of raw values into 32 hex digits; where one value ends is part of it.

    Frozen: stored documents are found by these ids for as long as they are kept.
    """
    return hashed(spelled(kind, *parts))


def spelled(*parts: str | int | None) -> str:
    """Return what is hashed of raw values: what each of them has, one after the other."""
    written = ""
    for part in parts:
        if part is None:
            written += "-;"
        else:
            text = part if type(part) is str else str(part)
            written += f"{len(text)}:{text};"
    return written


def hashed(written: str) -> str:
    """Return the digest of what was spelled."""
    return sha256(written.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def milliseconds(moment: datetime) -> int:
    """Return whole epoch milliseconds: what Event Hubs keeps of an enqueued time."""
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000 + delta.microseconds // 1_000


@value(kw_only=True)
class RawIdentity:
    """The raw fields of an event that can tell it from every other, as they were sent."""

    gateway: str
    gateway_request_id: str | None = None
    item: str | None = None  # which usage, where one gateway request carries several
    response_id: str | None = None
    event_time: str | None = None
    background: bool = False  # a response that is polled: all polls are one record
    dated: bool = True  # the day comes from the event itself, not from its enqueued time


def record_id(raw: RawIdentity, hub: Coordinates, element: int, body: bytes) -> str | None:
    """Return the record's identity: a frozen, pure function of raw fields.

    Returns:
        32 hex digits, or None where neither the event nor the hub tells it from others.
    """
    if raw.dated and raw.background and raw.response_id:
        return digest("event", raw.gateway, "background", raw.response_id)
    if raw.dated and raw.gateway_request_id:
        return request_digest(spelled("event", raw.gateway), raw.gateway_request_id, raw.item)
    if raw.dated and raw.response_id and raw.event_time:
        return digest("response", raw.gateway, raw.response_id, raw.event_time)
    return coordinates_id("hub", hub, element, body)


def request_digest(gateway: str, request_id: str, item: str | None = None) -> str:
    """Return the identity of a gateway's request; `gateway` is spelled already, after "event"."""
    ending = "-;" if item is None else spelled(item)
    return hashed(f"{gateway}{len(request_id)}:{request_id};{ending}")


def coordinates_id(kind: str, hub: Coordinates, element: int, body: bytes) -> str | None:
    """Identify an element by where its event stands; it recognises redelivery and no more."""
    if hub.sequence_number is None or hub.enqueued_time is None:
        return None
    enqueued = milliseconds(hub.enqueued_time)
    if hub.partition_id is not None:
        return digest(kind, hub.hub, hub.partition_id, hub.sequence_number, enqueued, element)
    return digest(kind, hub.hub, hub.sequence_number, enqueued, body_hash(body), element)


@functools.lru_cache(maxsize=2)  # asked for each element of one body
def body_hash(body: bytes) -> str:
    """Return the SHA-256 of a body, in hex."""
    return sha256(body).hexdigest()


def metric_record_id(
    component: str, bin_start: datetime, bin_seconds: int, role_name: str, bag: Mapping[str, str]
) -> str:
    """Return the identity of what one bin sums up under one set of dimensions.

    Args:
        component: The component's resource id, in lower case.
        bin_start: Where the bin starts, on a whole second.
        bin_seconds: How long it is.
        role_name: Who sent the metric.
        bag: All properties of the rows, without those that Azure Monitor adds (`_MS.`).
    """
    pairs = (part for pair in sorted(bag.items()) for part in pair)
    start = milliseconds(bin_start) // 1_000
    return digest("metric", component, start, bin_seconds, role_name, *pairs)
