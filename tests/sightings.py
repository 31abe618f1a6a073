"""Builders for parsing alone: where an event stands, what the deployment decides, what comes of it.

Hypothesis strategies for JSON, events and usage stand at the end.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from hypothesis import strategies as st

from tests.builders import NOON, body
from usage_ingest.errors import InvalidEventError
from usage_ingest.events.dead_letter import DeadLetter
from usage_ingest.events.parse import Parsed, parse_event
from usage_ingest.events.privacy import Privacy
from usage_ingest.events.to_record import Rules, Sighting
from usage_ingest.identity import DatedValue, Identity
from usage_ingest.record import USAGE_FIELDS, Source, TokenUsage, UsageRecord, UsageState
from usage_ingest.record_id import Coordinates

T = TypeVar("T")
HUB = Coordinates(
    namespace="contoso.servicebus.windows.net",
    hub="usage",
    partition_id="3",
    sequence_number=4711,
    enqueued_time=NOON,
)
HASHING = Identity({"hmac_key": (DatedValue("0001-01-01", "k1"),)})
KEYS = {"k1": b"a key for tests"}


def make_coordinates(**overrides: Any) -> Coordinates:
    return replace(HUB, **overrides)


def make_rules(**overrides: Any) -> Rules:
    return replace(Rules(Identity(), Privacy(), ledger_ttl_days=400), **overrides)


def parse(
    event: object, *, rules: Rules | None = None, now: datetime = NOON, **coordinates: Any
) -> list[Parsed]:
    """Parse one event: bytes as they are, anything else as JSON."""
    seen = Sighting(make_coordinates(**coordinates), 0, body(event), now)
    return parse_event(seen, rules or make_rules())


def record_of(event: object, **how: Any) -> UsageRecord:
    (parsed,) = parse(event, **how)
    assert isinstance(parsed, UsageRecord), parsed
    return parsed


def letter_of(event: object, **how: Any) -> DeadLetter:
    (parsed,) = parse(event, **how)
    assert isinstance(parsed, DeadLetter), parsed
    return parsed


def outcome_of(call: Callable[[], T]) -> T | InvalidEventError:
    """Return what a call returns, or the refusal that it raises."""
    try:
        return call()
    except InvalidEventError as error:
        return error


def make_record(**overrides: Any) -> UsageRecord:
    made = UsageRecord(
        record_id="0123456789abcdef0123456789abcdef",
        shape="own",
        source=Source.EVENT_HUB,
        event_time=NOON,
        ingested_at=NOON,
        usage=TokenUsage(input_tokens=100, output_tokens=20, total_tokens=120),
        usage_state=UsageState.REPORTED,
        coordinates=HUB,
        gateway="apim-contoso",
        subscription_id="hr-copilot",
    )
    return replace(made, **overrides)


any_text = st.text(st.characters(exclude_categories=()), max_size=20)
"""Text with control characters and lone surrogates too: JSON can hold both."""
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | any_text | st.just("") | st.just("NA")
)
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_text, inner, max_size=4),
    max_leaves=12,
)


def to_bytes(value: object) -> bytes:
    """Write JSON as a lax producer does: NaN and lone surrogates included."""
    return json.dumps(value).encode()


counts = st.none() | st.integers(0, 300) | st.integers(0, 200_000_000)
token_usages = st.builds(TokenUsage, **dict.fromkeys(USAGE_FIELDS, counts))
