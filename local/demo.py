"""`make demo`: thousands of events, a host that dies, and totals that must be exact.

The expected totals are written before anything is sent. The host is killed three times; once it
had given batches up before that, its rights on the store taken away for a moment. When all is
drained, the summary, the ledger and the rollups are compared with what was expected.
"""

import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

from local.bill import Bill, bill, charged, print_bill, read_book
from local.commands import documents, publish, publish_metrics
from local.environment import DATABASE, EMULATOR_KEY, Ports, free_ports
from local.price_book import EXAMPLE, import_price_book
from local.stack import Child, start_host, start_stand_ins
from local.traffic import (
    LATEST_ARRIVAL_SECONDS,
    UNMEASURED,
    Sent,
    Totals,
    Traffic,
    utc_now,
)
from usage_ingest.adapters.cosmos import Cosmos

T = TypeVar("T")
KINDS = (
    "requests",
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "cached_input_tokens",
    "reasoning_output_tokens",
)
_TIMERS = "*/2 * * * * *"
_DRAIN_SECONDS = 90.0
_PARTS = 4


@dataclass(slots=True)
class Run:
    """The stack of one demo."""

    folder: Path
    ports: Ports
    host: Child | None = None
    last_arrival: datetime | None = None

    def say(self, text: str) -> None:
        """Print one step."""
        print(f"  {text}", flush=True)

    async def start_host(self, *options: str) -> None:
        """Start the host anew."""
        settings = self.ports.settings(_TIMERS)
        self.host = await start_host(self.folder, self.ports, settings, *options)

    async def kill_host(self, text: str) -> None:
        """End the host as a machine that fails does."""
        if self.host is not None:
            await self.host.kill()
        self.say(f"host killed {text}")

    async def get(self, path: str) -> dict[str, Any]:
        """Ask the app over HTTP."""
        url = f"http://127.0.0.1:{self.ports.http}/api/v1/{path}"
        async with aiohttp.ClientSession() as client, client.get(url) as answer:
            found: dict[str, Any] = await answer.json()
        return found

    async def fault(self, fault: Mapping[str, Any] | None) -> None:
        """Give the store a fault, or mend it."""
        url = f"http://127.0.0.1:{self.ports.cosmos}/_local/faults"
        async with aiohttp.ClientSession() as client:
            answer = client.delete(url) if fault is None else client.post(url, json=fault)
            async with answer as done:
                done.raise_for_status()


async def demo(events: int, seed: int | None) -> None:
    """Run it; exits with 1 where a number differs.

    Args:
        events: Calls to send, repeats and broken ones not counted.
        seed: Makes the traffic and the moments of the crashes repeatable.
    """
    began = time.monotonic()
    seed = random.randrange(10_000) if seed is None else seed
    chance = random.Random(seed)
    traffic = Traffic(chance, utc_now(), days=2)
    sent = list(traffic.events(events))
    chance.shuffle(traffic.metrics)
    with tempfile.TemporaryDirectory(prefix="usage-ingest-demo-") as name:
        folder = Path(name)
        _write_expected(folder / "expected.json", traffic.expected)
        print(f"demo with seed {seed}: {len(sent):,} events, of them {traffic.repeated:,} repeated")
        print(f"and {traffic.broken:,} broken, and {len(traffic.metrics):,} rows of metrics;")
        print(f"expected totals are in {folder / 'expected.json'}\n")
        run = Run(folder, free_ports())
        stand_ins = await start_stand_ins(folder, run.ports)
        try:
            await import_price_book(run.ports.settings(_TIMERS))
            found = await _drive(run, _cut(sent), _cut(traffic.metrics), chance)
            money = await _charged(run, traffic)
        finally:
            if run.host is not None:
                await run.host.stop()
            await stand_ins.stop()
    same = _print_verdict(traffic, found) & print_bill(_expected_bill(traffic), money)
    print(f"\n{'EXACT' if same else 'WRONG'} after {time.monotonic() - began:.0f} seconds")
    sys.exit(0 if same else 1)


@dataclass(frozen=True, slots=True)
class Found:
    """The three totals that must agree, and what the store says of the rest."""

    summary: Totals
    ledger: Totals
    rollups: Totals
    status: dict[str, Any]
    gaps: int


