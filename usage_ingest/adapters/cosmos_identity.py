"""Identity values as a person changes them, over the `state` container."""

from usage_ingest.adapters.cosmos import STATE, Cosmos
from usage_ingest.adapters.cosmos_reads import read_or_none
from usage_ingest.adapters.cosmos_state import OF_TYPE, write_guarded
from usage_ingest.identity_change import DatedValues
from usage_ingest.state_document import IDENTITY_TYPE, dated_values_of, identity_document


class CosmosIdentityEditor:
    """Implements ports.IdentityEditor; instances read the values again every hour."""

    def __init__(self, cosmos: Cosmos) -> None:
        """Use the given connection; nothing is asked of the service."""
        self._container = cosmos.container(STATE)
        self._patience = cosmos.patience

    async def all(self) -> list[DatedValues]:
        """Return all values; see ports.IdentityEditor."""

        async def request() -> list[DatedValues]:
            rows = self._container.query_items(OF_TYPE, partition_key=IDENTITY_TYPE)
            return [dated_values_of(row) async for row in rows]

        found = await self._patience.call(request)
        return sorted(found, key=lambda each: each.name)

    async def read(self, name: str) -> DatedValues:
        """Return the values of a name, or none; see ports.IdentityEditor."""
        document_id = identity_document(name, [])["id"]
        document = await read_or_none(self._container, self._patience, document_id, IDENTITY_TYPE)
        return DatedValues(name) if document is None else dated_values_of(document)

    async def write(self, dated: DatedValues) -> None:
        """Create or replace, guarded by the ETag; see ports.IdentityEditor."""
        document = identity_document(dated.name, dated.values)
        await write_guarded(self._container, self._patience, document, dated.etag)
