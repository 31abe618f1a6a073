"""The ledger over Cosmos DB: each record is stored once and counted once, in one batch.

A batch creates ledger documents and increments their rollups, or does neither. Whatever goes
wrong, the answer is read from the store: a document that is there has been counted.
"""

import asyncio
from collections.abc import Sequence

from usage_ingest import telemetry
from usage_ingest.adapters.cosmos import USAGE, Cosmos
from usage_ingest.adapters.ledger_batch import Place
from usage_ingest.adapters.ledger_writer import LedgerWriter, Tally
from usage_ingest.adapters.rollup_keys import RollupKeys
from usage_ingest.errors import ConfigError
from usage_ingest.identity import cosmos_partition_key
from usage_ingest.ports import IdentityStore, StoreOutcome
from usage_ingest.record import NO_USAGE, UsageRecord

_WRITTEN_AT_ONCE = 16


class CosmosLedger:
    """Implements ports.Ledger."""

    def __init__(
        self, cosmos: Cosmos, identity: IdentityStore, ttl_days: int, tag_names: Sequence[str]
    ) -> None:
        """Use the given connection; nothing is asked of the service."""
        self._container = cosmos.container(USAGE)
        self._patience = cosmos.patience
        self._identity = identity
        self._ttl_days = ttl_days
        self._tag_names = tag_names
        self._keys = RollupKeys(self._container, self._patience)

    async def store(self, records: Sequence[UsageRecord], slot: int) -> StoreOutcome:
        """Store each record once; see ports.Ledger."""
        identity = await self._identity.load()
        groups: dict[str, list[UsageRecord]] = {}
        for record in records:
            key = cosmos_partition_key(
                record.subscription_id, record.day, record.record_id, identity
            )
            groups.setdefault(key, []).append(record)
        tally = Tally()
        gate = asyncio.Semaphore(_WRITTEN_AT_ONCE)
        failed = False

        async def write(key: str, group: list[UsageRecord]) -> None:
            nonlocal failed
            async with gate:
                if failed:  # the batch comes again as a whole: a busy store is left alone
                    return
                try:
                    await self._write(key, group, slot, tally)
                except BaseException:
                    failed = True
                    raise

        # All are waited for: a group that still writes must not meet its own redelivery.
        results = await asyncio.gather(
            *(write(key, group) for key, group in groups.items()), return_exceptions=True
        )
        if gained := tally.gains.listed():  # of groups that were committed, whatever others did
            telemetry.event("usage_counted", usage=gained)
        _raise_first([each for each in results if isinstance(each, BaseException)])
        return StoreOutcome(
            tally.stored,
            tally.repeated,
            tally.completed,
            tally.conflicts,
            tally.too_large,
            tally.shrank,
        )

    async def _write(
        self, key: str, records: Sequence[UsageRecord], slot: int, tally: Tally
    ) -> None:
        place = Place(key, slot, self._ttl_days, self._tag_names, await self._keys.of(key))
        writer = LedgerWriter(self._container, self._patience, self._keys, place, tally)
        left = records
        while left:
            firsts, left = _without_repeats(left, tally)
            await writer.write(firsts)


def _raise_first(errors: Sequence[BaseException]) -> None:
    """Raise what needs a person first, else the first that happened."""
    for error in errors:
        if isinstance(error, ConfigError):
            raise error
    if errors:
        raise errors[0]


def _without_repeats(
    records: Sequence[UsageRecord], tally: Tally
) -> tuple[list[UsageRecord], list[UsageRecord]]:
    """Fold what one received batch holds twice, by the rule that holds against the store.

    Returns:
        One record per id, and the others that have usage: once the first is written the store
        decides of each whether it is a repeat or conflicts.
    """
    first: dict[str, UsageRecord] = {}
    later: list[UsageRecord] = []
    for record in records:
        known = first.setdefault(record.record_id, record)
        if known is record:
            continue
        if record.usage == NO_USAGE:
            tally.repeated += 1
        elif known.usage == NO_USAGE:
            tally.completed += 1
            first[record.record_id] = record
        else:
            later.append(record)
    return list(first.values()), later
