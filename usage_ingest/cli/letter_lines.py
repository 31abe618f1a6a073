"""How dead letters are printed: lines for people, objects for machines."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import click
import orjson

from usage_ingest.dead_letter_counts import DeadLetterCounts
from usage_ingest.dead_letter_document import to_ranges
from usage_ingest.document import coordinates_fields, time_text
from usage_ingest.events.kept_letter import KeptLetter
from usage_ingest.kept_letter_document import kept_spot

STATES = ("open", "closed", "dropped")


def counts_objects(by_day: Mapping[str, DeadLetterCounts]) -> Iterator[dict[str, Any]]:
    """Yield how many there are of each day and reason, by state."""
    for day, counts in sorted(by_day.items()):
        listed = counts.listed()
        for reason in sorted({reason for state in STATES for reason in listed[state]}):
            numbers = {state: listed[state].get(reason, 0) for state in STATES}
            yield {"day": day, "reason": reason, **numbers}


def counts_line(found: Mapping[str, Any]) -> str:
    """Return one of them as a line."""
    numbers = "  ".join(f"{state} {found[state]:,}" for state in STATES)
    return f"{found['day']}  {found['reason']}  {numbers}"


def letter_object(letter: KeptLetter, *, whole: bool = False) -> dict[str, Any]:
    """Return a dead letter; `whole` with its skeleton."""
    failure = letter.last_failure
    found: dict[str, Any] = {
        "id": letter.letter_id,
        "state": letter.state,
        "day": letter.day,
        "reason": letter.reason,
        "path": letter.path,
        "text": letter.text,
        **coordinates_fields(letter.coordinates),
        "element": letter.element,
        "size": letter.size,
        "attempts": letter.attempts,
        "last_failure": asdict(failure) if failure else None,
        "stored_at": letter.stored_at and time_text(letter.stored_at),
        "skeleton_whole": letter.whole,
    }
    return found | ({"skeleton": letter.skeleton} if whole else {})


def letter_line(letter: KeptLetter) -> str:
    """Return a dead letter as a line."""
    place = f" at {letter.path}" if letter.path else ""
    words = [letter.letter_id or "-", letter.day, letter.where, f"{letter.reason}{place}:"]
    line = f"{'  '.join(words)} {letter.text}  attempts {letter.attempts}"
    failure = letter.last_failure
    return f"{line}, last: {failure.reason}: {failure.text}" if failure else line


def places_objects(places: Sequence[KeptLetter]) -> Iterator[dict[str, Any]]:
    """Yield the places that have no dead letter of their own, as ranges of a day and reason."""
    groups: dict[tuple[str, str, str, str], list[KeptLetter]] = {}
    for each in places:
        hub = each.coordinates
        group = (each.day, hub.hub, hub.partition_id or "?", each.reason)
        groups.setdefault(group, []).append(each)
    for (day, hub_name, partition_id, reason), group_places in groups.items():
        yield {
            "day": day,
            "hub": hub_name,
            "partition_id": partition_id,
            "reason": reason,
            "places": len(group_places),
            "ranges": to_ranges(map(kept_spot, group_places)),
        }


def places_line(found: Mapping[str, Any]) -> str:
    """Return ranges as a line."""
    numbers = ", ".join(_range(*each) for each in found["ranges"])
    where = f"{found['hub']}/{found['partition_id']}"
    return f"-  {found['day']}  {where}#{numbers}  {found['reason']}: {found['places']:,} places"


def _range(first: int, last: int, first_element: int, last_element: int) -> str:
    numbers = f"{first}" if first == last else f"{first}-{last}"
    return numbers if not last_element else f"{numbers}.{first_element}-{last_element}"


def say(kind: str, found: Mapping[str, Any], line: str, as_json: bool) -> None:
    """Print what was found: as an object under its kind, or as a line."""
    click.echo(orjson.dumps({kind: found}) if as_json else line)
