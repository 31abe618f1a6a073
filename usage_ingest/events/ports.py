"""What replaying and backfilling need of the store; usage_ingest.ports says what all may raise."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from usage_ingest.events.backfill_position import Position, Range
from usage_ingest.events.kept_letter import Closing, Failure, KeptLetter, Selection


class KeptLetters(Protocol):
    """The dead letters that are kept: found, looked at and closed."""

    def open(self, chosen: Selection) -> AsyncIterator[Sequence[KeptLetter]]:
        """Yield the open dead letters, some at a time: single ones, then places of blocks.

        Those that are closed or noted meanwhile are not yielded again. Where ids are chosen,
        places are left out: they have none.
        """
        ...

    async def find(self, letter_id: str) -> KeptLetter | None:
        """Return a single dead letter, whatever its state, or None."""
        ...

    async def body(self, letter: KeptLetter) -> str | None:
        """Return the raw body where one is kept: it may hold prompts."""
        ...

    async def close(self, letters: Sequence[KeptLetter], closing: Closing) -> int:
        """Move open dead letters, and their counts with them, to another state.

        What is not open any more is left alone; it may be called again at any time.

        Returns:
            How many were moved.
        """
        ...

    async def note(self, failed: Sequence[tuple[KeptLetter, Failure]]) -> None:
        """Count an attempt at each and keep why it failed; places keep no such thing."""
        ...


class Backfills(Protocol):
    """How far the hub was read again."""

    async def read(self, asked: Range, partition_id: str) -> Position | None:
        """Return how far a range of a partition was read, or None."""
        ...

    async def write(self, position: Position) -> Position:
        """Create or replace, guarded by the ETag that was read; return it with its new ETag.

        Raises:
            ConflictError: Somebody else wrote first.
        """
        ...
