"""`python -m usage_ingest rollups`, end to end against the stand-ins."""

import json
from typing import Any

import pytest

from local.cosmos import Fault
from tests.builders import make_event
from tests.cli.commands import Commands
from tests.conftest import Stack
from tests.totals.conftest import by_hand  # noqa: F401 - a fixture
from tests.totals.ledgers import DAY, ByHand, assert_right, ingest, make_events

PLANTED = "Xq7-planted-secret"
LONG = {"LEDGER_TTL_DAYS": "3650"}  # the commands have the machine's clock


async def test_equal_ends_with_zero_and_different_with_one(
    stack: Stack,
    run: Commands,
    by_hand: ByHand,  # noqa: F811
) -> None:
    await ingest(stack.app, make_events())

    equal = await run("rollups", "verify", "--day", DAY, **LONG)
    rollup = (await by_hand.documents("rollup"))[0]
    await by_hand.change(rollup, input_tokens=7)
    different = await run("rollups", "verify", "--month", "2026-11", **LONG)

    assert equal.exit_code == 0
    assert equal.stdout == (
        "2026-11-20: 4 rollups and 12 ledger documents in 2 logical partitions: all equal\n"
    )
    assert different.exit_code == 1
    lines = different.stdout.splitlines()
    assert lines[0].startswith(f"{rollup['partitionKey']}  wrong_total  {rollup['id']}")
    assert lines[1].split() == ["input_tokens", "rollup", "7", "ledger", lines[1].split()[-1]]
    assert lines[-1].endswith("1 thing wrong")


async def test_json_has_the_exact_differences(
    stack: Stack,
    run: Commands,
    by_hand: ByHand,  # noqa: F811
) -> None:
    await ingest(stack.app, [make_event()])
    (rollup,) = await by_hand.documents("rollup")
    await by_hand.change(rollup, input_tokens=7)

    result = await run("rollups", "verify", "--day", DAY, "--json", **LONG)

    content = json.loads(result.stdout)
    (difference,) = content.pop("differences")
    assert content == {
        "days": [DAY],
        "partitions": 1,
        "rollups": 1,
        "documents": 1,
        "equal": False,
        "rewritten": 0,
        "left": 1,
    }
    assert difference["counters"] == {"input_tokens": {"rollup": 7, "ledger": 100}}
    assert (difference["kind"], difference["rollup_id"]) == ("wrong_total", rollup["id"])


async def test_rebuild_shows_first_and_then_mends(
    stack: Stack,
    run: Commands,
    by_hand: ByHand,  # noqa: F811
) -> None:
    await ingest(stack.app, make_events())
    rollup, other, *_ = await by_hand.documents("rollup")
    await by_hand.change(rollup, input_tokens=7)
    await by_hand.delete(other)

    dry = await run("rollups", "rebuild", "--day", DAY, "--dry-run", **LONG)
    before = await by_hand.documents("rollup")
    wet = await run("rollups", "rebuild", "--day", DAY, **LONG)
    again = await run("rollups", "rebuild", "--day", DAY, **LONG)

    assert (dry.exit_code, wet.exit_code, again.exit_code) == (1, 0, 0)
    assert "2 would be rewritten; nothing was written" in dry.stdout
    assert len(before) == 3
    assert wet.stdout.endswith(": 2 rewritten\n")
    assert again.stdout.endswith(": 0 rewritten\n")
    await assert_right(stack)


async def test_days_that_the_ledger_does_not_hold_are_refused(run: Commands) -> None:
    for command in ("verify", "rebuild"):
        result = await run("rollups", command, "--day", "2020-02-29")

        assert (result.exit_code, result.stdout) == (1, "")
        assert "does not hold 2020-02-29 whole" in result.stderr
        assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "Choose --day or --month"),
        (("--day", DAY, "--month", "2026-11"), "Choose --day or --month"),
        (("--day", "20.11.2026"), "takes a UTC day"),
        (("--day", "20261120"), "takes a UTC day"),
        (("--month", "2026-13"), "takes one as 2026-11"),
    ],
)
async def test_a_wrong_command_ends_with_two(
    run: Commands, arguments: tuple[str, ...], text: str
) -> None:
    result = await run("rollups", "verify", *arguments)

    assert result.exit_code == 2
    assert text in result.stderr


@pytest.mark.parametrize(
    ("fault", "text"), [({"status": 403}, "Data Contributor"), ({"status": 503}, "busy")]
)
async def test_a_store_that_refuses_is_one_line(
    stack: Stack, run: Commands, monkeypatch: pytest.MonkeyPatch, fault: dict[str, Any], text: str
) -> None:
    monkeypatch.setattr("usage_ingest.cli.rollups.LONG_PATIENCE_SECONDS", 0.3)
    await ingest(stack.app, make_events())
    stack.cosmos.faults.add(Fault(operation="query", count=None, **fault))

    result = await run("rollups", "verify", "--day", DAY, **LONG)

    assert result.exit_code == 1
    assert text in result.stderr
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1


async def test_a_missing_setting_is_named(run: Commands) -> None:
    result = await run("rollups", "verify", "--day", DAY, COSMOS_ENDPOINT=None)

    assert result.exit_code == 1
    assert "COSMOS_ENDPOINT: is missing" in result.stderr


async def test_no_secret_is_told(
    stack: Stack,
    run: Commands,
    by_hand: ByHand,  # noqa: F811
) -> None:
    """Neither what hostile events hold, nor the settings; keys cannot drive a terminal."""
    hostile = make_event(
        messages=PLANTED,
        prompt=PLANTED,
        end_user_id=PLANTED,
        api_key=PLANTED,
        app_id="\x1b[2Japp",
        usage={"prompt_tokens": 5, "prompt": PLANTED},
    )
    await ingest(stack.app, [hostile])
    for rollup in await by_hand.documents("rollup"):
        await by_hand.change(rollup, requests=9)

    found = ""
    for command in (["verify"], ["verify", "--json"], ["rebuild", "--dry-run"], ["rebuild"]):
        result = await run("rollups", *command, "--day", DAY, **LONG)
        found += result.output
        assert "\x1b" not in result.output

    assert PLANTED not in found
    assert stack.environment["COSMOS_KEY"] not in found
    assert "requests" in found


async def test_progress_goes_to_stderr(
    stack: Stack, run: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("usage_ingest.cli.watch.TELL_SECONDS", 0.0)
    await ingest(stack.app, make_events())

    result = await run("rollups", "verify", "--day", DAY, "--json", **LONG)

    assert "2026-11-20: 1 of 2 logical partitions, " in result.stderr
    assert json.loads(result.stdout)["equal"] is True
