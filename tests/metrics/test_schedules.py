"""Whatever happens to runs and to rows, totals are those of one clean run; marks only go on."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.cosmos import Fault
from tests.builders import NOON, FrozenClock
from tests.conftest import Stack
from tests.metrics.fakes import (
    ONE,
    OTHER_WORKSPACE,
    THREE,
    TOKENS,
    TWO,
    WORKSPACE,
    FakeLog,
    MemoryIdentity,
    MemoryLedger,
    MemoryMarks,
    RecordValue,
    Row,
    WatchedMarks,
    World,
    ai_hub_bag,
    by_record,
    call,
    cosmos_world,
    is_held,
    memory_world,
    own_bag,
    totals_of,
    totals_of_documents,
    without_zeros,
)
from usage_ingest.identity import BIN_SIZE, DatedValue
from usage_ingest.metrics.watermark import Pace, Source
from usage_ingest.record_id import metric_record_id

DAY = 24 * 60
BIN_MINUTES = {"15m": 15, "1h": 60, "6h": 360, "1d": DAY}
BAGS = (
    own_bag(),
    own_bag(**{"_MS.Pre": "False"}),  # one record with the first
    own_bag(model="o3"),
    own_bag("finance-bot", **{"usage.product": "-"}),
    ai_hub_bag(),
    ai_hub_bag("finance-bot", **{"_MS.Extra": "x"}),
)
SOURCES = (
    [Source(WORKSPACE, "own")],
    [Source(WORKSPACE, "own"), Source(WORKSPACE, "ai-hub"), Source(OTHER_WORKSPACE, "own")],
    [Source(WORKSPACE, "own"), Source(ONE.upper(), "own")],  # the same rows by two ways
)


@dataclass(frozen=True)
class Arrive:
    """Calls of `ago` minutes before; their rows arrive so many minutes from now."""

    ago: float
    tokens: tuple[int, int]
    delays: tuple[float, float, float]
    bag: int
    component: str
    unseen: float
    times: int


@dataclass(frozen=True)
class Pass:
    minutes: float


@dataclass(frozen=True)
class Run:
    fails_at: int | None = None


@dataclass(frozen=True)
class Begin:
    name: int
    stalls_at: int


@dataclass(frozen=True)
class Finish:
    name: int


@dataclass(frozen=True)
class Crash:
    name: int


@dataclass(frozen=True)
class Limit:
    """What one answer may hold: of no bin where `most_bins` is 0, of no window below a minute."""

    most_bins: int | None
    window_minutes: float | None


@dataclass(frozen=True)
class BinSize:
    value: str


Step = Arrive | Pass | Run | Begin | Finish | Crash | Limit | BinSize

NAMES = st.integers(0, 1)
CALLS = st.integers(1, 30)
ARRIVALS = st.builds(
    Arrive,
    ago=st.one_of(
        st.integers(0, 200), st.integers(-70, 0), st.sampled_from([DAY, 2 * DAY, 3 * DAY, -26 * 60])
    ),
    tokens=st.tuples(st.integers(0, 99), st.integers(0, 99)),
    delays=st.one_of(
        st.just((1.0, 1.0, 1.0)),
        st.tuples(*(st.sampled_from([0.0, 0.5, 3, 61, 90, 400, DAY]) for _ in range(3))),
    ),
    bag=st.integers(0, len(BAGS) - 1),
    component=st.sampled_from([ONE, ONE, ONE.upper(), TWO, THREE]),
    unseen=st.sampled_from([0, 0, 1, 14, 60, 75]),
    times=st.sampled_from([1, 1, 2]),
)
WHAT_HAPPENS = st.one_of(
    ARRIVALS,
    ARRIVALS,
    ARRIVALS,
    st.builds(Pass, st.sampled_from([1, 7, 15, 30, 60, 180, DAY, 5 * DAY])),
    st.builds(Run),
    st.builds(Run, CALLS),
    st.builds(Begin, NAMES, CALLS),
    st.builds(Finish, NAMES),
    st.builds(Crash, NAMES),
    st.builds(Limit, st.sampled_from([None, 0, 1, 2]), st.sampled_from([None, 0.5, 1, 45])),
)
BIN_SIZES = st.builds(BinSize, st.sampled_from(sorted(BIN_MINUTES)))
PACES = st.builds(
    Pace,
    overlap=st.sampled_from([timedelta(0), timedelta(hours=1), timedelta(days=2)]),
    settling_delay=st.sampled_from([timedelta(0), timedelta(minutes=15)]),
)


@dataclass
class Follower:
    """Takes a world through a schedule."""

    world: World
    log: FakeLog
    record_value: RecordValue
    bin_sizes: list[DatedValue] = field(default_factory=list)

    async def take(self, step: Step) -> None:
        world = self.world
        match step:
            case Arrive():
                self.log.rows_held += self._rows(step)
            case Pass(minutes):
                world.clock.move(minutes=minutes)
            case Run(fails_at):
                await world.run_failing(fails_at)
            case Begin(name, stalls_at):
                await world.finish(name)
                await world.begin(name, stalls_at)
            case Finish(name):
                await world.finish(name)
            case Crash(name):
                await world.crash(name)
            case Limit() | BinSize():
                await self._change(step)

    async def end(self) -> None:
        """Wait for everything, then run until nothing is left."""
        for name in list(self.world.running):
            await self.world.finish(name)
        self.log.most_bins = self.log.longest_window = None
        settling = self.world.pace.settling_delay + timedelta(minutes=1)
        for row in self.log.rows_held:
            self.world.clock.moment = max(self.world.clock.moment, row.seen)
        self.world.clock.moment += settling
        await self.world.run_until_caught_up()

    def bin_minutes(self, moment: datetime) -> int:
        day = moment.date().isoformat()
        held = [each.value for each in self.bin_sizes if each.from_day <= day]
        return BIN_MINUTES[held[-1]] if held else 60

    def collected(self) -> list[Row]:
        """The rows that the world's sources hold."""
        return [row for row in self.log.rows_held if any(self.holds(s, row) for s in self.sources)]

    @property
    def sources(self) -> Sequence[Source]:
        return self.world.sources

    def holds(self, source: Source, row: Row) -> bool:
        profile = "own" if "usage.subscription" in row.bag else "ai-hub"
        return is_held(source.target, row) and profile == source.profile

    def _rows(self, step: Arrive) -> list[Row]:
        pace, now = self.world.pace, self.world.clock.now()
        unseen = min(step.unseen, (pace.overlap + pace.settling_delay).total_seconds() / 60)
        first, second, third = (step.ago + each for each in step.delays)
        return step.times * call(
            now - timedelta(minutes=step.ago),
            step.tokens,
            (first, second, third),
            bag=BAGS[step.bag],
            component=step.component,
            unseen=unseen,
        )

    async def _change(self, step: Limit | BinSize) -> None:
        if isinstance(step, BinSize):
            await self._change_bin_size(step.value)
            return
        minutes = step.window_minutes
        self.log.most_bins = step.most_bins
        self.log.longest_window = None if minutes is None else timedelta(minutes=minutes)

    async def _change_bin_size(self, value: str) -> None:
        from_day = self.world.clock.now().date() + timedelta(days=3)
        if self.bin_sizes:
            after = datetime.fromisoformat(self.bin_sizes[-1].from_day).date() + timedelta(days=1)
            from_day = max(from_day, after)
        self.bin_sizes.append(DatedValue(from_day.isoformat(), value))
        await self.record_value(BIN_SIZE, self.bin_sizes)


