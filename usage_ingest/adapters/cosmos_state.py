"""Progress, watermarks and identity over the `state` container."""

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from azure.core import MatchConditions
from azure.cosmos.aio import ContainerProxy
from azure.cosmos.exceptions import (
    CosmosAccessConditionFailedError,
    CosmosResourceExistsError,
    CosmosResourceNotFoundError,
)

from usage_ingest.adapters.cosmos import STATE, Cosmos
from usage_ingest.adapters.cosmos_reads import read_or_none
from usage_ingest.adapters.patience import Patience
from usage_ingest.errors import ConflictError, TransientError
from usage_ingest.events.progress import Progress
from usage_ingest.identity import BEGINNING, HMAC_KEY, NOTICE_DAYS, DatedValue, Identity
from usage_ingest.metrics.watermark import Source, Watermark
from usage_ingest.ports import Clock
from usage_ingest.state_document import (
    IDENTITY_TYPE,
    PROGRESS_TYPE,
    WATERMARK_TYPE,
    identity_document,
    identity_of,
    progress_document,
    progress_id,
    progress_of,
    watermark_document,
    watermark_id,
    watermark_of,
)

_REREAD_SECONDS: Final = 3_600.0
OF_TYPE: Final = "SELECT * FROM c"
_FIRST: Final = "SELECT TOP 1 c.id FROM c"


class CosmosProgressStore:
    """Implements ports.ProgressStore; what was read is kept until a write finds it stale."""

    def __init__(self, cosmos: Cosmos) -> None:
        """Use the given connection; nothing is asked of the service."""
        self._container = cosmos.container(STATE)
        self._patience = cosmos.patience
        self._kept: dict[str, Progress] = {}

    async def read(
        self, namespace: str, hub: str, partition_id: str, *, fresh: bool = False
    ) -> Progress | None:
        """Return the partition's progress, or None; see ports.ProgressStore."""
        document_id = progress_id(namespace, hub, partition_id)
        if document_id in self._kept and not fresh:
            return self._kept[document_id]
        document = await read_or_none(self._container, self._patience, document_id, PROGRESS_TYPE)
        if document is None:
            return None
        self._kept[document_id] = progress_of(document)
        return self._kept[document_id]

    async def write(self, progress: Progress) -> Progress:
        """Create or replace, guarded by the ETag; see ports.ProgressStore."""
        document = progress_document(progress)
        document_id = document["id"]
        try:
            written = progress_of(
                await write_guarded(self._container, self._patience, document, progress.etag)
            )
        except ConflictError:
            self._kept.pop(document_id, None)
            raise
        self._kept[document_id] = written
        return written

    async def archive(self, progress: Progress) -> None:
        """Keep the progress of a generation that is over; see ports.ProgressStore."""
        document = progress_document(progress)
        await self._patience.call(lambda: self._container.upsert_item(document))

    async def all(self) -> list[Progress]:
        """Return the progress of every partition, as the store has it now."""

        async def request() -> list[Progress]:
            rows = self._container.query_items(OF_TYPE, partition_key=PROGRESS_TYPE)
            return [progress_of(row) async for row in rows]

        return await self._patience.call(request)


class CosmosWatermarkStore:
    """Implements metrics.ports.WatermarkStore; it keeps nothing: a run sees what another wrote."""

    def __init__(self, cosmos: Cosmos) -> None:
        """Use the given connection; nothing is asked of the service."""
        self._container = cosmos.container(STATE)
        self._patience = cosmos.patience

    async def read(self, source: Source) -> Watermark | None:
        """Return the mark, or None; see metrics.ports.WatermarkStore."""
        document = await read_or_none(
            self._container, self._patience, watermark_id(source), WATERMARK_TYPE
        )
        return None if document is None else watermark_of(document)

    async def write(self, mark: Watermark) -> Watermark:
        """Create or replace, guarded by the ETag; see metrics.ports.WatermarkStore."""
        document = watermark_document(mark)
        written = await write_guarded(self._container, self._patience, document, mark.etag)
        return watermark_of(written)

    async def delete(self, mark: Watermark) -> None:
        """Delete the mark, guarded by the ETag; see metrics.ports.WatermarkStore."""
        document_id = watermark_id(mark.source)
        unchanged = MatchConditions.IfNotModified

        async def request() -> None:
            await self._container.delete_item(
                document_id, WATERMARK_TYPE, etag=mark.etag, match_condition=unchanged
            )

        try:
            await self._patience.call(request)
        except (CosmosAccessConditionFailedError, CosmosResourceNotFoundError) as error:
            raise ConflictError(f"{WATERMARK_TYPE} {document_id}") from error

    async def all(self) -> list[Watermark]:
        """Return the marks of all sources, as the store has them now."""

        async def request() -> list[Watermark]:
            rows = self._container.query_items(OF_TYPE, partition_key=WATERMARK_TYPE)
            return [watermark_of(row) async for row in rows]

        return await self._patience.call(request)