def _cut(made: list[T]) -> list[list[T]]:
    size = -(-len(made) // _PARTS)
    return [made[at : at + size] for at in range(0, len(made), size)]


async def _drive(
    run: Run, parts: list[list[Sent]], rows: list[list[dict[str, Any]]], chance: random.Random
) -> Found:
    for part, some in zip(parts[:2], rows, strict=False):
        await run.start_host()
        await _emit(run, some)
        await _send(run, part)
        await asyncio.sleep(chance.uniform(1.5, 3.5))
        await run.kill_host("while it was at work")
    await _emit(run, rows[2])
    gaps = await _give_up_batches(run, parts[2], chance)
    await run.start_host()
    await _emit(run, rows[3])
    await _send(run, parts[3])
    await _drained(run)
    return await _found(run, gaps)


async def _give_up_batches(run: Run, part: list[Sent], chance: random.Random) -> int:
    """Let the host advance its checkpoint over batches that the store refused."""
    await run.start_host("--checkpoint-on-failure")
    run.say("the store refuses for a moment, and the host gives up what it cannot store:")
    await run.fault({"operation": "batch", "status": 403, "count": None})
    await _send(run, part[: len(part) // 2])
    await asyncio.sleep(chance.uniform(1.5, 3.0))
    await run.fault(None)
    await _send(run, part[len(part) // 2 :])
    await asyncio.sleep(chance.uniform(0.5, 1.5))
    gaps = (await run.get("status"))["event_hub"]
    run.say(
        f"the host gave batches up: {gaps['gap_events_open']:,} events in "
        f"{len(gaps['open_gaps'])} gaps are known by now"
    )
    await run.kill_host("with the checkpoint ahead of the store")
    return int(gaps["gap_events_open"])


async def _send(run: Run, events: list[Sent]) -> None:
    settings = run.ports.settings(_TIMERS)
    run.say(f"sent {await publish(settings, events):,} events")


async def _emit(run: Run, rows: list[dict[str, Any]]) -> None:
    """Let metrics arrive, in odd order, over the next seconds."""
    await publish_metrics(run.ports.settings(_TIMERS)["METRICS_ENDPOINT"], rows)
    run.last_arrival = utc_now() + timedelta(seconds=LATEST_ARRIVAL_SECONDS)
    run.say(f"emitted {len(rows):,} rows of metrics")


async def _drained(run: Run) -> None:
    """Wait until the hub's end is stored, no gap is open, and all metrics are collected."""
    end = time.monotonic() + _DRAIN_SECONDS
    told = ""
    while time.monotonic() < end:
        status = await run.get("status")
        hub, late = status["event_hub"], _late(run, status["metrics"]["watermarks"])
        text = f"lag {hub['lag']}, {hub['gap_events_open']:,} events in open gaps, metrics " + (
            "to come" if late else "collected"
        )
        if text != told:
            run.say(text)
        told = text
        hub_done = hub["lag"] == 0 and not hub["open_gaps"] and _looked_since(hub["partitions"])
        if hub_done and not late:
            return
        await asyncio.sleep(1)
    raise SystemExit("not drained in time: see the status above")


def _late(run: Run, marks: Iterable[Mapping[str, Any]]) -> bool:
    through = [each["collected_through"] for each in marks]
    return run.last_arrival is None or not all(
        each and datetime.fromisoformat(each) > run.last_arrival for each in through
    )


def _looked_since(partitions: Iterable[Mapping[str, Any]]) -> bool:
    """Whether every partition's end was looked at and is what is stored."""
    return all(each["last_enqueued"] == each["stored_through"] for each in partitions)


async def _found(run: Run, gaps: int) -> Found:
    groups = "subscription,model,day"
    day = utc_now().date().replace(day=1).isoformat()
    summary = await run.get(f"usage/summary?group_by={groups}&start_date={_before(day)}")
    cosmos = Cosmos(f"http://127.0.0.1:{run.ports.cosmos}", EMULATOR_KEY, DATABASE)
    try:
        stored = [each async for each in documents(cosmos, "usage")]
    finally:
        await cosmos.close()
    return Found(
        summary=_added((_summary_key(each), each) for each in summary["groups"]),
        ledger=_added(
            (_ledger_key(each), {**each, "requests": int(each["source"] == "event_hub")})
            for each in stored
            if each["type"] == "usage"
        ),
        rollups=_added((_rollup_key(each), each) for each in stored if each["type"] == "rollup"),
        status=await run.get("status"),
        gaps=gaps,
    )


async def _charged(run: Run, traffic: Traffic) -> Bill:
    """Ask the app what the days of the traffic cost."""
    first, *_, last = traffic.all_days()
    groups = "owner,subscription,model,day"
    query = f"group_by={groups}&start_date={first}&end_date={last}"
    return charged(await run.get(f"chargeback/report?{query}"))


def _expected_bill(traffic: Traffic) -> Bill:
    return bill(traffic.calls, read_book(EXAMPLE), traffic.all_days())


def _before(day: str) -> str:
    """Return a day that is surely before the demo's first one: the month before begins it."""
    year, month, _ = map(int, day.split("-"))
    return f"{year - (month == 1)}-{12 if month == 1 else month - 1:02}-01"


def _added(rows: Iterable[tuple[tuple[str, str, str], Mapping[str, Any]]]) -> Totals:
    totals: Totals = {}
    for key, row in rows:
        sums = totals.setdefault(key, Counter())
        for kind in KINDS:
            if row.get(kind) is not None:
                sums[kind] += row[kind]
    return totals


def _summary_key(group: Mapping[str, Any]) -> tuple[str, str, str]:
    return group["key"]["subscription"], group["key"]["model"], group["key"]["day"]


def _ledger_key(document: Mapping[str, Any]) -> tuple[str, str, str]:
    model = document.get("response_model") or document["request_model"]
    return document["subscription_id"], model, document["day"]


def _rollup_key(document: Mapping[str, Any]) -> tuple[str, str, str]:
    return document["subscription_id"], document["model"], document["day"]


def _write_expected(path: Path, expected: Totals) -> None:
    rows = [
        {"subscription": key[0], "model": key[1], "day": key[2], **sums}
        for key, sums in sorted(expected.items())
    ]
    path.write_text(json.dumps(rows, indent=1))


def _print_verdict(traffic: Traffic, found: Found) -> bool:
    columns = {
        "expected": traffic.expected,
        "summary": found.summary,
        "ledger": found.ledger,
        "rollups": found.rollups,
    }
    print(f"\n{'':26}" + "".join(f"{name:>15}" for name in columns))
    for kind in KINDS:
        sums = [sum(each[kind] for each in totals.values()) for totals in columns.values()]
        print(f"{kind:26}" + "".join(f"{each:15,}" for each in sums))
    dead = found.status["dead_letters"]["total_open"]
    print(f"{'dead letters':26}{traffic.broken:15,}{dead:15,}")
    print(f"{'events in gaps, closed':26}{'':15}{found.gaps:15,}")
    streaming = found.status["metrics"]["streaming"]
    unmeasured = _unmeasured(streaming)
    print(f"{'streamed, not measured':26}{traffic.uncovered.total():15,}{unmeasured.total():15,}")
    differing = sorted(
        key
        for key in {key for totals in columns.values() for key in totals}
        if len(
            {
                tuple(totals.get(key, Counter())[kind] for kind in KINDS)
                for totals in columns.values()
            }
        )
        > 1
    )
    for key in differing:
        print("differs:", *key)
    groups = len(traffic.expected)
    print(f"\n{groups - len(differing)} of {groups} subscription, model and day groups are equal")
    return (
        not differing
        and dead == traffic.broken
        and found.gaps > 0
        and unmeasured == traffic.uncovered
        and _only_unmeasured(streaming["streaming_uncovered"]["listed"])
    )


def _unmeasured(streaming: Mapping[str, Any]) -> Counter[tuple[str, str]]:
    """Return the streamed calls without tokens, of days that are settled and of today."""
    found: Counter[tuple[str, str]] = Counter()
    for name in ("awaiting", "streaming_uncovered"):
        for each in streaming[name]["listed"]:
            if each["subscription"] == UNMEASURED:
                found[each["subscription"], each["day"]] += each["requests"]
    return found


def _only_unmeasured(listed: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the settled days list what is not measured, and nothing else."""
    return bool(listed) and all(each["subscription"] == UNMEASURED for each in listed)
