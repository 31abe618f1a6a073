"""`backfill` over the stand-ins."""

import asyncio
import os
import re
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.cli.commands import objects, run
from tests.cli.test_dead_letter_commands import event_now
from tests.conftest import Stack
from tests.events.test_gaps import send
from usage_ingest.cli.main import main
from usage_ingest.events.ingest import Batch

ROOT = Path(__file__).resolve().parent.parent.parent


def hours() -> tuple[str, ...]:
    """A range around now; its end is still to come, so it is never over."""
    now = datetime.now(UTC)
    moments = (now - timedelta(hours=1), now + timedelta(hours=1))
    start, end = (f"{each:%Y-%m-%dT%H:%M:%SZ}" for each in moments)
    return "--from", start, "--to", end


async def test_it_says_what_was_missing_by_partition(stack: Stack) -> None:
    for partition_id in ("0", "1"):
        await send(stack, partition_id, *[event_now() for _ in range(40)], {"hello": "world"})
    stack.clock.moment = datetime.now(UTC)
    some = [e async for page in stack.app.reader.read("1", 0, 9) for e in page][:10]
    await stack.app.ingest.store(Batch("1", some))
    when = hours()

    tried = await run(stack, "backfill", *when, "--dry-run")
    done = await run(stack, "backfill", *when)
    again = objects(await run(stack, "backfill", *when, "--json"))

    assert tried.stdout.splitlines()[-1].startswith("all  events 82  missing 0")
    assert done.exit_code == 0
    assert [line.split("  up to")[0] for line in done.stdout.splitlines()] == [
        "partition 0  events 41  missing 40  completed 0  repeated 0  new dead letters 1",
        "partition 1  events 41  missing 30  completed 0  repeated 10  new dead letters 1",
        "all  events 82  missing 70  completed 0  repeated 10  new dead letters 2",
    ]
    assert "partition 1  events 41" in done.stderr
    assert [(each["partition_id"], each["stored"], each["events"]) for each in again] == [
        ("0", 40, 41),
        ("1", 30, 41),
    ]
    assert len(await stack.documents("usage", type="usage")) == 80


async def test_one_partition_and_another_consumer_group(stack: Stack) -> None:
    await send(stack, "0", event_now())
    await send(stack, "1", event_now(), event_now())

    result = await run(
        stack, "backfill", *hours(), "--partition", "1", "--consumer-group", "$Default"
    )

    assert result.stdout.splitlines()[0].startswith("partition 1  events 2  missing 2")
    assert len(await stack.documents("usage", type="usage")) == 2


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--partition", "7"), "Error: Event hub usage has no partition 7\n"),
        (("--consumer-group", "functions"), "Error: --consumer-group: must not be the trigger's\n"),
    ],
)
async def test_what_cannot_be_is_refused(
    stack: Stack, arguments: tuple[str, ...], text: str
) -> None:
    result = await run(stack, "backfill", *hours(), *arguments)

    assert (result.exit_code, result.stderr) == (1, text)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--from", "2026-11-20"), "Missing option '--to'"),
        (("--from", "2026-11-20", "--to", "2026-11-20"), "must be before"),
        (("--from", "noon", "--to", "2026-11-20"), "does not match"),
    ],
)
def test_a_wrong_command_is_said_in_a_line(arguments: tuple[str, ...], text: str) -> None:
    result = CliRunner().invoke(main, ["backfill", *arguments])

    assert result.exit_code == 2
    assert text in result.stderr


async def test_ctrl_c_leaves_a_position_that_the_next_call_goes_on_from(stack: Stack) -> None:
    for _ in range(3):
        await send(stack, "0", *[event_now() for _ in range(400)])
    when = hours()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "usage_ingest", "backfill", *when, "--partition", "0"),
        cwd=ROOT,
        env={**os.environ, **stack.environment, "PYTHONUNBUFFERED": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    first = await process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, rest = await process.communicate()

    result = await run(stack, "backfill", *when, "--partition", "0")

    assert first.startswith(b"partition 0  events ")
    assert process.returncode == 130
    assert rest.endswith(b"Interrupted.\n")
    assert b"Traceback" not in rest
    # What was stored when the position was not yet written is met again as repeated.
    total = result.stdout.splitlines()[-1].replace(",", "")
    found = re.fullmatch(
        r"all  events 1200  missing (\d+)  completed 0  repeated (\d+)  new dead letters 0", total
    )
    assert found is not None, total
    assert int(found[1]) + int(found[2]) == 1_200
    assert len(await stack.documents("usage", type="usage")) == 1_200
