"""`python -m local` as a person uses it: whole processes, real ports."""

import asyncio
import json
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local.environment import Ports, free_ports
from tests.builders import make_event
from tests.e2e.commands import get, read_until, run, start
from tests.gateways import make_chargeback_event

pytestmark = pytest.mark.stand_in


def post(ports: Ports, content: bytes) -> tuple[int, dict[str, Any]]:
    url = f"http://127.0.0.1:{ports.http}/api/v1/events"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, content)) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.load(refused)


async def until_requests(ports: Ports, at_least: int) -> dict[str, Any]:
    while True:
        summary = await asyncio.to_thread(get, ports.http, "usage/summary?group_by=subscription")
        if summary["totals"]["requests"] >= at_least:
            return summary
        await asyncio.sleep(0.2)


@pytest.fixture
async def up(tmp_path: Path) -> AsyncIterator[tuple[Ports, asyncio.subprocess.Process, list[str]]]:
    ports = free_ports()
    arguments = [
        *("up", "--data", str(tmp_path / "files"), "--no-demo"),
        *("--event-hubs-port", str(ports.event_hubs)),
        *("--cosmos-port", str(ports.cosmos), "--http-port", str(ports.http)),
        *("--log-analytics-port", str(ports.log_analytics)),
    ]
    process = await start(*arguments)
    await read_until(process, "Ctrl-C stops everything")
    yield ports, process, arguments
    if process.returncode is None:
        process.send_signal(signal.SIGINT)
        await process.communicate()


async def test_what_is_sent_is_summed_and_survives_a_restart(
    up: tuple[Ports, asyncio.subprocess.Process, list[str]], tmp_path: Path
) -> None:
    ports, process, arguments = up
    settings = ports.settings("0 */5 * * * *")
    now = datetime.now(UTC).isoformat()
    lines = tmp_path / "events.jsonl"
    lines.write_text(
        "\n".join([json.dumps(make_event(event_time=now)) for _ in range(5)] + ["{broken"])
    )

    sent = await run("send", str(lines), **settings)
    summary = await until_requests(ports, 5)
    shown = await run("containers", **settings)
    process.send_signal(signal.SIGINT)
    output, _ = await process.communicate()

    assert sent == (0, "published 6 events\n")
    assert [each["key"] for each in summary["groups"]] == [{"subscription": "hr-copilot"}]
    assert summary["totals"]["input_tokens"] == 500
    assert "5 usage" in shown[1]
    assert (process.returncode, "Traceback" in output.decode()) == (0, False)

    again = await start(*arguments)
    await read_until(again, "Ctrl-C stops everything")
    summary = await until_requests(ports, 5)
    again.send_signal(signal.SIGTERM)
    await again.communicate()
    assert summary["totals"]["requests"] == 5


async def test_events_that_are_posted_twice_are_summed_once(
    up: tuple[Ports, asyncio.subprocess.Process, list[str]],
) -> None:
    ports, _, _ = up
    created = int(datetime.now(UTC).timestamp())
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": created,
        "model": "gpt-4o-2024-11-20",
        "usage": {"prompt_tokens": 30, "completion_tokens": 5, "total_tokens": 35},
    }
    events = [
        make_event(event_time=datetime.now(UTC).isoformat()),
        make_chargeback_event(subscriptionId="hr-copilot", responseBody=body),
    ]
    written = json.dumps(events).encode()

    first = await asyncio.to_thread(post, ports, written)
    again = await asyncio.to_thread(post, ports, written)
    refused = await asyncio.to_thread(post, ports, b'[{"a": 1}]')
    large = await asyncio.to_thread(post, ports, b" " * 1_100_000)
    later = [make_event(event_time=datetime.now(UTC).isoformat()) for _ in range(20)]
    last = await asyncio.to_thread(post, ports, json.dumps({"records": later}).encode())
    summary = await until_requests(ports, 22)

    assert (first, again) == ((202, {"accepted": 2}), (202, {"accepted": 2}))
    assert (refused[0], refused[1]["errors"][0]["reason"]) == (400, "unknown_shape")
    assert (large[0], last) == (413, (202, {"accepted": 20}))
    assert summary["totals"]["requests"] == 22
    assert summary["totals"]["input_tokens"] == 21 * 100 + 30


async def test_the_commands_for_operators_work_beside_it(
    up: tuple[Ports, asyncio.subprocess.Process, list[str]], tmp_path: Path
) -> None:
    """With the settings that it writes, as README.md shows."""
    ports, _, _ = up
    chosen = ("--settings", str(tmp_path / "files" / "settings.json"))
    day = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    ahead = (datetime.now(UTC) + timedelta(days=4)).date().isoformat()
    lines = tmp_path / "events.jsonl"
    lines.write_text(json.dumps(make_event(event_time=datetime.now(UTC).isoformat())))
    await run("send", str(lines), **ports.settings("0 */5 * * * *"))
    await until_requests(ports, 1)

    async def command(*arguments: str) -> tuple[int, str]:
        return await run(*arguments, *chosen, module="usage_ingest")

    doctor = await command("doctor")
    status = await command("status")
    moved = await command("watermark", "set", "--to", day)
    shards = await command("identity", "set", "shards/hr-copilot", "4", "--from", ahead)

    assert doctor[0] == 0, doctor[1]
    assert "0 failed" in doctor[1]
    assert status[0] == 0, status[1]
    assert "stored through" in status[1]
    assert (moved[0], "Written: the mark stands at" in moved[1]) == (0, True), moved[1]
    assert (shards[0], "Written." in shards[1]) == (0, True), shards[1]


async def test_a_taken_port_is_named_with_the_way_out(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        code, output = await run("up", "--data", str(tmp_path), "--http-port", str(port))

    assert code == 1
    assert f"port {port} is in use" in output
    assert "--http-port" in output
    assert "Traceback" not in output


async def test_a_host_without_settings_names_what_is_missing(tmp_path: Path) -> None:
    empty = dict.fromkeys(("EventHubConnection", "COSMOS_ENDPOINT", "EVENT_HUB_NAME"), "")

    code, output = await run("host", "--data", str(tmp_path), **empty)

    assert code == 1
    assert "EVENT_HUB_NAME: is missing" in output
    assert "COSMOS_ENDPOINT: is missing" in output
    assert "Traceback" not in output


async def test_commands_without_a_stack_say_what_does_not_answer(tmp_path: Path) -> None:
    settings = free_ports().settings("0 */5 * * * *")

    code, output = await run("containers", **settings)

    assert code == 1
    assert "Traceback" not in output
    del tmp_path
