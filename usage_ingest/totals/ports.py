"""What comparing, rebuilding and exporting need of the store.

Reads of one connection never go back in time (session consistency): what is read later is as
new as what was read before. Every method may raise TransientError and ConfigError.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, Protocol

from usage_ingest.value import value

MAX_WRITES: Final = 100
"""Rollups that one transactional batch can hold."""


@value()
class Write:
    """A rollup document as it is to be.

    `etag` is that of the document it replaces; None means that there must not be one.
    """

    document: dict[str, Any]
    etag: str | None


class TotalsStore(Protocol):
    """Rollups with the ledger documents beside them, by logical partition."""

    async def partitions(self, day: str, subscription: str | None) -> list[str]:
        """Return the logical partitions of a day that hold anything, sorted."""
        ...

    async def rollups(self, partition: str) -> list[dict[str, Any]]:
        """Return the rollup documents of a logical partition, ETags included."""
        ...

    async def etags(self, partition: str) -> dict[str, str]:
        """Return the ETags of a logical partition's rollups, by document id."""
        ...

    def ledger(
        self, partition: str, rollup_ids: Sequence[str] | None
    ) -> AsyncIterator[Sequence[dict[str, Any]]]:
        """Yield pages of a logical partition's ledger documents.

        Args:
            partition: The logical partition.
            rollup_ids: Only documents that name one of these rollups; None means all.
        """
        ...

    async def write(self, partition: str, writes: Sequence[Write]) -> bool:
        """Write at most MAX_WRITES rollups in one batch: all of them, or none.

        Returns:
            Whether they were written; False when one of them changed since it was read.
        """
        ...


class DayStore(Protocol):
    """The documents of whole days."""

    def documents(
        self, document_type: str, day: str, subscription: str | None
    ) -> AsyncIterator[Sequence[dict[str, Any]]]:
        """Yield pages of a day's ledger documents or rollups, in no order."""
        ...
