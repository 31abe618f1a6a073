"""The local Functions host, driving small apps over the real SDKs."""

import asyncio
import contextlib
import json
import logging
import sqlite3
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
from local.host import FunctionsHost, HostError, event_hub_trigger
from local.host.indexing import RetryPolicy, TimerBinding

WAIT_SECONDS = 30
HUB_SETTINGS = {"HUB": "usage", "GROUP": "functions"}

type_of_events = List[func.EventHubEvent]  # noqa: UP006 - see the import
Ingest = Callable[[list[func.EventHubEvent]], Awaitable[None]]
Checkpoints = Callable[[], dict[str, int]]


@pytest.fixture(autouse=True)
def _impatient_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the SDK's pauses: it sleeps 50 ms after nearly every frame of a handshake."""
    sleep = asyncio.sleep

    async def brief(seconds: float) -> None:
        await sleep(min(seconds, 0.002))

    monkeypatch.setattr(asyncio, "sleep", brief)
    monkeypatch.setattr(event_hub_trigger, "_OPENING_SECONDS", 0.5)
    monkeypatch.setattr(event_hub_trigger, "_SIGN_OF_LIFE_SECONDS", 0.5)


async def pause(seconds: float) -> None:
    """Wait in earnest: asyncio.sleep is shortened here."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), seconds)


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

    async def ingest_usage_events(events: type_of_events) -> None:
        await ingest(events)

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


FOR_EVER = {"strategy": "fixed_delay", "max_retry_count": "-1", "delay_interval": "00:00:00"}


def recording_app(seen: Seen) -> func.FunctionApp:
    async def ingest(events: list[func.EventHubEvent]) -> None:
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


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    """What the host has on file, by partition."""

    def read() -> dict[str, int]:
        connection = sqlite3.connect(tmp_path / "host.sqlite")
        with contextlib.closing(connection):
            return dict(connection.execute("SELECT partition_id, sequence_number FROM checkpoints"))

    return read


class TestEventHubTrigger:
    async def test_events_arrive_in_order_and_as_they_were_sent(
        self, hub: EventHubsServer, running: Running, checkpoints: Checkpoints
    ) -> None:
        seen = Seen()
        bodies = [b"first", b"", b"\xff\x00", "\N{SNOWMAN}".encode(), b"last"] * 20  # some queue
        await send(hub, *bodies, partition_id="1")
        options = {"extensions": {"eventHubs": {"maxEventBatchSize": 3}}}

        async with running(recording_app(seen), hub, options):
            await until(lambda: checkpoints() == {"1": 99})

        events = [event for batch in seen.batches for event in batch]
        assert [event.get_body() for event in events] == bodies
        assert [event.sequence_number for event in events] == list(range(100))
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
        await send(hub, b"keyed", partition_key="team-a")

        async with running(recording_app(seen), hub):
            await until(lambda: len(seen.bodies()) == 3)

        first = next(batch[0] for batch in seen.batches if batch[0].partition_key is None)
        metadata: Any = first.metadata
        assert metadata["PartitionContext"] == {
            "FullyQualifiedNamespace": f"localhost:{hub.port}",
            "EventHubName": "usage",
            "ConsumerGroup": "functions",
            "PartitionId": "1",
            "IsCheckpointingAfterInvocation": True,
        }
        system = metadata["SystemPropertiesArray"]
        assert metadata["SequenceNumberArray"][:2] == [0, 1]
        assert metadata["PropertiesArray"][:2] == [{"index": 0}, {"index": 1}]
        assert [each["SequenceNumber"] for each in system[:2]] == [0, 1]
        assert metadata["OffsetArray"][0] == system[0]["Offset"]
        assert datetime.fromisoformat(metadata["EnqueuedTimeUtcArray"][0]) == first.enqueued_time
        keyed: Any = next(
            event for batch in seen.batches for event in batch if event.get_body() == b"keyed"
        )
        assert keyed.partition_key == "team-a"
        assert keyed.metadata["PartitionKeyArray"] == ["team-a"]

    async def test_restart_resumes_after_the_checkpoint(
        self, hub: EventHubsServer, running: Running, checkpoints: Checkpoints
    ) -> None:
        seen = Seen()
        app = recording_app(seen)
        await send(hub, b"before", partition_id="0")
        async with running(app, hub):
            await until(lambda: checkpoints() == {"0": 0})

        await send(hub, b"after", partition_id="0")
        async with running(app, hub):
            await until(lambda: b"after" in seen.bodies())

        assert seen.bodies() == [b"before", b"after"]

    async def test_failing_function_is_retried_and_holds_only_its_partition(
        self, hub: EventHubsServer, running: Running, checkpoints: Checkpoints
    ) -> None:
        seen = Seen()
        attempts = 0
        mended = asyncio.Event()

        async def ingest(events: list[func.EventHubEvent]) -> None:
            nonlocal attempts
            if partition_of(events) == "0" and not mended.is_set():
                attempts += 1
                raise OSError("the store is away")
            seen.batches.append(events)

        await send(hub, b"held", partition_id="0")
        await send(hub, b"free", partition_id="1")
        async with running(event_hub_app(ingest, **FOR_EVER), hub):
            await until(lambda: attempts and seen.bodies("1") == [b"free"])
            await send(hub, b"free too", partition_id="1")
            await until(lambda: checkpoints() == {"1": 1} and attempts > 3)
            mended.set()
            await until(lambda: checkpoints() == {"0": 0, "1": 1})

        assert seen.bodies("0") == [b"held"]

    async def test_checkpoint_moves_on_when_the_retries_are_spent(
        self,
        hub: EventHubsServer,
        running: Running,
        checkpoints: Checkpoints,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        bodies: list[bytes] = []

        async def ingest(events: list[func.EventHubEvent]) -> None:
            bodies.append(events[0].get_body())
            raise OSError("the store is away")

        await send(hub, b"poison", partition_id="0")
        async with running(event_hub_app(ingest, **FOR_EVER | {"max_retry_count": "2"}), hub):
            await until(lambda: checkpoints() == {"0": 0})

        assert bodies == [b"poison"] * 3
        lines = [record for record in caplog.records if record.name == "local.host.invocation"]
        shown = [record.getMessage() for record in lines if record.levelno > logging.DEBUG]
        failed = "ingest_usage_events failed: OSError: the store is away"
        assert shown == [f"{failed} (again in 0 s)"] * 2 + [failed]
        assert not any(record.exc_info for record in lines if record.levelno > logging.DEBUG)

    async def test_checkpoint_on_failure_gives_a_failed_batch_up_at_once(
        self, hub: EventHubsServer, running: Running, checkpoints: Checkpoints
    ) -> None:
        calls: list[bytes] = []

        async def ingest(events: list[func.EventHubEvent]) -> None:
            calls.append(events[0].get_body())
            raise OSError("the store is away")

        await send(hub, b"lost", partition_id="0")
        async with running(event_hub_app(ingest, **FOR_EVER), hub, checkpoint_on_failure=True):
            await until(lambda: checkpoints() == {"0": 0})

        assert calls == [b"lost"]

    @pytest.mark.parametrize("checkpoint_on_failure", [False, True])
    async def test_invocation_cancelled_by_stop_moves_the_checkpoint_only_on_a_bad_day(
        self,
        hub: EventHubsServer,
        running: Running,
        checkpoints: Checkpoints,
        checkpoint_on_failure: bool,
    ) -> None:
        started = asyncio.Event()

        async def ingest(_events: list[func.EventHubEvent]) -> None:
            started.set()
            await asyncio.Event().wait()

        await send(hub, b"cut off", partition_id="0")
        options = {"checkpoint_on_failure": checkpoint_on_failure, "stop_seconds": 0.1}
        async with running(event_hub_app(ingest), hub, **options):
            await asyncio.wait_for(started.wait(), WAIT_SECONDS)

        assert checkpoints() == ({"0": 0} if checkpoint_on_failure else {})

    @pytest.mark.parametrize("fails", [False, True])
    async def test_stop_lets_a_running_invocation_end_and_a_failed_one_comes_again(
        self, hub: EventHubsServer, running: Running, checkpoints: Checkpoints, fails: bool
    ) -> None:
        started = asyncio.Event()

        async def ingest(_events: list[func.EventHubEvent]) -> None:
            started.set()
            await pause(0.3)
            if fails:
                raise OSError("the store is closed already")

        await send(hub, b"in time", partition_id="0")
        async with running(event_hub_app(ingest), hub):
            await asyncio.wait_for(started.wait(), WAIT_SECONDS)

        assert checkpoints() == ({} if fails else {"0": 0})

    async def test_stop_is_quick_though_a_retry_is_waited_for(
        self, hub: EventHubsServer, running: Running, checkpoints: Checkpoints
    ) -> None:
        seen = Seen()

        async def ingest(events: list[func.EventHubEvent]) -> None:
            seen.batches.append(events)
            raise OSError("the store is away")

        app = event_hub_app(ingest, **FOR_EVER | {"delay_interval": "01:00:00"})
        await send(hub, b"one", partition_id="0")
        async with running(app, hub):
            await until(seen.bodies)
            before = time.monotonic()
        assert time.monotonic() - before < 30
        assert checkpoints() == {}

    @pytest.mark.parametrize("seconds", [0, 0.01, 0.02, 0.05, 0.1, 0.15])
    async def test_stop_while_the_sdk_connects_leaves_nothing_open(
        self, hub: EventHubsServer, running: Running, seconds: float
    ) -> None:
        """A socket left open would be a warning, and so an error."""
        async with running(recording_app(Seen()), hub):
            await pause(seconds)

    async def test_invocation_over_its_time_is_given_up_without_retry(
        self,
        hub: EventHubsServer,
        running: Running,
        checkpoints: Checkpoints,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        calls: list[bytes] = []

        async def ingest(events: list[func.EventHubEvent]) -> None:
            calls.append(events[0].get_body())
            await asyncio.Event().wait()

        await send(hub, b"slow", partition_id="0")
        async with running(event_hub_app(ingest, **FOR_EVER), hub, {"functionTimeout": "00:00:01"}):
            await until(lambda: checkpoints() == {"0": 0})

        assert calls == [b"slow"]
        assert "FunctionTimeoutError" in caplog.text

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

        own = [record for record in caplog.records if record.name.startswith(("local", "azure"))]
        own = [record for record in own if record.levelno >= logging.WARNING]
        assert [record.getMessage().split(",")[0] for record in own] == [
            "Event hub usage is lost",
            "Event hub usage is back",
        ] * 2
        assert not any(record.exc_info for record in own)

    async def test_stop_is_quick_though_the_hub_is_away(
        self, hub: EventHubsServer, running: Running, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with running(recording_app(Seen()), hub):
            await pause(0.3)
            await hub.stop()
            await until(lambda: "is lost" in caplog.text)
            before = time.monotonic()
        assert time.monotonic() - before < 30

    async def test_delivery_that_outlives_its_connection_is_not_made_twice(
        self,
        hub: EventHubsServer,
        running: Running,
        checkpoints: Checkpoints,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        seen = Seen()
        release = asyncio.Event()

        async def ingest(events: list[func.EventHubEvent]) -> None:
            seen.batches.append(events)
            await release.wait()

        await send(hub, b"one", partition_id="0")
        async with running(event_hub_app(ingest), hub):
            await until(seen.bodies)
            await hub.stop()
            await until(lambda: "is lost" in caplog.text)
            await hub.start()
            await until(lambda: "is back" in caplog.text)
            await send(hub, b"two", partition_id="0")
            release.set()
            await until(lambda: checkpoints() == {"0": 1})

        assert seen.bodies() == [b"one", b"two"]


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
    async def test_timer_can_be_run_by_hand(self, running: Running) -> None:
        requests: list[func.TimerRequest] = []

        async def run(timer: func.TimerRequest) -> None:
            requests.append(timer)

        async with running(timer_app(run), run_timers=False) as host:
            assert await host.invoke_timer("close_gaps")
            with pytest.raises(HostError, match="open_gaps is not a timer function"):
                await host.invoke_timer("open_gaps")

        assert [request.past_due for request in requests] == [False]

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
            await pause(0.3)
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
        timer = TimerBinding(schedule, run_on_startup=False)
        now = datetime(2026, 11, 20, 10, 0, 1, 500_000, tzinfo=UTC)
        assert timer.next_run(now) == following


def http_app() -> func.FunctionApp:
    app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)

    @app.route(route="v1/reports/{month}", methods=["GET"])
    async def report(req: func.HttpRequest) -> func.HttpResponse:
        seen = {
            "params": dict(req.params),
            "route": dict(req.route_params),
            "header": req.headers.get("X-Caller"),
            "url": req.url,
        }
        return func.HttpResponse(
            json.dumps(seen),
            status_code=203,
            mimetype="application/json",
            headers={"ETag": '"1"'},
        )

    @app.route(route="v1/events", methods=["POST"])
    def events(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse(req.get_body(), status_code=202)

    @app.route(route="v1/reports/latest", auth_level=func.AuthLevel.ANONYMOUS)
    def latest(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse(f"{req.method} \N{EURO SIGN}")

    @app.route(route="v1/broken")
    async def broken(req: func.HttpRequest) -> func.HttpResponse:
        raise LookupError(req.params["what"])

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
        seen = json.loads(answer.body)
        assert seen["params"] == {"a": "1,2", "b": "x y"}
        assert seen["route"] == {"month": "2026-11"}
        assert seen["header"] == "me"
        assert seen["url"].startswith("http://127.0.0.1:")

    async def test_body_passes_as_bytes(self, ask: Any) -> None:
        answer = await ask("POST", "/api/v1/events", data=b"\xff\x00")
        assert (answer.status, answer.body) == (202, b"\xff\x00")
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"

    async def test_body_above_a_megabyte_reaches_the_function(self, ask: Any) -> None:
        """The real host takes 100 MB: how much is too much is the app's to say."""
        answer = await ask("POST", "/api/v1/events", data=b"x" * 1_500_000)
        assert (answer.status, len(answer.body)) == (202, 1_500_000)

    async def test_no_methods_means_all(self, ask: Any) -> None:
        answer = await ask("DELETE", "/api/v1/reports/latest")
        assert (answer.status, answer.body.decode()) == (200, "DELETE \N{EURO SIGN}")

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
        app.event_hub_message_trigger(
            "events", "EventHubConnection", "usage", func.DataType.BINARY, "many"
        )(ingest)
        with pytest.raises(HostError, match="ingest: the worker refuses the annotation"):
            async with running(app, settings={"EventHubConnection": "unused"}):
                pass

    async def test_unreadable_schedule_is_named(self, running: Running) -> None:
        async def run(_timer: func.TimerRequest) -> None: ...

        with pytest.raises(HostError, match="close_gaps: "):
            async with running(timer_app(run, "every day")):
                pass

    async def test_trigger_that_is_not_supported_is_named(self, running: Running) -> None:
        app = func.FunctionApp()

        def consume(message: func.QueueMessage) -> None: ...

        app.queue_trigger("message", "queue", "Storage")(consume)
        with pytest.raises(HostError, match="consume: queueTrigger is not supported"):
            async with running(app):
                pass

    def test_retry_delays_double_between_their_bounds(self) -> None:
        policy = RetryPolicy(-1, 1.0, 10.0)
        assert [policy.delay_seconds(count) for count in range(5)] == [1, 2, 4, 8, 10]
        assert policy.delay_seconds(100_000) == 10
        assert RetryPolicy(1, 1.0, 1.0).delay_seconds(0) == 1
        assert RetryPolicy(1, 1.0, 1.0).delay_seconds(1) is None
