"""What a run of the collector does, case by case: over the real SDKs unless time has to stall."""

import asyncio
import contextlib
import itertools
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from local.cosmos import Fault as CosmosFault
from local.log_analytics import Fault, LogAnalyticsServer
from tests.builders import NOON, FakeHub, FrozenClock, make_batch, make_event
from tests.conftest import DATABASE, Stack
from tests.metrics.fakes import (
    ONE,
    OTHER_WORKSPACE,
    THREE,
    TWO,
    WORKSPACE,
    WORKSPACES,
    FakeLog,
    MemoryIdentity,
    MemoryLedger,
    MemoryMarks,
    Row,
    World,
    ai_hub_bag,
    call,
    citadel_bag,
    cosmos_world,
    memory_world,
    own_bag,
    totals_of,
    totals_of_documents,
    without_zeros,
)
from usage_ingest.adapters.cosmos import Cosmos
from usage_ingest.errors import ConfigError, TransientError
from usage_ingest.identity import BEGINNING, DatedValue
from usage_ingest.metrics.collect import CollectOutcome
from usage_ingest.metrics.shipped import SHIPPED
from usage_ingest.metrics.watermark import Pace, Source, Watermark
from usage_ingest.state_document import identity_document
from usage_ingest.wiring import App, collecting

EARLY = "2026-11-20"
LATE = "2026-11-23"
COVERS_ALL = {**SHIPPED["citadel"], "covered": {"product_id": ["Covered"]}}


@dataclass
class Site:
    """The app over Cosmos DB and Log Analytics; what is added is in the log as time passes."""

    stack: Stack
    server: LogAnalyticsServer
    rows: list[Row] = field(default_factory=list)

    def app(
        self, targets: Sequence[str] = (WORKSPACE,), profiles: str = "own", **settings: str
    ) -> App:
        """Start an instance; it knows nothing of what others keep."""
        return self.stack.start(
            reader=FakeHub(),
            METRICS_ENDPOINT=self.server.endpoint,
            METRICS_TARGETS=",".join(targets),
            METRICS_PROFILES=profiles,
            **settings,
        )

    def add(self, *calls: list[Row]) -> None:
        rows = [row for each in calls for row in each]
        self.rows += rows
        self.server.add(row.sent() for row in rows)

    async def collect(self, app: App | None = None, **of_app: Any) -> CollectOutcome:
        async with collecting(app or self.app(**of_app)) as collect:
            return await collect.run()

    async def totals(self) -> Any:
        """What is stored; the ledger and the rollups say the same."""
        ledger = await self.stack.documents("usage", type="usage")
        totals = totals_of_documents(await self.stack.documents("usage", type="rollup"))
        assert totals == totals_of_documents(ledger)
        return totals

    async def marks(self) -> dict[tuple[str, str], dict[str, Any]]:
        found = await self.stack.documents("state", type="watermark")
        return {(each["target"], each["profile"]): each for each in found}

    async def record(self, name: str, *values: tuple[str, Any]) -> None:
        """Write an identity document by hand."""
        dated = [
            DatedValue(day, value if isinstance(value, str) else orjson.dumps(value).decode())
            for day, value in values
        ]
        cosmos = Cosmos(self.stack.cosmos.endpoint, self.stack.cosmos.key, DATABASE)
        await cosmos.container("state").upsert_item(identity_document(name, dated))
        await cosmos.close()

    async def forget_marks(self) -> None:
        cosmos = Cosmos(self.stack.cosmos.endpoint, self.stack.cosmos.key, DATABASE)
        for each in (await self.marks()).values():
            await cosmos.container("state").delete_item(each["id"], partition_key="watermark")
        await cosmos.close()


@pytest.fixture
async def site(stack: Stack, tmp_path: Path) -> AsyncIterator[Site]:
    server = LogAnalyticsServer(tmp_path / "logs.db", WORKSPACES, clock=stack.clock.now)
    async with server:
        yield Site(stack, server)


def at(hours: float = 0, minutes: float = 0) -> datetime:
    return NOON + timedelta(hours=hours, minutes=minutes)


def time_text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


# --- what is stored ---


async def test_a_bin_is_one_record_of_its_dimensions(site: Site) -> None:
    bag = own_bag(**{"usage.product": "ai-standard", "usage.app": "-", "usage.deployment": "d"})
    site.add(call(at(minutes=1), (100, 20), bag=bag), call(at(minutes=59), (1, 2), bag=bag))
    site.stack.clock.move(hours=3)

    outcome = await site.collect()

    (record,) = await site.stack.documents("usage", type="usage")
    assert outcome == CollectOutcome(windows=1, records_stored=1, records_grown=0, caught_up=True)
    expected = {
        "subscription_id": "hr-copilot",
        "product_id": "ai-standard",
        "deployment": "d",
        "request_model": "gpt-4o",
        "gateway": "apim-contoso",
        "region": "Sweden Central",
        "component": ONE.lower(),
        "metric_profile": "own",
        "bin_seconds": 3600,
        "event_time": time_text(NOON),
        "as_of": time_text(at(3)),
        "input_tokens": 101,
        "output_tokens": 22,
        "total_tokens": 123,
        "source": "metrics",
        "usage_state": "reported",
        "usage_estimated": True,
        "streaming": True,
    }
    assert {name: record.get(name) for name in expected} == expected
    assert "app_id" not in record
    assert await site.totals() == totals_of(site.rows)


