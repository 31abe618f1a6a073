"""What the money side needs of the outside world.

Every method may raise TransientError and ConfigError, as in usage_ingest.ports.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol

from usage_ingest.chargeback.line import Line
from usage_ingest.chargeback.reference import Reference
from usage_ingest.chargeback.statement import Chunk, Days
from usage_ingest.ports import ReportStores


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """One import of reference documents, as it is listed; `number` orders them from 1 on."""

    number: int
    id: str
    source: str
    imported_at: datetime
    counts: Mapping[str, int]


class ReferenceStore(Protocol):
    """The price book and its kin: appended, never edited."""

    async def imports(self) -> list[Import]:
        """Return all imports that were finished, by their number."""
        ...

    async def load(self) -> Reference:
        """Return the documents of all finished imports; those of others do not exist yet."""
        ...

    async def append(
        self, source: str, content_id: str, documents: Sequence[Mapping[str, Any]]
    ) -> Import:
        """Write documents, then their import, which makes all of them visible at once.

        The same content a second time writes nothing and returns the first import. Safe to
        repeat after an error.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """The head of a closed period; `number` orders them from 1 on, `id` is of one attempt to close.

    `read_from` is when reading began: what the store wrote later may not be in it. `totals` are
    amounts by currency as decimal strings, `accepted` the reason for closing an incomplete
    period, `completeness` what the report said of itself then. `lines` counts them. `tags` are
    those that the lines keep. `chunks` say where the lines are; the store knows.
    """

    number: int
    period: str
    id: str
    closed_at: datetime
    read_from: datetime
    accepted: str | None
    lines: int
    totals: Mapping[str, str]
    completeness: Mapping[str, Any]
    imports: int
    tags: tuple[str, ...] = ()
    chunks: tuple[Chunk, ...] = ()


class StatementStore(Protocol):
    """Closed periods: written once, never changed."""

    async def all(self) -> list[Statement]:
        """Return the heads of all closed periods, by period."""
        ...

    def lines(self, statement: Statement, days: Days | None = None) -> AsyncIterator[Line]:
        """Yield the frozen lines of a period: its own, by day, then the corrections it posted.

        With `days`, only those of usage on these days.
        """
        ...

    def corrections(self, statement: Statement, days: Days | None = None) -> AsyncIterator[Line]:
        """Yield only the corrections that a period posted, by the period they are of and day."""
        ...

    async def write(self, statement: Statement, lines: AsyncIterator[Line]) -> Statement:
        """Write the lines in chunks, then the head, which closes the period.

        What `lines` raises ends it, and nothing of this attempt is ever visible.

        Args:
            statement: The head, with the number after that of the last closed period.
            lines: Those of the period by day, then corrections.

        Returns:
            The statement as stored, with its count of lines, totals and chunks; its `read_from`
            is no later than the store's own time before the first line was asked for.

        Raises:
            ConflictError: Somebody else closed a period first; nothing of this one is visible.
        """
        ...


class RollupChanges(Protocol):
    """Whether rollups changed, without reading them."""

    async def changed_since(self, moment: datetime, first: date, last: date) -> bool:
        """Whether a rollup of these days, both included, may have been written at or after."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargebackStores:
    """What reports of money are read from."""

    reports: ReportStores
    reference: ReferenceStore
    statements: StatementStore
    changes: RollupChanges
