"""Dead letter <-> Cosmos document, and the counts beside it: spells their stored fields. Pure.

Partition key: `<day>|<hub partition>|<0-15>`; the day is that of the enqueued time. From the
101st dead letter of one reason in a received batch on, one document per 1,000 sequence numbers
holds them as ranges: a bad rollout cannot fill the store.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from usage_ingest.document import SECONDS_PER_DAY, coordinates_fields, time_text
from usage_ingest.events.dead_letter import DeadLetter
from usage_ingest.record_id import digest

LETTER_TYPE: Final = "dead_letter"
RANGES_TYPE: Final = "dead_letter_ranges"
BODY_TYPE: Final = "dead_letter_body"
COUNTS_TYPE: Final = "counts"
RAW_TTL_DAYS: Final = 3
SINGLE_LIMIT: Final = 100
_SHARDS: Final = 16
_BLOCK: Final = 1_000

Spot = tuple[int, int]
"""A sequence number and the index of an element in that event."""


@dataclass(frozen=True, slots=True)
class Block:
    """Where the ranges of one reason, day and thousand of sequence numbers are kept."""

    day: str
    hub: str
    partition_id: str
    reason: str
    number: int

    @property
    def document_id(self) -> str:
        """The id of the document."""
        return digest(
            "dead-letter-ranges", self.day, self.hub, self.partition_id, self.reason, self.number
        )

    @property
    def cosmos_partition_key(self) -> str:
        """The logical partition of the document."""
        return f"{self.day}|{self.partition_id}|{self.number % _SHARDS}"


def day_of(letter: DeadLetter, now: datetime) -> str:
    """Return the UTC day that a dead letter counts in."""
    return (letter.coordinates.enqueued_time or now).date().isoformat()


def cosmos_partition_key(letter: DeadLetter, now: datetime) -> str:
    """Return the logical partition of a single dead letter."""
    shard = int(letter.letter_id, 16) % _SHARDS
    return f"{day_of(letter, now)}|{letter.coordinates.partition_id or '-'}|{shard}"


def block_of(letter: DeadLetter, now: datetime) -> Block | None:
    """Return the block that a dead letter falls into; None without a sequence number."""
    hub = letter.coordinates
    if hub.sequence_number is None:
        return None
    partition = hub.partition_id or "-"
    return Block(
        day_of(letter, now), hub.hub, partition, letter.reason, hub.sequence_number // _BLOCK
    )


def spot_of(letter: DeadLetter) -> Spot:
    """Return the place of an element within its partition."""
    return letter.coordinates.sequence_number or 0, letter.element


def letter_document(letter: DeadLetter, now: datetime, ttl_days: int) -> dict[str, Any]:
    """Return the document of a single dead letter, open."""
    return {
        "id": letter.letter_id,
        "partitionKey": cosmos_partition_key(letter, now),
        "type": LETTER_TYPE,
        "state": "open",
        "day": day_of(letter, now),
        "reason": letter.reason,
        "path": letter.path,
        "text": letter.text,
        "element": letter.element,
        "size": letter.size,
        "attempts": 0,
        "skeleton": letter.skeleton,
        "skeleton_whole": letter.whole,
        "stored_at": time_text(now),
        "ttl": ttl_days * SECONDS_PER_DAY,
        **coordinates_fields(letter.coordinates),
    }


def body_document(letter: DeadLetter, now: datetime) -> dict[str, Any]:
    """Return the document of a raw body: apart, so that it expires before its dead letter."""
    return {
        "id": digest("dead-letter-body", letter.letter_id),
        "partitionKey": cosmos_partition_key(letter, now),
        "type": BODY_TYPE,
        "day": day_of(letter, now),
        "letter_id": letter.letter_id,
        "body": letter.raw,
        "stored_at": time_text(now),
        "ttl": RAW_TTL_DAYS * SECONDS_PER_DAY,
    }


def ranges_document(
    block: Block, spots: Iterable[Spot], now: datetime, ttl_days: int
) -> dict[str, Any]:
    """Return the document of a block's ranges: [first, last, first element, last element]."""
    ranges = to_ranges(spots)
    return {
        "id": block.document_id,
        "partitionKey": block.cosmos_partition_key,
        "type": RANGES_TYPE,
        "state": "open",
        "day": block.day,
        "reason": block.reason,
        "hub": block.hub,
        "partition_id": block.partition_id,
        "ranges": ranges,
        "count": sum((b - a + 1) * (d - c + 1) for a, b, c, d in ranges),
        "attempts": 0,
        "stored_at": time_text(now),
        "ttl": ttl_days * SECONDS_PER_DAY,
    }


def spots_of(document: Mapping[str, Any]) -> set[Spot]:
    """Return every place that a ranges document holds."""
    return {
        (number, element)
        for first, last, first_element, last_element in document["ranges"]
        for number in range(first, last + 1)
        for element in range(first_element, last_element + 1)
    }


def to_ranges(spots: Iterable[Spot]) -> list[list[int]]:
    """Fold places into ranges: runs of elements first, then of events with equal runs."""
    folded: list[list[int]] = []
    for number, first, last in _runs(sorted(set(spots))):
        previous = folded[-1] if folded else None
        if previous and previous[1] == number - 1 and previous[2:] == [first, last]:
            previous[1] = number
        else:
            folded.append([number, number, first, last])
    return folded


def _runs(spots: Sequence[Spot]) -> list[tuple[int, int, int]]:
    runs: list[tuple[int, int, int]] = []
    for number, element in spots:
        if runs and runs[-1][0] == number and runs[-1][2] == element - 1:
            runs[-1] = (number, runs[-1][1], element)
        else:
            runs.append((number, element, element))
    return runs


def counts_id(cosmos_partition_key: str) -> str:
    """Return the id of the counts document of a logical partition."""
    return digest("dead-letter-counts", cosmos_partition_key)


def counts_document(cosmos_partition_key: str, opened: Mapping[str, int]) -> dict[str, Any]:
    """Return a new counts document; it has no ttl: the counts outlive the dead letters."""
    day, partition_id, _ = cosmos_partition_key.rsplit("|", 2)
    return {
        "id": counts_id(cosmos_partition_key),
        "partitionKey": cosmos_partition_key,
        "type": COUNTS_TYPE,
        "day": day,
        "partition_id": partition_id,
        **opened_fields(opened),
    }


def opened_fields(opened: Mapping[str, int]) -> dict[str, int]:
    """Return the counters that dead letters of these reasons raise."""
    return {f"open_{reason}": count for reason, count in opened.items()}
