"""Dead letter <-> Cosmos document, and the counts beside it: spells their stored fields. Pure.

Partition key: `<day>|<hub partition>|<0-15>`; the day is that of the enqueued time. For every
50 sequence numbers a block document lists, by reason, the places whose dead letters have been
counted: it is written under its ETag in one batch with them, so however a redelivery is cut, each
counts once. Of one reason the first hundred of a received batch have documents of their own; of
the rest the block's ranges tell: a bad rollout cannot fill the store.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from usage_ingest.document import SECONDS_PER_DAY, coordinates_fields, time_text
from usage_ingest.events.dead_letter import DeadLetter
from usage_ingest.record_id import digest

LETTER_TYPE: Final = "dead_letter"
BLOCK_TYPE: Final = "dead_letter_block"
BODY_TYPE: Final = "dead_letter_body"
COUNTS_TYPE: Final = "counts"
RAW_TTL_DAYS: Final = 3
SETTLED: Final = ("closed_ranges", "dropped_ranges")
"""Where a block lists the places of dead letters that are open no more."""
_SHARDS: Final = 16
_BLOCK: Final = 50  # times 2,000 elements: the places of a block fit into one document

Spot = tuple[int, int]
"""A sequence number and the index of an element in that event."""


@dataclass(frozen=True, slots=True)
class Block:
    """Fifty sequence numbers of a hub partition, enqueued in one minute.

    A hub that is recreated gives the same numbers again, but not in the same minute.
    """

    day: str
    minute: str
    namespace: str
    hub: str
    partition_id: str
    number: int

    @property
    def document_id(self) -> str:
        """The id of the block's document."""
        time, hub = (self.day, self.minute), (self.namespace, self.hub, self.partition_id)
        return digest("dead-letter-block", *time, *hub, self.number)

    @property
    def cosmos_partition_key(self) -> str:
        """The logical partition of the block, its dead letters and their counts."""
        return f"{self.day}|{self.partition_id}|{self.number % _SHARDS}"


def block_of(letter: DeadLetter, now: datetime) -> Block:
    """Return the block that a dead letter falls into; without a number it has one of its own."""
    hub = letter.coordinates
    enqueued = hub.enqueued_time or now
    day, minute = enqueued.date().isoformat(), enqueued.strftime("%H:%M")
    if hub.sequence_number is None:
        number = int(letter.letter_id[:12], 16)
    else:
        number = hub.sequence_number // _BLOCK
    return Block(day, minute, hub.namespace, hub.hub, hub.partition_id or "-", number)


def spot_of(letter: DeadLetter) -> Spot:
    """Return the place of an element within its partition."""
    return letter.coordinates.sequence_number or 0, letter.element


def letter_document(
    letter: DeadLetter, block: Block, now: datetime, ttl_days: int
) -> dict[str, Any]:
    """Return the document of a single dead letter, open."""
    return {
        "id": letter.letter_id,
        "partitionKey": block.cosmos_partition_key,
        "type": LETTER_TYPE,
        "block_id": block.document_id,
        "state": "open",
        "day": block.day,
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


def body_id(letter_id: str) -> str:
    """Return the id of the document that holds a dead letter's raw body."""
    return digest("dead-letter-body", letter_id)


def body_document(letter: DeadLetter, block: Block, now: datetime) -> dict[str, Any]:
    """Return the document of a raw body: apart, so that it expires before its dead letter."""
    return {
        "id": body_id(letter.letter_id),
        "partitionKey": block.cosmos_partition_key,
        "type": BODY_TYPE,
        "day": block.day,
        "letter_id": letter.letter_id,
        "body": letter.raw,
        "stored_at": time_text(now),
        "ttl": RAW_TTL_DAYS * SECONDS_PER_DAY,
    }


def block_document(
    block: Block, places: Mapping[str, Iterable[Spot]], now: datetime, ttl_days: int
) -> dict[str, Any]:
    """Return the block's document.

    Args:
        block: Which numbers.
        places: By reason, every place that has been counted and is open.
        now: The moment of writing.
        ttl_days: How long the document is kept from now on.
    """
    return {
        "id": block.document_id,
        "partitionKey": block.cosmos_partition_key,
        "type": BLOCK_TYPE,
        "day": block.day,
        "minute": block.minute,
        "namespace": block.namespace,
        "hub": block.hub,
        "partition_id": block.partition_id,
        "ranges": {reason: to_ranges(spots) for reason, spots in places.items()},
        "stored_at": time_text(now),
        "ttl": ttl_days * SECONDS_PER_DAY,
    }


def places_of(document: Mapping[str, Any]) -> dict[str, set[Spot]]:
    """Return by reason every place of a block whose dead letter is open."""
    return settled_places(document, "ranges")


def settled_places(document: Mapping[str, Any], name: str) -> dict[str, set[Spot]]:
    """Return by reason the places that a block lists under a name: `closed_ranges`, say."""
    return {
        reason: {
            (number, element)
            for first, last, first_element, last_element in ranges
            for number in range(first, last + 1)
            for element in range(first_element, last_element + 1)
        }
        for reason, ranges in document.get(name, {}).items()
    }


def settled_ranges(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a block tells of dead letters that are not open: they count no more."""
    return {name: document[name] for name in SETTLED if name in document}


def counted_places(document: Mapping[str, Any]) -> set[Spot]:
    """Return every place of a block that was ever counted, open or not."""
    listed = (settled_places(document, name).values() for name in ("ranges", *SETTLED))
    return {spot for places in listed for spots in places for spot in spots}


def to_ranges(spots: Iterable[Spot]) -> list[list[int]]:
    """Fold places into ranges: [first, last, first element, last element], both included."""
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
