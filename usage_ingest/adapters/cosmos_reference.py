"""The price book and its kin over Cosmos DB: documents first, their import last.

The import's header makes its documents visible, so nothing is ever half imported; the headers
also tell whether anything is new, so what was loaded is kept until there is.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import orjson
from azure.cosmos.exceptions import CosmosResourceExistsError

from usage_ingest.adapters.cosmos import REFERENCE, Cosmos, Operation, try_batch
from usage_ingest.adapters.cosmos_reads import pages
from usage_ingest.chargeback.ports import Import
from usage_ingest.chargeback.reference import Estimate, Reference
from usage_ingest.chargeback.reference_document import (
    IMPORT_TYPE,
    TYPES,
    import_document,
    import_of,
    reference_of,
    stored_document,
)
from usage_ingest.errors import TransientError
from usage_ingest.ports import Clock

_ATTEMPTS: Final = 20
_PAGE: Final = 1_000
_AT_ONCE: Final = 100
_BATCH_BYTES: Final = 1_500_000  # of 2 MB: what the SDK writes around each document needs room

Document = Mapping[str, Any]


class CosmosReferenceStore:
    """Implements chargeback.ports.ReferenceStore."""

    def __init__(self, cosmos: Cosmos, clock: Clock, estimate: Estimate | None = None) -> None:
        """Use the given connection; nothing is asked of the service.

        Args:
            cosmos: The connection.
            clock: Tells when imports are finished.
            estimate: Fills in for models without a price in all that is loaded.
        """
        self._container = cosmos.container(REFERENCE)
        self._patience = cosmos.patience
        self._clock = clock
        self._estimate = estimate
        self._kept = Reference(estimate=estimate)
        self._kept_imports: list[Import] = []

    async def imports(self) -> list[Import]:
        """Return the finished imports, by number; see chargeback.ports.ReferenceStore."""
        found = [import_of(each) for each in await self._all(IMPORT_TYPE)]
        return sorted(found, key=lambda each: each.number)

    async def load(self) -> Reference:
        """Return what finished imports brought; see chargeback.ports.ReferenceStore.

        Raises:
            TransientError: Documents of a finished import cannot be seen yet.
        """
        imports = await self.imports()  # first: all that they count is there
        if imports != self._kept_imports:
            documents = {each: await self._all(each) for each in TYPES}
            _check_whole(documents, imports)
            found = reference_of(documents, imports)
            self._kept = replace(found, estimate=self._estimate)
            self._kept_imports = imports
        return self._kept

    async def append(self, source: str, content_id: str, documents: Sequence[Document]) -> Import:
        """Write documents, then their import; see chargeback.ports.ReferenceStore."""
        before = await self.imports()
        if (known := _same(before, content_id)) is not None:
            return known
        stored = [stored_document(each, content_id) for each in documents]
        for kind in TYPES:
            for batch in _batches([each for each in stored if each["type"] == kind]):
                await self._write(kind, batch)
        return await self._finish(source, content_id, Counter(each["type"] for each in stored))

    async def _finish(self, source: str, content_id: str, counts: Mapping[str, int]) -> Import:
        """Take the next number; what has one is finished, whoever wrote it."""
        for _ in range(_ATTEMPTS):
            before = await self.imports()
            if (known := _same(before, content_id)) is not None:
                return known
            made = Import(
                number=1 + max((each.number for each in before), default=0),
                id=content_id,
                source=source,
                imported_at=self._clock.now(),
                counts=counts,
            )
            if await self._created(import_document(made)):
                return made
        raise TransientError("too many imports at once: run the command again")

    async def _created(self, header: dict[str, Any]) -> bool:
        try:
            await self._patience.call(lambda: self._container.create_item(header))
        except CosmosResourceExistsError:
            return False
        return True

    async def _write(self, kind: str, documents: Sequence[Document]) -> None:
        operations: list[Operation] = [("upsert", (dict(each),)) for each in documents]
        refused = await try_batch(self._container, self._patience, kind, operations)
        if refused is not None:
            raise TransientError(f"Cosmos DB refuses documents of type {kind} ({refused[1]})")

    async def _all(self, kind: str) -> list[dict[str, Any]]:
        """Return all documents of a type, which is one logical partition."""
        found = pages(self._container, self._patience, "SELECT * FROM c", _PAGE, partition_key=kind)
        return [row async for page in found for row in page]


def _same(imports: Sequence[Import], content_id: str) -> Import | None:
    return next((each for each in imports if each.id == content_id), None)


def _check_whole(documents: Mapping[str, Sequence[Document]], imports: Sequence[Import]) -> None:
    seen = Counter((each["import"], kind) for kind, some in documents.items() for each in some)
    for each in imports:
        if any(seen[each.id, kind] < count for kind, count in each.counts.items()):
            raise TransientError(f"the documents of import {each.number} are not to be read yet")


def _batches(documents: Sequence[Document]) -> Iterator[list[Document]]:
    """Part documents into what one transactional batch each can hold."""
    batch, size = list[Document](), 0
    for each in documents:
        length = len(orjson.dumps(each))
        if batch and (len(batch) == _AT_ONCE or size + length > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(each)
        size += length
    if batch:
        yield batch
