"""What cannot be parsed, and why: the noun of the dead-letters container. Pure."""

from dataclasses import dataclass
from typing import Any, Final, Literal

from usage_ingest.record import UsageRecord
from usage_ingest.record_id import Coordinates, body_hash, coordinates_id, digest

SINGLE_LIMIT: Final = 100
"""Dead letters of one reason that a received batch keeps singly, with their skeletons."""

Reason = Literal[
    "not_utf8",
    "not_json",
    "truncated_json",
    "not_an_object",
    "nested_too_deep",
    "repeated_key",
    "unknown_shape",
    "unknown_usage",
    "no_identity",
    "impossible_time",
    "ambiguous_time",
    "bad_count",
    "implausible_count",
    "too_old",
    "counted_elsewhere",
    "conflicting_duplicate",
    "too_large",
    "internal_error",
]

REASONS: Final[dict[Reason, str]] = {
    "not_utf8": "the body is not UTF-8 text",
    "not_json": "the body is not JSON",
    "truncated_json": "the body ends inside a JSON value: the gateway cut it (200 KB limit)",
    "not_an_object": "the element is not a JSON object",
    "nested_too_deep": "the body is nested deeper than 64 levels",
    "repeated_key": "a key stands in it twice: a caller's text may have become part of it",
    "unknown_shape": "the element's keys are those of no gateway that is known",
    "unknown_usage": "the element has a usage object of an API that is not known",
    "no_identity": "neither the event nor the hub tells it from other events",
    "impossible_time": "its time cannot be read, or lies more than 24 h after its enqueued time",
    "ambiguous_time": "its time can be read two ways and neither is near its enqueued time",
    "bad_count": "a token count is not a whole number of zero or more",
    "implausible_count": "a token count is above 100,000,000",
    "too_old": "it is older than the ledger keeps: a duplicate could not be recognised",
    "counted_elsewhere": "a row that another flow exported: it counts there",
    "conflicting_duplicate": "its id is stored with another usage: the first one stands",
    "too_large": "its document or its array is larger than the store takes",
    "internal_error": "a defect in usage-ingest: report it, then replay",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One element of an event that did not become a record.

    `skeleton` holds keys, types, numbers and allow-listed names, never a caller's text;
    `whole` says that nothing was withheld, so that it can be parsed again from it.
    `letter_id` comes of the coordinates: a redelivered event has the same.
    `raw` is the body as text, only where the deployment asked for it.
    """

    letter_id: str
    reason: Reason
    coordinates: Coordinates
    element: int
    path: str = ""
    text: str = ""
    size: int = 0
    skeleton: Any = None
    whole: bool = False
    raw: str | None = None


def letter_id(hub: Coordinates, element: int, body: bytes) -> str:
    """Return the id of an element's dead letter; without coordinates its body has to do."""
    placed = coordinates_id("dead-letter", hub, element, body)
    return placed or digest("dead-letter", body_hash(body), element)


def of_record(record: UsageRecord, reason: Reason) -> DeadLetter:
    """Return the dead letter of a record that parsed well and cannot be stored."""
    if record.coordinates is None:
        raise ValueError(f"record {record.record_id} came by no hub")
    return DeadLetter(
        letter_id=letter_id(record.coordinates, record.element, record.record_id.encode()),
        reason=reason,
        coordinates=record.coordinates,
        element=record.element,
        skeleton={"record_id": record.record_id, "usage": record.usage.reported()},
    )