async def test_a_bin_that_grew_is_replaced_and_counted_once(site: Site) -> None:
    site.add(call(at(minutes=1), (100, 20), (2, 90, 200)), call(at(minutes=2), (1, 2), 90))
    app = site.app()
    outcomes = []
    for _ in range(5):
        site.stack.clock.move(hours=1)
        outcomes.append(await site.collect(app))

    assert [each.records_stored for each in outcomes] == [1, 0, 0, 0, 0]
    assert sum(each.records_grown for each in outcomes) == 2
    assert await site.totals() == totals_of(site.rows)


async def test_a_row_for_a_bin_of_two_days_ago_is_counted(site: Site) -> None:
    app = site.app()
    site.add(call(at(), (100, 20)), call(at(minutes=5), (7, 7), after=2 * 24 * 60 - 5))
    site.stack.clock.move(hours=1)
    await site.collect(app)
    site.stack.clock.move(hours=48)

    await site.collect(app)

    assert await site.totals() == totals_of(site.rows)


async def test_a_time_too_far_back_is_the_arrival(site: Site) -> None:
    """Azure Monitor replaces it."""
    app = site.app()
    site.add(call(at(), (100, 20), after=2 * 24 * 60 + 1))
    site.stack.clock.move(hours=49)

    await site.collect(app)

    assert await site.totals() == totals_of(site.rows)
    assert {day for _, day, _ in await site.totals()} == {"2026-11-22"}


async def test_the_first_run_looks_back_and_reads_bins_whole(site: Site) -> None:
    """Of a bin that began before it, everything counts; what arrived before it alone does not."""
    site.add(
        call(at(-24, -50), (1, 1), after=0),
        call(at(-24, -10), (2, 2), after=0),
        call(at(-26), (4, 4), after=0),
    )

    await site.collect(METRICS_OVERLAP="00:00:00")

    assert await site.totals() == totals_of(site.rows[:6])


async def test_a_row_that_is_seen_late_is_met_by_the_overlap() -> None:
    """It arrived before the mark, and queries found it an hour later."""
    world, log, ledger = in_memory()
    log.rows_held += call(at(minutes=10), after=0, unseen=75)
    for _ in range(3):
        world.clock.move(minutes=42)
        await world.run()

    assert without_zeros(ledger.totals) == totals_of(log.rows_held)


def in_memory(
    sources: Sequence[Source] = (Source(WORKSPACE, "own"),), **more: Any
) -> tuple[World, FakeLog, MemoryLedger]:
    world = memory_world(sources, FrozenClock(), **more)
    (ledger,) = world.ledgers
    assert isinstance(world.metrics, FakeLog)
    assert isinstance(ledger, MemoryLedger)
    return world, world.metrics, ledger


async def test_without_a_target_a_run_says_so_once(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "usage_ingest")
    app = site.app(targets=())

    outcomes = [await site.collect(app), await site.collect(app)]

    assert outcomes == [CollectOutcome(), CollectOutcome()]
    assert caplog.text.count("METRICS_TARGETS names no target") == 1
    assert "metrics_collected" not in caplog.text
    assert not site.server.requests


# --- windows and marks ---


async def test_an_outage_of_five_days_is_caught_up_window_by_window(site: Site) -> None:
    app = site.app()
    await site.collect(app)
    for hours in range(0, 5 * 24, 7):
        site.add(call(at(hours), (hours + 1, 1)), call(at(hours), (5, 1), after=(1, 100, 1500)))
    site.stack.clock.move(days=6, hours=3)

    outcome = await site.collect(app)

    (mark,) = (await site.marks()).values()
    assert outcome.windows == 7
    assert outcome.caught_up
    assert mark["collected_through"] == time_text(at(6 * 24 + 3, -15))
    assert mark["collected_from"] == time_text(at(-24, -15))
    assert await site.totals() == totals_of(site.rows)


async def test_the_mark_moves_after_each_window_of_an_outage() -> None:
    """Five days take several runs when each has time for two windows only."""
    world, log, ledger = in_memory()
    await world.run()
    for hours in range(0, 5 * 24, 7):
        log.rows_held += call(at(hours), (hours, 1))
    world.clock.move(days=5, hours=3)
    log.answer_seconds = 45
    runs = 0
    while mark_of(world).collected_through < at(5 * 24 + 2):
        began = world.clock.now()
        before = mark_of(world).collected_through
        with contextlib.suppress(TransientError):
            await world.run()
        runs += 1
        assert mark_of(world).collected_through > before
        assert world.clock.now() - began < timedelta(minutes=10)

    assert runs > 2
    assert world.marks.written == sorted(world.marks.written)
    assert max(b - a for a, b in itertools.pairwise(world.marks.written)) <= timedelta(days=1)
    assert without_zeros(ledger.totals) == totals_of(log.rows_held)


