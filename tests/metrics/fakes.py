"""Fakes at the ports of the metrics flow, and a world in which runs stall, crash and overlap.

A run is told to stall or to fail at the n-th call that it makes of any port: before the call
takes effect, after it did, and between looking up a record and writing it.
"""

import asyncio
import contextlib
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from tests.builders import FakeHub, FrozenClock
from tests.conftest import Stack
from usage_ingest.adapters.cosmos import Cosmos
from usage_ingest.adapters.cosmos_state import CosmosIdentityStore
from usage_ingest.errors import ConfigError, ConflictError, PartialResultError, TransientError
from usage_ingest.identity import BEGINNING, DatedValue, Identity
from usage_ingest.metric_profile import Definition
from usage_ingest.metrics.collect import Collect, CollectOutcome
from usage_ingest.metrics.fold import MetricRow
from usage_ingest.metrics.ports import MetricReader, WatermarkStore
from usage_ingest.metrics.reading import later_reading
from usage_ingest.metrics.watermark import Bin, Pace, Source, Watermark, Window
from usage_ingest.ports import IdentityStore, Ledger, StoreOutcome
from usage_ingest.record import UsageRecord
from usage_ingest.state_document import identity_document

WORKSPACE = "11111111-aaaa-4bbb-8ccc-00000000000a"
OTHER_WORKSPACE = "11111111-aaaa-4bbb-8ccc-00000000000b"
_GROUP = "/subscriptions/5a/resourceGroups/rg/providers/microsoft.insights/components"
ONE, TWO, THREE = (f"{_GROUP}/{name}" for name in ("One", "two", "three"))
WORKSPACES = {WORKSPACE: (ONE, TWO), OTHER_WORKSPACE: (THREE,)}
ROLE = "apim-contoso.azure-api.net Sweden Central"
TOKENS = {
    "Prompt Tokens": "input_tokens",
    "Completion Tokens": "output_tokens",
    "Total Tokens": "total_tokens",
}
OLDEST, NEWEST = timedelta(days=2), timedelta(days=1)
Totals = dict[tuple[str, str, str], dict[str, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of AppMetrics. `seen` is when queries begin to find it, at `arrived` or later."""

    told: datetime
    arrived: datetime
    seen: datetime
    name: str
    total: int
    component: str
    bag: Mapping[str, str]
    role: str = ROLE

    @property
    def generated(self) -> datetime:
        """Its TimeGenerated: Azure Monitor replaces a time that is too far from the arrival."""
        near = self.arrived - OLDEST <= self.told <= self.arrived + NEWEST
        return self.told if near else self.arrived

    def sent(self) -> dict[str, Any]:
        """The row as the stand-in takes it."""
        return {
            "TimeGenerated": self.told,
            "Name": self.name,
            "Sum": float(self.total),
            "AppRoleName": self.role,
            "Properties": dict(self.bag),
            "_ResourceId": self.component,
            "arrives_at": self.arrived,
        }


def own_bag(subscription: str = "hr-copilot", model: str = "gpt-4o", **more: str) -> dict[str, str]:
    return {"usage.subscription": subscription, "usage.model": model, "_MS.Pre": "True"} | more


def ai_hub_bag(subscription: str = "hr-copilot", **more: str) -> dict[str, str]:
    return {"SubscriptionId": subscription, "routeName": "SWC", "deploymentName": "chat"} | more


def citadel_bag(product: str = "Covered", model: str = "gpt-4o") -> dict[str, str]:
    return {"productName": product, "Backend ID": "aoai-1", "deploymentName": model}


def call(
    told: datetime,
    tokens: tuple[int, int] = (100, 20),
    after: float | tuple[float, float, float] = 2,
    *,
    bag: Mapping[str, str] | None = None,
    component: str = ONE,
    unseen: float = 0,
    role: str = ROLE,
) -> list[Row]:
    """The three rows of one call; each arrives so many minutes after what it tells."""
    minutes = after if isinstance(after, tuple) else (after,) * 3
    arrived = [told + timedelta(minutes=each) for each in minutes]
    return [
        Row(
            told=told,
            arrived=at,
            seen=at + timedelta(minutes=unseen),
            name=name,
            total=total,
            component=component,
            bag=own_bag() if bag is None else bag,
            role=role,
        )
        for name, total, at in zip(TOKENS, (*tokens, sum(tokens)), arrived, strict=True)
    ]


# --- what a run stalls and fails at ---


@dataclass(slots=True)
class Turn:
    """One run: how many calls it made, and at which it stalls or fails."""

    stalls_at: int | None = None
    fails_at: int | None = None
    calls: int = 0
    stalled: asyncio.Event = field(default_factory=asyncio.Event)
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def reached(self) -> None:
        self.calls += 1
        if self.calls == self.fails_at:
            raise TransientError(f"a failure at call {self.calls} was asked for")
        if self.calls == self.stalls_at:
            self.stalled.set()
            await self.goes_on.wait()


_turn: ContextVar[Turn | None] = ContextVar("turn", default=None)


async def reached() -> None:
    turn = _turn.get()
    if turn is not None:
        await turn.reached()


# --- the ports ---


@dataclass(slots=True)
class FakeLog:
    """Implements ports.MetricReader over a list of rows."""

    clock: FrozenClock
    rows_held: list[Row] = field(default_factory=list)
    most_bins: int | None = None
    longest_window: timedelta | None = None
    answer_seconds: float = 1
    readings: int = 0  # of whole bins, answered

    async def now(self, target: str) -> datetime:
        await self._asked(target)
        moment = self.clock.now()
        await reached()
        return moment

    async def touched(
        self, target: str, definition: Definition, arrived: Window, generated: Window
    ) -> set[datetime]:
        held = await self._found(target, definition)
        if self.longest_window is not None and arrived.end - arrived.start > self.longest_window:
            raise PartialResultError("a window too long")
        minutes = {
            each.generated.replace(second=0, microsecond=0)
            for each in held
            if arrived.start <= each.arrived < arrived.end
            and generated.start <= each.generated < generated.end
        }
        await reached()
        return minutes

    async def rows(
        self, target: str, definition: Definition, bins: Sequence[Bin]
    ) -> Sequence[MetricRow]:
        held = await self._found(target, definition)
        (seconds,) = {each.seconds for each in bins}
        if self.most_bins is not None and len(bins) > self.most_bins:
            raise PartialResultError("too many bins")
        starts, sums, now = {each.start for each in bins}, Counter[Any](), self.clock.now()
        for each in held:
            start = bin_start(each.generated, seconds // 60)
            if start in starts:
                bag = orjson.dumps(dict(each.bag)).decode()
                sums[start, each.name, each.role, each.component, bag] += each.total
        self.readings += 1
        await reached()
        return [
            MetricRow(
                bin_start=start,
                metric=name,
                total=float(total),
                role_name=role,
                component=component,
                properties=bag,
                as_of=now,
            )
            for (start, name, role, component, bag), total in sums.items()
        ]

    async def _asked(self, target: str) -> None:
        await reached()
        self.clock.move(seconds=self.answer_seconds)
        assert target.startswith("/") or target in WORKSPACES

    async def _found(self, target: str, definition: Definition) -> list[Row]:
        await self._asked(target)
        return [
            each
            for each in self.rows_held
            if is_held(target, each)
            and each.seen <= self.clock.now()
            and each.name in definition.metrics
            and all(key in each.bag for key in definition.must_have)
            and not any(key in each.bag for key in definition.must_not_have)
        ]


def is_held(target: str, row: Row) -> bool:
    held = WORKSPACES.get(target, (target,))
    return row.component.lower() in {each.lower() for each in held}


def bin_start(moment: datetime, minutes: int) -> datetime:
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    passed = int((moment - midnight).total_seconds()) // 60
    return midnight + timedelta(minutes=passed // minutes * minutes)


@dataclass(slots=True)
class MemoryLedger:
    """Implements ports.Ledger for metrics: by partition and id, with totals of its own."""

    documents: dict[tuple[str | None, str, str], UsageRecord] = field(default_factory=dict)
    totals: dict[tuple[str, str, str], Counter[str]] = field(default_factory=dict)

    async def store(self, records: Sequence[UsageRecord], slot: int) -> StoreOutcome:
        assert slot == 0
        assert len({each.record_id for each in records}) == len(records)
        counts: Counter[str] = Counter()
        shrank: list[UsageRecord] = []
        for record in records:
            await self._store(record, counts, shrank)
        await reached()
        stored, repeated, completed = (counts[n] for n in ("stored", "repeated", "completed"))
        return StoreOutcome(stored, repeated, completed, shrank=shrank)

    async def _store(
        self, record: UsageRecord, counts: Counter[str], shrank: list[UsageRecord]
    ) -> None:
        key = (record.subscription_id, record.day, record.record_id)
        while True:
            await reached()
            stored = self.documents.get(key)
            changed: UsageRecord | None = record
            if stored is not None:
                changed, less = later_reading(stored, record)
                shrank += [record] if less else []
            if changed is None:
                counts["repeated"] += 1
                return
            await reached()
            if self.documents.get(key) is stored:  # else: somebody else wrote first
                break
        self.documents[key] = changed
        counts["completed" if stored else "stored"] += 1
        self._count(changed, 1)
        if stored is not None:
            self._count(stored, -1)

    def _count(self, record: UsageRecord, sign: int) -> None:
        place = (record.subscription_id or "-", record.day, record.model or "-")
        sums = self.totals.setdefault(place, Counter())
        for name, value in record.usage.reported().items():
            sums[name] += sign * value


@dataclass(slots=True)
class MemoryMarks:
    """Implements ports.WatermarkStore."""

    held: dict[Source, Watermark] = field(default_factory=dict)
    numbers: Iterable[int] = field(default_factory=itertools.count)

    async def read(self, source: Source) -> Watermark | None:
        return self.held.get(source)

    async def write(self, mark: Watermark) -> Watermark:
        stored = self.held.get(mark.source)
        if mark.etag != (stored.etag if stored else None):
            raise ConflictError("another run wrote first")
        self.held[mark.source] = replace(mark, etag=str(next(iter(self.numbers))))
        return self.held[mark.source]

    async def all(self) -> list[Watermark]:
        return list(self.held.values())


@dataclass(slots=True)
class MemoryIdentity:
    """Implements ports.IdentityStore."""

    values: dict[str, tuple[DatedValue, ...]] = field(default_factory=dict)

    async def load(self) -> Identity:
        return Identity(dict(self.values))

    async def record(self, name: str, value: str) -> Identity:
        self.values.setdefault(name, (DatedValue(BEGINNING, value),))
        return await self.load()


@dataclass(slots=True)
class WatchedMarks:
    """Any WatermarkStore: runs stall and fail at it, and no mark that is written is lower."""

    inner: WatermarkStore
    through: dict[Source, datetime] = field(default_factory=dict)
    written: list[datetime] = field(default_factory=list)

    async def read(self, source: Source) -> Watermark | None:
        await reached()
        return await self.inner.read(source)

    async def write(self, mark: Watermark) -> Watermark:
        await reached()
        written = await self.inner.write(mark)
        before = self.through.get(mark.source, written.collected_through)
        assert written.collected_through >= before
        assert written.collected_from <= written.collected_through
        self.through[mark.source] = written.collected_through
        self.written.append(written.collected_through)
        await reached()
        return written

    async def all(self) -> list[Watermark]:
        return await self.inner.all()


@dataclass(slots=True)
class WatchedLedger:
    """Any Ledger: runs stall and fail at it."""

    inner: Ledger

    async def store(self, records: Sequence[UsageRecord], slot: int) -> StoreOutcome:
        await reached()
        outcome = await self.inner.store(records, slot)
        await reached()
        return outcome


# --- the world ---


@dataclass(slots=True, kw_only=True)
class World:
    """Everything that a run collects from and to; each instance of the app has a ledger."""

    clock: FrozenClock
    metrics: MetricReader
    ledgers: Sequence[Ledger]
    marks: WatchedMarks
    identity: Callable[[], IdentityStore]
    sources: Sequence[Source]
    pace: Pace = field(default_factory=Pace)
    ledger_ttl_days: int = 400
    running: dict[int, tuple[asyncio.Task[None], Turn]] = field(default_factory=dict)

    def collect(self, instance: int = 0) -> Collect:
        return Collect(
            ledger=self.ledgers[instance % len(self.ledgers)],
            metrics=self.metrics,
            watermarks=self.marks,
            identity=self.identity(),
            clock=self.clock,
            sources=self.sources,
            pace=self.pace,
            ledger_ttl_days=self.ledger_ttl_days,
        )

    async def run(self) -> CollectOutcome:
        return await self.collect().run()

    async def run_failing(self, fails_at: int | None = None) -> bool:
        """Run, and fail at a call; return whether the run failed."""
        token = _turn.set(Turn(fails_at=fails_at))
        try:
            await self.run()
        except (TransientError, ConfigError):
            return True
        finally:
            _turn.reset(token)
        return False

    async def run_until_caught_up(self) -> list[CollectOutcome]:
        """Run, as the timer does, until nothing is left to collect."""
        outcomes = [await self.run()]
        while not outcomes[-1].caught_up:
            assert len(outcomes) < 50
            outcomes.append(await self.run())
        return outcomes

    async def begin(self, name: int, stalls_at: int) -> Turn:
        """Start a run that stalls at a call; return when it stalls or is over."""
        turn = Turn(stalls_at=stalls_at)

        async def running() -> None:
            _turn.set(turn)
            with contextlib.suppress(TransientError, ConfigError):
                await self.collect(name).run()

        task = asyncio.create_task(running())
        self.running[name] = task, turn
        stalled = asyncio.create_task(turn.stalled.wait())
        await asyncio.wait({task, stalled}, return_when=asyncio.FIRST_COMPLETED)
        stalled.cancel()
        return turn

    async def finish(self, name: int) -> None:
        """Let a stalled run go on to its end."""
        if name in self.running:
            task, turn = self.running.pop(name)
            turn.goes_on.set()
            await task

    async def crash(self, name: int) -> None:
        """End a stalled run where it stands."""
        if name in self.running:
            task, _ = self.running.pop(name)
            task.cancel()
            await asyncio.wait({task})
            if not task.cancelled():
                task.result()


def memory_world(sources: Sequence[Source], clock: FrozenClock, **more: Any) -> World:
    """A world in memory."""
    identity = MemoryIdentity()
    return World(
        clock=clock,
        metrics=FakeLog(clock),
        ledgers=[MemoryLedger()],
        marks=WatchedMarks(MemoryMarks()),
        identity=lambda: identity,
        sources=sources,
        **more,
    )


RecordValue = Callable[[str, Sequence[DatedValue]], Awaitable[None]]


@contextlib.asynccontextmanager
async def cosmos_world(
    stack: Stack, sources: Sequence[Source], **more: Any
) -> AsyncIterator[tuple[World, FakeLog, str, RecordValue]]:
    """A world over the real adapters and an empty database, which is named; of two instances."""
    database = stack.new_database()
    apps = [stack.start(reader=FakeHub(), COSMOS_DATABASE=database) for _ in range(2)]
    cosmos = Cosmos(stack.cosmos.endpoint, stack.cosmos.key, database)
    clock = FrozenClock()
    log = FakeLog(clock)
    world = World(
        clock=clock,
        metrics=log,
        ledgers=[WatchedLedger(app.ledger) for app in apps],
        marks=WatchedMarks(apps[0].reports.watermarks),
        identity=lambda: CosmosIdentityStore(cosmos, clock, ()),  # nothing kept of another run
        sources=sources,
        **more,
    )

    async def record_value(name: str, values: Sequence[DatedValue]) -> None:
        await cosmos.container("state").upsert_item(identity_document(name, values))

    try:
        yield world, log, database, record_value
    finally:
        await cosmos.close()


# --- folds, written apart from the product's code ---


def by_record(
    rows: Iterable[Row], minutes_on: Callable[[datetime], int]
) -> dict[Any, Counter[str]]:
    """Add up rows by bin, sender and dimensions."""
    sums: dict[Any, Counter[str]] = {}
    for row in rows:
        bag = tuple(sorted((key, value) for key, value in row.bag.items() if key[:4] != "_MS."))
        start = bin_start(row.generated, minutes_on(row.generated))
        key = start.astimezone(UTC), row.component.lower(), row.role, bag
        sums.setdefault(key, Counter())[TOKENS[row.name]] += row.total
    return sums


def totals_of(rows: Iterable[Row]) -> Totals:
    """Add up rows by subscription, day and model."""
    totals: dict[tuple[str, str, str], Counter[str]] = {}
    for row in rows:
        subscription = row.bag.get("usage.subscription") or row.bag.get("SubscriptionId") or "-"
        model = row.bag.get("usage.model") or "-"
        if "Backend ID" in row.bag:
            model = row.bag["deploymentName"]
        place = subscription, row.generated.date().isoformat(), model
        totals.setdefault(place, Counter())[TOKENS[row.name]] += row.total
    return without_zeros(totals)


def without_zeros(totals: Mapping[tuple[str, str, str], Mapping[str, int]]) -> Totals:
    counted = {
        place: {name: value for name, value in sums.items() if value}
        for place, sums in totals.items()
    }
    return {place: sums for place, sums in counted.items() if sums}


def totals_of_documents(documents: Iterable[Mapping[str, Any]]) -> Totals:
    """Add up what the store has by metrics: rollups, or else ledger documents."""
    totals: dict[tuple[str, str, str], Counter[str]] = {}
    for each in documents:
        if each["source"] == "metrics":
            model = each.get("model") or each.get("request_model") or "-"
            place = each.get("subscription_id", "-"), each["day"], model
            found = {name: each.get(name, 0) for name in TOKENS.values()}
            totals.setdefault(place, Counter()).update(found)
            assert "requests" not in each
    return without_zeros(totals)
