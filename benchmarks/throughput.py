"""CPU for each event, from what the host hands over to the stored document.

Beside it, in the same run: the SDK's share (the same batches sent again by the SDK alone), and the
plain way (json.loads and create_item, 50 at once, same SDK and endpoint). Decoding by
azure-functions is shown apart: it happens before any code of ours.
"""

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import azure.functions as func
from azure.cosmos.aio import ContainerProxy

import function_app
from benchmarks import plain
from benchmarks.client import Bench, beginning
from benchmarks.events import Traffic, decoded
from benchmarks.table import at_least, at_most, least, show
from usage_ingest.adapters.cosmos import STATE, USAGE
from usage_ingest.events.to_record import Rules
from usage_ingest.state_document import progress_document

Sent = list[dict[str, Any]]
_AT_ONCE: Final = 50
_GROUPS_AT_ONCE: Final = 16
_MICRO: Final = 1e6
_OWN_MOST, _OWN_AIM = 45, 25
_PARSE_MOST, _PARSE_AIM = 10, 6
_COLUMNS: Final = (
    "events / subscriptions",
    "decoding",
    "baseline tuned",
    "baseline",
    "ours",
    "SDK",
    "own",
    "factor",
    "at least",
    "",
    "aim",
)


@dataclass(frozen=True, slots=True)
class Load:
    """A received batch and what is asked of it: at least `target` times less CPU; the aim."""

    events: int
    subscriptions: int
    target: float
    aim: float | None
    rounds: int


LOADS: Final = (
    Load(1_000, 5, 11, 15, 15),
    Load(300, 20, 6, 8, 15),
    Load(100, 20, 3, 4, 25),
    Load(100, 100, 0.75, None, 25),
)


@dataclass(frozen=True, slots=True)
class Round:
    """CPU of one batch, in microseconds for each event."""

    decoding: float
    ours: float
    sdk: float
    baseline: float
    tuned: float  # the baseline by a client with our options


async def measure(bench: Bench) -> None:
    """Print the table of loads, and what parsing costs."""
    rows, owns, traffic = [], [], Traffic()
    for load in LOADS:
        rounds = await _rounds(bench, load, traffic)
        owns.append(_least(rounds, "ours") - _least(rounds, "sdk"))
        factor = _least(rounds, "baseline") / _least(rounds, "ours")
        rows.append(
            (
                f"{load.events:,} / {load.subscriptions}",
                *(f"{_least(rounds, name):.0f}" for name in ("decoding", "tuned", "baseline")),
                *(f"{_least(rounds, name):.0f}" for name in ("ours", "sdk")),
                f"{owns[-1]:.0f}",
                f"{factor:.2f}",
                load.target,
                at_least(factor, load.target),
                load.aim or "",
            )
        )
    show("CPU for each event in microseconds; factor is baseline / ours", _COLUMNS, rows)
    parsing = await _parsing(bench)
    limits = [
        (name, f"{found:.0f}", most, at_most(found, most), aim)
        for name, found, most, aim in (
            ("own CPU at 1,000 / 5", owns[0], _OWN_MOST, _OWN_AIM),
            ("parse one event", parsing, _PARSE_MOST, _PARSE_AIM),
        )
    ]
    show("Microseconds for each event", ("", "found", "at most", "", "aim"), limits)
    print("\n  Each load's first batch: documents and rollups equal to those of the plain path.")


def _least(rounds: Sequence[Round], name: str) -> float:
    return least([getattr(each, name) for each in rounds])


async def _rounds(bench: Bench, load: Load, traffic: Traffic) -> list[Round]:
    """Measure a load; the first round warms up and is compared with the plain path."""
    traffic.subscriptions = load.subscriptions
    found = []
    for at in range(load.rounds + 1):
        one, received, sent = await _round(bench, load, traffic)
        if at:
            found.append(one)
        else:
            seen = plain.delivered(received, bench.app)
            plain.compare(seen, sent, bench.app, await _rules(bench))
    return found


async def _round(
    bench: Bench, load: Load, traffic: Traffic
) -> tuple[Round, list[func.EventHubEvent], Sent]:
    payload = traffic.payload(traffic.events(load.events))
    start = time.process_time()
    received = decoded(payload)
    decoding = time.process_time() - start
    await bench.sent()
    ours = await _cpu(lambda: function_app.ingest_usage_events(received))
    sent = await bench.sent()
    groups = _groups(sent)
    sdk = await _cpu(lambda: _replay(bench, groups))
    baseline = await _cpu(lambda: _baseline(bench.plain, received))
    tuned = await _cpu(lambda: _baseline(bench.cosmos.container(USAGE), received))
    seconds = (decoding, ours, sdk, baseline, tuned)
    return Round(*(each / load.events * _MICRO for each in seconds)), received, sent


async def _cpu(work: Callable[[], Awaitable[object]]) -> float:
    """Return the CPU seconds that this process spends on it."""
    start = time.process_time()
    await work()
    return time.process_time() - start


async def _baseline(container: ContainerProxy, received: Sequence[func.EventHubEvent]) -> None:
    gate = asyncio.Semaphore(_AT_ONCE)

    async def create(event: func.EventHubEvent) -> None:
        async with gate:
            document = json.loads(event.get_body())
            day = document["event_time"][:10]
            document["id"] = document["gateway_request_id"]
            document["partitionKey"] = f"{document['subscription_id']}|{day}|0"
            await container.create_item(document)

    await asyncio.gather(*(create(each) for each in received))


def _groups(sent: Sent) -> dict[str, list[list[Any]]]:
    """Return the batches by partition key, as the SDK takes them."""
    groups = defaultdict(list)
    for batch in sent:
        groups[batch["key"]].append([_operation(each) for each in batch["operations"]])
    return groups


def _operation(sent: dict[str, Any]) -> tuple[str, tuple[Any, ...]]:
    body = sent["resourceBody"]
    if sent["operationType"] == "Patch":
        return "patch", (sent["id"], body["operations"])
    return "create", (body,)


async def _replay(bench: Bench, groups: dict[str, list[list[Any]]]) -> None:
    """Send the batches as the ledger does, and write the progress: all that the SDK does."""
    container, gate = bench.cosmos.container(USAGE), asyncio.Semaphore(_GROUPS_AT_ONCE)

    async def write(key: str, batches: list[list[Any]]) -> None:
        async with gate:
            for batch in batches:
                await container.execute_item_batch(batch, partition_key=key, no_response=True)

    await asyncio.gather(*(write(key, batches) for key, batches in groups.items()))
    document = progress_document(beginning())
    await bench.cosmos.container(STATE).replace_item(document["id"], document)


async def _rules(bench: Bench) -> Rules:
    ingest = bench.app.ingest
    return Rules(await ingest.identity.load(), ingest.privacy, ingest.ledger_ttl_days)


async def _parsing(bench: Bench) -> float:
    """Return the microseconds from an event's bytes to its record."""
    traffic, rules = Traffic(subscriptions=5), await _rules(bench)
    seen = plain.delivered(decoded(traffic.payload(traffic.events(1_000))), bench.app)
    found = []
    for _ in range(15):
        start = time.process_time()
        plain.parsed(seen, rules)
        found.append((time.process_time() - start) / len(seen) * _MICRO)
    return least(found)