async def test_a_run_that_catches_up_and_is_out_of_time_has_not_failed() -> None:
    """What it did is stored, and the next one goes on: nobody is to be woken."""
    world, log, _ = in_memory()
    await world.run()
    for hours in range(0, 5 * 24, 7):
        log.rows_held += call(at(hours), (hours, 1))
    world.clock.move(days=5)
    log.answer_seconds = 60

    outcome = await world.run()

    assert not outcome.caught_up
    assert outcome.windows >= 1


def mark_of(world: World) -> Watermark:
    assert isinstance(world.marks.inner, MemoryMarks)
    (mark,) = world.marks.inner.held.values()
    return mark


async def test_sources_that_are_slow_keep_no_run_beyond_its_time_and_no_other_waiting() -> None:
    """The host ends what runs for ten minutes; each source has its turn within some runs."""
    targets = (WORKSPACE, OTHER_WORKSPACE, ONE, TWO, THREE)
    world, log, ledger = in_memory([Source(target, "own") for target in targets])
    log.rows_held += call(at(-1), component=ONE) + call(at(-1), component=THREE)
    log.answer_seconds = 60
    runs, moved = 0, set[Source]()
    while moved != set(world.sources):
        began = world.clock.now()
        await world.run_failing()
        assert world.clock.now() - began < timedelta(minutes=8)
        world.clock.moment = began + timedelta(minutes=15)
        moved = {source for source, through in world.marks.through.items() if through > NOON}
        runs += 1
        assert runs < 100

    assert without_zeros(ledger.totals) == totals_of(log.rows_held)


async def test_a_service_clock_that_goes_back_moves_no_mark_back() -> None:
    world, log, ledger = in_memory()
    log.rows_held += call(at(minutes=10))
    world.clock.move(hours=2)
    await world.run()
    before = mark_of(world)
    world.clock.move(hours=-1)

    await world.run()

    assert mark_of(world) == before
    assert without_zeros(ledger.totals) == totals_of(log.rows_held)


# --- runs that overlap, stall and crash ---


