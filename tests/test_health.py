"""The state in lines: what status says, at a small cost, and without failing a timer."""

import logging
from datetime import timedelta
from typing import Any

import pytest

from local.cosmos import Fault
from tests.builders import NOON, WORKSPACE, FakeHub, make_batch, make_event
from tests.conftest import Stack
from tests.infra.told import fields_of, lines
from usage_ingest.events.gaps import close_gaps
from usage_ingest.health import tell_health, tell_streaming
from usage_ingest.wiring import App


@pytest.fixture
def app(stack: Stack, caplog: pytest.LogCaptureFixture) -> App:
    caplog.set_level(logging.INFO, "usage_ingest")
    return stack.start(reader=FakeHub(), patience_seconds=0.2, METRICS_TARGETS=WORKSPACE)


async def told(app: App, stack: Stack, caplog: pytest.LogCaptureFixture) -> dict[str, list[Any]]:
    """Return the lines of one call, by name."""
    lines(caplog)
    await tell_health(app.reports, stack.clock, 90)
    await tell_streaming(app.reports, stack.clock)
    found: dict[str, list[Any]] = {}
    for name, fields in map(fields_of, lines(caplog)):
        found.setdefault(name, []).append(fields)
    return found


async def test_before_the_first_event_nothing_is_known(
    app: App, stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    said = await told(app, stack, caplog)

    (health,) = said["health"]
    assert health == {
        "partitions": 0,
        "lag": None,
        "last_event_age_seconds": None,
        "open_gaps": 0,
        "open_gap_events": 0,
        "oldest_open_gap_seconds": None,
        "lost_gaps": 0,
        "lost_gap_events": 0,
        "dead_letters_open": 0,
        "dead_letters": [],
    }
    assert said["watermark_health"] == [
        {"target": WORKSPACE, "profile": "own", "age_seconds": None, "stale": True}
    ]


async def test_partitions_gaps_and_dead_letters_are_told(
    app: App, stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    await app.ingest.batch(make_batch(make_event(), b"no", first=3))
    stack.clock.move(minutes=2)
    await app.ingest.batch(make_batch(make_event(), partition_id="1"))
    stack.clock.move(minutes=1)

    said = await told(app, stack, caplog)

    (health,) = said["health"]
    first, second = said["partition_health"]
    assert (health["partitions"], health["last_event_age_seconds"]) == (2, 180)
    assert (health["open_gaps"], health["open_gap_events"]) == (1, 3)
    assert health["oldest_open_gap_seconds"] == 180
    assert health["dead_letters"] == [{"reason": "not_json", "open": 1}]
    assert health["dead_letters_open"] == 1
    assert (first["partition_id"], first["open_gaps"], second["open_gaps"]) == ("0", 1, 0)
    assert (first["lag"], first["checked_age_seconds"]) == (None, None)


async def test_streamed_requests_are_told_where_they_are_collected(
    app: App, stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    await app.ingest.batch(make_batch(make_event(streaming=True, usage=None)))
    said = await told(app, stack, caplog)
    elsewhere = await told(stack.app, stack, caplog)

    (streaming,) = said["streaming_health"]
    assert (streaming["since"], streaming["awaiting"], streaming["awaiting_requests"]) == (
        (NOON - timedelta(days=3)).date().isoformat(),
        1,
        1,
    )
    assert "streaming_health" not in elsewhere


@pytest.mark.parametrize("operation", ["query", None])
async def test_a_store_that_cannot_be_read_fails_no_timer(
    app: App, stack: Stack, caplog: pytest.LogCaptureFixture, operation: str | None
) -> None:
    stack.cosmos.faults.add(Fault(operation=operation, count=None, status=503))

    said = await told(app, stack, caplog)

    assert {*said} == {"health_failed"}
    assert len(said["health_failed"]) == 3


async def test_a_defect_in_telling_fails_no_timer(
    app: App, stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    """Such as a number of days that leads out of the calendar."""
    await tell_health(app.reports, stack.clock, 10**7)

    assert fields_of(lines(caplog)[0])[0] == "health_failed"


async def test_what_it_costs_does_not_grow_with_the_number_of_events(
    app: App, stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    await app.ingest.batch(make_batch(*(make_event() for _ in range(50))))
    await close_gaps(app.ingest, 7)
    await told(app, stack, caplog)
    stack.cosmos.requests.clear()

    await tell_health(app.reports, stack.clock, 90)
    of_health = dict(stack.cosmos.counts())
    stack.cosmos.requests.clear()
    await tell_streaming(app.reports, stack.clock)

    assert of_health == {"query": 3}
    assert dict(stack.cosmos.counts()) == {"query": 2}
