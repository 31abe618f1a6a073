"""The verb of POST api/v1/events: what a caller sends -> the Event Hub, all of it or nothing.

Every element is parsed as it will be when it comes back through the hub, and must have an
identity of its own: then a caller that is in doubt may send everything again. Nothing is stored
here and the store is not asked, so that it may be away while events are taken.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from usage_ingest import telemetry
from usage_ingest.errors import InvalidEventError, Refusal, RefusedEventsError, TooLargeError
from usage_ingest.events.dead_letter import DeadLetter
from usage_ingest.events.envelope import elements
from usage_ingest.events.parse import Parsed, parse_elements
from usage_ingest.events.privacy import Privacy
from usage_ingest.events.shapes import without_content
from usage_ingest.events.to_record import Rules, Sighting
from usage_ingest.identity import Identity
from usage_ingest.ports import Clock, EventPublisher, OutgoingEvent
from usage_ingest.record import UsageRecord
from usage_ingest.record_id import Coordinates, digest

MAX_BYTES: Final = 1_000_000
"""What Event Hubs takes as one event (1 MiB), less what is around an event's body."""
_KEY_LIMIT: Final = 100  # characters of a subscription; a partition key may have 128
_KEYS_OF_A_SUBSCRIPTION: Final = 4
_MAX_KEYS: Final = 32
_SHARED_KEYS: Final = 16
_NO_IDENTITY: Final = (
    "has no id and time of its own (gateway_request_id or a response id, and event_time or the "
    "response's creation): sent again, it would count twice"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accept:
    """Everything that accepting needs; built once in wiring."""

    publisher: EventPublisher
    clock: Clock
    ledger_ttl_days: int

    async def events(self, body: bytes) -> int:
        """Publish the elements of a body, each as an event of its own; return how many.

        Raises:
            TooLargeError: The body, or one of its events, is larger than Event Hubs takes.
            RefusedEventsError: Some elements cannot be read; none was published.
            ThrottledError: Event Hubs has no capacity left.
            TransientError: Event Hubs cannot be reached; part of it may have been published.
            ConfigError: The deployment is wrong.
        """
        if len(body) > MAX_BYTES:
            raise TooLargeError(f"The body has {len(body):,} bytes; send at most {MAX_BYTES:,}")
        found = _elements(body)
        parsed = self._parsed(found, body)
        refusals = [_refusal(each) for each in parsed if _is_refused(each)]
        if refusals:
            raise _refused(refusals, len(found))
        if found:
            await self.publisher.publish(_outgoing(found, parsed))
        telemetry.count("events_accepted", len(found))
        return len(found)

    def _parsed(self, found: Sequence[object], body: bytes) -> list[Parsed]:
        """Parse without keys and without a place in a hub: an own identity has to do."""
        now = self.clock.now()
        nowhere = Coordinates(
            namespace="-",
            hub=self.publisher.hub,
            partition_id=None,
            sequence_number=None,
            enqueued_time=now,
        )
        rules = Rules(Identity(), Privacy(), self.ledger_ttl_days)
        return parse_elements(found, Sighting(nowhere, 0, body, now), rules)


def _elements(body: bytes) -> list[object]:
    try:
        return elements(body)
    except InvalidEventError as error:
        if error.reason == "too_large":
            raise TooLargeError(f"The body has {error.text}") from error
        raise _refused([Refusal(None, error.reason, error.path, error.text)], 0) from error


def _is_refused(parsed: Parsed) -> bool:
    """Whether an element is refused; for a defect of ours it is not: it can be replayed."""
    return isinstance(parsed, DeadLetter) and parsed.reason != "internal_error"


def _refusal(parsed: Parsed) -> Refusal:
    if not isinstance(parsed, DeadLetter):
        raise TypeError("a record is not refused")
    text = parsed.text
    if parsed.reason == "no_identity" and not parsed.path:
        text = _NO_IDENTITY
    return Refusal(parsed.element, parsed.reason, parsed.path, text)


def _refused(refusals: Sequence[Refusal], of: int) -> RefusedEventsError:
    telemetry.count("events_refused", len(refusals))
    reasons = Counter(each.reason for each in refusals)
    telemetry.event("events_refused", refused=len(refusals), reasons=reasons)
    return RefusedEventsError(refusals, of)


def _outgoing(found: Sequence[object], parsed: Sequence[Parsed]) -> list[OutgoingEvent]:
    keys = [_key(each) for each in parsed]
    if len(set(keys)) > _MAX_KEYS:  # a batch has one key: thousands of them would take minutes
        keys = [_shared_key(key) for key in keys]
    return [OutgoingEvent(_written(element), key) for element, key in zip(found, keys, strict=True)]


def _key(parsed: Parsed) -> str | None:
    """Return the partition key: a subscription's events go to a few partitions."""
    if not isinstance(parsed, UsageRecord):
        return None
    name = (parsed.subscription_id or "-")[:_KEY_LIMIT]
    return f"{name}-{int(parsed.record_id[:8], 16) % _KEYS_OF_A_SUBSCRIPTION}"


def _shared_key(key: str | None) -> str:
    return f"shared-{int(digest('partition-key', key)[:8], 16) % _SHARED_KEYS}"


def _written(element: object) -> bytes:
    """Write an element as an event's body, to be read there as it was read here."""
    element = without_content(element)
    if isinstance(element, Mapping) and "records" in element:
        element = [element]  # by itself it could be taken for an envelope
    try:
        return orjson.dumps(element)
    except TypeError:  # lone surrogates, integers of more than 64 bits
        return json.dumps(element).encode()
