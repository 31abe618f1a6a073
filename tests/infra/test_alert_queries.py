"""Every log alert over the lines of the real app: it fires when it must, and only then."""

from contextlib import suppress

import pytest

from local.cosmos import Fault
from tests.builders import NOON, WORKSPACE, make_batch, make_event, make_usage
from tests.conftest import Stack
from tests.infra.log_tables import LogTables
from tests.infra.watch import NOWHERE, RULES, Watch, collect, collected_through, watched
from usage_ingest import telemetry
from usage_ingest.errors import ConfigError, RefusedEventsError, TransientError
from usage_ingest.events import parse as parsing
from usage_ingest.health import tell_streaming
from usage_ingest.ports import ReceivedEvent


@pytest.fixture
def watch(stack: Stack, caplog: pytest.LogCaptureFixture) -> Watch:
    return watched(stack, caplog)


async def test_a_healthy_app_fires_nothing(watch: Watch) -> None:
    await watch.ingest(*(make_event() for _ in range(30)))

    await watch.look(times=12)

    assert watch.all_firing() == set()


async def test_lines_of_another_component_fire_nothing(watch: Watch) -> None:
    watch.logs.tell(['alarm gap_lost {"gaps":1}'], NOON, component="/another")

    assert not watch.firing(RULES["lost-events"])


async def test_an_app_that_leaves_no_sign_of_life_is_noticed_after_half_an_hour(
    watch: Watch,
) -> None:
    await watch.look()
    watch.stack.clock.move(minutes=29)
    before = watch.firing(RULES["no-health"])
    watch.stack.clock.move(minutes=1)

    assert (before, watch.firing(RULES["no-health"])) == (set(), {()})


@pytest.mark.parametrize(("hours", "fires"), [(71, set()), (73, {()})])
async def test_a_gateway_that_sends_nothing_for_three_days(
    watch: Watch, hours: int, fires: set[tuple[str, ...]]
) -> None:
    await watch.ingest(make_event())
    watch.stack.clock.move(hours=hours)

    await watch.look()

    assert watch.firing(RULES["nothing-stored"]) == fires


@pytest.mark.parametrize(("lag", "fires"), [(5_000, set()), (5_001, {("usage/0",)})])
async def test_a_partition_that_stays_behind(
    watch: Watch, lag: int, fires: set[tuple[str, ...]]
) -> None:
    """Its mark moves; one that stands still becomes a gap."""
    stored = iter(range(100))

    async def some_more() -> None:
        number = next(stored)
        await watch.ingest(make_event(), first=number)
        watch.hub.last = number + lag

    await watch.look(times=7, between=some_more)

    assert watch.firing(RULES["lag"]) == fires


async def test_a_lag_that_was_there_at_one_look_only_is_no_alert(watch: Watch) -> None:
    await watch.ingest(make_event())
    watch.hub.last = 9_000
    await watch.look()
    watch.hub.last = 0
    await watch.look(times=2)

    assert not watch.firing(RULES["lag"])


async def test_a_gap_that_cannot_be_read_again_is_told_once_it_is_old(watch: Watch) -> None:
    await watch.ingest(make_event(), first=3)
    watch.hub.is_away = True
    await watch.look(times=6)
    at_first = watch.firing(RULES["open-gaps"])

    await watch.look()

    assert (at_first, watch.firing(RULES["open-gaps"])) == (set(), {()})


async def test_a_gap_that_closes_by_itself_is_no_alert(watch: Watch) -> None:
    await watch.ingest(make_event(), first=1)
    watch.hub.events["0"] = [ReceivedEvent(b"[]", 0, NOON), ReceivedEvent(b"[]", 1, NOON)]

    await watch.look(times=8)

    assert watch.all_firing() == set()


async def test_events_that_the_hub_deleted_before_they_were_stored(watch: Watch) -> None:
    await watch.ingest(make_event(), first=3)
    watch.hub.beginning = 3

    await watch.look()

    assert watch.firing(RULES["lost-events"]) == {("gap_lost",)}


async def test_a_hub_that_was_recreated(watch: Watch) -> None:
    await watch.ingest(*(make_event() for _ in range(5)))
    watch.hub.last = 0

    await watch.look()

    assert ("hub_recreated",) in watch.firing(RULES["lost-events"])


