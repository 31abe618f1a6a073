"""The local Functions host, driving small apps over the real SDKs."""

import asyncio
import json
import logging
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, List  # noqa: UP035 - Microsoft's worker refuses list[EventHubEvent]

import aiohttp
import azure.functions as func
import pytest
from azure.eventhub import EventData
from azure.eventhub.aio import EventHubProducerClient

from local.event_hubs import EventHubsServer, HubSpec
from local.host import FunctionsHost, HostError
from local.host.bindings import EventHubBinding, RetryPolicy, TimerBinding
from local.host.checkpoints import HostState
from local.host.event_batch import decode_batch

WAIT_SECONDS = 30
HUB_SETTINGS = {"HUB": "usage", "GROUP": "functions"}

type_of_events = List[func.EventHubEvent]  # noqa: UP006 - see the import
Ingest = Callable[[list[func.EventHubEvent], Any], Awaitable[Any]]


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event to wait on
            await asyncio.sleep(0.02)


@dataclass
class Seen:
    """What an app was given, batch by batch."""

    batches: list[list[func.EventHubEvent]] = field(default_factory=list)

    def bodies(self, partition_id: str | None = None) -> list[bytes]:
        return [
            event.get_body()
            for batch in self.batches
            if partition_id in (None, partition_of(batch))
            for event in batch
        ]


def partition_of(batch: list[func.EventHubEvent]) -> str:
    metadata: Any = batch[0].metadata
    return str(metadata["PartitionContext"]["PartitionId"])


def event_hub_app(ingest: Ingest, **retry: Any) -> func.FunctionApp:
    """One Event Hub function that awaits `ingest`."""
    app = func.FunctionApp()

    async def ingest_usage_events(events: type_of_events, context: func.Context) -> None:
        return await ingest(events, context)  # type: ignore[no-any-return]

    decorated = app.event_hub_message_trigger(
        arg_name="events",
        connection="EventHubConnection",
        event_hub_name="%HUB%",
        consumer_group="%GROUP%",
        cardinality="many",
        data_type=func.DataType.BINARY,
    )(ingest_usage_events)
    if retry:
        app.retry(**retry)(decorated)
    return app


def recording_app(seen: Seen) -> func.FunctionApp:
    async def ingest(events: list[func.EventHubEvent], _context: Any) -> None:
        seen.batches.append(events)

    return event_hub_app(ingest)


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[EventHubsServer]:
    specs = {"usage": HubSpec(partitions=2, consumer_groups=("functions",))}
    async with EventHubsServer(tmp_path / "hub" / "events.sqlite", specs) as server:
        yield server


Running = Callable[..., Any]


@pytest.fixture
def running(tmp_path: Path) -> Running:
    """Run an app in a host: `async with running(app, hub=..., host_json=..., **options)`."""

    @asynccontextmanager
    async def run(
        app: func.FunctionApp,
        hub: EventHubsServer | None = None,
        host_json: dict[str, Any] | None = None,
        settings: dict[str, str] | None = None,
        **options: Any,
    ) -> AsyncIterator[FunctionsHost]:
        path = tmp_path / "host.json"
        path.write_text(json.dumps(host_json or {}), encoding="utf-8")
        values = HUB_SETTINGS | (settings or {})
        if hub is not None:
            values["EventHubConnection"] = hub.connection_string("usage")
        host = FunctionsHost(app, values, tmp_path / "host.sqlite", path, http_port=0, **options)
        await host.start()
        try:
            yield host
        finally:
            await host.stop()

    return run


async def send(hub: EventHubsServer, *bodies: bytes, **where: Any) -> None:
    events: list[Any] = [EventData(body) for body in bodies]
    for index, event in enumerate(events):
        event.properties = {"index": index}
    async with EventHubProducerClient.from_connection_string(hub.connection_string("usage")) as to:
        await to.send_batch(events, **where)