def check_store(follower: Follower, ledger: MemoryLedger, marks: WatchedMarks) -> None:
    """The store holds what arrived before each mark, and nothing that did not arrive."""
    world = follower.world
    stored = {record_id: record for (_, _, record_id), record in ledger.documents.items()}
    assert len(stored) == len(ledger.documents)
    most = in_store(follower, [r for r in follower.collected() if r.seen <= world.clock.now()])
    for record_id, record in stored.items():
        for name in TOKENS.values():
            assert (getattr(record.usage, name) or 0) <= most[record_id][name]
    for source, through in marks.through.items():
        seen_by = through + world.pace.settling_delay
        due = [
            row
            for row in follower.log.rows_held
            if follower.holds(source, row) and row.arrived < through and row.seen <= seen_by
        ]
        for record_id, sums in in_store(follower, due).items():
            usage = stored[record_id].usage
            for name in TOKENS.values():
                assert (getattr(usage, name) or 0) >= sums[name]


def in_store(follower: Follower, rows: list[Row]) -> dict[str, Any]:
    return {
        metric_record_id(component, start, follower.bin_minutes(start) * 60, role, dict(bag)): sums
        for (start, component, role, bag), sums in by_record(rows, follower.bin_minutes).items()
    }


async def totals_of_a_clean_run(follower: Follower, identity: MemoryIdentity) -> Any:
    world = memory_world(
        follower.sources,
        FrozenClock(follower.world.clock.now()),
        pace=replace(follower.world.pace, initial_lookback=timedelta(days=89)),
    )
    assert isinstance(world.metrics, FakeLog)
    (ledger,) = world.ledgers
    assert isinstance(ledger, MemoryLedger)
    world.identity = lambda: identity
    world.metrics.rows_held = follower.log.rows_held
    await world.run_until_caught_up()
    return without_zeros(ledger.totals)


async def follow_in_memory(steps: Sequence[Step], sources: Sequence[Source], pace: Pace) -> None:
    identity = MemoryIdentity()
    world = memory_world(sources, FrozenClock(), pace=pace)
    world.identity = lambda: identity
    assert isinstance(world.metrics, FakeLog)
    (ledger,) = world.ledgers
    assert isinstance(ledger, MemoryLedger)
    assert isinstance(world.marks, WatchedMarks)

    async def record_value(name: str, values: Sequence[DatedValue]) -> None:
        identity.values[name] = tuple(values)

    follower = Follower(world, world.metrics, record_value)
    await world.run()  # marks begin before the first row

    for step in steps:
        await follower.take(step)
        check_store(follower, ledger, world.marks)
    await follower.end()
    check_store(follower, ledger, world.marks)

    expected = totals_of(follower.collected())
    assert without_zeros(ledger.totals) == expected
    assert await totals_of_a_clean_run(follower, identity) == expected
    assert [mark.notes for mark in await world.marks.all()] == [{} for _ in sources]
    await replay(world)
    assert without_zeros(ledger.totals) == expected


