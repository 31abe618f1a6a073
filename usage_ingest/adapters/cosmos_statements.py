"""Closed periods over the `state` container: chunks first, the head last."""

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from azure.cosmos.exceptions import CosmosResourceNotFoundError

from usage_ingest.adapters.cosmos import (
    CONFLICT,
    NOT_FOUND,
    PRECONDITION,
    STATE,
    Cosmos,
    Operation,
    try_batch,
)
from usage_ingest.adapters.cosmos_reads import read_or_none
from usage_ingest.adapters.cosmos_state import write_guarded
from usage_ingest.chargeback.chunk_document import (
    CHUNK_TYPE,
    chunk_document,
    chunk_id,
    lines_of,
    packed,
)
from usage_ingest.chargeback.line import Line
from usage_ingest.chargeback.ports import Statement
from usage_ingest.chargeback.statement import Chunk, Days, Tally, cut
from usage_ingest.chargeback.statement_document import (
    STATEMENT_TYPE,
    attempt_document,
    statement_document,
    statement_id,
    statement_of,
)
from usage_ingest.document import time_of
from usage_ingest.errors import ConfigError, ConflictError, TransientError

_HEADS: Final = "SELECT * FROM c WHERE IS_DEFINED(c.closed_at)"
_ATTEMPTS: Final = "SELECT * FROM c WHERE IS_DEFINED(c.begun_at)"
_ORPHANED: Final = timedelta(days=1)
"""An attempt that began longer ago than this will not be finished."""