async def test_a_stalled_run_that_wakes_with_an_old_reading_changes_nothing(
    stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    """It stalls at every call in turn, while the bin grows and another run stores all of it."""
    stalls_at, was_stalled, woke_with_old = 1, True, 0
    while was_stalled:
        async with cosmos_world(stack, [Source(WORKSPACE, "own")]) as (world, log, database, _):
            log.rows_held += call(at(minutes=5), (100, 20))
            log.rows_held += call(at(minutes=6), (7, 1), after=90)
            world.clock.move(hours=1)
            turn = await world.begin(1, stalls_at)
            was_stalled = turn.stalled.is_set()
            world.clock.move(hours=1)
            await world.run()
            before = await stack.documents("usage", database)

            await world.finish(1)

            after = await stack.documents("usage", database)
            rollups = [each for each in after if each["type"] == "rollup"]
            assert totals_of_documents(rollups) == totals_of(log.rows_held)
            assert after == before
            woke_with_old += int(was_stalled)
            stalls_at += 1
    assert woke_with_old > 8
    assert "metric_bin_shrank" not in caplog.text  # an old reading is no loss of rows


async def test_of_two_runs_at_once_the_later_loses_its_etag_and_stops(
    stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "usage_ingest")
    async with cosmos_world(stack, [Source(WORKSPACE, "own")]) as (world, log, database, _):
        await world.run()
        for hours in range(0, 66, 5):
            log.rows_held += call(at(hours), (hours, 3), (1, 2, 100))
        world.clock.move(days=3)
        await world.begin(1, stalls_at=7)  # it has read the first window and stores it

        first = await world.run()
        await world.finish(1)

        (mark,) = await stack.documents("state", database, type="watermark")
        rollups = await stack.documents("usage", database, type="rollup")
        assert first.caught_up
        assert first.windows >= 3
        assert caplog.text.count("collecting_overtaken") == 1
        assert mark["collected_through"] == time_text(max(world.marks.written))
        assert totals_of_documents(rollups) == totals_of(log.rows_held)


async def test_two_first_runs_at_once_begin_one_mark(stack: Stack) -> None:
    async with cosmos_world(stack, [Source(WORKSPACE, "own")]) as (world, log, database, _):
        log.rows_held += call(at(-3))
        await world.begin(1, stalls_at=4)  # both have found no mark

        await world.run()
        await world.finish(1)

        rollups = await stack.documents("usage", database, type="rollup")
        assert len(await stack.documents("state", database, type="watermark")) == 1
        assert totals_of_documents(rollups) == totals_of(log.rows_held)


async def test_a_crash_at_every_query_changes_no_total(site: Site) -> None:
    """One run after the other, each of which fails one query later, over the same log."""
    await site.collect()
    hours, query, failed = 0.0, 0, True
    while failed:
        site.add(call(at(hours, 10), (query + 1, 1), (1, 3, 130)), call(at(hours, 11), (1, 1)))
        hours += 26
        site.stack.clock.moment = at(hours)
        site.server.faults.add(Fault(skip=query, status=403))
        try:
            await site.collect()
            failed = False
        except ConfigError:
            query += 1
        site.server.faults.clear()
        marks = (await site.marks()).values()
        assert all(each["collected_through"] <= time_text(at(hours, -15)) for each in marks)
    site.stack.clock.move(hours=3)

    await site.collect()

    assert query >= 6
    assert await site.totals() == totals_of(site.rows)


async def test_a_mark_whose_answer_was_lost_is_met_by_the_next_run(site: Site) -> None:
    app = site.app()
    await site.collect(app)
    site.add(call(at(minutes=5)))
    site.stack.clock.move(hours=1)
    lost = CosmosFault(operation="replace", container="state", lost_answer=True)
    site.stack.cosmos.faults.add(lost)

    await site.collect(app)
    again = await site.collect(app)

    (mark,) = (await site.marks()).values()
    assert again == CollectOutcome()
    assert mark["collected_through"] == time_text(at(1, -15))
    assert await site.totals() == totals_of(site.rows)


@pytest.mark.parametrize("known", [True, False])
async def test_of_readings_written_at_once_the_latest_stands(stack: Stack, *, known: bool) -> None:
    """Whichever request of the store is slow, and whoever is first."""
    for slow in range(9):
        async with cosmos_world(stack, [Source(WORKSPACE, "own")]) as (world, log, database, _):
            log.rows_held += call(at(minutes=5), (100, 20), (1, 1, 70))
            log.rows_held += call(at(minutes=6), (7, 1), 90)
            log.rows_held += call(at(minutes=7), (3, 1), 33)
            world.clock.move(minutes=25)
            if known:
                await world.run()
            world.clock.move(minutes=25)
            await stall_with_a_reading(world, 1)
            world.clock.move(minutes=50)
            await stall_with_a_reading(world, 0)
            fault = CosmosFault(operation=None, skip=slow, latency_seconds=0.03)
            stack.cosmos.faults.add(fault)

            await asyncio.gather(world.finish(1), world.finish(0))

            stack.cosmos.faults.clear()
            documents = await stack.documents("usage", database)
            rollups = [each for each in documents if each["type"] == "rollup"]
            ledger = [each for each in documents if each["type"] == "usage"]
            assert totals_of_documents(rollups) == totals_of(log.rows_held)
            assert totals_of_documents(ledger) == totals_of(log.rows_held)


async def stall_with_a_reading(world: World, name: int) -> None:
    """Start a run that stalls with its first reading in hand, which it stores next."""
    calls = 1
    while True:
        held = world.metrics
        assert isinstance(held, FakeLog)
        before = held.readings
        turn = await world.begin(name, calls)
        assert turn.stalled.is_set()
        if held.readings > before:
            return
        await world.crash(name)
        calls += 1


# --- many of them ---


async def test_more_bins_than_one_query_asks_for_are_all_read() -> None:
    world, log, ledger = in_memory(pace=Pace(initial_lookback=timedelta(0)))
    world.identity = lambda: MemoryIdentity({"bin_size": (DatedValue(BEGINNING, "1m"),)})
    await world.run()
    for minutes in range(1_100):
        log.rows_held += call(at(minutes=minutes), (minutes, 1))[:2]
    world.clock.move(hours=20)

    outcome = await world.run()

    assert outcome.records_stored == 1_100
    assert without_zeros(ledger.totals) == totals_of(log.rows_held)


async def test_more_records_than_a_batch_and_a_rollup_key_take_grow_exactly(stack: Stack) -> None:
    """Past 500 apps a day's new ones share a rollup, from which differences are taken."""
    async with cosmos_world(stack, [Source(WORKSPACE, "own")]) as (world, log, database, _):
        for number in range(620):
            bag = own_bag(**{"usage.app": f"app-{number}"})
            log.rows_held += call(at(minutes=number % 50), (number, 1), (1, 1, 80), bag=bag)
            log.rows_held += call(at(minutes=number % 50), (1, 1), 90, bag=bag)
        for instance in (0, 1, 0):
            world.clock.move(hours=1)
            await world.collect(instance).run()

        rollups = await stack.documents("usage", database, type="rollup")
        ledger = await stack.documents("usage", database, type="usage")
        assert len(ledger) == 620
        assert 500 < len(rollups) < 550
        assert "(other)" in {each["app_id"] for each in rollups}
        assert totals_of_documents(rollups) == totals_of(log.rows_held)
        assert totals_of_documents(ledger) == totals_of(log.rows_held)


# --- answers that are not whole ---


async def test_an_answer_that_is_not_whole_is_asked_for_in_halves(site: Site) -> None:
    for hours in range(6):
        site.add(call(at(hours, 5), (hours + 1, 1)))
    site.stack.clock.move(hours=7)
    site.server.faults.add(Fault(skip=2, count=2, partial=True))
    app = site.app()

    await site.collect(app)

    assert await site.totals() == totals_of(site.rows)
    assert len(site.server.requests) == 2 + 5  # 6 bins, 3 of them; then 1, 2 and 3


async def test_a_bin_too_large_for_one_answer_fails_loudly_and_moves_no_mark(site: Site) -> None:
    app = site.app(METRICS_INITIAL_LOOKBACK="03:00:00")
    site.stack.clock.move(hours=1)
    await site.collect(app)
    before = await site.marks()
    site.add(call(at(1, 30)))
    site.stack.clock.move(hours=1)
    site.server.faults.add(Fault(skip=2, count=None, partial=True))

    with pytest.raises(TransientError, match=rf"{WORKSPACE}.*the bin .*smaller bin_size"):
        await site.collect(app)

    assert await site.marks() == before
    assert await site.totals() == {}


async def test_minutes_that_are_not_answered_whole_are_asked_for_in_halves_too() -> None:
    world, log, ledger = in_memory()
    log.longest_window = timedelta(minutes=20)
    log.most_bins = 1
    for hours in range(4):
        log.rows_held += call(at(hours), (hours + 1, 1), bag=own_bag(model=f"m-{hours}"))
    world.clock.move(hours=5)

    await world.run_until_caught_up()

    assert without_zeros(ledger.totals) == totals_of(log.rows_held)


async def test_a_minute_that_is_not_answered_whole_fails_loudly_and_moves_no_mark() -> None:
    world, log, ledger = in_memory()
    await world.run()
    before = mark_of(world)
    log.rows_held += call(at(minutes=5))
    world.clock.move(hours=1)
    log.longest_window = timedelta(seconds=10)

    with pytest.raises(TransientError, match="a minute of arrivals cannot be read whole"):
        await world.run()

    assert mark_of(world) == before
    assert not ledger.documents


# --- identity: bin sizes and definitions ---


async def test_a_changed_bin_size_and_a_replay_leave_totals_unchanged(site: Site) -> None:
    await site.record("bin_size", (BEGINNING, "15m"), (LATE, "1d"), ("2026-11-25", "1h"))
    await fill_a_week(site)
    before = await site.totals()
    await site.forget_marks()

    outcome = await site.collect(METRICS_INITIAL_LOOKBACK="P30D")

    ledger = await site.stack.documents("usage", type="usage")
    sizes = {(each["day"] >= LATE) + (each["day"] >= "2026-11-25"): each for each in ledger}
    assert [sizes[n]["bin_seconds"] for n in range(3)] == [900, 86_400, 3_600]
    assert (outcome.records_stored, outcome.records_grown) == (0, 0)
    assert before == await site.totals() == totals_of(site.rows)


async def fill_a_week(site: Site, **of_app: Any) -> None:
    """Rows of each day, some of them around midnight, collected as they arrive."""
    app = site.app(**of_app)
    for day in range(6):
        site.add(
            call(at(24 * day + 2, 20), (day + 1, 5), (2, 2, 2000)),
            call(at(24 * day + 2, 40), (3, 5)),
            call(at(24 * day + 11, 59), (7, 1), after=4),
            call(at(24 * day + 12, 0), (9, 1), after=4),
        )
        site.stack.clock.moment = at(24 * day + 14)
        await site.collect(app)
    site.stack.clock.move(days=1)
    await site.collect(app)


async def test_a_changed_definition_and_a_replay_leave_totals_unchanged(site: Site) -> None:
    """From some day on the subscription is read from elsewhere and another key must be there."""
    fields = {"subscription_id": "usage.model", "request_model": "usage.subscription"}
    changed = {**SHIPPED["own"], "must_have": ["usage.model"], "fields": fields}
    await site.record("metric_profile/own", (BEGINNING, SHIPPED["own"]), (LATE, changed))
    await fill_a_week(site)
    before = await site.totals()
    await site.forget_marks()

    outcome = await site.collect(METRICS_INITIAL_LOOKBACK="P30D")

    early = [row for row in site.rows if row.generated.date().isoformat() < LATE]
    late = [replace(r, bag=own_bag("gpt-4o", "hr-copilot")) for r in site.rows if r not in early]
    assert (outcome.records_stored, outcome.records_grown) == (0, 0)
    assert before == await site.totals() == totals_of(early) | totals_of(late)


async def test_a_shipped_definition_is_fixed_at_its_first_use(site: Site) -> None:
    site.add(call(at(-2)))
    assert not await site.stack.documents("state", type="identity")

    await site.collect()

    (document,) = await site.stack.documents("state", type="identity")
    (value,) = document["values"]
    assert document["name"] == "metric_profile/own"
    assert value["from_day"] == BEGINNING
    assert value["value"]["fields"]["subscription_id"] == "usage.subscription"


async def test_what_was_recorded_first_wins_over_what_ships(site: Site) -> None:
    older = {**SHIPPED["own"], "fields": {"subscription_id": "usage.model"}}
    await site.record("metric_profile/own", (BEGINNING, older))
    site.add(call(at(-2)))

    await site.collect()

    assert set(await site.totals()) == {("gpt-4o", EARLY, "-")}


async def test_a_profile_of_ones_own_is_an_identity_document(site: Site) -> None:
    mine = {
        "metrics": {"Tokens In": "input_tokens", "Cached": "cached_input_tokens"},
        "must_have": ["team"],
        "fields": {"subscription_id": "team"},
    }
    await site.record("metric_profile/mine", (BEGINNING, mine))
    rows = call(at(-2), (50, 10), bag={"team": "red"})[:2]
    names = ("Tokens In", "Cached")
    site.server.add(replace(r, name=name).sent() for r, name in zip(rows, names, strict=True))

    await site.collect(profiles="mine")

    (record,) = await site.stack.documents("usage", type="usage")
    assert record["input_tokens"] == 50
    assert record["cached_input_tokens"] == 10
    assert record["subscription_id"] == "red"


async def test_a_profile_that_nobody_defined_is_named(site: Site) -> None:
    with pytest.raises(ConfigError, match=r"mine .*an identity document named metric_profile/mine"):
        await site.collect(profiles="mine")


# --- targets and profiles ---


async def test_two_targets_that_hold_the_same_rows_count_them_once(site: Site) -> None:
    app = site.app(targets=(WORKSPACE, ONE.upper()))
    site.add(call(at(minutes=5), (100, 20), (2, 100, 200)), call(at(minutes=6), component=TWO))
    for _ in range(5):
        site.stack.clock.move(hours=1)
        await site.collect(app)

    assert len(await site.marks()) == 2
    assert await site.totals() == totals_of(site.rows)


async def test_equal_rows_of_two_components_count_twice(site: Site) -> None:
    site.add(call(at(-2), component=ONE), call(at(-2), component=THREE))

    await site.collect(targets=(WORKSPACE, OTHER_WORKSPACE))

    assert await site.totals() == {
        ("hr-copilot", EARLY, "gpt-4o"): {
            "input_tokens": 200,
            "output_tokens": 40,
            "total_tokens": 240,
        }
    }


async def test_two_profiles_on_one_workspace_do_not_mix(site: Site) -> None:
    site.add(
        call(at(-3), (1, 2), bag=own_bag()),
        call(at(-3), (4, 8), bag=ai_hub_bag()),
        call(at(-3), (16, 32), bag=own_bag(SubscriptionId="x", routeName="y")),
        call(at(-3), (64, 128), bag={"SubscriptionId": "of nobody"}),
    )
    app = site.app(profiles="own,ai-hub")

    await site.collect(app)
    site.stack.clock.move(hours=1)
    await site.collect(app)

    ledger = await site.stack.documents("usage", type="usage")
    assert await site.totals() == totals_of(site.rows[:9])
    assert sorted((each["metric_profile"], each["input_tokens"]) for each in ledger) == [
        ("ai-hub", 4),
        ("own", 1),
        ("own", 16),
    ]


async def test_a_row_of_two_profiles_is_refused_and_nothing_is_stored(site: Site) -> None:
    also = {**SHIPPED["own"], "must_have": ["usage.model"]}
    await site.record("metric_profile/also-own", (BEGINNING, also))
    await site.record("metric_profile/own", (BEGINNING, SHIPPED["own"]))
    site.add(call(at(-2)))

    for profiles in ("own,also-own", "also-own,own"):
        with pytest.raises(ConfigError, match=r"own and also-own|also-own and own"):
            await site.collect(profiles=profiles)

    marks = (await site.marks()).values()
    assert await site.totals() == {}
    assert all(each["collected_through"] == each["collected_from"] for each in marks)


async def test_the_first_run_refuses_a_row_of_two_profiles_whichever_it_takes_first() -> None:
    also = orjson.dumps({**SHIPPED["own"], "must_have": ["usage.model"]}).decode()
    for _ in range(12):  # runs take sources in any order
        profiles = ("also-own", "own")
        world, log, ledger = in_memory([Source(WORKSPACE, each) for each in profiles])
        identity = MemoryIdentity({"metric_profile/also-own": (DatedValue(BEGINNING, also),)})
        world.identity = lambda identity=identity: identity  # type: ignore[misc]
        log.rows_held += call(at(-2))

        with pytest.raises(ConfigError, match=r"own and also-own|also-own and own"):
            await world.run()

        assert not ledger.documents
        assert all(m.collected_through == m.collected_from for m in await world.marks.all())


async def test_a_source_that_fails_stops_no_other(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    nowhere = WORKSPACE[:-1] + "0"
    site.add(call(at(-2), component=THREE), call(at(-2)))
    site.server.faults.add(Fault(target=WORKSPACE, skip=1, status=504))

    app = site.app(targets=(WORKSPACE, nowhere, OTHER_WORKSPACE), profiles="own,mine")
    with pytest.raises(ConfigError, match=rf"no {nowhere}|mine"):
        await site.collect(app)

    assert caplog.text.count("alarm metrics_source_failed") >= 2
    assert await site.totals() == totals_of(site.rows)


async def test_a_transient_failure_of_one_source_is_raised_after_the_others(site: Site) -> None:
    site.add(call(at(-2), component=THREE), call(at(-2)))
    site.server.faults.add(Fault(target=WORKSPACE, count=None, partial=True))

    with pytest.raises(TransientError, match=WORKSPACE):
        await site.collect(targets=(WORKSPACE, OTHER_WORKSPACE))

    assert await site.totals() == totals_of(site.rows[:3])


async def test_a_definition_that_cannot_be_read_loses_nothing(site: Site) -> None:
    """Whose rows it would count is not known: all wait until it is mended."""
    await site.record("metric_profile/broken", (BEGINNING, {"metrics": {}}))
    site.add(call(at(-2)))
    with pytest.raises(ConfigError, match="broken"):
        await site.collect()
    mended = {**SHIPPED["own"], "must_have": ["of nobody"]}
    await site.record("metric_profile/broken", (BEGINNING, mended))

    await site.collect()

    assert await site.totals() == totals_of(site.rows)


async def test_a_profile_that_takes_over_from_another_counts_nothing_twice(site: Site) -> None:
    """The same rows under another subscription: of a day they count by one of the two."""
    mine = {**SHIPPED["own"], "fields": {"subscription_id": "usage.model"}}
    site.add(call(at(-2)))
    await site.collect()
    await site.record("metric_profile/mine", (BEGINNING, mine))
    for _ in range(2):
        with pytest.raises(ConfigError, match="mine and own"):
            await site.collect(profiles="mine")
    assert await site.totals() == totals_of(site.rows)
    await site.record("metric_profile/own", (BEGINNING, SHIPPED["own"]), (LATE, "off"))
    await site.record("metric_profile/mine", (LATE, mine))
    app = site.app(profiles="own,mine")
    for hours in range(0, 5 * 24, 6):
        site.add(call(at(hours), (hours, 1), (1, 2, 70)))
    for day in (2, 3, 6):
        site.stack.clock.moment = at(24 * day)
        await site.collect(app)
    before = await site.totals()
    await site.forget_marks()

    await site.collect(app)

    early = [row for row in site.rows if row.generated.date().isoformat() < LATE]
    late = [replace(r, bag=own_bag("gpt-4o", "-")) for r in site.rows if r not in early]
    assert before == await site.totals() == totals_of(early) | totals_of(late)


# --- profiles that cover all ---


async def test_products_that_a_profile_covers_count_by_metrics_alone(site: Site) -> None:
    """Both channels tell of every call; each call counts once."""
    await site.record("metric_profile/citadel", (BEGINNING, COVERS_ALL))
    app = site.app(profiles="own,citadel")
    site.add(
        call(at(-1), (100, 20), bag=citadel_bag("Covered")),
        call(at(-1), (5, 6), bag=citadel_bag("Other")),
        call(at(-1), (7, 8), bag=own_bag("hr-copilot", "streamed")),
    )
    events = [
        make_event(product_id="Covered"),
        make_event(product_id="p-7", product_name="Covered"),
        make_event(product_id="Other"),
        make_event(product_id=None),
    ]

    await app.ingest.batch(make_batch(*events))
    await site.collect(app)
    await app.ingest.batch(make_batch(*events, first=10))

    rollups = await site.stack.documents("usage", type="rollup")
    tokens: dict[tuple[str, str], int] = {}
    for each in rollups:
        place = each["source"], each.get("product_id", "-")
        tokens[place] = tokens.get(place, 0) + each.get("input_tokens", 0)
    assert tokens == {
        ("metrics", "Covered"): 100,
        ("metrics", "-"): 7,
        ("event_hub", "Covered"): 0,
        ("event_hub", "p-7"): 0,
        ("event_hub", "Other"): 100,
        ("event_hub", "-"): 100,
    }
    assert sum(each.get("requests", 0) for each in rollups) == 4
    assert sum(each.get("requests_awaiting_metrics", 0) for each in rollups) == 2
    covered = await site.stack.documents("usage", type="usage", usage_state="awaiting_metrics")
    assert [each["flags"] for each in covered] == [["covered_by_metrics"]] * 2


async def test_streamed_calls_of_a_covered_product_count_by_the_covering_profile(
    site: Site,
) -> None:
    """Both profiles tell of them; those of other products count by our own."""
    await site.record("metric_profile/citadel", (BEGINNING, COVERS_ALL))
    site.add(
        call(at(-1), (100, 20), bag=citadel_bag("Covered")),
        call(at(-1), (100, 20), bag=own_bag(**{"usage.product": "Covered"})),
        call(at(-1), (7, 8), bag=own_bag(**{"usage.product": "Other"})),
    )

    await site.collect(profiles="own,citadel")

    assert await site.totals() == totals_of(site.rows[:3] + site.rows[6:])


async def test_a_covering_profile_is_collected_from_its_first_day_on(site: Site) -> None:
    """Its events' tokens are left to it from that day: a later first look-back would lose them."""
    began = (NOON - timedelta(days=3)).date().isoformat()
    await site.record("metric_profile/citadel", (began, COVERS_ALL))

    await site.collect(profiles="citadel", METRICS_INITIAL_LOOKBACK="01:00:00")

    (mark,) = (await site.marks()).values()
    assert mark["collected_from"] == f"{began}T00:00:00.000000Z"


async def test_rows_that_a_covering_profile_spells_otherwise_are_alarmed(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    await site.record("metric_profile/citadel", (BEGINNING, COVERS_ALL))
    site.add(call(at(-1), (100, 20), bag=citadel_bag("covered, spelled otherwise")))

    await site.collect(profiles="citadel")

    assert "alarm metrics_not_taken" in caplog.text


async def test_covering_that_begins_on_a_day_concerns_no_day_before(site: Site) -> None:
    """And replaying everything afterwards changes no total of either channel."""
    nobody = {**COVERS_ALL, "covered": {"product_id": ["nobody"]}}
    values = (BEGINNING, nobody), (LATE, COVERS_ALL)
    await site.record("metric_profile/citadel", *values)
    app = site.app(profiles="citadel")
    days = (EARLY, LATE)
    for number, day in enumerate(days):
        site.stack.clock.moment = datetime.fromisoformat(f"{day}T15:00:00+00:00")
        told = site.stack.clock.now() - timedelta(hours=2)
        site.add(call(told, (100, 20), bag=citadel_bag("Covered")))
        event = make_event(product_id="Covered", event_time=told.isoformat())
        await app.ingest.batch(make_batch(event, first=number, enqueued=site.stack.clock.now()))
        await site.collect(app)
    await site.forget_marks()
    await site.collect(profiles="citadel", METRICS_INITIAL_LOOKBACK="P30D")

    rollups = await site.stack.documents("usage", type="rollup")
    found = sorted((r["day"], r["source"], r.get("input_tokens", 0)) for r in rollups)
    assert found == [(EARLY, "event_hub", 100), (LATE, "event_hub", 0), (LATE, "metrics", 100)]


async def test_covering_that_nobody_collects_is_a_deployment_error(site: Site) -> None:
    """Its events no longer count; what other sources have is collected all the same."""
    await site.record("metric_profile/citadel", (BEGINNING, COVERS_ALL))
    site.add(call(at(-2)))

    with pytest.raises(ConfigError, match=r"citadel.*add citadel to METRICS_PROFILES"):
        await site.collect()

    assert await site.totals() == totals_of(site.rows)


async def test_covering_without_any_target_is_a_deployment_error(site: Site) -> None:
    await site.record("metric_profile/citadel", (BEGINNING, COVERS_ALL))

    with pytest.raises(ConfigError, match="METRICS_TARGETS"):
        await site.collect(targets=(), profiles="citadel")


async def test_a_shipped_profile_that_covers_all_says_what_is_to_be_listed(site: Site) -> None:
    with pytest.raises(ConfigError, match=r"citadel needs an identity document .*covered"):
        await site.collect(profiles="citadel")


# --- what is odd is noted ---


async def test_a_total_below_its_parts_stays_what_was_summed(site: Site) -> None:
    """A call whose total stands in another bin: what the rows add up to counts, and is flagged."""
    app = site.app()
    site.add(call(at(-1, 5), (100, 20)), call(at(-1, 6), (7, 1), after=90)[:2])
    await site.collect(app)
    site.stack.clock.move(hours=1)

    await site.collect(app)

    (record,) = await site.stack.documents("usage", type="usage")
    assert await site.totals() == totals_of(site.rows)
    assert record["total_tokens"] == 120
    assert record["flags"] == ["inconsistent_usage"]


async def test_bins_that_the_ledger_no_longer_keeps_are_left_out_noted_and_alarmed(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site.add(call(at(-24 * 6)), call(at(-1)))

    await site.collect(
        EVENT_HUB_RETENTION_DAYS="1",
        DEAD_LETTER_TTL_DAYS="2",
        LEDGER_TTL_DAYS="5",
        METRICS_INITIAL_LOOKBACK="P10D",
    )

    (mark,) = (await site.marks()).values()
    assert mark["metric_bin_too_old"] == ["2026-11-14"]
    assert caplog.text.count("alarm metric_bin_too_old") == 1
    assert await site.totals() == totals_of(site.rows[3:])


async def test_a_bin_that_shrank_keeps_the_larger_counts_and_is_noted(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    app = site.app()
    site.add(call(at(-1, 5), (100, 20)), call(at(-1, 50), (3, 4)), call(at(-1, 50), (5, 5), 90))
    await site.collect(app)
    before = await site.totals()
    site.server.remove_before(at(-1, 30))
    site.stack.clock.move(hours=1)

    await site.collect(app)
    site.stack.clock.move(minutes=15)
    await site.collect(app)

    (mark,) = (await site.marks()).values()
    assert mark["metric_bin_shrank"] == [EARLY]
    assert caplog.text.count("alarm metric_bin_shrank") == 1
    assert await site.totals() == before == totals_of(site.rows[:6])


async def test_a_sum_that_is_no_count_is_left_out_and_noted(site: Site) -> None:
    rows = call(at(-2), (100, 20))
    site.server.add([rows[0].sent() | {"Sum": 10.5}, rows[1].sent()])

    await site.collect()

    (mark,) = (await site.marks()).values()
    (record,) = await site.stack.documents("usage", type="usage")
    assert mark["metric_value_odd"] == [EARLY]
    assert "input_tokens" not in record
    assert record["output_tokens"] == 20
