"""Dead letters over Cosmos DB, each counted once in the counts document beside it.

A block document lists what has been counted; it is written under its ETag in one batch with the
new dead letters and the increment of their counts: all of it or nothing.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from usage_ingest.adapters.cosmos import (
    CONFLICT,
    DEAD_LETTERS,
    NOT_FOUND,
    PRECONDITION,
    Cosmos,
    Operation,
    try_batch,
)
from usage_ingest.adapters.cosmos_reads import read_or_none
from usage_ingest.dead_letter_document import (
    Block,
    block_document,
    block_of,
    body_document,
    counted_places,
    counts_document,
    counts_id,
    letter_document,
    opened_fields,
    places_of,
    settled_ranges,
    spot_of,
)
from usage_ingest.errors import TransientError
from usage_ingest.events.dead_letter import SINGLE_LIMIT, DeadLetter
from usage_ingest.ports import Clock
from usage_ingest.rollup import patches

_ATTEMPTS: Final = 20
_AT_ONCE: Final = 45  # dead letters of a batch, with room for their bodies and the counts
_WRITTEN_FIRST: Final = frozenset({CONFLICT, PRECONDITION, NOT_FOUND})


class CosmosDeadLetters:
    """Implements ports.DeadLetters."""

    def __init__(self, cosmos: Cosmos, clock: Clock, ttl_days: int) -> None:
        """Use the given connection; nothing is asked of the service."""
        self._container = cosmos.container(DEAD_LETTERS)
        self._patience = cosmos.patience
        self._clock = clock
        self._ttl_days = ttl_days

    async def store(self, letters: Sequence[DeadLetter]) -> int:
        """Store the dead letters of one received batch; see ports.DeadLetters."""
        seen: Counter[str] = Counter()
        single: dict[Block, list[DeadLetter]] = {}
        over: dict[Block, list[DeadLetter]] = {}
        for letter in letters:
            seen[letter.reason] += 1
            chosen = single if seen[letter.reason] <= SINGLE_LIMIT else over
            chosen.setdefault(block_of(letter, self._clock.now()), []).append(letter)
        new = 0
        for block, group in single.items():
            for at in range(0, len(group), _AT_ONCE):
                new += await self._store(block, group[at : at + _AT_ONCE], single=True)
        for block, group in over.items():
            new += await self._store(block, group, single=False)
        return new

    async def _store(self, block: Block, letters: Sequence[DeadLetter], *, single: bool) -> int:
        """Count what the block does not list yet; singly stored ones get documents."""
        counts_exist = True
        for _ in range(_ATTEMPTS):
            stored = await read_or_none(
                self._container, self._patience, block.document_id, block.cosmos_partition_key
            )
            places = places_of(stored) if stored else {}
            listed = counted_places(stored) if stored else set()
            new = {spot_of(each): each for each in letters if spot_of(each) not in listed}
            if not new:
                return 0
            for spot, letter in new.items():
                places.setdefault(letter.reason, set()).add(spot)
            document = block_document(block, places, self._clock.now(), self._ttl_days)
            document |= settled_ranges(stored or {})
            kept = list(new.values()) if single else []
            operations = [_write(document, stored), *self._documents(block, kept)]
            opened: Counter[str] = Counter(letter.reason for letter in new.values())
            counting = _count(block.cosmos_partition_key, opened, exists=counts_exist)
            failed = await try_batch(
                self._container,
                self._patience,
                block.cosmos_partition_key,
                [*operations, *counting],
            )
            if failed is None:
                return len(new)
            index, status = failed
            if index is not None and index >= len(operations):
                counts_exist = status == CONFLICT
            elif index != 0 and kept:
                return await self._store_smaller(block, kept)
            elif status not in _WRITTEN_FIRST:
                raise TransientError(f"{block}: Cosmos DB refuses dead letters ({status})")
        raise TransientError(f"{block}: the dead letters are contended")

    async def _store_smaller(self, block: Block, letters: list[DeadLetter]) -> int:
        """The store refuses the size: halve the batch; of one letter keep only the facts."""
        if len(letters) > 1:
            middle = len(letters) // 2
            first = await self._store(block, letters[:middle], single=True)
            return first + await self._store(block, letters[middle:], single=True)
        bare = replace(letters[0], raw=None)
        if bare == letters[0]:
            bare = replace(bare, skeleton=None, whole=False)
        if bare == letters[0]:
            raise TransientError(f"{block}: Cosmos DB refuses a dead letter without a body")
        return await self._store(block, [bare], single=True)

    def _documents(self, block: Block, letters: Sequence[DeadLetter]) -> list[Operation]:
        """Return the writes of single dead letters; the block has decided that they are new."""
        now = self._clock.now()
        documents = [letter_document(each, block, now, self._ttl_days) for each in letters]
        bodies = [body_document(each, block, now) for each in letters if each.raw is not None]
        return [("upsert", (each,)) for each in (*documents, *bodies)]


def _write(document: dict[str, Any], stored: Mapping[str, Any] | None) -> Operation:
    if stored is None:
        return ("create", (document,))
    return ("replace", (document["id"], document), {"if_match_etag": stored["_etag"]})


def _count(key: str, opened: Mapping[str, int], *, exists: bool) -> list[Operation]:
    if not exists:
        return [("create", (counts_document(key, opened),))]
    return [("patch", (counts_id(key), steps)) for steps in patches(opened_fields(opened))]
