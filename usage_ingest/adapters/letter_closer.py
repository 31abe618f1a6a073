"""Closes kept dead letters together with their block and their counts, or notes an attempt.

Everything is looked up at each try and written under ETags, so it may be repeated, and done by
several at once: each dead letter moves once.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from azure.cosmos.aio import ContainerProxy

from usage_ingest.adapters.cosmos import CONFLICT, NOT_FOUND, PRECONDITION, Operation, try_batch
from usage_ingest.adapters.cosmos_reads import read_or_none
from usage_ingest.adapters.patience import Patience
from usage_ingest.dead_letter_document import Spot, counts_id, places_of
from usage_ingest.errors import TransientError
from usage_ingest.events.kept_letter import Closing, Failure, KeptLetter
from usage_ingest.kept_letter_document import (
    closed_block,
    closed_letter,
    kept_spot,
    moved_fields,
    noted_letter,
)
from usage_ingest.ports import Clock
from usage_ingest.rollup import patches

_AT_ONCE: Final = 40  # dead letters of a batch, with room for the block and the counts
_ATTEMPTS: Final = 20
_CHANGED: Final = frozenset({CONFLICT, PRECONDITION, NOT_FOUND})

Document = Mapping[str, Any]


@dataclass(slots=True)
class _Move:
    """What of some dead letters of one block is still open, as the store has it now."""

    block: Document | None
    letters: list[Document] = field(default_factory=list)
    spots: dict[str, set[Spot]] = field(default_factory=dict)

    def add(self, reason: str, spot: Spot) -> None:
        """Let a place change its state."""
        self.spots.setdefault(reason, set()).add(spot)

    @property
    def counts(self) -> Counter[str]:
        """How many of each reason."""
        return Counter({reason: len(spots) for reason, spots in self.spots.items()})


class LetterCloser:
    """Writes to the container of dead letters what becomes of them."""

    def __init__(
        self, container: ContainerProxy, patience: Patience, clock: Clock, ttl_days: int
    ) -> None:
        """Use the given connection; blocks live for `ttl_days` from each write on."""
        self._container = container
        self._patience = patience
        self._clock = clock
        self._ttl_days = ttl_days

    async def close(self, letters: Sequence[KeptLetter], closing: Closing) -> int:
        """Move what is still open, and its counts; see events.ports.KeptLetters."""
        moved = 0
        for key, block_id, group in _by_block(letters):
            moved += await self._close(key, block_id, group, closing)
        return moved

    async def _close(
        self, key: str, block_id: str, letters: Sequence[KeptLetter], closing: Closing
    ) -> int:
        for _ in range(_ATTEMPTS):
            move = await self._still_open(key, block_id, letters)
            if not move.spots:
                return 0
            operations = self._writes(move, closing)
            changes = patches(moved_fields(move.counts, closing))
            counting: list[Operation] = [("patch", (counts_id(key), steps)) for steps in changes]
            refused = await try_batch(
                self._container, self._patience, key, [*operations, *counting]
            )
            if refused is None:
                return move.counts.total()
            index, status = refused
            if index is not None and index >= len(operations):
                raise TransientError(f"{key}: the counts of dead letters are refused ({status})")
            if status not in _CHANGED:
                return await self._close_fewer(key, block_id, letters, closing, status)
        raise TransientError(f"{key}: the dead letters are contended")

    async def _close_fewer(
        self,
        key: str,
        block_id: str,
        letters: Sequence[KeptLetter],
        closing: Closing,
        status: int,
    ) -> int:
        """The store refuses the size: close half of them first."""
        if len(letters) == 1:
            raise TransientError(f"{key}: Cosmos DB refuses to close a dead letter ({status})")
        middle = len(letters) // 2
        first = await self._close(key, block_id, letters[:middle], closing)
        return first + await self._close(key, block_id, letters[middle:], closing)

    def _writes(self, move: _Move, closing: Closing) -> list[Operation]:
        now = self._clock.now()
        operations = [_replace(each, closed_letter(each, closing, now)) for each in move.letters]
        if move.block is not None:
            block = closed_block(move.block, move.spots, closing, now, self._ttl_days)
            operations.insert(0, _replace(move.block, block))
        return operations

    async def _still_open(self, key: str, block_id: str, letters: Sequence[KeptLetter]) -> _Move:
        """Look up what of the dead letters is open: others may close them too."""
        move = _Move(await read_or_none(self._container, self._patience, block_id, key))
        listed = places_of(move.block) if move.block else {}
        documents = await self._documents(key, letters)
        for letter in letters:
            spot, document = kept_spot(letter), documents.get(letter.letter_id or "")
            if document is None:  # a place, or it has expired before its block
                if spot in listed.get(letter.reason, ()):
                    move.add(letter.reason, spot)
            elif document["state"] == "open":
                move.letters.append(document)
                move.add(document["reason"], spot)
        return move

    async def note(self, failed: Sequence[tuple[KeptLetter, Failure]]) -> None:
        """Count an attempt at each; see events.ports.KeptLetters."""
        failures = {each.letter_id: failure for each, failure in failed if each.letter_id}
        single = [each for each, _ in failed if each.letter_id]
        for key, _, group in _by_block(single):
            await self._note(key, group, failures)

    async def _note(
        self, key: str, letters: Sequence[KeptLetter], failures: Mapping[str, Failure]
    ) -> None:
        for _ in range(_ATTEMPTS):
            found = (await self._documents(key, letters)).values()
            now = self._clock.now()
            operations = [
                _replace(each, noted_letter(each, failures[each["id"]], now))
                for each in found
                if each["state"] == "open"
            ]
            if not operations:
                return
            refused = await try_batch(self._container, self._patience, key, operations)
            if refused is None:
                return
            if refused[1] not in _CHANGED:
                raise TransientError(f"{key}: Cosmos DB refuses a note ({refused[1]})")
        raise TransientError(f"{key}: the dead letters are contended")

    async def _documents(
        self, key: str, letters: Sequence[KeptLetter]
    ) -> dict[str, dict[str, Any]]:
        wanted = [(each.letter_id, key) for each in letters if each.letter_id]
        if not wanted:
            return {}

        async def request() -> dict[str, dict[str, Any]]:
            found = await self._container.read_items(items=wanted)
            return {each["id"]: dict(each) for each in found}

        return await self._patience.call(request)


def _by_block(letters: Sequence[KeptLetter]) -> Iterator[tuple[str, str, list[KeptLetter]]]:
    """Yield groups of one block that one batch can hold, with their logical partition."""
    groups: dict[tuple[str, str], list[KeptLetter]] = {}
    for letter in letters:
        groups.setdefault((letter.cosmos_partition_key, letter.block_id), []).append(letter)
    for (key, block_id), group in groups.items():
        size = _AT_ONCE if group[0].letter_id else len(group)  # places have no documents
        for at in range(0, len(group), size):
            yield key, block_id, group[at : at + size]


def _replace(old: Document, new: dict[str, Any]) -> Operation:
    return ("replace", (new["id"], new), {"if_match_etag": old["_etag"]})