async def replay(world: World) -> None:
    """Forget the marks and read everything again."""
    assert isinstance(world.marks, WatchedMarks)
    world.marks.inner, world.marks.through = MemoryMarks(), {}
    world.pace = replace(world.pace, initial_lookback=timedelta(days=89))
    await world.run_until_caught_up()


@settings(max_examples=150)
@given(steps=st.lists(WHAT_HAPPENS, max_size=25), sources=st.sampled_from(SOURCES), pace=PACES)
async def test_any_schedule_gives_the_totals_of_one_clean_run(
    steps: list[Step], sources: list[Source], pace: Pace
) -> None:
    """Late, split, duplicate and unseen rows; overlapping, stalled, crashed and failed runs."""
    await follow_in_memory(steps, sources, pace)


@settings(max_examples=80)
@given(
    steps=st.lists(st.one_of(WHAT_HAPPENS, BIN_SIZES), max_size=25),
    sources=st.sampled_from(SOURCES),
    pace=PACES,
)
async def test_any_schedule_with_changes_of_the_bin_size_does_too(
    steps: list[Step], sources: list[Source], pace: Pace
) -> None:
    """Each change is dated three days ahead, at least."""
    await follow_in_memory(steps, sources, pace)


async def assert_totals(stack: Stack, database: str, follower: Follower) -> None:
    ledger = await stack.documents("usage", database, type="usage")
    rollups = await stack.documents("usage", database, type="rollup")
    assert len({each["id"] for each in ledger}) == len(ledger)
    assert totals_of_documents(ledger) == totals_of_documents(rollups)
    expected = totals_of(follower.collected())
    assert totals_of_documents(rollups) == expected


FAULTS = st.sampled_from(
    [
        {"inside": 429},
        {"inside": 449, "count": 2},
        {"status": 429},
        {"status": 503},
        {"reset": True},
        {"lost_answer": True},
        {"lost_answer": True, "operation": "batch"},
        {"lost_answer": True, "container": "state"},
    ]
)


@settings(max_examples=40)
@given(
    steps=st.lists(st.one_of(WHAT_HAPPENS, BIN_SIZES), max_size=20),
    sources=st.sampled_from(SOURCES),
    faults=st.lists(st.tuples(st.integers(0, 60), FAULTS), max_size=3),
)
async def test_any_schedule_over_cosmos_gives_the_totals_of_the_rows(
    stack: Stack,
    steps: list[Step],
    sources: list[Source],
    faults: list[tuple[int, dict[str, Any]]],
) -> None:
    """The real ledger, marks and identity of two instances; the store is busy, answers are lost."""
    async with cosmos_world(stack, sources) as (world, log, database, record_value):
        follower = Follower(world, log, record_value)
        await follower.world.run()
        for skip, fault in faults:
            stack.cosmos.faults.add(Fault(**{"operation": None, "skip": skip, **fault}))

        for step in steps:
            await follower.take(step)
        await follower.end()

        stack.cosmos.faults.clear()
        await assert_totals(stack, database, follower)


@pytest.mark.parametrize("kind", ["before", "after"])
async def test_a_crash_at_every_store_call_changes_no_total(stack: Stack, kind: str) -> None:
    """The process dies before the request, or after the store carried it out."""
    call_number, crashed = 0, True
    while crashed:
        async with cosmos_world(stack, SOURCES[1][:2]) as (world, log, database, record_value):
            follower = Follower(world, log, record_value)
            await follower.world.run()
            follower.log.rows_held += rows_of_two_days()
            follower.world.clock.move(hours=6)
            await follower.world.run()  # what comes later replaces some of this
            follower.world.clock.move(hours=30)
            if kind == "after":
                lost = Fault(operation=None, skip=call_number, count=1, lost_answer=True)
                stack.cosmos.faults.add(lost)
            stack.cosmos.faults.add(Fault(operation=None, skip=call_number, count=1, status=403))

            crashed = await follower.world.run_failing()

            stack.cosmos.faults.clear()
            await follower.end()
            await assert_totals(stack, database, follower)
            call_number += 1
    assert call_number > 15, call_number


def rows_of_two_days() -> list[Row]:
    """Calls of many hours; of each some rows arrive hours later."""
    rows: list[Row] = []
    for number in (0, 14):
        told = NOON + timedelta(hours=number, minutes=5)
        for bag in BAGS[2:5]:
            rows += call(told, (number + 1, 2), (2, 2, 240), bag=bag)
        rows += call(told, (7, 0), (1, 300, 1), component=TWO)
    return rows
