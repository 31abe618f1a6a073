import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.builders import make_event, make_usage
from tests.gateways import make_chargeback_event, make_fabric_event
from usage_ingest.cli.main import main

ROOT = Path(__file__).resolve().parent.parent.parent
AT = ("--enqueued", "2026-11-20T12:00:00Z")
EVENT = make_event(
    gateway_request_id="0f8b6a2e-52f3-4a3b-9d0e-6f2f4c1d9a10", usage=make_usage(total_tokens=None)
)
RECORD_ID = "fccb3aa24b26eb33acbc83e86ad6827c"


def written(folder: Path, *lines: object, name: str = "events.jsonl") -> str:
    path = folder / name
    path.write_text(
        "".join(f"{each if isinstance(each, str) else json.dumps(each)}\n" for each in lines)
    )
    return str(path)


def check(*arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(main, ["events", "check", *AT, *arguments], input=given)


def objects(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_record_is_shown_in_a_line(tmp_path: Path) -> None:
    result = check(written(tmp_path, EVENT))

    assert result.stdout == (
        f"1  record  own  {RECORD_ID}  2026-11-20T11:59:58.123456Z  hr-copilot  gpt-4o-2024-11-20"
        "  reported  input_tokens=100 cached_input_tokens=64 output_tokens=20"
        " reasoning_output_tokens=0\n"
    )
    assert (result.exit_code, result.stderr) == (0, "1 record, 0 refused\n")


def test_a_dead_letter_is_shown_with_reason_path_and_text(tmp_path: Path) -> None:
    bad = make_event(usage={"prompt_tokens": -1})

    result = check(written(tmp_path, EVENT, bad, "broken"))

    assert result.stdout.splitlines()[1:] == [
        "2  dead letter  bad_count at usage.prompt_tokens: not a whole number of zero or more",
        "3  dead letter  not_json: is not JSON",
    ]
    assert result.exit_code == 1
    assert result.stderr == "1 record, 2 refused: bad_count 1, not_json 1\n"


def test_each_element_of_a_line_is_shown(tmp_path: Path) -> None:
    result = check("--json", written(tmp_path, [EVENT, {"a": 1}], {"records": [EVENT]}))

    found = objects(result)
    assert [(each["line"], each["element"]) for each in found] == [(1, 0), (1, 1), (2, 0)]
    assert ["record" in each for each in found] == [True, False, True]


def test_json_has_all_that_the_line_has(tmp_path: Path) -> None:
    path = written(tmp_path, EVENT, "5")

    record, letter = objects(check("--json", path))

    assert record == {
        "file": path,
        "line": 1,
        "element": 0,
        "record": {
            "shape": "own",
            "record_id": RECORD_ID,
            "event_time": "2026-11-20T11:59:58.123456Z",
            "subscription_id": "hr-copilot",
            "model": "gpt-4o-2024-11-20",
            "usage_state": "reported",
            "usage": {
                "input_tokens": 100,
                "cached_input_tokens": 64,
                "output_tokens": 20,
                "reasoning_output_tokens": 0,
            },
            "flags": [],
        },
    }
    assert letter["dead_letter"] == {"reason": "not_an_object", "path": "", "text": "a int"}


def test_flags_and_what_is_not_known_are_shown(tmp_path: Path) -> None:
    (line,) = check(written(tmp_path, make_fabric_event(""))).stdout.splitlines()

    assert "  -  gpt-4o-2024-11-20  none  read_back" in line


def test_lines_come_from_standard_input_and_empty_ones_are_passed_over() -> None:
    result = check("-", given=f"\n{json.dumps(EVENT)}\r\n\n{json.dumps(EVENT)}")

    assert [line.split()[0] for line in result.stdout.splitlines()] == ["2", "4"]
    assert result.exit_code == 0


def test_several_files_are_named(tmp_path: Path) -> None:
    paths = [written(tmp_path, EVENT, name=name) for name in ("a.jsonl", "b.jsonl")]

    lines = check(*paths).stdout.splitlines()

    assert [line.split()[0] for line in lines] == [f"{path}:1" for path in paths]


def test_the_hub_stands_for_a_gateway_that_is_not_named(tmp_path: Path) -> None:
    path = written(tmp_path, make_chargeback_event())

    ids = {
        objects(check("--json", *hub, path))[0]["record"]["record_id"]
        for hub in ([], ["--hub", "x"])
    }

    assert len(ids) == 2


def test_an_event_over_several_lines_gets_a_hint(tmp_path: Path) -> None:
    result = check(written(tmp_path, json.dumps(EVENT, indent=2)))

    assert result.exit_code == 1
    assert "jq -c ." in result.stderr


@pytest.mark.parametrize("line", [[], {"records": []}])
def test_a_line_without_elements_has_nothing_wrong(tmp_path: Path, line: object) -> None:
    assert check(written(tmp_path, line)).exit_code == 0


def test_an_empty_file_has_nothing_wrong(tmp_path: Path) -> None:
    result = check(written(tmp_path))

    assert (result.exit_code, result.stderr) == (0, "0 records, 0 refused\n")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("missing.jsonl",), "No such file"),
        ((".",), "Is a directory"),
        ((), "Missing argument"),
        (("--enqueued", "soon", "-"), "does not match"),
        (("--colour", "-"), "No such option"),
    ],
)
def test_a_wrong_command_is_said_in_a_line(arguments: tuple[str, ...], text: str) -> None:
    result = check(*arguments)

    assert result.exit_code == 2
    assert text in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize("path", [[], ["events"], ["events", "check"]])
def test_help_tells_what_there_is(path: list[str]) -> None:
    result = CliRunner().invoke(main, [*path, "-h"])

    assert result.exit_code == 0
    assert "\\b" not in result.stdout
    assert {0: "events", 1: "check", 2: "Examples:"}[len(path)] in result.stdout


def test_it_runs_as_a_module_without_any_settings() -> None:
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-m", "usage_ingest", "events", "check", *AT, "-"],
        input=json.dumps(EVENT).encode(),
        capture_output=True,
        check=False,
        cwd=ROOT,
        env={},
    )

    assert (done.returncode, done.stderr) == (0, b"1 record, 0 refused\n")
    assert RECORD_ID in done.stdout.decode()


def test_a_long_file_is_shown_line_by_line() -> None:
    """A reader that has seen enough, such as head, ends it without a stack trace."""
    with subprocess.Popen(  # noqa: S603 - our own interpreter
        [sys.executable, "-m", "usage_ingest", "events", "check", *AT, "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env={"PYTHONUNBUFFERED": "1"},
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdin.write(json.dumps(EVENT).encode() + b"\n")
        running.stdin.flush()

        first = running.stdout.readline()  # though the input has not ended

        running.stdout.close()
        running.stdin.write(json.dumps(EVENT).encode() + b"\n")
        running.stdin.close()
        running.wait(timeout=30)
        assert RECORD_ID in first.decode()
        assert b"Traceback" not in running.stderr.read()
