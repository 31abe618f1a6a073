"""How far the hub was read again, over the `state` container."""

from usage_ingest.adapters.cosmos import STATE, Cosmos
from usage_ingest.adapters.cosmos_reads import read_or_none
from usage_ingest.adapters.cosmos_state import write_guarded
from usage_ingest.events.backfill_position import Position, Range
from usage_ingest.state_document import (
    BACKFILL_TYPE,
    backfill_document,
    backfill_id,
    backfill_of,
)


class CosmosBackfills:
    """Implements events.ports.Backfills."""

    def __init__(self, cosmos: Cosmos) -> None:
        """Use the given connection; nothing is asked of the service."""
        self._container = cosmos.container(STATE)
        self._patience = cosmos.patience

    async def read(self, asked: Range, partition_id: str) -> Position | None:
        """Return how far a range of a partition was read; see events.ports.Backfills."""
        document_id = backfill_id(asked, partition_id)
        document = await read_or_none(self._container, self._patience, document_id, BACKFILL_TYPE)
        return None if document is None else backfill_of(document)

    async def write(self, position: Position) -> Position:
        """Create or replace, guarded by the ETag; see events.ports.Backfills."""
        document = backfill_document(position)
        return backfill_of(
            await write_guarded(self._container, self._patience, document, position.etag)
        )
