"""What is asked of Cosmos DB for each event, by mix: requests, operations, bytes, modelled RUs.

The RU model and its assumptions are those of docs/performance.md: no service is measured here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

import function_app
from benchmarks.client import Bench
from benchmarks.events import Traffic, decoded
from benchmarks.table import show
from usage_ingest.containers import CONTAINERS

CREATE_RU_PER_KB: Final = 5.5
RU_PER_INDEXED_PATH: Final = 0.5
REPLACE_FACTOR: Final = 2.0
"""A replace costs about twice an insert, and a patch is taken for a replace."""
INDEXED_PATHS: Final = len(CONTAINERS[0]["indexingPolicy"]["includedPaths"])
_ROLLUP_BYTES: Final = 1_100
_BATCHES: Final = 5


@dataclass(frozen=True, slots=True)
class Mix:
    """Batches of so many events over subscriptions that call so many deployments each."""

    name: str
    events: int
    subscriptions: int
    deployments: int = 1
    repeated: bool = False


MIXES: Final = (
    Mix("1,000 events, 5 subscriptions", 1_000, 5),
    Mix("300 events, 5 subscriptions", 300, 5),
    Mix("300 events, 20 subscriptions", 300, 20),
    Mix("the same, 3 deployments each", 300, 20, 3),
    Mix("300 events, 100 subscriptions", 300, 100),
    Mix("100 events, 100 subscriptions", 100, 100),
    Mix("300 events, 20 subscriptions, all repeated", 300, 20, repeated=True),
)


async def measure(bench: Bench) -> None:
    """Print the table of mixes, rollups being there already."""
    traffic = Traffic()
    rows = [await _row(bench, traffic, mix) for mix in MIXES]
    columns = "mix,batches,operations,bytes,indexed paths,RU by the model".split(",")
    show("Written for each event", columns, rows)


async def _row(bench: Bench, traffic: Traffic, mix: Mix) -> tuple[str, ...]:
    traffic.subscriptions, traffic.deployments = mix.subscriptions, mix.deployments
    await function_app.ingest_usage_events(decoded(traffic.payload(traffic.events(mix.events))))
    await bench.sent()
    sent: list[dict[str, Any]] = []
    for _ in range(_BATCHES):
        received = decoded(traffic.payload(traffic.events(mix.events)))
        await function_app.ingest_usage_events(received)
        if mix.repeated:
            first = len(await bench.sent_so_far())
            await function_app.ingest_usage_events(received)
            sent += (await bench.sent())[first:]
        else:
            sent += await bench.sent()
    events = mix.events * _BATCHES
    operations = [each for batch in sent for each in batch["operations"]]
    written = [each for batch in sent if batch["written"] for each in batch["operations"]]
    figures = (
        len(sent) / events,
        len(operations) / events,
        sum(batch["bytes"] for batch in sent) / events,
        len(written) * INDEXED_PATHS / events,
        _request_units(written) / events,
    )
    formats = ("{:.3f}", "{:.2f}", "{:.0f}", "{:.1f}", "{:.1f}")
    return (mix.name, *(form.format(figure) for form, figure in zip(formats, figures, strict=True)))


def _request_units(operations: Sequence[dict[str, Any]]) -> float:
    return sum(_cost(each) for each in operations)


def _cost(operation: dict[str, Any]) -> float:
    patched = operation["operationType"] == "Patch"
    size = _ROLLUP_BYTES if patched else len(orjson.dumps(operation["resourceBody"]))
    cost = CREATE_RU_PER_KB * max(1.0, size / 1_024) + RU_PER_INDEXED_PATH * INDEXED_PATHS
    return cost * REPLACE_FACTOR if patched else cost
