"""The kept dead letters over Cosmos DB, found page by page; letter_closer.py writes."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from usage_ingest.adapters.cosmos import DEAD_LETTERS, Cosmos
from usage_ingest.adapters.cosmos_reads import pages, read_or_none
from usage_ingest.adapters.letter_closer import LetterCloser
from usage_ingest.adapters.letter_queries import letter_query, letters_of_block, places_query
from usage_ingest.dead_letter_document import Spot, body_id
from usage_ingest.events.kept_letter import Closing, Failure, KeptLetter, Selection
from usage_ingest.kept_letter_document import kept_letter, kept_places
from usage_ingest.ports import Clock

_PAGE: Final = 100
_PLACES: Final = 500


class CosmosKeptLetters:
    """Implements events.ports.KeptLetters."""

    def __init__(self, cosmos: Cosmos, clock: Clock, ttl_days: int) -> None:
        """Use the given connection; nothing is asked of the service."""
        self._container = cosmos.container(DEAD_LETTERS)
        self._patience = cosmos.patience
        self._closer = LetterCloser(self._container, cosmos.patience, clock, ttl_days)

    async def open(self, chosen: Selection) -> AsyncIterator[Sequence[KeptLetter]]:
        """Yield the open dead letters; see events.ports.KeptLetters."""
        async for page in self._pages(*letter_query(chosen)):
            if page:
                yield [kept_letter(each) for each in page]
        if chosen.letter_ids:
            return
        some: list[KeptLetter] = []
        async for blocks in self._pages(*places_query(chosen)):
            for block in blocks:
                some += await self._places(block, chosen)
                if len(some) >= _PLACES:
                    yield some
                    some = []
        if some:
            yield some

    async def _places(self, block: dict[str, Any], chosen: Selection) -> list[KeptLetter]:
        """Return a block's open places that no document of their own tells of."""
        if not block["ranges"].keys() & set(chosen.reasons or block["ranges"]):
            return []
        query, parameters = letters_of_block(block["id"])
        single: set[Spot] = set()
        async for page in self._pages(query, parameters, block["partitionKey"]):
            single |= {(each.get("sequence_number", 0), each["element"]) for each in page}
        return kept_places(block, single, chosen.reasons)

    async def find(self, letter_id: str) -> KeptLetter | None:
        """Return a single dead letter; see events.ports.KeptLetters."""
        query, parameters = letter_query(Selection(letter_ids=[letter_id]), state=None)
        async for page in self._pages(query, parameters):
            for each in page:
                return kept_letter(each)
        return None

    async def body(self, letter: KeptLetter) -> str | None:
        """Return the raw body where one is kept; see events.ports.KeptLetters."""
        if letter.letter_id is None:
            return None
        key = letter.cosmos_partition_key
        found = await read_or_none(self._container, self._patience, body_id(letter.letter_id), key)
        return None if found is None else str(found["body"])

    async def close(self, letters: Sequence[KeptLetter], closing: Closing) -> int:
        """Move what is still open, and its counts; see events.ports.KeptLetters."""
        return await self._closer.close(letters, closing)

    async def note(self, failed: Sequence[tuple[KeptLetter, Failure]]) -> None:
        """Count an attempt at each; see events.ports.KeptLetters."""
        await self._closer.note(failed)

    def _pages(
        self, query: str, parameters: list[dict[str, Any]], key: str | None = None
    ) -> AsyncIterator[list[dict[str, Any]]]:
        named: dict[str, Any] = {"parameters": parameters}
        if key is not None:
            named["partition_key"] = key
        return pages(self._container, self._patience, query, _PAGE, **named)