class TestEventHubTrigger:
    async def test_events_arrive_in_order_and_as_they_were_sent(
        self, hub: EventHubsServer, running: Running
    ) -> None:
        seen = Seen()
        bodies = [b"first", b"", b"\xff\x00", "\N{SNOWMAN}".encode(), b"last"]
        await send(hub, *bodies, partition_id="1")
        options = {"extensions": {"eventHubs": {"maxEventBatchSize": 3}}}

        async with running(recording_app(seen), hub, options) as host:
            await until(lambda: host.lag() == {"usage": {"1": 4}})

        events = [event for batch in seen.batches for event in batch]
        assert [event.get_body() for event in events] == bodies
        assert [event.sequence_number for event in events] == [0, 1, 2, 3, 4]
        assert max(len(batch) for batch in seen.batches) == 3
        times = [event.enqueued_time for event in events]
        # The host's times carry no zone: the library makes naive datetimes of them.
        assert all(at and at.tzinfo is None for at in times)
        assert abs(datetime.now(UTC).replace(tzinfo=None) - times[0]) < timedelta(minutes=1)  # type: ignore[operator]

    async def test_metadata_has_the_names_and_shapes_of_the_real_host(
        self, hub: EventHubsServer, running: Running
    ) -> None:
        seen = Seen()
        await send(hub, b"one", b"two", partition_id="1")

        async with running(recording_app(seen), hub):
            await until(lambda: len(seen.bodies()) == 2)

        metadata: Any = seen.batches[0][0].metadata
        assert metadata["PartitionContext"] == {
            "FullyQualifiedNamespace": f"localhost:{hub.port}",
            "EventHubName": "usage",
            "ConsumerGroup": "functions",
            "PartitionId": "1",
            "IsCheckpointingAfterInvocation": True,
        }
        assert metadata["PartitionKeyArray"] == []
        assert metadata["SequenceNumberArray"] == [0, 1]
        assert metadata["PropertiesArray"] == [{"index": 0}, {"index": 1}]
        assert [entry["SequenceNumber"] for entry in metadata["SystemPropertiesArray"]] == [0, 1]
        assert metadata["OffsetArray"][0] == metadata["SystemPropertiesArray"][0]["Offset"]
        enqueued = metadata["EnqueuedTimeUtcArray"][0]
        assert datetime.fromisoformat(enqueued) == seen.batches[0][0].enqueued_time

    async def test_partition_key_reaches_the_event(
        self, hub: EventHubsServer, running: Running
    ) -> None:
        seen = Seen()
        await send(hub, b"keyed", partition_key="team-a")

        async with running(recording_app(seen), hub):
            await until(seen.bodies)

        event = seen.batches[0][0]
        assert event.partition_key == "team-a"
        assert event.metadata["PartitionKeyArray"] == ["team-a"]  # type: ignore[index]

    async def test_restart_resumes_after_the_checkpoint(
        self, hub: EventHubsServer, running: Running
    ) -> None:
        seen = Seen()
        app = recording_app(seen)
        await send(hub, b"before", partition_id="0")
        async with running(app, hub) as host:
            await until(lambda: host.lag() == {"usage": {"0": 0}})

        await send(hub, b"after", partition_id="0")
        async with running(app, hub):
            await until(lambda: b"after" in seen.bodies())

        assert seen.bodies() == [b"before", b"after"]

    async def test_failing_function_is_retried_and_holds_only_its_partition(
        self, hub: EventHubsServer, running: Running
    ) -> None:
        seen = Seen()
        attempts: list[tuple[int, int, str]] = []

        async def ingest(events: list[func.EventHubEvent], context: func.Context) -> None:
            if partition_of(events) == "0" and len(attempts) < 3:
                retry = context.retry_context
                attempts.append((retry.retry_count, retry.max_retry_count, str(retry.exception)))
                raise OSError(f"attempt {len(attempts)}")
            seen.batches.append(events)

        app = event_hub_app(
            ingest,
            strategy="exponential_backoff",
            max_retry_count="-1",
            minimum_interval="00:00:01",
            maximum_interval="00:00:02",
        )
        await send(hub, b"held", partition_id="0")
        await send(hub, b"free", partition_id="1")
        async with running(app, hub) as host:
            await until(lambda: len(attempts) == 1 and seen.bodies("1") == [b"free"])
            await send(hub, b"free too", partition_id="1")
            await until(lambda: seen.bodies("1") == [b"free", b"free too"])
            assert "0" not in host.lag()["usage"], "the checkpoint moved while the batch waited"
            await until(lambda: host.lag() == {"usage": {"0": 0, "1": 1}})

        assert seen.bodies("0") == [b"held"]
        assert attempts == [(0, -1, "None"), (1, -1, "attempt 1"), (2, -1, "attempt 2")]

    async def test_checkpoint_moves_on_when_the_retries_are_spent(
        self, hub: EventHubsServer, running: Running, caplog: pytest.LogCaptureFixture
    ) -> None:
        bodies: list[bytes] = []

        async def ingest(events: list[func.EventHubEvent], _context: Any) -> None:
            bodies.append(events[0].get_body())
            raise OSError("the store is away")

        app = event_hub_app(
            ingest, strategy="fixed_delay", max_retry_count="2", delay_interval="00:00:00"
        )
        await send(hub, b"poison", partition_id="0")
        async with running(app, hub) as host:
            await until(lambda: host.lag() == {"usage": {"0": 0}})

        assert bodies == [b"poison"] * 3
        lines = [record for record in caplog.records if record.name == "local.host.invocation"]
        shown = [record.getMessage() for record in lines if record.levelno > logging.DEBUG]
        failed = "ingest_usage_events failed: OSError: the store is away"
        assert shown == [f"{failed} (again in 0 s)"] * 2 + [failed]
        assert not any(record.exc_info for record in lines if record.levelno > logging.DEBUG)

    async def test_checkpoint_on_failure_gives_a_failed_batch_up_at_once(
        self, hub: EventHubsServer, running: Running
    ) -> None:
        calls: list[bytes] = []

        async def ingest(events: list[func.EventHubEvent], _context: Any) -> None:
            calls.append(events[0].get_body())
            raise OSError("the store is away")

        app = event_hub_app(
            ingest, strategy="fixed_delay", max_retry_count="-1", delay_interval="00:00:00"
        )
        await send(hub, b"lost", partition_id="0")
        async with running(app, hub, checkpoint_on_failure=True) as host:
            await until(lambda: host.lag() == {"usage": {"0": 0}})

        assert calls == [b"lost"]

    @pytest.mark.parametrize("checkpoint_on_failure", [False, True])
    async def test_invocation_cancelled_by_stop_moves_the_checkpoint_only_on_a_bad_day(
        self, hub: EventHubsServer, running: Running, checkpoint_on_failure: bool
    ) -> None:
        started = asyncio.Event()

        async def ingest(_events: list[func.EventHubEvent], _context: Any) -> None:
            started.set()
            await asyncio.Event().wait()

        await send(hub, b"cut off", partition_id="0")
        options = {"checkpoint_on_failure": checkpoint_on_failure, "stop_seconds": 0.1}
        async with running(event_hub_app(ingest), hub, **options):
            await asyncio.wait_for(started.wait(), WAIT_SECONDS)

        async with running(event_hub_app(ingest), hub, stop_seconds=0.1) as host:
            assert host.lag() == {"usage": {"0": 0} if checkpoint_on_failure else {}}

    async def test_stop_lets_a_running_invocation_end(
        self, hub: EventHubsServer, running: Running
    ) -> None:
        started, release = asyncio.Event(), asyncio.Event()

        async def ingest(_events: list[func.EventHubEvent], _context: Any) -> None:
            started.set()
            await release.wait()

        await send(hub, b"in time", partition_id="0")
        async with running(event_hub_app(ingest), hub):
            await asyncio.wait_for(started.wait(), WAIT_SECONDS)
            asyncio.get_running_loop().call_later(0.3, release.set)

        async with running(event_hub_app(ingest), hub) as host:
            assert host.lag() == {"usage": {"0": 0}}

    async def test_batch_that_fails_while_the_host_stops_comes_again(
        self, hub: EventHubsServer, running: Running
    ) -> None:
        started, release = asyncio.Event(), asyncio.Event()
        bodies: list[bytes] = []

        async def ingest(events: list[func.EventHubEvent], _context: Any) -> None:
            bodies.append(events[0].get_body())
            started.set()
            await release.wait()
            if len(bodies) == 1:
                raise OSError("the store is closed already")

        await send(hub, b"again", partition_id="0")
        async with running(event_hub_app(ingest), hub):
            await asyncio.wait_for(started.wait(), WAIT_SECONDS)
            asyncio.get_running_loop().call_later(0.3, release.set)
        async with running(event_hub_app(ingest), hub) as host:
            await until(lambda: host.lag() == {"usage": {"0": 0}})

        assert bodies == [b"again", b"again"]

    async def test_stop_is_quick(self, hub: EventHubsServer, running: Running) -> None:
        seen = Seen()
        await send(hub, b"one", partition_id="0")
        async with running(recording_app(seen), hub):
            await until(seen.bodies)
            before = time.monotonic()
        assert time.monotonic() - before < 2

    async def test_invocation_over_its_time_is_given_up_without_retry(
        self, hub: EventHubsServer, running: Running, caplog: pytest.LogCaptureFixture
    ) -> None:
        calls: list[bytes] = []

        async def ingest(events: list[func.EventHubEvent], _context: Any) -> None:
            calls.append(events[0].get_body())
            await asyncio.Event().wait()

        app = event_hub_app(
            ingest, strategy="fixed_delay", max_retry_count="-1", delay_interval="00:00:00"
        )
        await send(hub, b"slow", partition_id="0")
        async with running(app, hub, {"functionTimeout": "00:00:01"}) as host:
            await until(lambda: host.lag() == {"usage": {"0": 0}})

        assert calls == [b"slow"]
        assert "FunctionTimeoutError" in caplog.text

    async def test_returning_something_is_a_failure(
        self, hub: EventHubsServer, running: Running, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def ingest(_events: list[func.EventHubEvent], _context: Any) -> str:
            return "done"

        await send(hub, b"one", partition_id="0")
        async with running(event_hub_app(ingest), hub) as host:
            await until(lambda: host.lag() == {"usage": {"0": 0}})

        assert "returned a non-None value" in caplog.text

    async def test_checkpoint_frequency_counts_batches_and_stop_writes_the_rest(
        self, hub: EventHubsServer, running: Running
    ) -> None:
        seen = Seen()
        options = {"extensions": {"eventHubs": {"batchCheckpointFrequency": 2}}}
        app = recording_app(seen)
        async with running(app, hub, options) as host:
            for number, checkpoints in enumerate([{}, {"0": 1}, {"0": 1}]):
                await send(hub, b"x", partition_id="0")
                await until(lambda number=number: len(seen.batches) > number)  # type: ignore[misc]
                await until(lambda checkpoints=checkpoints: host.lag()["usage"] == checkpoints)  # type: ignore[misc]
        flags = [
            batch[0].metadata["PartitionContext"]["IsCheckpointingAfterInvocation"]  # type: ignore[index]
            for batch in seen.batches
        ]
        assert flags == [False, True, False]

        async with running(app, hub, options) as host:
            assert host.lag() == {"usage": {"0": 2}}

    async def test_synchronous_function_runs_beside_the_event_loop(
        self, hub: EventHubsServer, running: Running
    ) -> None:
        app = func.FunctionApp()
        bodies: list[bytes] = []

        @app.event_hub_message_trigger(
            arg_name="events",
            connection="EventHubConnection",
            event_hub_name="usage",
            consumer_group="functions",
            cardinality="many",
            data_type=func.DataType.BINARY,
        )
        def ingest(events: type_of_events) -> None:
            with pytest.raises(RuntimeError, match="no running event loop"):
                asyncio.get_running_loop()
            bodies.extend(event.get_body() for event in events)

        await send(hub, b"one", partition_id="0")
        async with running(app, hub):
            await until(lambda: bodies == [b"one"])

    async def test_hub_that_is_away_is_waited_for_with_one_line(
        self, hub: EventHubsServer, running: Running, caplog: pytest.LogCaptureFixture
    ) -> None:
        seen = Seen()
        await send(hub, b"before", partition_id="0")
        await hub.stop()
        async with running(recording_app(seen), hub):
            await until(lambda: "is lost" in caplog.text)
            await hub.start()
            await until(lambda: seen.bodies() == [b"before"])
            await hub.stop()
            await until(lambda: caplog.text.count("is lost") == 2)
            await hub.start()
            await send(hub, b"after", partition_id="0")
            await until(lambda: seen.bodies() == [b"before", b"after"])
            await until(lambda: caplog.text.count("is back") == 2)

        own = [record for record in caplog.records if record.name.startswith("local.host")]
        assert [record.getMessage().split(",")[0] for record in own] == [
            "Event hub usage is lost",
            "Event hub usage is back",
            "Event hub usage is lost",
            "Event hub usage is back",
        ]
        assert not any(record.exc_info for record in own)

    async def test_consumer_group_that_does_not_exist_is_named(
        self,
        hub: EventHubsServer,
        running: Running,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """The SDK tries again in silence: nothing arrives and nothing is said."""
        monkeypatch.setattr("local.host.partition_reader._SILENCE_SECONDS", 5)
        async with running(recording_app(Seen()), hub, settings={"GROUP": "nobody"}):
            await until(lambda: "Does the consumer group exist?" in caplog.text)


class TestStringBodies:
    HUB = EventHubBinding("localhost", "usage", "functions", None, binary=False)

    def test_invalid_utf8_is_replaced(self) -> None:
        (event,) = decode_batch([EventData(b"a\xff")], self.HUB, "0", checkpointing=True)
        assert event.get_body().decode() == "a\N{REPLACEMENT CHARACTER}"

    def test_one_empty_body_fails_the_batch(self) -> None:
        events = [EventData(b"a"), EventData(b"")]
        with pytest.raises(AssertionError, match="mismatched"):
            decode_batch(events, self.HUB, "0", checkpointing=True)


def timer_app(
    run: Callable[[func.TimerRequest], Awaitable[None]],
    schedule: str = "0 0 0 1 1 *",
    run_on_startup: bool = False,
) -> func.FunctionApp:
    app = func.FunctionApp()

    @app.timer_trigger(arg_name="timer", schedule=schedule, run_on_startup=run_on_startup)
    async def close_gaps(timer: func.TimerRequest) -> None:
        await run(timer)

    return app


class TestTimerTrigger:
    async def test_timer_can_be_run_by_hand_and_keeps_its_status(self, running: Running) -> None:
        requests: list[func.TimerRequest] = []

        async def run(timer: func.TimerRequest) -> None:
            requests.append(timer)

        async with running(timer_app(run), run_timers=False) as host:
            assert await host.invoke_timer("close_gaps")
            assert await host.invoke_timer("close_gaps")
            with pytest.raises(HostError, match="open_gaps is not a timer function"):
                await host.invoke_timer("open_gaps")

        first, second = requests
        assert isinstance(first, func.TimerRequest)
        assert not first.past_due
        status: Any = [request.schedule_status for request in (first, second)]  # type: ignore[attr-defined]
        assert status[0] == {}
        assert datetime.fromisoformat(status[1]["Last"]) <= datetime.now(UTC)
        assert datetime.fromisoformat(status[1]["Next"]).month == 1

    async def test_failed_run_is_logged_and_the_next_tick_runs(
        self, running: Running, caplog: pytest.LogCaptureFixture
    ) -> None:
        runs = 0

        async def run(_timer: func.TimerRequest) -> None:
            nonlocal runs
            runs += 1
            if runs == 1:
                raise OSError("the store is away")

        async with running(timer_app(run, "* * * * * *")):
            await until(lambda: runs == 2)
        assert "close_gaps failed: OSError: the store is away" in caplog.text

    async def test_two_runs_of_one_timer_never_overlap(self, running: Running) -> None:
        under_way: list[int] = []
        most = runs = 0

        async def run(_timer: func.TimerRequest) -> None:
            nonlocal most, runs
            under_way.append(1)
            most = max(most, len(under_way))
            await asyncio.sleep(0.3)
            under_way.pop()
            runs += 1

        async with running(timer_app(run, "* * * * * *")) as host:
            by_hand = (host.invoke_timer("close_gaps") for _ in range(3))
            assert await asyncio.gather(*by_hand) == [True] * 3
            await until(lambda: runs >= 4)
        assert most == 1

    async def test_run_on_startup_does_not_wait_for_a_tick(self, running: Running) -> None:
        runs: list[bool] = []

        async def run(timer: func.TimerRequest) -> None:
            runs.append(timer.past_due)

        async with running(timer_app(run, run_on_startup=True)):
            await until(lambda: runs == [False])

    async def test_missed_tick_is_made_up_for_as_past_due(
        self, running: Running, tmp_path: Path
    ) -> None:
        state = HostState(tmp_path / "host.sqlite")
        long_ago = ["2026-01-01T00:00:00+00:00", "2026-01-01T00:05:00+00:00"]
        state.write_timer_runs("close_gaps", *long_ago)
        state.close()
        runs: list[bool] = []

        async def run(timer: func.TimerRequest) -> None:
            runs.append(timer.past_due)

        async with running(timer_app(run, "0 */5 * * * *")):
            await until(lambda: runs == [True])

    @pytest.mark.parametrize(
        ("schedule", "following"),
        [
            ("0 */5 * * * *", datetime(2026, 11, 20, 10, 5, tzinfo=UTC)),
            ("30 15 9 * * *", datetime(2026, 11, 21, 9, 15, 30, tzinfo=UTC)),
            ("* * * * * *", datetime(2026, 11, 20, 10, 0, 2, tzinfo=UTC)),
            ("0 0 0 1 * Mon", datetime(2027, 2, 1, tzinfo=UTC)),
        ],
    )
    def test_schedules_have_seconds_first(self, schedule: str, following: datetime) -> None:
        timer = TimerBinding(schedule, run_on_startup=False, monitor=False)
        now = datetime(2026, 11, 20, 10, 0, 1, 500_000, tzinfo=UTC)
        assert timer.next_run(now) == following


def http_app() -> func.FunctionApp:
    app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)

    @app.route(route="v1/reports/{month}", methods=["GET"])
    async def report(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
        seen = {
            "function": context.function_name,
            "params": dict(req.params),
            "route": dict(req.route_params),
            "header": req.headers.get("X-Caller"),
            "url": req.url,
        }
        return func.HttpResponse(
            json.dumps(seen),
            status_code=203,
            mimetype="application/json",
            headers={"ETag": '"1"', "Set-Cookie": "seen=1; Path=/"},
        )

    @app.route(route="v1/events", methods=["POST"])
    def events(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse(req.get_body(), status_code=202)

    @app.route(route="v1/reports/latest", auth_level=func.AuthLevel.ANONYMOUS)
    def latest(req: func.HttpRequest) -> str:
        return f"{req.method} \N{EURO SIGN}"

    @app.route(route="v1/broken")
    async def broken(req: func.HttpRequest) -> func.HttpResponse:
        raise LookupError(req.params["what"])

    @app.route(route="pages/{*path}")
    def pages(req: func.HttpRequest) -> str:
        return str(req.route_params["path"])

    return app


@dataclass
class Answer:
    status: int
    body: bytes
    headers: Any


class TestHttpTrigger:
    @pytest.fixture
    async def ask(self, running: Running) -> AsyncIterator[Callable[..., Awaitable[Answer]]]:
        async with running(http_app()) as host, aiohttp.ClientSession() as session:

            async def ask(method: str, path: str, **options: Any) -> Answer:
                url = f"http://127.0.0.1:{host.http_port}{path}"
                async with session.request(method, url, **options) as answer:
                    return Answer(answer.status, await answer.read(), answer.headers)

            yield ask

    async def test_request_and_response_pass_as_through_the_worker(self, ask: Any) -> None:
        answer = await ask(
            "GET", "/api/v1/reports/2026-11?a=1&a=2&empty=&b=x%20y", headers={"x-caller": "me"}
        )
        assert answer.status == 203
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["ETag"] == '"1"'
        assert answer.headers["Set-Cookie"] == "seen=1; Path=/"
        seen = json.loads(answer.body)
        assert seen["function"] == "report"
        assert seen["params"] == {"a": "1,2", "b": "x y"}
        assert seen["route"] == {"month": "2026-11"}
        assert seen["header"] == "me"
        assert seen["url"].startswith("http://127.0.0.1:")

    async def test_body_passes_as_bytes(self, ask: Any) -> None:
        answer = await ask("POST", "/api/v1/events", data=b"\xff\x00")
        assert (answer.status, answer.body) == (202, b"\xff\x00")
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"

    async def test_string_is_a_text_response_and_no_methods_means_all(self, ask: Any) -> None:
        answer = await ask("DELETE", "/api/v1/reports/latest")
        assert (answer.status, answer.body.decode()) == (200, "DELETE \N{EURO SIGN}")

    async def test_rest_of_the_path_is_one_parameter(self, ask: Any) -> None:
        assert (await ask("GET", "/api/pages/a/b.css")).body == b"a/b.css"

    async def test_unknown_routes_and_methods_are_refused(self, ask: Any) -> None:
        assert (await ask("GET", "/api/v2/reports")).status == 404
        assert (await ask("GET", "/v1/reports/2026-11")).status == 404
        assert (await ask("POST", "/api/v1/reports/2026-11")).status == 405
        assert (await ask("HEAD", "/api/v1/reports/2026-11")).status == 405

    async def test_exception_is_an_empty_500_and_one_line(
        self, ask: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        answer = await ask("GET", "/api/v1/broken?what=this")
        assert (answer.status, answer.body) == (500, b"")
        assert "broken failed: LookupError: this" in caplog.text

    async def test_route_prefix_can_be_set(self, running: Running) -> None:
        options = {"extensions": {"http": {"routePrefix": ""}}}
        async with running(http_app(), host_json=options) as host, aiohttp.ClientSession() as to:
            url = f"http://127.0.0.1:{host.http_port}/v1/reports/latest"
            async with to.get(url) as answer:
                assert answer.status == 200


class TestStart:
    async def test_missing_settings_are_named_with_their_functions(self, running: Running) -> None:
        app = recording_app(Seen())

        @app.timer_trigger(arg_name="timer", schedule="%METRICS_SCHEDULE%")
        def collect(timer: func.TimerRequest) -> None: ...

        with pytest.raises(HostError) as caught:
            async with running(app):
                pass
        text = str(caught.value)
        assert "ingest_usage_events: setting EventHubConnection is missing" in text
        assert "collect: setting METRICS_SCHEDULE is missing" in text

    @pytest.mark.parametrize("annotation", [list[func.EventHubEvent], str, func.TimerRequest])
    async def test_annotations_that_the_worker_refuses_are_refused(
        self, running: Running, annotation: Any
    ) -> None:
        app = func.FunctionApp()

        def ingest(events: Any) -> None: ...

        ingest.__annotations__["events"] = annotation
        app.event_hub_message_trigger("events", "EventHubConnection", "usage")(ingest)
        with pytest.raises(HostError, match="ingest: the worker refuses the annotation"):
            async with running(app, settings={"EventHubConnection": "unused"}):
                pass

    @pytest.mark.parametrize(
        ("decorate", "problem"),
        [
            (lambda app: app.timer_trigger("timer", "every day"), "six fields"),
            (lambda app: app.timer_trigger("timer", "x * * * * *"), "timer_function: "),
            (lambda app: app.timer_trigger("other", "0 0 * * * *"), "without a binding: timer"),
            (lambda app: app.queue_trigger("timer", "queue", "Storage"), "queueTrigger"),
        ],
    )
    async def test_what_cannot_be_indexed_is_named(
        self, running: Running, decorate: Any, problem: str
    ) -> None:
        app = func.FunctionApp()

        def timer_function(timer: func.TimerRequest) -> None: ...

        decorate(app)(timer_function)
        with pytest.raises(HostError, match=problem):
            async with running(app):
                pass

    async def test_unreadable_host_json_is_named(self, tmp_path: Path) -> None:
        host = FunctionsHost(http_app(), {}, tmp_path / "host.sqlite", tmp_path / "host.json")
        with pytest.raises(HostError, match=r"host\.json cannot be read"):
            await host.start()

    async def test_taken_port_is_named(self, tmp_path: Path) -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            port = listener.getsockname()[1]
            (tmp_path / "host.json").write_text("{}", encoding="utf-8")
            host = FunctionsHost(
                http_app(), {}, tmp_path / "host.sqlite", tmp_path / "host.json", http_port=port
            )
            with pytest.raises(HostError, match=f"port {port} cannot be opened"):
                await host.start()
        await host.stop()

    def test_retry_delays_double_between_their_bounds(self) -> None:
        policy = RetryPolicy(-1, 1.0, 10.0)
        assert [policy.delay_seconds(count) for count in range(5)] == [1, 2, 4, 8, 10]
        assert policy.delay_seconds(100_000) == 10
        assert not policy.is_spent(100_000)
        assert RetryPolicy(0, 1.0, 1.0).is_spent(0)
