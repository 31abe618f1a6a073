"""The verb of replaying: dead letters -> read again, stored as ever, closed with their counts.

A record is stored first and its dead letter closed after: whatever ends in between is found
stored by the next replay, which closes it. All of it may be repeated, and run twice at once.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from usage_ingest.events.dead_letter import DeadLetter, of_record
from usage_ingest.events.ingest import Ingest
from usage_ingest.events.kept_letter import Closing, Failure, KeptLetter
from usage_ingest.events.parse import Parsed
from usage_ingest.events.ports import KeptLetters
from usage_ingest.events.read_again import ReadAgain, read_again
from usage_ingest.record import UsageRecord

CONFLICTS = Failure(
    "conflicting_duplicate", "", "its id is stored with another usage, which stands"
)
TOO_LARGE = Failure("too_large", "", "its document is larger than the store takes")

Refused = dict[int, Failure]
"""By the identity of a record's object: the ledger hands back those that it could not store."""


@dataclass(slots=True)
class Replayed:
    """What a replay came to; `failures` has an entry for each dead letter that stays open.

    `closed` counts those that this call moved; of the records `stored` were new.
    """

    closed: int = 0
    stored: int = 0
    repeated: int = 0
    completed: int = 0
    new_letters: int = 0
    failures: list[tuple[KeptLetter, Failure]] = field(default_factory=list)

    @property
    def reasons(self) -> Counter[str]:
        """Why dead letters stay open, and how many."""
        return Counter(failure.reason for _, failure in self.failures)


async def replay(
    ingest: Ingest, kept: KeptLetters, letters: Sequence[KeptLetter], *, dry_run: bool = False
) -> Replayed:
    """Read dead letters again; store and close those that can be read, note the others.

    Args:
        ingest: How events are parsed and stored; its reader is where they are read again.
        kept: The dead letters.
        letters: Open ones.
        dry_run: Write nothing; `closed` then says how many could be read.

    Raises:
        TransientError: The hub or the store cannot be used: the next call goes on.
    """
    found = await read_again(ingest, letters)
    replayed = Replayed()
    refused = {} if dry_run else await _store(ingest, letters, found, replayed)
    read: list[KeptLetter] = []
    for index, letter in enumerate(letters):
        answer = found.answers[index]
        failure = answer if isinstance(answer, Failure) else refused.get(id(answer))
        if failure is None:
            read.append(letter)
        else:
            replayed.failures.append((letter, failure))
    if dry_run:
        replayed.closed = len(read)
        return replayed
    replayed.closed = await kept.close(read, Closing("closed"))
    await kept.note(replayed.failures)
    return replayed


async def _store(
    ingest: Ingest, letters: Sequence[KeptLetter], found: ReadAgain, replayed: Replayed
) -> Refused:
    """Store the records; return which of the dead letters' could not be."""
    by_slot: dict[int, list[UsageRecord]] = {}
    for partition_id, parsed in _parsed(letters, found):
        if isinstance(parsed, UsageRecord):
            by_slot.setdefault(ingest.slot(partition_id), []).append(parsed)
    refused: Refused = {}
    for slot, records in by_slot.items():
        written = await ingest.ledger.store(records, slot)
        replayed.stored += written.stored
        replayed.repeated += written.repeated
        replayed.completed += written.completed
        refused |= {id(each): CONFLICTS for each in written.conflicts}
        refused |= {id(each): TOO_LARGE for each in written.too_large}
    await _set_aside(ingest, found, refused, replayed)
    return refused


async def _set_aside(
    ingest: Ingest, found: ReadAgain, refused: Refused, replayed: Replayed
) -> None:
    """Keep what cannot be stored of further elements, as at their first delivery."""
    letters: list[DeadLetter] = []
    for _, parsed in found.others:
        if isinstance(parsed, DeadLetter):
            letters.append(parsed)
        elif (failure := refused.get(id(parsed))) is CONFLICTS:
            letters.append(of_record(parsed, "conflicting_duplicate"))
        elif failure is TOO_LARGE:
            letters.append(of_record(parsed, "too_large"))
    if letters:
        replayed.new_letters += await ingest.dead_letters.store(letters)


def _parsed(letters: Sequence[KeptLetter], found: ReadAgain) -> list[tuple[str | None, Parsed]]:
    answers = [(letters[index], answer) for index, answer in found.answers.items()]
    chosen = [
        (letter.coordinates.partition_id, answer)
        for letter, answer in answers
        if isinstance(answer, UsageRecord)
    ]
    return [*chosen, *found.others]
