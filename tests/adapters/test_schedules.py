"""Whatever the schedule, the totals are what was sent: over the real SDK against the stand-in."""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.cosmos import Fault
from tests.builders import FakeHub, make_batch, make_event, make_usage
from tests.conftest import Stack
from tests.folds import fold, rollup_totals
from usage_ingest.errors import ConfigError, TransientError
from usage_ingest.wiring import App

SUBSCRIPTIONS = ("hr-copilot", "finance-bot")
Expected = dict[tuple[str, str], Counter[str]]


@dataclass(frozen=True)
class Call:
    """One call as the gateway knows it: a first event without usage, perhaps, then the whole."""

    whole: dict[str, Any]
    bare_too: bool

    def events(self) -> list[dict[str, Any]]:
        bare = self.whole | {"usage": None, "status": 500}
        return [bare, self.whole] if self.bare_too else [self.whole]


def expected_of(calls: list[Call]) -> Expected:
    """Fold what was sent, apart from the product's code."""
    totals: Expected = {}
    for call in calls:
        event, usage = call.whole, call.whole["usage"] or {}
        sums = totals.setdefault((event["subscription_id"], event["deployment"]), Counter())
        sums["requests"] += 1
        sums["input_tokens"] += usage.get("prompt_tokens", 0)
        sums["output_tokens"] += usage.get("completion_tokens", 0)
        sums["failed_requests"] += event["status"] >= 400
    return totals


def stored_of(rollups: list[dict[str, Any]]) -> Expected:
    totals: Expected = {}
    for each in rollups:
        sums = totals.setdefault((each["subscription_id"], each["deployment"]), Counter())
        for name in ("requests", "input_tokens", "output_tokens", "failed_requests"):
            sums[name] += each.get(name, 0)
    return totals


async def assert_totals(stack: Stack, database: str, calls: list[Call]) -> None:
    ledger = await stack.documents("usage", database, type="usage")
    rollups = await stack.documents("usage", database, type="rollup")
    assert len(ledger) == len(calls)
    assert fold(ledger) == rollup_totals(rollups)
    assert stored_of(rollups) == expected_of(calls)


def make_calls(chance: random.Random, number: int) -> list[Call]:
    calls = []
    for _ in range(number):
        usage = make_usage(prompt_tokens=chance.randrange(64, 300), total_tokens=None)
        event = make_event(
            subscription_id=chance.choice(SUBSCRIPTIONS),
            deployment=chance.choice(["a", "b"]),
            usage=chance.choice([usage, usage, usage, None]),
        )
        calls.append(Call(event, event["usage"] is not None and chance.random() < 0.3))
    return calls


FAULTS = st.sampled_from(
    [
        {"inside": 429},
        {"inside": 449, "count": 2},
        {"status": 429},
        {"status": 503},
        {"status": 408},
        {"reset": True},
        {"lost_answer": True},
    ]
)


@settings(max_examples=30)
@given(
    seed=st.integers(0, 2**32),
    number=st.integers(1, 40),
    faults=st.lists(st.tuples(st.integers(0, 12), FAULTS), max_size=3),
    deliveries=st.lists(
        st.tuples(st.integers(0, 1), st.integers(0, 60), st.integers(1, 30), st.booleans()),
        max_size=6,
    ),
)
async def test_any_schedule_gives_the_totals_of_what_was_sent(
    stack: Stack,
    seed: int,
    number: int,
    faults: list[tuple[int, dict[str, Any]]],
    deliveries: list[tuple[int, int, int, bool]],
) -> None:
    """Redelivery, split, reorder, resend, two writers at once, a busy store, lost answers."""
    chance = random.Random(seed)
    calls = make_calls(chance, number)
    events = [event for call in calls for event in call.events()]
    chance.shuffle(events)
    database = stack.new_database()
    apps = [stack.start(reader=FakeHub(), COSMOS_DATABASE=database) for _ in range(2)]
    for skip, fault in faults:
        stack.cosmos.faults.add(Fault(operation=None, skip=skip, **fault))

    running = []
    for writer, at, length, together in deliveries:
        part = events[at % len(events) :][:length]
        running.append(apps[writer].ingest.store(make_batch(*part, first=chance.randrange(10**6))))
        if not together:
            await asyncio.gather(*running)
            running = []
    await asyncio.gather(*running)
    await apps[0].ingest.batch(make_batch(*events, first=0))

    stack.cosmos.faults.clear()
    await assert_totals(stack, database, calls)


async def ingest_until_done(stack: Stack, database: str, batches: list[Any]) -> int:
    """Deliver batches as a host that restarts the process at every failure; return restarts."""
    restarts, at = 0, 0
    app: App | None = None
    while at < len(batches):
        app = app or stack.start(patience_seconds=0.01, reader=FakeHub(), COSMOS_DATABASE=database)
        try:
            await app.ingest.batch(batches[at])
            at += 1
        except (ConfigError, TransientError):
            restarts, app = restarts + 1, None
    return restarts


def make_batches(chance: random.Random) -> tuple[list[Call], list[Any]]:
    calls = make_calls(chance, 12)
    events: list[object] = [event for call in calls for event in call.events()]
    events += [b"not json", {"hello": "world"}]
    return calls, [make_batch(*events[:9], first=0), make_batch(*events[9:], first=9)]


@pytest.mark.parametrize("kind", ["before", "after"])
async def test_a_crash_at_every_store_call_changes_no_total(stack: Stack, kind: str) -> None:
    """The process dies before the request, or after the store carried it out."""
    calls, batches = make_batches(random.Random(7))
    call, crashed = 0, True
    while crashed:
        database = stack.new_database()
        if kind == "before":
            stack.cosmos.faults.add(Fault(operation=None, skip=call, count=1, status=403))
        else:
            stack.cosmos.faults.add(Fault(operation=None, skip=call, count=1, lost_answer=True))
            stack.cosmos.faults.add(Fault(operation=None, skip=call, count=1, status=403))

        crashed = await ingest_until_done(stack, database, batches) > 0

        stack.cosmos.faults.clear()
        await assert_totals(stack, database, calls)
        counts = await stack.documents("dead-letters", database, type="counts")
        assert sum(each.get("open_not_json", 0) for each in counts) == 1
        assert sum(each.get("open_unknown_shape", 0) for each in counts) == 1
        call += 1
    assert call > 8
