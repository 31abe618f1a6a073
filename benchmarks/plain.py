"""The plain path: each event for itself, in the general way, and nothing kept for the next.

What it makes of a batch has to be what the endpoint was sent of it.
"""

import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC
from typing import Any

import azure.functions as func

from benchmarks.events import PARTITION
from usage_ingest.document import time_of, to_document
from usage_ingest.events.envelope import elements
from usage_ingest.events.parse import Parsed, parse_elements, parse_event
from usage_ingest.events.to_record import Rules, Sighting
from usage_ingest.identity import cosmos_partition_key
from usage_ingest.record import UsageRecord
from usage_ingest.record_id import Coordinates
from usage_ingest.rollup import increments, rollup_id, rollup_key
from usage_ingest.wiring import App

_SLOT = int(PARTITION)

Documents = dict[str, dict[str, Any]]
Rollups = dict[str, Counter[str]]


def delivered(received: Sequence[func.EventHubEvent], app: App) -> list[Sighting]:
    """Return the events with where they stand in the hub."""
    now = app.clock.now()
    return [Sighting(_place(each, app), 0, each.get_body(), now) for each in received]


def _place(event: func.EventHubEvent, app: App) -> Coordinates:
    enqueued = event.enqueued_time
    return Coordinates(
        namespace=app.reader.namespace,
        hub=app.reader.hub,
        partition_id=PARTITION,
        sequence_number=event.sequence_number,
        enqueued_time=enqueued and enqueued.replace(tzinfo=UTC),
    )


def parsed(seen: Sequence[Sighting], rules: Rules) -> list[Parsed]:
    """Parse the events one after the other."""
    return [each for sighting in seen for each in parse_event(sighting, rules)]


def compare(
    seen: Sequence[Sighting], sent: Sequence[dict[str, Any]], app: App, rules: Rules
) -> None:
    """Compare what was sent of a batch with what the plain path makes of it.

    Raises:
        AssertionError: A document or a rollup differs.
    """
    documents, rollups = _sent(sent)
    now = time_of(next(iter(documents.values()))["ingested_at"])
    plain_documents, plain_rollups = _made([replace(each, now=now) for each in seen], app, rules)
    if documents != plain_documents:
        raise AssertionError("the documents differ from those of the plain path")
    if rollups != plain_rollups:
        raise AssertionError("the rollups differ from those of the plain path")


def _sent(batches: Sequence[dict[str, Any]]) -> tuple[Documents, Rollups]:
    documents: Documents = {}
    rollups: Rollups = defaultdict(Counter)
    for batch in batches:
        for operation in batch["operations"]:
            body = operation["resourceBody"]
            if operation["operationType"] == "Patch":
                steps = {each["path"][1:]: each["value"] for each in body["operations"]}
                rollups[operation["id"]].update(steps)
            elif body["type"] == "usage":
                documents[body["id"]] = body
            else:
                rollups[body["id"]].update(_counters(body))
    return documents, rollups


def _counters(rollup: dict[str, Any]) -> dict[str, int]:
    """Return the counters of a new rollup: all its whole numbers but the slot."""
    return {name: value for name, value in rollup.items() if type(value) is int and name != "slot"}


def _made(seen: Sequence[Sighting], app: App, rules: Rules) -> tuple[Documents, Rollups]:
    documents: Documents = {}
    rollups: Rollups = defaultdict(Counter)
    for record in _records(seen, rules):
        key = cosmos_partition_key(
            record.subscription_id, record.day, record.record_id, rules.identity
        )
        rollup = rollup_id(rollup_key(record, app.settings.rollup_tags).key_hash(), _SLOT)
        documents[record.record_id] = to_document(record, key, rollup, rules.ledger_ttl_days)
        rollups[rollup].update(increments(record))
    return documents, rollups


def _records(seen: Sequence[Sighting], rules: Rules) -> Iterator[UsageRecord]:
    for sighting in seen:
        _forget()
        for each in parse_elements(elements(sighting.body), sighting, rules):  # the general way
            if isinstance(each, UsageRecord):
                yield each


def _forget() -> None:
    """Empty every cache of the package."""
    for name, module in list(sys.modules.items()):
        if name.startswith("usage_ingest."):
            for value in vars(module).values():
                if hasattr(value, "cache_clear"):
                    value.cache_clear()
