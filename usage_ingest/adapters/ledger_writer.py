"""Commits the batches of one logical partition, and reads from the store what went wrong.

A 409 or 412 on a ledger document is looked up and decided anew, at most three times; a rollup
that is there, or is not, is patched or created instead; what the store refuses is set aside.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from azure.cosmos.aio import ContainerProxy

from usage_ingest import telemetry
from usage_ingest.adapters.cosmos import (
    CONFLICT,
    NOT_FOUND,
    PRECONDITION,
    REFUSED_ITEM,
    Refusal,
    try_batch,
)
from usage_ingest.adapters.ledger_batch import MAX_OPERATIONS, Entry, Place, Plan, planned
from usage_ingest.adapters.patience import Patience
from usage_ingest.adapters.rollup_keys import RollupKeys
from usage_ingest.document import from_document
from usage_ingest.errors import TransientError
from usage_ingest.gains import Gains
from usage_ingest.metrics.reading import later_reading
from usage_ingest.record import Repeat, UsageRecord, repeat

MAX_ROUNDS: Final = 3
_MAX_SWITCHES: Final = 2 * MAX_OPERATIONS
_DECIDED_ANEW: Final = frozenset({CONFLICT, PRECONDITION, NOT_FOUND})


@dataclass(slots=True)
class Tally:
    """What became of the records so far."""

    stored: int = 0
    repeated: int = 0
    completed: int = 0
    conflicts: list[UsageRecord] = field(default_factory=list)
    too_large: list[UsageRecord] = field(default_factory=list)
    shrank: list[UsageRecord] = field(default_factory=list)
    gains: Gains = field(default_factory=Gains)


class LedgerWriter:
    """Writes to one logical partition."""

    def __init__(
        self,
        container: ContainerProxy,
        patience: Patience,
        keys: RollupKeys,
        place: Place,
        tally: Tally,
    ) -> None:
        """Write to `place`; add what happens to `tally`."""
        self._container = container
        self._patience = patience
        self._keys = keys
        self._place = place
        self._tally = tally

    async def write(self, records: Sequence[UsageRecord]) -> None:
        """Store and count each record once.

        Raises:
            TransientError: The store is busy, or others keep writing first.
            ConfigError: The store refuses this deployment.
        """
        entries: Iterable[Entry] = (Entry(record) for record in records)
        if any(record.metric for record in records):
            entries = await self._looked_up(list(entries))
        for plan in planned(entries, self._place):
            await self._commit(plan)

    async def _looked_up(self, entries: list[Entry]) -> list[Entry]:
        """Decide before the first attempt: most bins that are read again are stored already."""
        decided: list[Entry] = []
        for at in range(0, len(entries), MAX_OPERATIONS):
            decided += await self._decided_anew(entries[at : at + MAX_OPERATIONS])
        return decided

    async def _commit(self, plan: Plan) -> None:
        rounds = switches = 0
        while entries := plan.entries:
            failed = await self._attempt(plan)
            if failed is None:
                return
            index, status = failed
            if index is None:
                await self._halve(entries)
                return
            if index >= len(entries):
                switches += 1
                await self._switch(plan, index, status, switches)
            elif status in REFUSED_ITEM:
                self._tally.too_large.append(entries[index].record)
                entries = entries[:index] + entries[index + 1 :]
            elif status in _DECIDED_ANEW and rounds < MAX_ROUNDS:
                rounds += 1
                entries = await self._decided_anew(entries)
            else:
                raise TransientError(
                    f"{self._place.cosmos_partition_key}: a record is contended ({status})"
                )
            plan = self._plan(entries)

    def _plan(self, entries: list[Entry]) -> Plan:
        plan = Plan(self._place)
        for entry in entries:
            plan.add(entry)
        return plan

    async def _attempt(self, plan: Plan) -> Refusal | None:
        key = self._place.cosmos_partition_key
        refused = await try_batch(self._container, self._patience, key, plan.operations())
        if refused is None:
            self._note(plan)
        return refused

    def _note(self, plan: Plan) -> None:
        completed = sum(entry.replaces is not None for entry in plan.entries)
        self._tally.completed += completed
        self._tally.stored += len(plan.entries) - completed
        for rollup, gain in plan.gains.items():
            self._tally.gains.add(gain.key, gain.counters)
            if rollup not in self._place.keys and rollup not in self._place.absent:
                self._place.keys.add(rollup, gain.key.key_hash())
        for rollup, operation in plan.rollup_operations():
            if operation[0] == "create":
                self._place.keys.add(rollup, plan.gains[rollup].key.key_hash())
                self._place.absent.discard(rollup)

    async def _halve(self, entries: list[Entry]) -> None:
        """The store refuses the batch as a whole: find the event that it refuses."""
        if len(entries) == 1:
            self._tally.too_large.append(entries[0].record)
            return
        middle = len(entries) // 2
        await self._commit(self._plan(entries[:middle]))
        await self._commit(self._plan(entries[middle:]))

    async def _switch(self, plan: Plan, index: int, status: int, switches: int) -> None:
        """Create the rollup that a patch did not find; patch the one that is there already."""
        rollup, operation = plan.rollup_operations()[index - len(plan.entries)]
        kind = operation[0]
        if switches > _MAX_SWITCHES or (kind, status) not in (
            ("patch", NOT_FOUND),
            ("create", CONFLICT),
        ):
            telemetry.alarm("rollup_refused", id=rollup, operation=kind, status=status)
            raise TransientError(f"rollup {rollup}: {kind} is answered with {status}")
        await self._keys.refresh(self._place.cosmos_partition_key)
        if kind == "patch":
            if any(each.replaces and each.replaces["rollup_id"] == rollup for each in plan.entries):
                telemetry.alarm("rollup_refused", id=rollup, text="deleted: rebuild the day")
            self._place.keys.discard(rollup)
            self._place.absent.add(rollup)
        else:
            self._place.keys.add(rollup, plan.gains[rollup].key.key_hash())
            self._place.absent.discard(rollup)

    async def _decided_anew(self, entries: list[Entry]) -> list[Entry]:
        """Look up what is stored of the entries; return what is still to be written."""
        found = await self._stored(entries)
        left: list[Entry] = []
        for entry in entries:
            document = found.get(entry.record.record_id)
            if document is None:
                left.append(Entry(entry.record))
                continue
            if entry.record.metric is not None:
                left += self._later_reading(entry.record, document)
                continue
            match repeat(document["payload_hash"], entry.record.usage.payload_hash()):
                case Repeat.REPEATED:
                    self._tally.repeated += 1
                case Repeat.COMPLETES:
                    left.append(Entry(entry.record, document))
                case Repeat.CONFLICTS:
                    self._tally.conflicts.append(entry.record)
        return left

    def _later_reading(self, read: UsageRecord, document: dict[str, Any]) -> list[Entry]:
        """Return what a bin that was read again changes: one entry, or none."""
        changed, shrank = later_reading(from_document(document), read)
        if shrank:
            self._tally.shrank.append(read)
        if changed is None:
            self._tally.repeated += 1
            return []
        return [Entry(changed, document)]

    async def _stored(self, entries: list[Entry]) -> dict[str, dict[str, Any]]:
        wanted = [(entry.record.record_id, self._place.cosmos_partition_key) for entry in entries]

        async def request() -> dict[str, dict[str, Any]]:
            documents = await self._container.read_items(items=wanted)
            return {document["id"]: dict(document) for document in documents}

        return await self._patience.call(request)
