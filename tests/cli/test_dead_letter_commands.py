"""`dead-letters` over the stand-ins: what a person sees, chooses and changes."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from click.testing import CliRunner

from tests.builders import make_event
from tests.cli.commands import objects, run
from tests.conftest import Stack
from tests.events.test_gaps import send
from tests.set_aside import counts_of, opened, set_aside
from usage_ingest.cli.main import main
from usage_ingest.ports import ReceivedEvent

GROUP = "dead-letters"
TEXT = "a shape that this release did not know"
SECRET = "Xq7-planted-secret"  # noqa: S105 - planted: it must appear nowhere


def event_now(**overrides: Any) -> dict[str, Any]:
    return make_event(**{"event_time": datetime.now(UTC).isoformat()} | overrides)


async def fill(stack: Stack, *events: object, first: int = 0) -> list[ReceivedEvent]:
    """Send events to partition 0; a release that could read none of them set them aside."""
    stack.clock.moment = datetime.now(UTC)
    await send(stack, "0", *events)
    last = first + len(events) - 1
    sent = [e async for page in stack.app.reader.read("0", first, last) for e in page]
    await set_aside(stack.app, sent)
    return sent


async def test_the_list_counts_by_day_and_names_each(stack: Stack) -> None:
    await fill(stack, event_now(), {"hello": "world"})
    (one, _) = await opened(stack.app)

    result = await run(stack, GROUP, "list")

    day = datetime.now(UTC).date().isoformat()
    assert result.exit_code == 0
    assert result.stdout.splitlines()[:2] == [
        f"{day}  unknown_shape  open 2  closed 0  dropped 0",
        f"{one.letter_id}  {day}  usage/0#0  unknown_shape: {TEXT}  attempts 0",
    ]


async def test_the_list_shows_ranges_and_ends_where_it_should(stack: Stack) -> None:
    await fill(stack, *[event_now() for _ in range(130)])

    short = await run(stack, GROUP, "list", "--limit", "10")
    whole = objects(await run(stack, GROUP, "list", "--limit", "0", "--json"))

    assert len(short.stdout.splitlines()) == 11
    assert "more than 10" in short.stderr
    assert [
        len([each for each in whole if kind in each]) for kind in ("counts", "dead_letter")
    ] == [1, 100]
    places = [each["places"] for each in whole if "places" in each]
    assert sum(each["places"] for each in places) == 30
    assert places[0]["ranges"][0][0] == 100


async def test_a_dead_letter_is_shown_whole_and_its_body_only_where_asked(stack: Stack) -> None:
    raw = stack.start(DEAD_LETTER_BODY="raw")
    stack.clock.moment = datetime.now(UTC)
    await send(stack, "0", {"hello": SECRET})
    sent = [e async for page in raw.reader.read("0", 0, 0) for e in page]
    await set_aside(raw, sent)
    (letter,) = await opened(raw)

    plain = await run(stack, GROUP, "show", str(letter.letter_id))
    with_body = await run(stack, GROUP, "show", str(letter.letter_id), "--body")
    missing = await run(stack, GROUP, "show", "f" * 32)

    assert json.loads(plain.stdout)["skeleton"] == {"hello": {"~length": len(SECRET)}}
    assert SECRET not in plain.output
    assert json.loads(with_body.stdout)["body"] == json.dumps(
        {"hello": SECRET}, separators=(",", ":")
    )
    assert (missing.exit_code, missing.stderr) == (
        1,
        f"Error: there is no dead letter {'f' * 32}\n",
    )


async def test_a_body_that_was_not_kept_is_not_shown(stack: Stack) -> None:
    await fill(stack, {"hello": SECRET})
    (letter,) = await opened(stack.app)

    result = await run(stack, GROUP, "show", str(letter.letter_id), "--body")

    assert json.loads(result.stdout)["body"] is None
    assert "DEAD_LETTER_BODY" in result.stderr


async def test_a_replay_says_what_it_stored_and_what_stays_open(stack: Stack) -> None:
    await fill(stack, event_now(), event_now(), {"hello": "world"})

    tried = await run(stack, GROUP, "replay", "--all", "--dry-run")
    done = await run(stack, GROUP, "replay", "--reason", "unknown_shape")
    again = objects(await run(stack, GROUP, "replay", "--all", "--json"))

    assert tried.stdout.splitlines()[-1] == (
        "would close 2, 1 stay open: unknown_shape 1; nothing was written"
    )
    assert done.exit_code == 1
    assert done.stdout.splitlines()[-1] == (
        "closed 2 (2 records were new, 0 completed, 0 stored already), 1 stay open: unknown_shape 1"
    )
    assert "3 read again, 1 of them stay open" in done.stderr
    assert again[0]["left_open"]["where"] == "usage/0#2"
    assert (again[-1]["closed"], again[-1]["left_open"]) == (0, 1)
    assert await counts_of(stack) == {"open_unknown_shape": 1, "closed_unknown_shape": 2}
    assert len(await stack.documents("usage", type="usage")) == 2


async def test_a_replay_that_leaves_nothing_open_ends_with_zero(stack: Stack) -> None:
    await fill(stack, *[event_now() for _ in range(110)])

    result = await run(stack, GROUP, "replay", "--day", datetime.now(UTC).date().isoformat())

    assert result.exit_code == 0
    assert result.stdout.startswith("closed 110 (110 records were new")


async def test_a_drop_says_who_and_why(stack: Stack) -> None:
    await fill(stack, {"hello": "world"}, {"hello": "moon"})
    (one, _) = await opened(stack.app)
    why = ("--because", "a load test", "--by", "jo")

    tried = await run(stack, GROUP, "drop", "--all", "--dry-run", *why)
    done = await run(stack, GROUP, "drop", "--id", str(one.letter_id), *why)
    rest = objects(await run(stack, GROUP, "drop", "--all", "--json", *why))

    assert tried.stdout == "would drop 2: unknown_shape 2\n"
    assert (done.exit_code, done.stdout) == (0, "dropped 1: unknown_shape 1\n")
    assert rest == [{"dropped": 1, "reasons": {"unknown_shape": 1}, "dry_run": False}]
    assert await counts_of(stack) == {"dropped_unknown_shape": 2}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("replay",), "or say --all"),
        (("drop", "--all"), "Missing option '--because'"),
        (("replay", "--day", "2026-11-20", "--from", "2026-11-01"), "do not go with it"),
        (("list", "--from", "2026-11-20", "--to", "2026-11-01"), "later than"),
        (("replay", "--reason", "bad_luck"), "is not one of"),
        (("replay", "--day", "today"), "does not match"),
    ],
)
def test_a_wrong_command_is_said_in_a_line(arguments: tuple[str, ...], text: str) -> None:
    result = CliRunner().invoke(main, [GROUP, *arguments])

    assert result.exit_code == 2
    assert text in result.stderr


@pytest.mark.parametrize("command", [[], ["list"], ["show"], ["replay"], ["drop"]])
def test_help_tells_what_there_is(command: list[str]) -> None:
    result = CliRunner().invoke(main, [GROUP, *command, "-h"])

    assert result.exit_code == 0
    assert "\\b" not in result.stdout
    assert ("Example" if command else "replay") in result.stdout


def test_missing_settings_are_named_on_standard_error_and_nothing_else_is_said() -> None:
    result = CliRunner().invoke(main, [GROUP, "list"], env={"COSMOS_ENDPOINT": ""})

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: The settings are wrong:")
    assert "COSMOS_ENDPOINT: is missing" in result.stderr
    assert all(line.startswith(("Error: ", "- ")) for line in result.stderr.splitlines())


async def test_a_planted_secret_is_in_no_output_and_no_document(
    stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever a hostile caller puts into an event, as text, key or number."""
    hostile = [
        event_now(prompt=SECRET, messages=[{"content": SECRET}], usage={"prompt_tokens": SECRET}),
        event_now(event_time=f"{SECRET}!", subscription_id=f"{SECRET}\x1b[2J; DROP"),
        {"requestBody": SECRET, "responseBody": {"usage": SECRET}},
        [SECRET, {"schema": f"{SECRET}!"}, event_now(tags={"team": [SECRET]}, usage={"a": SECRET})],
    ]
    caplog.set_level("DEBUG", "usage_ingest")
    await fill(stack, *hostile)
    letters = await opened(stack.app)

    said = [
        await run(stack, GROUP, *command)
        for command in (
            ("list", "--limit", "0"),
            ("list", "--json", "--limit", "0"),
            ("replay", "--all", "--dry-run"),
            ("replay", "--all"),
            ("replay", "--all", "--json"),
            *(("show", str(each.letter_id), "--body") for each in letters),
            ("drop", "--all", "--because", "hostile"),
        )
    ]

    assert len(letters) == 6
    assert [each.output for each in said if SECRET in each.output] == []
    assert not any(isinstance(each.exception, Exception) for each in said)
    assert SECRET not in caplog.text
    kept = [*await stack.documents("dead-letters"), *await stack.documents("state")]
    assert SECRET not in str(kept)
