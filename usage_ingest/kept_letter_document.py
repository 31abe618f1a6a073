"""The kept dead letters <-> documents: read back, noted, closed with block and counts. Pure.

A close is one transactional batch: the block, in which the place moves from `ranges` to
`closed_ranges` or `dropped_ranges`, under its ETag; the dead letter itself under its own; and the
counts beside them. All of it or nothing, so each moves once, whoever else closes it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from usage_ingest.dead_letter_document import Spot, places_of, settled_places, to_ranges
from usage_ingest.document import SECONDS_PER_DAY, coordinates_of, time_of, time_text
from usage_ingest.events.kept_letter import Closing, Failure, KeptLetter
from usage_ingest.record_id import Coordinates

_SYSTEM: Final = ("_rid", "_self", "_etag", "_attachments", "_ts")


def kept_letter(document: Mapping[str, Any]) -> KeptLetter:
    """Read the document of a single dead letter."""
    failure = document.get("last_failure")
    return KeptLetter(
        letter_id=document["id"],
        block_id=document["block_id"],
        cosmos_partition_key=document["partitionKey"],
        state=document["state"],
        reason=document["reason"],
        day=document["day"],
        coordinates=coordinates_of(document),
        element=document["element"],
        path=document["path"],
        text=document["text"],
        size=document["size"],
        skeleton=document["skeleton"],
        whole=document["skeleton_whole"],
        attempts=document["attempts"],
        last_failure=failure and Failure(**failure),
        stored_at=time_of(document["stored_at"]),
    )


def kept_places(
    block: Mapping[str, Any], single: Iterable[Spot], reasons: Iterable[str] = ()
) -> list[KeptLetter]:
    """Return the open places of a block that have no document of their own.

    Args:
        block: The block's document.
        single: Places of dead letters that have one.
        reasons: Only these; none means all.
    """
    without, wanted = frozenset(single), frozenset(reasons)
    partition_id = None if block["partition_id"] == "-" else block["partition_id"]
    return [
        KeptLetter(
            letter_id=None,
            block_id=block["id"],
            cosmos_partition_key=block["partitionKey"],
            reason=reason,
            day=block["day"],
            coordinates=Coordinates(
                namespace=block["namespace"],
                hub=block["hub"],
                partition_id=partition_id,
                sequence_number=number,
                enqueued_time=None,
            ),
            minute=f"{block['day']} {block['minute']}",
            element=element,
        )
        for reason, spots in places_of(block).items()
        if not wanted or reason in wanted
        for number, element in sorted(spots - without)
    ]


def kept_spot(letter: KeptLetter) -> Spot:
    """Return the place of a kept dead letter in its block."""
    return letter.coordinates.sequence_number or 0, letter.element


def noted_letter(document: Mapping[str, Any], failure: Failure, now: datetime) -> dict[str, Any]:
    """Return the document after an attempt that failed."""
    return _changed(document, now) | {
        "attempts": document["attempts"] + 1,
        "last_failure": asdict(failure),
    }


def closed_letter(document: Mapping[str, Any], closing: Closing, now: datetime) -> dict[str, Any]:
    """Return the document of a dead letter that is closed."""
    attempted = closing.state == "closed"
    told = {"closed_by": closing.by, "closed_because": closing.because}
    return (
        _changed(document, now)
        | {"state": closing.state, "attempts": document["attempts"] + attempted}
        | {name: value for name, value in told.items() if value is not None}
    )


def _changed(document: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Copy a document for writing it anew: it expires when it would have expired."""
    since = time_of(document.get("changed_at") or document["stored_at"])
    left = document["ttl"] - max(0, int((now - since).total_seconds()))
    changed = {"changed_at": time_text(now), "ttl": max(1, left)}
    return {name: value for name, value in document.items() if name not in _SYSTEM} | changed


def closed_block(
    block: Mapping[str, Any],
    moved: Mapping[str, Iterable[Spot]],
    closing: Closing,
    now: datetime,
    ttl_days: int,
) -> dict[str, Any]:
    """Return a block's document with places moved, by reason, out of the open ones.

    It lives on for as long as a new one: it must outlive the dead letters, or a redelivery of
    them would count again.
    """
    name = f"{closing.state}_ranges"
    left, settled = places_of(block), settled_places(block, name)
    for reason, spots in moved.items():
        places = set(spots)
        left[reason] = left.get(reason, set()) - places
        settled[reason] = settled.get(reason, set()) | places
    return {key: value for key, value in block.items() if key not in _SYSTEM} | {
        "ranges": {reason: to_ranges(spots) for reason, spots in left.items() if spots},
        name: {reason: to_ranges(spots) for reason, spots in settled.items()},
        "stored_at": time_text(now),
        "ttl": ttl_days * SECONDS_PER_DAY,
    }


def moved_fields(moved: Mapping[str, int], closing: Closing) -> dict[str, int]:
    """Return by how much the counters change when so many dead letters of each reason move."""
    fields = Counter[str]()
    for reason, number in moved.items():
        fields[f"open_{reason}"] -= number
        fields[f"{closing.state}_{reason}"] += number
    return dict(fields)
