"""`python -m usage_ingest period`, end to end against the stand-in; it has the machine's clock."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.chargeback.till import NEW_YEAR, Till, opened
from tests.cli.commands import Commands
from usage_ingest.events.progress import Progress

REASON = "hub 3 lost 20 events, agreed with HR"


@pytest.fixture
async def till(tmp_path: Path) -> AsyncIterator[Till]:
    """September and October have a call each, and a price; nothing of them is missing."""
    async with opened(tmp_path) as till:
        await till.price("2026-01-01", "2")
        await till.use("2026-09-20")
        await till.use("2026-10-20", millions=60)
        await till.app.reports.progress.write(
            Progress(
                namespace="localhost",
                hub="usage",
                partition_id="0",
                stored_through=till.events - 1,
                last_enqueued=till.events - 1,
                mark_time=NEW_YEAR,
                checked_at=NEW_YEAR,
                hub_partitions=1,
            )
        )
        yield till


@pytest.fixture
def run(till: Till) -> Commands:
    return Commands(till.environment)


async def test_a_complete_month_is_closed_listed_and_shown(run: Commands) -> None:
    dry = await run("period", "close", "2026-09", "--dry-run")
    closed = await run("period", "close", "2026-09")
    listed = await run("period", "list")
    shown = await run("period", "show", "2026-09")

    assert dry.exit_code == 0, dry.output
    assert dry.stdout.splitlines()[0] == "2026-09 can be closed; nothing was written."
    assert closed.exit_code == 0, closed.output
    assert closed.stdout.splitlines() == [
        "2026-09 is closed.",
        "",
        "of         lines  currency  amount",
        "own usage      1  EUR       2",
    ]
    assert listed.stdout.splitlines()[1].split()[:1] == ["2026-09"]
    assert listed.stdout.splitlines()[-1] == "The next to close is 2026-10."
    assert shown.stdout.splitlines()[0].endswith(": EUR 2. Complete.")
    assert "unallocated            -           -  own usage      1  EUR       2" in shown.stdout


async def test_corrections_are_shown_by_the_period_that_they_are_of(
    run: Commands, till: Till
) -> None:
    await run("period", "close", "2026-09")
    await till.price("2026-09-01", "30")

    dry = await run("period", "close", "2026-10", "--dry-run")
    closed = await run("period", "close", "2026-10")
    shown = await run.json("period", "show", "2026-10")

    rows = [
        "of                      lines  currency  amount",
        "own usage                   1  EUR       1,800",
        "corrections of 2026-09      1  EUR          28",
    ]
    assert dry.stdout.splitlines()[2:] == rows
    assert closed.stdout.splitlines()[2:] == rows
    assert shown["totals"] == {"EUR": "1828"}
    assert [(each["owner"], each["corrects"], each["totals"]) for each in shown["owners"]] == [
        ("unallocated", None, {"EUR": "1800"}),
        ("unallocated", "2026-09", {"EUR": "28"}),
    ]


async def test_an_incomplete_month_takes_a_reason_which_is_kept(run: Commands, till: Till) -> None:
    await till.use("2026-09-21", request_model="gpt-new", response_model="gpt-new")

    refused = await run("period", "close", "2026-09")
    dry = await run("period", "close", "2026-09", "--dry-run")
    accepted = await run("period", "close", "2026-09", "--accept", REASON)
    listed = await run.json("period", "list")

    assert refused.exit_code == 1
    assert refused.stdout.splitlines()[:4] == [
        "2026-09 was not closed:",
        "  unpriced",
        "    gpt-new input 1,000,000",
        'Mend it, or close the period with --accept "reason".',
    ]
    assert dry.exit_code == 1
    assert dry.stdout.splitlines()[0] == "2026-09 cannot be closed; nothing was written:"
    assert accepted.exit_code == 0, accepted.output
    (head,) = listed
    assert (head["accepted"], head["incomplete_because"]) == (REASON, ["unpriced"])


async def test_order_and_the_end_of_a_month_cannot_be_accepted_away(run: Commands) -> None:
    await run("period", "close", "2026-09")

    skipped = await run("period", "close", "2999-01", "--accept", REASON)
    again = await run("period", "close", "2026-09", "--accept", REASON)

    assert skipped.exit_code == again.exit_code == 1
    assert skipped.stdout.splitlines() == [
        "2999-01 was not closed:",
        "  periods are closed in their order: the next is 2026-10",
        "  it ends at 2999-02-01T00:00:00.000000Z",
    ]
    assert again.stdout.splitlines()[1].startswith("  it was closed at ")


async def test_json_tells_all_that_stands_against_closing(run: Commands, till: Till) -> None:
    await till.use("2026-09-21", request_model="gpt-new", response_model="gpt-new")

    result = await run("period", "close", "2026-09", "--json")

    assert result.exit_code == 1
    assert '"closed": false' in result.stdout
    assert '"unpriced"' in result.stdout


async def test_without_closed_periods_the_list_says_which_may_be_the_first(run: Commands) -> None:
    assert (await run("period", "list")).stdout == (
        "No period is closed; the first may be any month that has ended.\n"
    )
    assert await run.json("period", "list") == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["close", "2026-9"], "no month"),
        (["close", "9999-12"], "too late to be a period"),
        (["close", "2026-09", "--accept", " "], "--accept takes a reason"),
    ],
)
async def test_a_wrong_command_is_named(run: Commands, arguments: list[str], says: str) -> None:
    result = await run("period", *arguments)

    assert result.exit_code == 2
    assert says in result.output


async def test_a_period_that_is_not_closed_is_not_shown(run: Commands) -> None:
    result = await run("period", "show", "2026-09")

    assert result.exit_code == 1
    assert "2026-09 is not closed; closed periods: none" in result.output
