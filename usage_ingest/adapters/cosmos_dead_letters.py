"""Dead letters over Cosmos DB, each counted once in the counts document beside it.

A single one is created in one batch with its count; 409 says that it is counted already. What is
over the limit of a received batch goes into ranges, replaced under an ETag with its count.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from azure.core.exceptions import HttpResponseError
from azure.cosmos.exceptions import CosmosBatchOperationError

from usage_ingest.adapters.cosmos import (
    CONFLICT,
    DEAD_LETTERS,
    NOT_FOUND,
    PRECONDITION,
    REFUSED_ITEM,
    Cosmos,
)
from usage_ingest.adapters.ledger_batch import Operation
from usage_ingest.dead_letter_document import (
    SINGLE_LIMIT,
    Block,
    Spot,
    block_of,
    body_document,
    cosmos_partition_key,
    counts_document,
    counts_id,
    letter_document,
    opened_fields,
    ranges_document,
    spot_of,
    spots_of,
)
from usage_ingest.errors import TransientError
from usage_ingest.events.dead_letter import DeadLetter
from usage_ingest.ports import Clock
from usage_ingest.rollup import patches

_ATTEMPTS: Final = 20
_AT_ONCE: Final = 45  # dead letters of a batch, with room for their bodies and the counts


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
        ranged = await self._ranged(letters)
        open_letters = [each for each in letters if not self._is_in(ranged, each)]
        single, over = _split(open_letters)
        new = 0
        for key, group in self._by_partition(single).items():
            for at in range(0, len(group), _AT_ONCE):
                new += await self._store_single(key, group[at : at + _AT_ONCE])
        if over:
            new += await self._store_over(over)
        return new

    def _by_partition(self, letters: Iterable[DeadLetter]) -> dict[str, list[DeadLetter]]:
        groups: dict[str, dict[str, DeadLetter]] = {}
        for letter in letters:
            key = cosmos_partition_key(letter, self._clock.now())
            groups.setdefault(key, {})[letter.letter_id] = letter
        return {key: list(group.values()) for key, group in groups.items()}

    async def _store_single(self, key: str, letters: list[DeadLetter]) -> int:
        counts_exist = True
        for _ in range(_ATTEMPTS + len(letters)):
            if not letters:
                return 0
            operations = [*self._creates(letters), *self._bodies(letters)]
            first_count = len(operations)
            opened: Counter[str] = Counter(letter.reason for letter in letters)
            operations += _count(key, opened, exists=counts_exist)
            failed = await self._attempt(key, operations)
            if failed is None:
                return len(letters)
            index, status = failed
            if index is None:
                return await self._store_in_halves(key, letters)
            if index >= first_count:
                counts_exist = status == CONFLICT
            elif status == CONFLICT and index < len(letters):
                letters = letters[:index] + letters[index + 1 :]
            else:
                return await self._store_in_halves(key, letters)
        raise TransientError(f"{key}: the dead letters' counts are contended")

    async def _store_in_halves(self, key: str, letters: list[DeadLetter]) -> int:
        """The store refuses the size: halve the batch; of one letter keep only the facts."""
        if len(letters) > 1:
            middle = len(letters) // 2
            first = await self._store_single(key, letters[:middle])
            return first + await self._store_single(key, letters[middle:])
        letter = letters[0]
        bare = replace(letter, raw=None)
        if bare == letter:
            bare = replace(letter, skeleton=None, whole=False)
        if bare == letter:
            raise TransientError(f"{key}: Cosmos DB refuses a dead letter without a body")
        return await self._store_single(key, [bare])

    def _creates(self, letters: Iterable[DeadLetter]) -> list[Operation]:
        now = self._clock.now()
        return [("create", (letter_document(each, now, self._ttl_days),)) for each in letters]

    def _bodies(self, letters: Iterable[DeadLetter]) -> list[Operation]:
        now = self._clock.now()
        return [("upsert", (body_document(each, now),)) for each in letters if each.raw is not None]

    async def _store_over(self, letters: Sequence[DeadLetter]) -> int:
        """Store as ranges what is not stored singly from an earlier, smaller delivery."""
        known = await self._existing(
            (each.letter_id, cosmos_partition_key(each, self._clock.now())) for each in letters
        )
        blocks: dict[Block, set[Spot]] = {}
        for letter in letters:
            block = block_of(letter, self._clock.now())
            if block is not None and letter.letter_id not in known:
                blocks.setdefault(block, set()).add(spot_of(letter))
        return sum([await self._store_ranges(block, spots) for block, spots in blocks.items()])

    async def _store_ranges(self, block: Block, spots: set[Spot]) -> int:
        key = block.cosmos_partition_key
        counts_exist = True
        for _ in range(_ATTEMPTS):
            stored = (await self._existing([(block.document_id, key)])).get(block.document_id)
            held = spots_of(stored) if stored else set()
            new = spots - held
            if not new:
                return 0
            document = ranges_document(block, held | new, self._clock.now(), self._ttl_days)
            operations = [_write(document, stored)]
            operations += _count(key, {block.reason: len(new)}, exists=counts_exist)
            failed = await self._attempt(key, operations)
            if failed is None:
                return len(new)
            index, status = failed
            if index:
                counts_exist = status == CONFLICT
            elif status not in (CONFLICT, PRECONDITION, NOT_FOUND):
                raise TransientError(f"{key}: Cosmos DB refuses dead letters ({status})")
        raise TransientError(f"{key}: the dead letters' ranges are contended")

    async def _attempt(
        self, key: str, operations: list[Operation]
    ) -> tuple[int | None, int] | None:
        """Try a batch; None is success, else the failing operation (None: all) and its status."""

        async def request() -> object:
            made = [(*each[:2], dict(*each[2:])) for each in operations]
            return await self._container.execute_item_batch(made, partition_key=key)

        try:
            await self._patience.call(request)
        except CosmosBatchOperationError as error:
            return error.error_index, int(error.status_code or 0)
        except HttpResponseError as error:
            if error.status_code in REFUSED_ITEM:
                return None, error.status_code
            raise TransientError(f"Cosmos DB answers a batch with {error.status_code}") from error
        return None

    async def _ranged(self, letters: Iterable[DeadLetter]) -> dict[str, set[Spot]]:
        """Return what the ranges of earlier deliveries hold, by the ranges' document id."""
        blocks = {block_of(each, self._clock.now()) for each in letters}
        wanted = [(each.document_id, each.cosmos_partition_key) for each in blocks if each]
        found = await self._existing(wanted) if wanted else {}
        return {name: spots_of(document) for name, document in found.items()}

    def _is_in(self, ranged: Mapping[str, set[Spot]], letter: DeadLetter) -> bool:
        block = block_of(letter, self._clock.now())
        return block is not None and spot_of(letter) in ranged.get(block.document_id, ())

    async def _existing(self, wanted: Iterable[tuple[str, str]]) -> dict[str, dict[str, Any]]:
        items = list(wanted)

        async def request() -> dict[str, dict[str, Any]]:
            documents = await self._container.read_items(items=items)
            return {document["id"]: dict(document) for document in documents}

        return await self._patience.call(request)


def _split(letters: Sequence[DeadLetter]) -> tuple[list[DeadLetter], list[DeadLetter]]:
    """Return the first hundred of each reason, and those over it that ranges can hold."""
    seen: Counter[str] = Counter()
    single: list[DeadLetter] = []
    over: list[DeadLetter] = []
    for letter in letters:
        seen[letter.reason] += 1
        fits = seen[letter.reason] <= SINGLE_LIMIT or letter.coordinates.sequence_number is None
        (single if fits else over).append(letter)
    return single, over


def _write(document: dict[str, Any], stored: Mapping[str, Any] | None) -> Operation:
    if stored is None:
        return ("create", (document,))
    return ("replace", (document["id"], document), {"if_match_etag": stored["_etag"]})


def _count(key: str, opened: Mapping[str, int], *, exists: bool) -> list[Operation]:
    if not exists:
        return [("create", (counts_document(key, opened),))]
    return [("patch", (counts_id(key), steps)) for steps in patches(opened_fields(opened))]