async def test_a_defect_of_ours_is_an_alarm(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise LookupError

    monkeypatch.setattr(parsing, "record_alike", fail)

    await watch.ingest(make_event())

    assert watch.firing(RULES["alarms"]) == {("internal_error",)}


async def test_a_batch_without_a_partition_id_is_an_alarm(watch: Watch) -> None:
    await watch.app.ingest.batch(make_batch(make_event(), partition_id=None))
    watch.keep()

    assert watch.firing(RULES["alarms"]) == {("partition_unknown",)}


async def test_one_new_dead_letter_is_told_and_a_redelivered_one_is_not_new(watch: Watch) -> None:
    await watch.ingest(b"not json")
    fired = watch.firing(RULES["dead-letters"])
    watch.stack.clock.move(hours=2)
    await watch.ingest(b"not json", enqueued=NOON)

    assert (fired, watch.firing(RULES["dead-letters"])) == ({()}, set())


@pytest.mark.parametrize(("letters", "fires"), [(100, set()), (101, {("not_json",)})])
async def test_many_open_dead_letters_are_told_by_reason(
    watch: Watch, letters: int, fires: set[tuple[str, ...]]
) -> None:
    await watch.ingest(*[b"not json"] * letters, *[b"\xff"] * 3)

    await watch.look()

    assert watch.firing(RULES["dead-letters-open"]) == fires


async def test_events_that_are_refused_over_http(watch: Watch) -> None:
    bad = make_event(usage={"prompt_tokens": -1})

    with pytest.raises(RefusedEventsError):
        await watch.app.accept.events(b"[")
    watch.keep()
    with pytest.raises(RefusedEventsError):
        await watch.app.accept.events(make_batch(bad).events[0].body)
    watch.keep()

    assert watch.firing(RULES["refused-events"]) == {()}


@pytest.mark.parametrize("hours", [0.3, 1.9])
async def test_a_source_that_moves_on_is_no_alert(watch: Watch, hours: float) -> None:
    watch.start(METRICS_TARGETS=WORKSPACE)

    await watch.look(times=13, between=lambda: collected_through(watch, hours))

    assert not watch.firing(RULES["watermark"])


async def test_a_source_that_stands_still_is_told(watch: Watch) -> None:
    watch.start(METRICS_TARGETS=WORKSPACE)
    await collected_through(watch, 0.3)

    await watch.look(times=37)

    assert watch.firing(RULES["watermark"]) == {(f"own of {WORKSPACE}",)}


async def test_a_source_that_was_never_collected_is_told(watch: Watch) -> None:
    watch.start(METRICS_TARGETS=WORKSPACE)

    await watch.look(times=2)

    assert watch.firing(RULES["watermark"]) == {(f"own of {WORKSPACE}",)}


async def test_a_source_that_fails_again_and_again_is_told(watch: Watch) -> None:
    watch.start(METRICS_TARGETS=WORKSPACE, METRICS_ENDPOINT=NOWHERE)
    fired = []
    for _ in range(3):
        with pytest.raises(TransientError):
            await collect(watch)
        fired.append(watch.firing(RULES["metrics-failing"]))

    assert fired == [set(), set(), {("metrics_source_failed",)}]


@pytest.mark.parametrize(("hours_behind", "fires"), [(0.3, {()}), (30, set())])
async def test_streamed_requests_without_tokens_are_told_once_their_day_is_collected(
    watch: Watch, hours_behind: float, fires: set[tuple[str, ...]]
) -> None:
    watch.start(METRICS_TARGETS=WORKSPACE)
    await watch.ingest(make_event(streaming=True, usage=None))
    watch.stack.clock.move(days=1)
    await collected_through(watch, hours_behind)

    await tell_streaming(watch.app.reports, watch.stack.clock)
    watch.keep()

    assert watch.firing(RULES["uncovered-streaming"]) == fires


async def fail(watch: Watch, function: str) -> None:
    with suppress(ConfigError), telemetry.failures_told(function):
        await watch.app.ingest.batch(make_batch(make_event()))
    watch.keep()


async def test_a_function_that_fails_again_and_again_is_told_with_its_error(watch: Watch) -> None:
    watch.stack.cosmos.faults.add(Fault(operation="batch", count=None, status=403))
    fired = []
    for _ in range(3):
        await fail(watch, "ingest_usage_events")
        fired.append(watch.firing(RULES["failed-functions"]))

    assert fired == [set(), set(), {("ingest_usage_events", "ConfigError")}]


@pytest.mark.parametrize(("result", "fires"), [(500, {("status", "request")}), (404, set())])
def test_requests_that_the_host_counts_as_failed_are_told_but_no_callers_fault(
    result: int, fires: set[tuple[str, ...]]
) -> None:
    """Such as a function that does not get as far as our own code."""
    logs = LogTables()
    for _ in range(3):
        logs.request("status", NOON, result)
        logs.request("health", NOON, 200)

    assert RULES["failed-functions"].firing(logs, NOON) == fires


@pytest.mark.parametrize(("tokens", "fires"), [(10_000_000, set()), (10_000_001, {("hr",)})])
async def test_a_subscription_that_uses_very_much(
    watch: Watch, tokens: int, fires: set[tuple[str, ...]]
) -> None:
    usage = make_usage(prompt_tokens=tokens - 20, total_tokens=tokens)
    event = make_event(subscription_id="hr", usage=usage)

    await watch.ingest(event, make_event())
    await watch.ingest(event)  # delivered again: it does not count again

    assert watch.firing(RULES["high-usage"]) == fires


@pytest.mark.parametrize(
    ("failed", "requests", "fires"),
    [(6, 20, {("hr-copilot",)}), (5, 20, set()), (19, 19, set()), (0, 40, set())],
)
async def test_a_subscription_whose_requests_fail(
    watch: Watch, failed: int, requests: int, fires: set[tuple[str, ...]]
) -> None:
    """A quarter of them is tolerated, and of few requests nothing is said."""
    statuses = [500] * failed + [200] * (requests - failed)

    await watch.ingest(*(make_event(status=each) for each in statuses))

    assert watch.firing(RULES["high-error-rate"]) == fires
