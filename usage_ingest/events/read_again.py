"""Dead letters, read again by today's parser: from a whole skeleton, else from the hub.

Only reads: replay.py decides what becomes of the answers.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

from usage_ingest.events.dead_letter import DeadLetter
from usage_ingest.events.ingest import Ingest
from usage_ingest.events.kept_letter import Failure, KeptLetter
from usage_ingest.events.parse import Parsed, parse_event, parse_skeleton
from usage_ingest.events.to_record import Rules, Sighting
from usage_ingest.ports import HubReader, ReceivedEvent
from usage_ingest.record import Flag, UsageRecord
from usage_ingest.record_id import milliseconds

_NEAR: Final = 1_000
"""Events that stand no further apart are read in one go: a receiver costs about as much."""
_WHOLE_EVENT: Final = frozenset(
    {"not_utf8", "not_json", "truncated_json", "nested_too_deep", "too_large", "internal_error"}
)
"""Reasons that an event as a whole can have had: then none of its elements has counted."""

Answer = UsageRecord | Failure | None
"""None: the event has no elements, as it is read today; nothing counts."""

GONE: Final = Failure(
    "not_in_hub", "", "the hub keeps its event no more: drop it, or send it again"
)
ELSEWHERE: Final = Failure("not_in_hub", "", "its event stands in another hub than this one reads")
PLACELESS: Final = Failure("not_in_hub", "", "its partition or number is not known: no re-reading")
REPLACED: Final = Failure(
    "not_in_hub", "", "another event stands in its place: the hub is a new one"
)
ABSENT: Final = Failure("not_in_hub", "", "the hub did not return its event")
UNPLACED: Final = Failure(
    "no_identity",
    "",
    "it is known by its place alone, and batches came without a partition id since: it may be "
    "stored already",
)
STANDS: Final = Failure(
    "conflicting_duplicate", "", "its id is stored with another usage, which stands: drop this one"
)


@dataclass(slots=True)
class ReadAgain:
    """An answer for each dead letter, and what else came of events that could not be read at all.

    `others` are the further elements of such events: nobody has counted them yet.
    """

    answers: dict[int, Answer] = field(default_factory=dict)
    others: list[tuple[str | None, Parsed]] = field(default_factory=list)


async def read_again(ingest: Ingest, letters: Sequence[KeptLetter]) -> ReadAgain:
    """Read each dead letter again; answers are by its position in `letters`.

    Raises:
        TransientError: The hub could not be read.
    """
    rules, found = await ingest.rules(), ReadAgain()
    by_partition: dict[str, list[int]] = {}
    for index, letter in enumerate(letters):
        answer = _without_the_hub(ingest, letter, rules)
        partition_id = letter.coordinates.partition_id
        if isinstance(answer, UsageRecord | Failure):
            found.answers[index] = answer
        elif partition_id is not None:
            by_partition.setdefault(partition_id, []).append(index)
    partitions = await ingest.progress.reader.partition_ids() if by_partition else []
    for partition_id, indexes in by_partition.items():
        if partition_id in partitions:
            group = {index: letters[index] for index in indexes}
            await _from_hub(ingest, partition_id, group, rules, found)
        else:
            found.answers |= dict.fromkeys(indexes, REPLACED)
    await _refuse_unplaced(ingest, found)
    return found


async def _refuse_unplaced(ingest: Ingest, found: ReadAgain) -> None:
    """A delivery without a partition id gave such a record another identity."""
    placed = {
        index: answer.coordinates.enqueued_time
        for index, answer in found.answers.items()
        if isinstance(answer, UsageRecord)
        and Flag.REDELIVERY_ONLY in answer.flags
        and answer.coordinates is not None
        and answer.coordinates.enqueued_time is not None
    }
    since = ingest.progress.unknown_partition_since
    if not placed or not await since(min(placed.values())):
        return
    for index, enqueued in placed.items():
        if await since(enqueued):
            found.answers[index] = UNPLACED


def _without_the_hub(ingest: Ingest, letter: KeptLetter, rules: Rules) -> Answer:
    """Return what the store alone tells; None where the event itself is needed."""
    if letter.reason == "conflicting_duplicate":
        return STANDS
    if letter.whole and letter.letter_id is not None:
        seen = Sighting(letter.coordinates, letter.element, b"", ingest.clock.now())
        parsed = parse_skeleton(letter.skeleton, seen, rules)
        if isinstance(parsed, UsageRecord):
            if letter.coordinates.partition_id or Flag.REDELIVERY_ONLY not in parsed.flags:
                return parsed
        elif parsed.reason != "repeated_key":
            return _failure(parsed)
    hub, reader = letter.coordinates, ingest.progress.reader
    if (hub.namespace, hub.hub) != (reader.namespace, reader.hub):
        return ELSEWHERE
    return None if hub.partition_id and hub.sequence_number is not None else PLACELESS


async def _from_hub(
    ingest: Ingest,
    partition_id: str,
    letters: Mapping[int, KeptLetter],
    rules: Rules,
    found: ReadAgain,
) -> None:
    by_number: dict[int, list[int]] = {}
    for index, letter in letters.items():
        by_number.setdefault(letter.coordinates.sequence_number or 0, []).append(index)
    reader = ingest.progress.reader
    properties = await reader.properties(partition_id)
    kept = {n for n in by_number if properties.beginning <= n <= properties.last_enqueued}
    events = await _events(reader, partition_id, kept)
    for number, indexes in by_number.items():
        event = events.get(number)
        same = [i for i in indexes if event and _is_same(letters[i], event)]
        missing = ABSENT if number in kept else GONE if number < properties.beginning else REPLACED
        found.answers |= dict.fromkeys(indexes, missing if event is None else REPLACED)
        if event is None or not same:
            continue
        hub = ingest.coordinates(partition_id, event)
        parsed = parse_event(Sighting(hub, 0, event.body, ingest.clock.now()), rules)
        found.answers |= {i: _element(letters[i], parsed) for i in same}
        if any(letters[i].reason in _WHOLE_EVENT and not letters[i].element for i in same):
            found.others += [(partition_id, each) for each in parsed[1:]]


async def _events(
    reader: HubReader, partition_id: str, numbers: Iterable[int]
) -> dict[int, ReceivedEvent]:
    """Return the events of these numbers, as far as the hub returns them."""
    wanted, found = sorted(numbers), dict[int, ReceivedEvent]()
    while wanted:
        size = next(
            (at for at in range(1, len(wanted)) if wanted[at] - wanted[at - 1] > _NEAR),
            len(wanted),
        )
        near, wanted = frozenset(wanted[:size]), wanted[size:]
        async with aclosing(reader.read(partition_id, min(near), max(near))) as batches:
            async for events in batches:
                found |= {
                    each.sequence_number: each
                    for each in events
                    if each.sequence_number is not None and each.sequence_number in near
                }
    return found


def _is_same(letter: KeptLetter, event: ReceivedEvent) -> bool:
    """Whether it is the event that was set aside: numbers of a recreated hub begin anew."""
    if event.enqueued_time is None:
        return False
    enqueued = letter.coordinates.enqueued_time
    if enqueued is not None:
        return milliseconds(enqueued) == milliseconds(event.enqueued_time)
    return letter.minute == event.enqueued_time.strftime("%Y-%m-%d %H:%M")


def _element(letter: KeptLetter, parsed: Sequence[Parsed]) -> Answer:
    if not parsed:
        return None
    if letter.element < len(parsed):
        chosen = parsed[letter.element]
    else:
        chosen = parsed[0]
        if isinstance(chosen, UsageRecord) or len(parsed) > 1:
            return Failure(letter.reason, "", "as it is read today, the event has fewer elements")
    return chosen if isinstance(chosen, UsageRecord) else _failure(chosen)


def _failure(letter: DeadLetter) -> Failure:
    return Failure(letter.reason, letter.path, letter.text)
