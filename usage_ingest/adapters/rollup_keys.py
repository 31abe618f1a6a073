"""Which rollups a logical partition has: read at first touch, kept while it is in use."""

from collections import OrderedDict
from typing import Final

from azure.cosmos.aio import ContainerProxy

from usage_ingest.adapters.patience import Patience
from usage_ingest.rollup import MAX_KEYS, RollupKey, rollup_id

_PARTITIONS_KEPT: Final = 5_000
_QUERY: Final = "SELECT c.id, c.key FROM c WHERE c.type = 'rollup'"


class RollupKeys:
    """The rollup documents that this process knows of, by logical partition."""

    def __init__(self, container: ContainerProxy, patience: Patience) -> None:
        """Start with nothing known."""
        self._container = container
        self._patience = patience
        self._known: OrderedDict[str, dict[str, str]] = OrderedDict()

    async def of(self, cosmos_partition_key: str) -> "PartitionKeys":
        """Return what is known of a logical partition, read now if it is new here."""
        found = self._known.get(cosmos_partition_key)
        if found is None:
            found = await self._read(cosmos_partition_key)
            self._known[cosmos_partition_key] = found
            if len(self._known) > _PARTITIONS_KEPT:
                self._known.popitem(last=False)
        self._known.move_to_end(cosmos_partition_key)
        return PartitionKeys(found)

    async def refresh(self, cosmos_partition_key: str) -> None:
        """Read a logical partition's rollups again: what was known of them proved wrong."""
        known = self._known.setdefault(cosmos_partition_key, {})
        known.update(await self._read(cosmos_partition_key))

    async def _read(self, cosmos_partition_key: str) -> dict[str, str]:
        async def attempt() -> dict[str, str]:
            rows = self._container.query_items(_QUERY, partition_key=cosmos_partition_key)
            return {row["id"]: row["key"] async for row in rows}

        return await self._patience.call(attempt)


class PartitionKeys:
    """The rollups of one logical partition: document id -> hash of its key."""

    def __init__(self, known: dict[str, str]) -> None:
        """Share the given mapping."""
        self._known = known

    def place(self, key: RollupKey, slot: int) -> tuple[RollupKey, str]:
        """Return the key that is counted under, and its document's id.

        Past 500 keys, one that is new has its app, tenant and tags put under `(other)`.
        """
        key_hash = key.key_hash()
        place = rollup_id(key_hash, slot)
        if place in self._known or not self._is_full(key_hash):
            return key, place
        collapsed = key.collapsed()
        return collapsed, rollup_id(collapsed.key_hash(), slot)

    def _is_full(self, key_hash: str) -> bool:
        if len(self._known) < MAX_KEYS:
            return False
        keys = set(self._known.values())
        return len(keys) >= MAX_KEYS and key_hash not in keys

    def __contains__(self, place: str) -> bool:
        """Whether the document is known to exist."""
        return place in self._known

    def add(self, place: str, key_hash: str) -> None:
        """Note that the document exists."""
        self._known[place] = key_hash

    def discard(self, place: str) -> None:
        """Note that the document does not exist."""
        self._known.pop(place, None)
