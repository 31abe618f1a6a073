"""What all commands share: settings, errors, interruption; and `status`."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from local.cosmos import Fault
from tests.builders import make_batch, make_event
from tests.cli.commands import Commands
from tests.conftest import Stack
from usage_ingest.cli.main import main
from usage_ingest.cli.table import age, moment, table
from usage_ingest.metrics.watermark import Source
from usage_ingest.status import status

ROOT = Path(__file__).resolve().parent.parent.parent
SECRET = "planted-secret-77aa"  # noqa: S105
LEAVES = [
    ["doctor"],
    ["status"],
    ["watermark", "show"],
    ["watermark", "set"],
    ["watermark", "forget"],
    ["identity", "show"],
    ["identity", "set"],
]


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_every_command_has_help_with_examples_and_the_common_options(path: list[str]) -> None:
    result = CliRunner().invoke(main, [*path, "-h"])

    assert result.exit_code == 0
    assert "\\b" not in result.stdout
    for text in ("Examples:", "python -m usage_ingest", "--settings FILE", "--json"):
        assert text in result.stdout
    assert ("--dry-run" in result.stdout) == (path[-1] in ("set", "forget", "doctor"))


@pytest.mark.parametrize(
    "command",
    [["status"], ["watermark", "show"], ["identity", "show"]],
    ids=" ".join,
)
async def test_missing_settings_are_named_all_at_once(command: list[str]) -> None:
    refused = await Commands({"COSMOS_KEY": SECRET})(*command)

    assert (refused.exit_code, refused.stdout) == (1, "")
    for name in ("EVENT_HUB_NAME", "COSMOS_ENDPOINT", "EVENT_HUB_REREAD_CONSUMER_GROUP"):
        assert f"- {name}: is missing" in refused.stderr
    assert SECRET not in refused.stderr


async def test_settings_come_from_a_file_and_the_environment_wins(
    run: Commands, tmp_path: Path
) -> None:
    file = tmp_path / "settings.json"
    values = {**run.environment, "COSMOS_DATABASE": "elsewhere"}
    file.write_text(json.dumps({"IsEncrypted": False, "Values": values}))

    by_option = await Commands({})("status", "--settings", str(file))
    by_name = await Commands({"USAGE_INGEST_SETTINGS": str(file)})("identity", "show")
    won = await Commands({"COSMOS_DATABASE": "usage-ingest"})("status", "--settings", str(file))

    assert by_option.exit_code == by_name.exit_code == 1
    assert "is missing" in by_option.stdout + by_name.stderr
    assert won.exit_code == 0


async def test_local_settings_of_the_folder_are_read_without_an_option(
    run: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "local.settings.json").write_text(json.dumps({"Values": dict(run.environment)}))

    assert (await Commands({})("status")).exit_code == 0


async def test_a_list_of_azure_is_read_too(run: Commands, tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    listed = [{"name": k, "slotSetting": False, "value": v} for k, v in run.environment.items()]
    file.write_text(json.dumps(listed))

    assert (await Commands({})("status", "--settings", str(file))).exit_code == 0


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("{", "is not JSON"),
        ("{}", 'takes {"Values"'),
        ('{"IsEncrypted": true, "Values": {}}', "func settings decrypt"),
        (
            '{"Values": {"PRIVACY_HMAC_KEYS": "@Microsoft.KeyVault(SecretUri=https://v)"}}',
            "PRIVACY_HMAC_KEYS: is a reference that only Functions resolves",
        ),
    ],
)
async def test_a_file_that_holds_no_settings_is_refused(
    tmp_path: Path, content: str, text: str
) -> None:
    file = tmp_path / "settings.json"
    file.write_text(content)

    refused = await Commands({})("status", "--settings", str(file))

    assert (refused.exit_code, text in refused.stderr) == (1, True)


async def test_a_key_of_the_file_never_goes_to_an_endpoint_of_the_environment(
    run: Commands, tmp_path: Path
) -> None:
    file = tmp_path / "settings.json"
    file.write_text(json.dumps({"Values": dict(run.environment)}))
    endpoint = run.environment["COSMOS_ENDPOINT"]

    refused = await Commands(
        {"COSMOS_ENDPOINT": endpoint, "AZURE_TOKEN_CREDENTIALS": "EnvironmentCredential"}
    )("status", "--settings", str(file))

    assert refused.exit_code == 1
    assert "Bearer token authentication is not permitted" in refused.stdout  # no key was left


async def test_a_missing_file_is_said_in_a_line() -> None:
    refused = await Commands({})("status", "--settings", "nowhere.json")

    assert (refused.exit_code, "does not exist" in refused.stderr) == (2, True)


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (Fault(status=403, count=None), "refuses this identity"),
        (Fault(status=400, count=None), "400"),
        (Fault(status=429, count=None, retry_after_ms=500), "busy"),
        (Fault(reset=True, count=None), "busy or out of reach"),
    ],
    ids=["no right", "unexpected", "throttled", "cut off"],
)
async def test_a_store_that_refuses_is_said_in_a_line(
    run: Commands, stack: Stack, fault: Fault, text: str
) -> None:
    stack.cosmos.faults.add(fault)

    refused = await run("identity", "show")

    assert refused.exit_code == 1
    assert text in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_an_interrupt_ends_a_command_as_it_ends_others(tmp_path: Path) -> None:
    """Nothing answers at the endpoint, so the command waits."""
    environment = {
        "COSMOS_ENDPOINT": "http://127.0.0.1:9",
        "COSMOS_KEY": "bm9uZQ==",
        "EventHubConnection": "Endpoint=sb://localhost:9;SharedAccessKeyName=a;SharedAccessKey=b;"
        "UseDevelopmentEmulator=true",
        "EVENT_HUB_NAME": "usage",
        "EVENT_HUB_CONSUMER_GROUP": "a",
        "EVENT_HUB_REREAD_CONSUMER_GROUP": "b",
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
    }
    with subprocess.Popen(
        [sys.executable, "-m", "usage_ingest", "doctor"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env=environment,
    ) as running:
        assert running.stderr is not None
        assert running.stderr.readline() == b"looking at Cosmos DB ...\n"
        running.send_signal(signal.SIGINT)
        _, rest = running.communicate(timeout=30)

    assert running.returncode == 130
    assert b"Interrupted." in rest
    assert b"Traceback" not in rest


@pytest.mark.parametrize(
    "command",
    [
        ["doctor"],
        ["doctor", "--json"],
        ["status", "--json"],
        ["watermark", "show"],
        ["watermark", "set", "--to", "2026-11-19"],
        ["identity", "show"],
        ["identity", "set", "hmac_key", "k2", "--from", "2999-01-01", "--json"],
        ["identity", "set", "hmac_key", SECRET, "--from", "2999-01-01"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("fault", [None, 403, 400], ids=["well", "refused", "unexpected"])
async def test_no_secret_is_ever_printed(
    run_with_metrics: Commands, stack: Stack, command: list[str], fault: int | None
) -> None:
    if fault is not None:
        stack.cosmos.faults.add(Fault(status=fault, count=None))
    connection = run_with_metrics.environment["EventHubConnection"]
    planted = {
        "EventHubConnection": connection.replace("AccessKey=local", f"AccessKey={SECRET}"),
        "PRIVACY_HMAC_KEYS": f"k1={SECRET},k2={SECRET}2",
    }
    assert SECRET in planted["EventHubConnection"]

    printed = (await run_with_metrics(*command, **planted)).output

    assert SECRET not in printed
    assert stack.cosmos.key not in printed
    assert "SharedAccessKey" not in printed


@pytest.fixture
async def busy(stack: Stack) -> Stack:
    """Some calls are stored, an event is a dead letter, and another partition has a gap."""
    await stack.app.ingest.batch(make_batch(make_event(), {"a": 1}))
    await stack.app.ingest.batch(make_batch(make_event(), partition_id="1", first=5))
    return stack


async def test_the_status_shows_partitions_gaps_and_dead_letters(
    run: Commands, busy: Stack
) -> None:
    shown = await run("status")

    assert shown.exit_code == 0, shown.output
    assert "stored through" in shown.stdout
    assert "dead letters since" in shown.stdout
    del busy


async def test_the_status_for_machines_is_that_of_the_api(run: Commands, busy: Stack) -> None:
    app = busy.app
    days = app.settings.dead_letter_ttl_days

    found: dict[str, Any] = json.loads((await run("status", "--json")).stdout)
    answered = await status(app.reports, app.reader, app.clock, days)

    assert found.keys() == answered.keys()
    assert found["event_hub"] == answered["event_hub"]
    assert found["event_hub"]["partitions"]


async def test_a_store_that_does_not_answer_is_shown_and_ends_with_1(run: Commands) -> None:
    shown = await run("status", COSMOS_DATABASE="nothing")

    assert shown.exit_code == 1
    assert "cosmos_db   failed" in shown.stdout


async def test_sources_and_what_streamed_requests_lack_are_shown(
    run_with_metrics: Commands, stack: Stack
) -> None:
    shown = await run_with_metrics("status")
    targets = {k: v for k, v in run_with_metrics.environment.items() if k.startswith("METRICS")}

    (source,) = stack.start(**targets).reports.sources

    assert source == Source(targets["METRICS_TARGETS"], "own")
    assert f"{source.target}  own" in shown.stdout
    assert "streaming uncovered" in shown.stdout


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3_661, "1 h 1 min"),
        (90_000, "1 d 1 h"),
        (259_200, "3 d"),
        (86_405, "1 d"),
        (-70, "-1 min 10 s"),
    ],
)
def test_an_age_is_told_in_its_two_largest_units(seconds: float | None, text: str) -> None:
    assert age(seconds) == text


def test_a_table_has_columns_with_numbers_to_the_right() -> None:
    assert table(("name", "count"), [("a", 1_000), ("long name", None)]) == (
        "name       count\na          1,000\nlong name      -"
    )
    assert table(("name", "count"), []) == "name  count"
    assert moment("2026-11-20T12:00:00.123456Z") == "2026-11-20 12:00:00Z"
    assert moment(None) == "-"
