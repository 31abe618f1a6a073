"""From the hub to the summary: the host alone, over the stand-ins or over the named endpoints."""

import asyncio
import json
import signal
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from local.environment import Ports, free_ports
from tests.builders import make_event
from tests.e2e.commands import get, read_until, run, start
from tests.endpoints import skip_what_is_lacking, stack_places
from usage_ingest.event_settings import CONNECTION, NAMESPACE

SCHEDULE = "*/2 * * * * *"
pytestmark = pytest.mark.needs("cross_partition_queries")


@dataclass
class Host:
    """The host as a process; `own` is a subscription that nobody else uses."""

    data: Path
    port: int
    settings: dict[str, str]
    own: str = field(default_factory=lambda: f"t{uuid.uuid4().hex[:10]}")
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        arguments = ["host", "--data", str(self.data), "--http-port", str(self.port)]
        self.process = await start(*arguments, **self.settings)
        await read_until(self.process, "ready")

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> str:
        """End it; return what it still had to say."""
        assert self.process is not None
        self.process.send_signal(how)
        output, _ = await self.process.communicate()
        self.process = None
        return output.decode()

    async def send(self, number: int, *more: str) -> None:
        """Publish so many events of the subscription, and other lines after them."""
        now = datetime.now(UTC).isoformat()
        own = {"subscription_id": self.own, "event_time": now}
        lines = [json.dumps(make_event(**own)) for _ in range(number)]
        file = self.data / "events.jsonl"
        file.write_text("\n".join([*lines, *more]))
        sent = await run("send", str(file), **self.settings)
        assert sent == (0, f"published {number + len(more)} events\n")

    async def until(self, path: str, enough: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Ask the app until the answer is enough."""
        while True:
            answer = await asyncio.to_thread(get, self.port, path)
            if enough(answer):
                return answer
            await asyncio.sleep(0.2)

    async def until_requests(self, at_least: int) -> dict[str, Any]:
        path = f"usage/summary?group_by=subscription&subscription={self.own}"
        return await self.until(path, lambda found: found["totals"]["requests"] >= at_least)

    async def until_drained(self) -> None:
        """Wait for a look at the hub, from now on, that finds all of it stored."""
        now = datetime.now(UTC).isoformat()

        def drained(status: dict[str, Any]) -> bool:
            hub = status["event_hub"]
            looked = [each["checked_at"] for each in hub["partitions"]]
            return hub["lag"] == 0 and all(each and each > now for each in looked)

        await self.until("status", drained)


@pytest.fixture(params=stack_places())
def named(request: pytest.FixtureRequest) -> dict[str, str] | None:
    """The settings of the named endpoints; None for the stand-ins."""
    if request.param == "stand-in":
        return None
    skip_what_is_lacking(request)
    given = cast("dict[str, str]", request.getfixturevalue("named_settings"))
    # What local.settings.json says of these must not join in.
    unset = dict.fromkeys((CONNECTION, NAMESPACE, "COSMOS_KEY"), "")
    return unset | {"CLOSE_GAPS_SCHEDULE": SCHEDULE} | given


@pytest.fixture
async def host(named: dict[str, str] | None, tmp_path: Path) -> AsyncIterator[Host]:
    ports = free_ports()
    stand_ins = await start_stand_ins(ports, tmp_path) if named is None else None
    running = Host(tmp_path, ports.http, named or ports.settings(SCHEDULE))
    await running.start()
    yield running
    if running.process is not None:
        await running.stop()
    if stand_ins is not None:
        stand_ins.send_signal(signal.SIGTERM)
        await stand_ins.communicate()


async def start_stand_ins(ports: Ports, data: Path) -> asyncio.subprocess.Process:
    listen = [
        *("--event-hubs-port", str(ports.event_hubs), "--cosmos-port", str(ports.cosmos)),
        *("--log-analytics-port", str(ports.log_analytics)),
    ]
    process = await start("stand-ins", "--data", str(data), *listen)
    await read_until(process, "ready")
    return process


async def test_events_are_summed_and_a_bad_one_is_told_of(host: Host) -> None:
    before = (await host.until("status", bool))["dead_letters"]["open"]

    await host.send(5, "{broken")
    summary = await host.until_requests(5)
    await host.until_drained()
    after = (await host.until("status", bool))["dead_letters"]["open"]

    assert [each["key"] for each in summary["groups"]] == [{"subscription": host.own}]
    assert summary["totals"]["requests"] == 5
    assert summary["totals"]["input_tokens"] == 500
    assert after["truncated_json"] > before.get("truncated_json", 0)
    assert await asyncio.to_thread(get, host.port, "health") == {"status": "ok"}
    code, shown = await run("containers", **host.settings)
    assert (code, " usage" in shown) == (0, True)
    assert "Traceback" not in await host.stop()


async def test_a_host_that_is_killed_at_work_loses_nothing_and_doubles_nothing(host: Host) -> None:
    """What was stored and not checkpointed is delivered again."""
    await host.send(300)
    await host.until_requests(1)
    await host.stop(signal.SIGKILL)
    await host.send(60)

    await host.start()
    await host.send(20)
    await host.until_requests(380)
    await host.until_drained()

    totals = (await host.until_requests(0))["totals"]
    assert (totals["requests"], totals["input_tokens"]) == (380, 38_000)


@pytest.mark.needs("own_database")
async def test_containers_that_are_there_are_not_created_again(host: Host) -> None:
    code, said = await run("provision", **host.settings)

    assert (code, "created nothing" in said) == (0, True)