async def write_guarded(
    container: ContainerProxy, patience: Patience, document: dict[str, Any], etag: str | None
) -> Mapping[str, Any]:
    """Create a document, or replace the one that has this ETag; raises ConflictError."""

    async def request() -> Mapping[str, Any]:
        if etag is None:
            return await container.create_item(document)
        return await container.replace_item(
            document["id"], document, etag=etag, match_condition=MatchConditions.IfNotModified
        )

    try:
        return await patience.call(request)
    except (
        CosmosResourceExistsError,
        CosmosAccessConditionFailedError,
        CosmosResourceNotFoundError,
    ) as error:
        raise ConflictError(f"{document['type']} {document['id']}") from error


class CosmosIdentityStore:
    """Implements ports.IdentityStore; the values are read again every hour."""

    def __init__(self, cosmos: Cosmos, clock: Clock, hmac_key_ids: Sequence[str]) -> None:
        """Use the given connection; `hmac_key_ids` are those of the settings, in order."""
        self._clock = clock
        self._container = cosmos.container(STATE)
        self._patience = cosmos.patience
        self._hmac_key_ids = hmac_key_ids
        self._kept: Identity | None = None
        self._read_at = 0.0

    async def load(self) -> Identity:
        """Return the current values; see ports.IdentityStore."""
        if self._kept is None or time.monotonic() - self._read_at > _REREAD_SECONDS:
            identity = await self._read()
            if self._hmac_key_ids and HMAC_KEY not in identity.values:
                await self._record_first_key(self._hmac_key_ids[0])
                identity = await self._read()
                if HMAC_KEY not in identity.values:
                    raise TransientError("the first HMAC key is not to be read yet")
            self._kept, self._read_at = identity, time.monotonic()
        return self._kept

    async def record(self, name: str, value: str) -> Identity:
        """Record a value that holds from the beginning; see ports.IdentityStore."""
        await self._create(name, DatedValue(BEGINNING, value))
        self._kept = None
        return await self.load()

    async def _read(self) -> Identity:
        async def request() -> Identity:
            rows = self._container.query_items(OF_TYPE, partition_key=IDENTITY_TYPE)
            return identity_of([row async for row in rows])

        return await self._patience.call(request)

    async def _record_first_key(self, key_id: str) -> None:
        """Fix the first key: a later order of settings changes nothing.

        It holds from the beginning, unless something may be stored already without a key: then
        from three days ahead on, like any change.
        """
        from_day = BEGINNING
        if await self._something_is_stored():
            today = self._clock.now().date()
            from_day = (today + timedelta(days=NOTICE_DAYS)).isoformat()
        await self._create(HMAC_KEY, DatedValue(from_day, key_id))

    async def _create(self, name: str, value: DatedValue) -> None:
        document = identity_document(name, [value])
        try:
            await self._patience.call(lambda: self._container.create_item(document))
        except CosmosResourceExistsError:
            return  # another instance was first: its value is read next

    async def _something_is_stored(self) -> bool:
        async def request() -> bool:
            rows = self._container.query_items(_FIRST, partition_key=PROGRESS_TYPE)
            return bool([row async for row in rows])

        return await self._patience.call(request)
