"""`watermark show` and `watermark set` over the stand-ins."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.cosmos import Fault
from local.log_analytics import Fault as LogsFault
from tests.builders import COMPONENT, DIMENSIONS, NOON, WORKSPACE
from tests.cli.commands import Commands
from tests.conftest import Logs, Stack
from usage_ingest import wiring
from usage_ingest.document import time_text
from usage_ingest.metrics.watermark import Source, Watermark, Window
from usage_ingest.wiring import App

OWN = Source(WORKSPACE, "own")
NOW = NOON + timedelta(hours=2)


@pytest.fixture
def app(stack: Stack, run_with_metrics: Commands) -> App:
    environment = run_with_metrics.environment
    chosen = {name: v for name, v in environment.items() if name.startswith("METRICS")}
    return stack.start(**chosen)


async def marked(app: App, **overrides: Any) -> Watermark:
    fields: dict[str, Any] = {
        "source": OWN,
        "collected_from": NOON - timedelta(days=3),
        "collected_through": NOON,
        "checked_at": NOON,
    }
    return await app.reports.watermarks.write(Watermark(**fields | overrides))


async def mark_of(app: App) -> Watermark:
    mark = await app.reports.watermarks.read(OWN)
    assert mark is not None
    return mark


def row(arrived: datetime) -> dict[str, Any]:
    return {
        "TimeGenerated": time_text(arrived),
        "arrives_at": time_text(arrived),
        "Name": "Prompt Tokens",
        "Sum": 5.0,
        "AppRoleName": "apim",
        "Properties": DIMENSIONS,
        "_ResourceId": COMPONENT,
    }


async def test_sources_are_shown_with_their_age(run_with_metrics: Commands, app: App) -> None:
    await marked(app, notes={"metric_value_odd": ("2026-11-19",)}, window_seconds=600)

    (found,) = await run_with_metrics.json("watermark", "show")
    shown = await run_with_metrics("watermark", "show")

    assert (found["target"], found["window_seconds"]) == (WORKSPACE, 600)
    assert "metric_value_odd 2026-11-19" in shown.stdout
    assert "2026-11-20 12:00:00Z" in shown.stdout


async def test_without_targets_it_is_said_that_nothing_is_collected(run: Commands) -> None:
    assert "nothing is collected" in (await run("watermark", "show")).stdout


async def test_setting_a_mark_back_shows_the_bins_and_days_first(
    run_with_metrics: Commands, app: App, logs: Logs
) -> None:
    before = await marked(app)
    hours = (1, 2, 30)
    logs.server.add([row(NOON - timedelta(hours=each, minutes=1)) for each in hours])

    dry = await run_with_metrics("watermark", "set", "--to", "2026-11-19", "--dry-run")

    assert await mark_of(app) == before
    assert dry.exit_code == 0
    assert "3 bins of 2 days" in dry.stdout
    assert "2026-11-19     1" in dry.stdout
    assert "Dry run: nothing was written." in dry.stdout
    assert "asking what arrived from 2026-11-18T23:00Z" in dry.stderr

    done = await run_with_metrics.json("watermark", "set", "--to", "2026-11-19")

    assert (done["kind"], done["bins"], done["written"]) == ("back", 3, True)
    assert done["days"] == {"2026-11-19": 1, "2026-11-20": 2}
    assert (await mark_of(app)).collected_through == datetime(2026, 11, 19, tzinfo=UTC)


async def test_what_is_read_again_changes_no_total(
    run_with_metrics: Commands, app: App, logs: Logs, stack: Stack
) -> None:
    logs.server.add([row(NOON - timedelta(hours=each)) for each in range(1, 9)])
    await collect(app)
    before = await stack.documents("usage", type="rollup")

    await run_with_metrics("watermark", "set", "--to", "2026-11-20T00:00:00Z")
    await collect(app)

    assert totals(before) == totals(await stack.documents("usage", type="rollup")) == 40
    assert (await mark_of(app)).collected_through > NOON


async def collect(app: App) -> None:
    async with wiring.collecting(app) as collecting:
        while not (await collecting.run()).caught_up:
            pass


def totals(rollups: list[dict[str, Any]]) -> int:
    return sum(each["input_tokens"] for each in rollups)


async def test_moving_on_is_refused_without_skip_and_kept_in_the_mark_with_it(
    run_with_metrics: Commands, app: App
) -> None:
    before = await marked(app)
    to = ("watermark", "set", "--to", "2026-11-20T13:00:00Z")

    refused = await run_with_metrics(*to)
    unchanged = await mark_of(app)
    done = await run_with_metrics.json(*to, "--skip")

    assert (refused.exit_code, unchanged) == (1, before)
    assert "would never be collected" in refused.stderr
    assert "--skip" in refused.stderr
    assert (done["kind"], done["written"]) == ("skip", True)
    mark = await mark_of(app)
    assert mark.skipped == (Window(NOON, NOON + timedelta(hours=1)),)
    assert mark.collected_from == before.collected_from
    shown = await run_with_metrics("watermark", "show")
    assert "skipped 2026-11-20 12:00:00Z to 2026-11-20 13:00:00Z" in shown.stdout


async def test_a_skip_is_taken_back_by_setting_the_mark_before_it(
    run_with_metrics: Commands, app: App
) -> None:
    await marked(app, skipped=(Window(NOON - timedelta(hours=5), NOON - timedelta(hours=1)),))

    await run_with_metrics("watermark", "set", "--to", "2026-11-20T09:00:00Z")

    mark = await mark_of(app)
    assert mark.skipped == (Window(NOON - timedelta(hours=5), NOON - timedelta(hours=3)),)


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("--to", "2026-11-20T15:00:00Z"), 1, "is in the future"),
        (("--to", "2026-11-20T15:00:00Z", "--skip"), 1, "is in the future"),
        (("--to", "2026-11-19", "--skip"), 1, "nothing is left to skip"),
        (("--to", "yesterday"), 2, "is no time"),
        (("--to", "2026-11-20T11:00:00"), 2, "names no zone"),
        (("--to", "2026-02-30"), 2, "is no time"),
        (("--to", "0001-01-01T00:00:00+14:00"), 2, "is no time"),
        ((), 2, "Missing option '--to'"),
        (("--to", "2026-11-19", "--profile", "toolkit"), 1, "there is no such source"),
        (("--to", "2026-11-19", "--target", "x"), 1, f"--target {WORKSPACE} --profile own"),
    ],
)
async def test_a_time_or_a_source_that_cannot_be_meant_is_refused(
    run_with_metrics: Commands, app: App, arguments: tuple[str, ...], code: int, text: str
) -> None:
    before = await marked(app)

    refused = await run_with_metrics("watermark", "set", *arguments)

    assert refused.exit_code == code
    assert text in refused.stderr
    assert await mark_of(app) == before


async def test_of_several_sources_one_has_to_be_named(run_with_metrics: Commands, app: App) -> None:
    both = {"METRICS_PROFILES": "own,ai-hub"}

    refused = await run_with_metrics("watermark", "set", "--to", "2026-11-19", **both)
    named = ("--target", WORKSPACE.upper(), "--profile", "ai-hub")
    done = await run_with_metrics("watermark", "set", "--to", "2026-11-19", *named, **both)

    assert refused.exit_code == 1
    assert "say which source is meant" in refused.stderr
    assert done.exit_code == 0
    assert [each.source.profile for each in await app.reports.watermarks.all()] == ["ai-hub"]


async def test_the_same_place_changes_nothing(run_with_metrics: Commands, app: App) -> None:
    before = await marked(app)

    done = await run_with_metrics("watermark", "set", "--to", "2026-11-20T12:00:00Z")

    assert (done.exit_code, await mark_of(app)) == (0, before)
    assert "stands there already" in done.stdout


async def test_collecting_can_be_made_to_begin_earlier_than_its_look_back(
    run_with_metrics: Commands, app: App, logs: Logs
) -> None:
    logs.server.add([row(NOON - timedelta(days=5))])

    done = await run_with_metrics.json("watermark", "set", "--to", "2026-11-14")

    assert (done["kind"], done["before"], done["bins"]) == ("begin", None, 1)
    assert (await mark_of(app)).collected_from == datetime(2026, 11, 14, tzinfo=UTC)


async def test_bins_that_the_ledger_no_longer_keeps_are_told(
    run_with_metrics: Commands, app: App, logs: Logs
) -> None:
    await marked(app)
    logs.server.add([row(NOON - timedelta(days=110)), row(NOON - timedelta(days=1))])

    done = await run_with_metrics(
        "watermark", "set", "--to", "2026-07-30", "--dry-run", LEDGER_TTL_DAYS="100"
    )

    assert "1 of them are older than the ledger keeps" in done.stdout


@pytest.mark.parametrize("skip", [0, 1])
async def test_what_the_service_cannot_tell_is_said_and_the_mark_is_set(
    run_with_metrics: Commands, app: App, logs: Logs, skip: int
) -> None:
    await marked(app)
    logs.server.faults.add(LogsFault(status=403, skip=skip, count=None))

    done = await run_with_metrics("watermark", "set", "--to", "2026-11-19")

    assert done.exit_code == 0
    assert "cannot be said: Log Analytics refuses this identity" in done.stdout
    assert (await mark_of(app)).collected_through == datetime(2026, 11, 19, tzinfo=UTC)


async def test_a_collector_that_moves_the_mark_meanwhile_is_overtaken(
    run_with_metrics: Commands, app: App, stack: Stack
) -> None:
    await marked(app)
    stack.cosmos.faults.add(Fault(operation="replace", container="state", status=412, count=2))

    done = await run_with_metrics("watermark", "set", "--to", "2026-11-19")

    assert done.exit_code == 0
    assert (await mark_of(app)).collected_through == datetime(2026, 11, 19, tzinfo=UTC)


async def test_a_mark_that_never_stands_still_is_given_up(
    run_with_metrics: Commands, app: App, stack: Stack
) -> None:
    before = await marked(app)
    stack.cosmos.faults.add(Fault(operation="replace", container="state", status=412, count=None))

    done = await run_with_metrics("watermark", "set", "--to", "2026-11-19")

    assert done.exit_code == 1
    assert "try again" in done.stderr
    assert await mark_of(app) == before


async def test_a_run_that_is_under_way_loses_its_mark(
    run_with_metrics: Commands, app: App, logs: Logs
) -> None:
    """What it collected stays; the next run goes on from where the mark was set."""
    mark = await marked(app)
    logs.server.add([row(NOON - timedelta(hours=30))])

    await run_with_metrics("watermark", "set", "--to", "2026-11-19")
    with pytest.raises(Exception, match="watermark"):
        await app.reports.watermarks.write(mark)
    await collect(app)

    assert (await mark_of(app)).collected_through > NOON


async def test_a_summary_never_calls_a_skipped_day_collected(
    run_with_metrics: Commands, app: App
) -> None:
    days = timedelta(days=2)
    now = datetime.now(UTC).replace(microsecond=0)
    await marked(
        app,
        collected_from=now - 30 * days,
        collected_through=now,
        checked_at=now,
        skipped=(Window(now - 2 * days, now - days),),
    )

    found: Mapping[str, Any] = json.loads((await run_with_metrics("status", "--json")).stdout)

    assert found["metrics"]["covered"] is False
    assert "was skipped" in found["metrics"]["text"]
    assert found["metrics"]["watermarks"][0]["skipped"] == [
        {"start": time_text(now - 2 * days), "end": time_text(now - days)}
    ]


ELSEWHERE = Source("11111111-aaaa-4bbb-8ccc-000000000002", "own")


async def test_the_mark_of_a_source_that_was_left_can_be_deleted(
    run_with_metrics: Commands, app: App
) -> None:
    kept = await marked(app)
    left = await marked(app, source=ELSEWHERE)
    command = ("watermark", "forget", "--target", ELSEWHERE.target)

    dry = await run_with_metrics(*command, "--dry-run")
    both = await app.reports.watermarks.all()
    done = await run_with_metrics.json(*command)

    assert (dry.exit_code, len(both)) == (0, 2)
    assert "Dry run" in dry.stdout
    assert (done["target"], done["written"]) == (left.source.target, True)
    assert await app.reports.watermarks.all() == [kept]


async def test_a_mark_that_is_needed_is_not_deleted(run_with_metrics: Commands, app: App) -> None:
    command = ("watermark", "forget", "--target")
    none = await run_with_metrics(*command, WORKSPACE)
    await marked(app)
    await marked(app, source=ELSEWHERE, skipped=(Window(NOON - timedelta(hours=1), NOON),))

    collected = await run_with_metrics(*command, WORKSPACE)
    skipped = await run_with_metrics(*command, ELSEWHERE.target)

    assert (none.exit_code, collected.exit_code, skipped.exit_code) == (1, 1, 1)
    assert "has no mark" in none.stderr
    assert "is collected" in collected.stderr
    assert "keeps a skip" in skipped.stderr
    assert len(await app.reports.watermarks.all()) == 2


async def test_a_mark_that_moves_meanwhile_is_not_deleted(
    run_with_metrics: Commands, app: App, stack: Stack
) -> None:
    await marked(app, source=ELSEWHERE)
    stack.cosmos.faults.add(Fault(operation="delete", container="state", status=412))

    refused = await run_with_metrics("watermark", "forget", "--target", ELSEWHERE.target)

    assert refused.exit_code == 1
    assert "somebody else changed" in refused.stderr
    assert len(await app.reports.watermarks.all()) == 1