class CosmosStatementStore:
    """Implements chargeback.ports.StatementStore.

    An attempt to close is a document of its own until its head takes its place, both in one
    batch. One that never came so far is given up by a later close, and its chunks are deleted;
    the ETag keeps an attempt that was given up from being finished.
    """

    def __init__(self, cosmos: Cosmos) -> None:
        """Use the given connection; nothing is asked of the service."""
        self._container = cosmos.container(STATE)
        self._patience = cosmos.patience

    async def all(self) -> list[Statement]:
        """Return all heads; see chargeback.ports.StatementStore."""
        found = [statement_of(each) for each in await self._of_type(_HEADS)]
        return sorted(found, key=lambda each: each.number)

    async def lines(self, statement: Statement, days: Days | None = None) -> AsyncIterator[Line]:
        """Yield lines; see chargeback.ports.StatementStore."""
        every = range(len(statement.chunks))
        async for line in self._lines(statement, every, days):
            yield line

    async def corrections(
        self, statement: Statement, days: Days | None = None
    ) -> AsyncIterator[Line]:
        """Yield corrections; see chargeback.ports.StatementStore."""
        chosen = [at for at, chunk in enumerate(statement.chunks) if chunk.corrections]
        async for line in self._lines(statement, chosen, days):
            yield line

    async def _lines(
        self, statement: Statement, numbers: Iterable[int], days: Days | None
    ) -> AsyncIterator[Line]:
        for number in numbers:
            if days is None or statement.chunks[number].touches(days):
                for line in await self._chunk(statement, number):
                    if days is None or days.hold(line):
                        yield line

    async def write(self, statement: Statement, lines: AsyncIterator[Line]) -> Statement:
        """Write chunks, then the head; see chargeback.ports.StatementStore."""
        await self._remove_orphans(statement.closed_at)
        tally, chunks = Tally(), list[Chunk]()
        begun_at, begun = statement.closed_at, await self._begin(statement)
        etag = str(begun["_etag"])
        async for held in cut(lines):
            for line in held:
                tally.add(line)
            for chunk, body in packed(held):
                number = len(chunks)
                chunks.append(chunk)
                # Announced before it is written: whoever gives the attempt up finds it.
                noted = attempt_document(statement, begun_at, len(chunks))
                etag = await self._note(noted, etag)
                await self._put(chunk_document(statement, number, chunk, body))
        stored = replace(
            statement,
            # Lines are read after this write: so it is, whatever the time is where they are read.
            read_from=min(statement.read_from, datetime.fromtimestamp(begun["_ts"], UTC)),
            lines=tally.lines,
            totals=tally.totals(),
            chunks=tuple(chunks),
        )
        await self._finish(stored, etag)
        return stored

    async def _begin(self, statement: Statement) -> Mapping[str, Any]:
        return await self._put(attempt_document(statement, statement.closed_at, 0))

    async def _note(self, attempt: dict[str, Any], etag: str) -> str:
        try:
            written = await write_guarded(self._container, self._patience, attempt, etag)
        except ConflictError as error:
            document = await self._read(attempt["id"], STATEMENT_TYPE)
            if document is None or document["given_up"]:
                raise _given_up(attempt["period"]) from error
            return str(document["_etag"])  # our own write, whose answer was lost
        return str(written["_etag"])

    async def _put(self, document: dict[str, Any]) -> Mapping[str, Any]:
        """Write a document that only this attempt writes; safe to repeat."""
        return await self._patience.call(lambda: self._container.upsert_item(document))

    async def _finish(self, statement: Statement, etag: str) -> None:
        """Put the head in the place of the attempt: both or neither."""
        operations: list[Operation] = [
            ("create", (statement_document(statement),)),
            ("delete", (statement.id,), {"if_match_etag": etag}),
        ]
        refused = await try_batch(self._container, self._patience, STATEMENT_TYPE, operations)
        if refused is None:
            return
        index, status = refused
        head = await self._read(statement_id(statement.number), STATEMENT_TYPE)
        if head is not None and head["attempt"] == statement.id:
            return  # our own batch, whose answer was lost
        if (index, status) == (0, CONFLICT) and head is not None:
            raise ConflictError(f"the period {head['period']}")
        if status in (NOT_FOUND, PRECONDITION):
            raise _given_up(statement.period)
        raise TransientError(f"Cosmos DB answers the head of {statement.period} with {status}")

    async def _chunk(self, statement: Statement, number: int) -> Iterable[Line]:
        document = await self._read(chunk_id(statement.id, number), CHUNK_TYPE)
        if document is None:
            raise ConfigError(
                f"the statement of {statement.period} lacks its chunk {number}: the container "
                f"{STATE} was changed by hand; restore it"
            )
        return lines_of(document)

    async def _remove_orphans(self, now: datetime) -> None:
        for attempt in await self._of_type(_ATTEMPTS):
            if now - time_of(attempt["begun_at"]) > _ORPHANED:
                await self._give_up(attempt)

    async def _give_up(self, attempt: Mapping[str, Any]) -> None:
        """Keep an attempt from being finished, then delete what it wrote."""
        kept = {name: each for name, each in attempt.items() if not name.startswith("_")}
        try:
            await write_guarded(
                self._container, self._patience, {**kept, "given_up": True}, attempt["_etag"]
            )
        except ConflictError:
            return  # it goes on, or somebody else gives it up
        for number in range(attempt["chunks"]):
            await self._delete(chunk_id(attempt["id"], number), CHUNK_TYPE)
        await self._delete(attempt["id"], STATEMENT_TYPE)

    async def _delete(self, document_id: str, document_type: str) -> None:
        async def request() -> None:
            await self._container.delete_item(document_id, partition_key=document_type)

        try:
            await self._patience.call(request)
        except CosmosResourceNotFoundError:
            return  # it was never written, or is gone already

    async def _read(self, document_id: str, document_type: str) -> dict[str, Any] | None:
        return await read_or_none(self._container, self._patience, document_id, document_type)

    async def _of_type(self, query: str) -> list[dict[str, Any]]:
        async def request() -> list[dict[str, Any]]:
            rows = self._container.query_items(query, partition_key=STATEMENT_TYPE)
            return [dict(row) async for row in rows]

        return await self._patience.call(request)


def _given_up(period: str) -> TransientError:
    return TransientError(
        f"closing {period} took longer than a day and was given up meanwhile: close it again"
    )
