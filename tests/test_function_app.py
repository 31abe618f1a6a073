"""The functions as the host sees them: bindings, annotations, real func.* objects in and out."""

import functools
import inspect
import json
import subprocess
import sys
import typing
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import azure.functions as func
import pytest
from azure.functions import eventhub, meta

import function_app
from local.cosmos import Fault
from local.event_hubs import SendFault
from local.log_analytics import Fault as LogsFault
from tests.builders import WORKSPACE, body, make_event, make_log_row
from tests.conftest import Logs, Stack
from tests.infra.told import fields_of, lines
from usage_ingest import wiring
from usage_ingest.chargeback.close import Close
from usage_ingest.chargeback.imports.own import read_yaml
from usage_ingest.chargeback.reference_document import content_id, to_document
from usage_ingest.errors import ConfigError, TransientError

EXPECTED: dict[str, dict[str, Any]] = {
    "ingest_usage_events": {
        "type": "eventHubTrigger",
        "name": "events",
        "eventHubName": "%EVENT_HUB_NAME%",
        "connection": "EventHubConnection",
        "consumerGroup": "%EVENT_HUB_CONSUMER_GROUP%",
        "cardinality": "MANY",
        "dataType": "BINARY",
        "direction": "IN",
    },
    "close_gaps": {
        "type": "timerTrigger",
        "name": "timer",
        "schedule": "%CLOSE_GAPS_SCHEDULE%",
        "runOnStartup": False,
        "direction": "IN",
    },
    "collect_streaming_metrics": {
        "type": "timerTrigger",
        "name": "timer",
        "schedule": "%METRICS_SCHEDULE%",
        "runOnStartup": False,
        "direction": "IN",
    },
    "accept_usage_events": {"route": "v1/events", "methods": ["POST"], "authLevel": "FUNCTION"},
    "usage_summary": {"route": "v1/usage/summary", "methods": ["GET"], "authLevel": "FUNCTION"},
    "chargeback_report": {
        "route": "v1/chargeback/report",
        "methods": ["GET"],
        "authLevel": "FUNCTION",
    },
    "health": {"route": "v1/health", "methods": ["GET"], "authLevel": "ANONYMOUS"},
    "status": {"route": "v1/status", "methods": ["GET"], "authLevel": "FUNCTION"},
}
HEAVY = ("azure.cosmos", "azure.eventhub", "azure.identity", "azure.monitor", "aiohttp", "pydantic")


@functools.cache  # the library indexes an app once in a process
def functions() -> dict[str, Any]:
    return {str(each.get_function_name()): each for each in function_app.app.get_functions()}


def test_the_bindings_are_those_expected() -> None:
    found = {
        name: json.loads(json.dumps(each.get_trigger().get_dict_repr(), default=str))
        for name, each in functions().items()
    }

    assert found.keys() == EXPECTED.keys()
    for name, expected in EXPECTED.items():
        spelled = {key: _plain(value) for key, value in found[name].items()}
        assert {key: spelled[key] for key in expected} == expected, name


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value.rsplit(".", 1)[-1] if isinstance(value, str) and "." in value[:14] else value


def test_the_trigger_retries_without_limit() -> None:
    """With a limit the host would advance its checkpoint over events that nobody stored."""
    retry = functions()["ingest_usage_events"].get_settings_dict("retry_policy")

    assert retry["max_retry_count"] == "-1"
    assert retry["strategy"] == "exponential_backoff"


def test_the_annotations_are_as_the_runtime_wants_them() -> None:
    """It refuses list[EventHubEvent], names that exist for type checkers only, other returns."""
    for name, each in functions().items():
        user_function = each.get_user_function()
        hints = typing.get_type_hints(user_function)
        trigger = each.get_trigger().name

        assert list(inspect.signature(user_function).parameters) == [trigger], name
        assert inspect.iscoroutinefunction(user_function), name
        if name == "ingest_usage_events":
            assert typing.get_origin(user_function.__annotations__["events"]) is list
            assert str(user_function.__annotations__["events"]).startswith("typing.List[")
            assert hints["return"] is type(None)
        elif name not in {"close_gaps", "collect_streaming_metrics"}:
            assert hints["return"] is func.HttpResponse


def test_there_is_one_function_app_under_one_name() -> None:
    found = [
        name for name, value in vars(function_app).items() if isinstance(value, func.FunctionApp)
    ]

    assert found == ["app"]


def test_importing_the_app_needs_no_settings_and_no_sdk() -> None:
    code = f"import function_app, sys; print([m for m in {HEAVY!r} if m in sys.modules])"

    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={}
    )

    assert done.stdout.strip() == "[]"


@pytest.fixture
async def running(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stack]:
    """The process's own app over the stand-ins, as the environment names them."""
    for name, value in stack.environment.items():
        monkeypatch.setenv(name, value)
    yield stack
    await wiring.stop()


def delivered(*bodies: bytes, first: int = 0, context: bool = True) -> list[func.EventHubEvent]:
    """Decode a batch with the library's own converter, from what the host sends."""
    properties = [
        {
            "SequenceNumber": number,
            "Offset": str(number * 100),
            "EnqueuedTimeUtc": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f"),
        }
        for number in range(first, first + len(bodies))
    ]
    metadata = {
        "SystemPropertiesArray": meta.Datum(json.dumps(properties), "json"),
        "PropertiesArray": meta.Datum(json.dumps([{} for _ in bodies]), "json"),
    }
    if context:
        partition = {"PartitionId": "1", "EventHubName": "usage", "ConsumerGroup": "functions"}
        metadata["PartitionContext"] = meta.Datum(json.dumps(partition), "json")
    data = meta.Datum(Bytes(list(bodies)), "collection_bytes")
    events = eventhub.EventHubTriggerConverter.decode(data, trigger_metadata=metadata)
    assert isinstance(events, list)
    return events


class Bytes:
    """What the worker's protocol message looks like to the converter."""

    def __init__(self, found: list[bytes]) -> None:
        self.bytes = found


async def test_a_delivered_batch_is_stored_with_its_partition(running: Stack) -> None:
    now = datetime.now(UTC).isoformat()

    await function_app.ingest_usage_events(
        delivered(body(make_event(event_time=now)), b"", b"\xff\xfe", first=5)
    )

    ledger = await running.documents("usage", type="usage")
    letters = await running.documents("dead-letters", type="dead_letter")
    progress = await running.documents("state", type="progress")
    assert [(each["partition_id"], each["sequence_number"]) for each in ledger] == [("1", 5)]
    assert sorted(each["reason"] for each in letters) == ["not_json", "not_utf8"]
    assert [(each["partition_id"], each["stored_through"]) for each in progress] == [("1", 7)]


async def test_a_batch_without_partition_context_is_stored_all_the_same(running: Stack) -> None:
    now = datetime.now(UTC).isoformat()

    await function_app.ingest_usage_events(
        delivered(body(make_event(event_time=now)), first=5, context=False)
    )

    progress = await running.documents("state", type="progress")
    assert len(await running.documents("usage", type="usage")) == 1
    assert [each["partition_id"] for each in progress] == ["-"]


async def test_a_store_that_cannot_write_makes_the_trigger_raise(running: Stack) -> None:
    running.cosmos.faults.add(Fault(operation="batch", count=None, status=403))

    with pytest.raises(Exception, match="refuses this identity"):
        await function_app.ingest_usage_events(delivered(body(make_event())))


async def test_the_timer_watches_every_partition(running: Stack) -> None:
    await function_app.close_gaps(typing.cast("func.TimerRequest", None))

    progress = await running.documents("state", type="progress")
    assert sorted(each["partition_id"] for each in progress) == ["0", "1"]


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The names of the lines since the last call."""
    return [fields_of(each)[0] for each in lines(caplog)]


async def test_the_timer_tells_how_everything_is(
    running: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="usage_ingest")

    await function_app.close_gaps(typing.cast("func.TimerRequest", None))

    assert told(caplog) == ["gaps_watched", "partition_health", "partition_health", "health"]
    del running


async def test_a_timer_that_fails_tells_it_and_how_everything_is(
    running: Stack, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = running.start(patience_seconds=0.2)
    monkeypatch.setattr(wiring._Running, "app", app)
    running.cosmos.faults.add(Fault(operation="create", count=None, status=503))
    caplog.set_level("INFO", logger="usage_ingest")

    with pytest.raises(TransientError):
        await function_app.close_gaps(typing.cast("func.TimerRequest", None))

    names = told(caplog)
    assert names[-2:] == ["health", "function_failed"]
    assert "gap_step_failed" in names


@pytest.mark.parametrize("status", [403, 503])
async def test_a_route_that_cannot_answer_is_alarmed(
    running: Stack,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
) -> None:
    monkeypatch.setattr(wiring._Running, "app", running.start(patience_seconds=0.2))
    running.cosmos.faults.add(Fault(operation="query", count=None, status=status))

    answer = await function_app.usage_summary(request("usage/summary"))

    ((name, fields),) = [fields_of(each) for each in lines(caplog)]
    assert answer.status_code == (500 if status == 403 else 503)
    assert (name, fields["function"]) == ("function_failed", "usage_summary")
    assert fields["text"] == content(answer)["detail"]


async def test_a_question_that_is_wrong_is_no_alarm(
    running: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await function_app.usage_summary(request("usage/summary", group_by="colour"))

    assert (answer.status_code, lines(caplog)) == (400, [])
    del running


def request(path: str, **params: str) -> func.HttpRequest:
    return func.HttpRequest("GET", f"http://localhost/api/v1/{path}", params=params, body=b"")


def content(answer: func.HttpResponse) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer.get_body())
    return found


def post(content: object) -> func.HttpRequest:
    return func.HttpRequest("POST", "http://localhost/api/v1/events", body=body(content))


async def published(stack: Stack) -> list[bytes]:
    """Read the bodies of everything that stands in the hub."""
    found: list[bytes] = []
    for partition_id in await stack.app.reader.partition_ids():
        end = (await stack.app.reader.properties(partition_id)).last_enqueued
        if end >= 0:
            async for batch in stack.app.reader.read(partition_id, 0, end):
                found += [each.body for each in batch]
    return found


async def test_accepted_events_stand_in_the_hub_one_by_one(running: Stack) -> None:
    now = datetime.now(UTC).isoformat()
    events = [make_event(event_time=now) for _ in range(3)]

    answer = await function_app.accept_usage_events(post(events))

    assert (answer.status_code, content(answer)) == (202, {"accepted": 3})
    in_hub = [json.loads(written) for written in await published(running)]
    assert sorted(in_hub, key=str) == sorted(events, key=str)


async def test_refused_events_are_named_and_none_is_published(running: Stack) -> None:
    now = datetime.now(UTC).isoformat()
    bad = make_event(event_time=now, usage={"prompt_tokens": -1})

    answer = await function_app.accept_usage_events(post([make_event(event_time=now), bad]))

    found = content(answer)
    assert (answer.status_code, answer.mimetype) == (400, "application/problem+json")
    assert found["detail"].startswith("1 of 2 events cannot be read.")
    assert found["errors"] == [
        {
            "index": 1,
            "reason": "bad_count",
            "path": "usage.prompt_tokens",
            "text": "not a whole number of zero or more",
        }
    ]
    assert await published(running) == []


async def test_a_body_that_is_no_json_is_refused_as_a_whole(running: Stack) -> None:
    answer = await function_app.accept_usage_events(post(b"usage=12"))

    (error,) = content(answer)["errors"]
    assert (answer.status_code, error["index"], error["reason"]) == (400, None, "not_json")
    del running


async def test_a_body_above_a_megabyte_is_too_large(running: Stack) -> None:
    answer = await function_app.accept_usage_events(post(b"[" + b" " * 1_000_000 + b"]"))

    assert (answer.status_code, content(answer)["status"]) == (413, 413)
    del running


@pytest.mark.parametrize(
    ("fault", "status", "detail"),
    [
        (SendFault("com.microsoft:server-busy"), 429, "throttled"),
        (SendFault("amqp:internal-error"), 503, "takes no events"),
        (SendFault(None), 503, "within"),
        (SendFault("amqp:unauthorized-access", at_attach=True), 500, "Data Sender"),
    ],
    ids=["busy", "error", "silent", "no-role"],
)
async def test_a_hub_that_takes_no_events_is_said(
    running: Stack,
    monkeypatch: pytest.MonkeyPatch,
    fault: SendFault,
    status: int,
    detail: str,
) -> None:
    monkeypatch.setattr(wiring._Running, "app", running.start(patience_seconds=3))
    running.hubs.fail_sends(fault)

    event = make_event(event_time=running.clock.now().isoformat())
    answer = await function_app.accept_usage_events(post(event))

    assert answer.status_code == status
    assert detail in content(answer)["detail"]
    assert answer.headers.get("Retry-After") == (None if status == 500 else "30")


async def test_a_body_that_was_published_in_part_is_sent_again_and_counts_once(
    running: Stack,
) -> None:
    """Some batches stand in the hub twice then; the record ids are equal."""
    now = datetime.now(UTC)
    events = [make_event(event_time=now.isoformat()) for _ in range(40)]
    running.hubs.fail_sends(SendFault("amqp:internal-error", after=2))

    failed = await function_app.accept_usage_events(post(events))
    running.hubs.fail_sends(None)
    taken = await function_app.accept_usage_events(post(events))

    bodies = await published(running)
    await running.app.ingest.batch(make_numbered(*bodies))
    assert (failed.status_code, taken.status_code) == (503, 202)
    assert 40 < len(bodies) < 80
    assert len(await running.documents("usage", type="usage")) == 40
    (rollup,) = await running.documents("usage", type="rollup")
    assert (rollup["requests"], rollup["input_tokens"]) == (40, 4_000)


async def test_the_summary_shows_what_was_stored(running: Stack) -> None:
    events = [make_event(tags={"team": name}) for name in ("benefits", "benefits", "payroll")]
    await running.app.ingest.batch(make_numbered(*events))

    answer = await function_app.usage_summary(
        request(
            "usage/summary", start_date="2026-11-20", end_date="2026-11-20", group_by="tag:team"
        )
    )

    found = content(answer)
    assert answer.status_code == 200
    assert found["totals"]["requests"] == 3
    assert found["totals"]["audio_input_tokens"] is None
    assert found["totals"]["reasoning_output_tokens"] == 0
    assert {each["key"]["tag:team"]: each["input_tokens"] for each in found["groups"]} == {
        "benefits": 200,
        "payroll": 100,
    }


def make_numbered(*events: object) -> Any:
    from tests.builders import make_batch  # noqa: PLC0415 - only here

    return make_batch(*events, enqueued=datetime.now(UTC))


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"subscription": "hr-copilot"}, 2),
        ({"subscription": "hr-copilot,other"}, 3),
        ({"tag:team": "benefits"}, 2),
        ({"app": "-"}, 1),
        ({"streaming": "false", "model": "gpt-4o-2024-11-20"}, 3),
        ({"streaming": "true"}, 0),
    ],
)
async def test_filters_are_applied_in_the_store(
    running: Stack, filters: dict[str, str], expected: int
) -> None:
    await running.app.ingest.batch(
        make_numbered(
            make_event(),
            make_event(tags={"team": "payroll"}, app_id=None),
            make_event(subscription_id="other"),
        )
    )

    answer = await function_app.usage_summary(
        request("usage/summary", start_date="2026-11-20", end_date="2026-11-20", **filters)
    )

    assert content(answer)["totals"]["requests"] == expected


async def test_the_summary_comes_as_csv(running: Stack) -> None:
    await running.app.ingest.batch(make_numbered(make_event(subscription_id="=cmd")))

    answer = await function_app.usage_summary(
        request(
            "usage/summary",
            start_date="2026-11-20",
            end_date="2026-11-20",
            group_by="subscription",
            format="csv",
        )
    )

    assert answer.mimetype == "text/csv"
    assert answer.get_body().decode().splitlines()[1].startswith("'=cmd,1,")


PRICES = """
source: contract 2026
prices:
  - model: gpt-4o
    from_day: 2026-10-01
    currency: EUR
    unit_prices: {input: 2.50, cached_input: 1.25, output: 10}
owners:
  - {subscription: hr-copilot, from_day: 2026-10-01, owner: hr, markup_percent: 10}
names:
  - {of: owner, value: hr, name: "=Human <b>Resources</b>", from_day: 2026-10-01}
"""


async def import_prices(running: Stack) -> None:
    found = read_yaml(PRICES, "prices.yaml")
    assert not found.problems
    documents = [to_document(each.noun) for each in found.nouns]
    await running.app.reference.append("prices.yaml", content_id(documents), documents)


async def report(**params: str) -> func.HttpResponse:
    """A report of the day that events are of, unless a period is named."""
    if "period" not in params:
        params |= {"start_date": "2026-11-20", "end_date": "2026-11-20"}
    answer: func.HttpResponse = await function_app.chargeback_report(
        request("chargeback/report", **params)
    )
    return answer


async def test_the_report_prices_what_was_stored(running: Stack) -> None:
    await import_prices(running)
    unknown = make_event(response_model="gpt-unknown", request_model=None)
    await running.app.ingest.batch(make_numbered(make_event(), make_event(), unknown))

    answer = await report(group_by="owner,model")

    found = content(answer)
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    priced, unpriced = found["groups"]
    assert priced["key"] == {"owner": "hr", "model": "gpt-4o"}
    (charges,) = priced["charges"]
    # twice: 36 at 2.5, 64 cached at 1.25, 20 at 10, each for a million, and 10 % on top
    assert (charges["currency"], charges["amount"]) == ("EUR", "0.000814")
    assert [each["quantity"] for each in charges["lines"]] == [72, 128, 40]
    assert unpriced["charges"] == []
    assert found["unpriced"]["listed"][0]["model"] == "gpt-unknown"
    assert [each["source"] for each in found["prices"]["listed"]] == ["contract 2026"]
    assert found["prices"]["listed"][0]["import"] == 1
    assert answer.headers["X-Usage-Unpriced"] == str(found["unpriced"]["count"])
    assert answer.headers["X-Usage-Complete"] == "false"


async def test_the_report_of_a_closed_period_is_frozen(running: Stack) -> None:
    october = "2026-10-20T11:59:58Z"
    await import_prices(running)
    await running.app.ingest.batch(make_numbered(make_event(event_time=october)))
    close = Close(stores=running.app.chargeback, clock=running.clock, tags=("team",))
    await close("2026-10", "a test")
    await running.app.ingest.batch(make_numbered(make_event(event_time=october)))

    closed = content(await report(period="2026-10"))
    following = content(await report(period="2026-11"))

    assert closed["totals"]["charges"][0]["amount"] == "0.000407"
    assert closed["periods"][0]["state"] == "closed"
    assert following["totals"]["charges"][0]["corrections"] == "0.000407"
    assert following["corrections"]["of"] == ["2026-10"]


async def test_the_report_comes_as_csv_that_a_spreadsheet_does_not_compute(running: Stack) -> None:
    await import_prices(running)
    await running.app.ingest.batch(make_numbered(make_event()))

    answer = await report(group_by="owner", format="csv")

    header, first, *_ = answer.get_body().decode("utf-8-sig").splitlines()
    assert answer.mimetype == "text/csv"
    assert header.startswith("owner,owner_name,charge,")
    assert first.startswith("hr,'=Human <b>Resources</b>,usage,")
    assert "chargeback-2026-11-20-to-2026-11-20.csv" in answer.headers["Content-Disposition"]


async def test_the_report_comes_as_a_page_that_loads_and_runs_nothing(running: Stack) -> None:
    await import_prices(running)
    await running.app.ingest.batch(make_numbered(make_event()))

    answer = await report(format="html")

    page = answer.get_body().decode()
    assert answer.mimetype == "text/html"
    assert "=Human &lt;b&gt;Resources&lt;/b&gt;" in page
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_report_without_prices_owners_or_usage_is_empty_and_says_so(
    running: Stack,
) -> None:
    found = content(await report())

    assert found["totals"] == {"charges": [], "unpriced": []}
    assert found["completeness"]["days_without_usage"] == ["2026-11-20"]
    del running


async def test_a_bad_parameter_is_named(running: Stack) -> None:
    answer = await function_app.usage_summary(request("usage/summary", group_by="colour"))

    found = content(answer)
    assert answer.status_code == 400
    assert answer.mimetype == "application/problem+json"
    assert found["parameter"] == "group_by"
    assert "subscription" in found["detail"]
    del running


async def test_a_bad_parameter_of_a_report_is_named(running: Stack) -> None:
    answer = await report(period="november")

    assert (answer.status_code, content(answer)["parameter"]) == (400, "period")
    assert answer.mimetype == "application/problem+json"
    del running


async def test_a_store_that_is_down_is_said_with_a_time_to_retry(
    running: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiring._Running, "app", running.start(patience_seconds=0.1))
    running.cosmos.faults.add(Fault(operation=None, count=None, status=503))

    summary = await function_app.usage_summary(request("usage/summary"))
    chargeback = await report()
    health = await function_app.health(request("health"))
    status = await function_app.status(request("status"))

    assert (summary.status_code, summary.headers["Retry-After"]) == (503, "30")
    assert content(summary)["title"] == "Temporarily unavailable"
    assert (chargeback.status_code, chargeback.headers["Retry-After"]) == (503, "30")
    assert (health.status_code, content(health)) == (503, {"status": "not ok"})
    assert content(status)["dependencies"]["cosmos_db"]["ok"] is False


async def test_missing_settings_are_all_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EventHubConnection", "EVENT_HUB_NAME", "COSMOS_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)

    summary = await function_app.usage_summary(request("usage/summary"))
    chargeback = await report()
    health = await function_app.health(request("health"))

    assert (summary.status_code, chargeback.status_code) == (500, 500)
    assert "EVENT_HUB_NAME: is missing" in content(summary)["detail"]
    assert "COSMOS_ENDPOINT: is missing" in content(summary)["detail"]
    assert content(health) == {"status": "not ok"}


async def test_status_shows_partitions_and_dead_letters(running: Stack) -> None:
    await running.app.ingest.batch(make_numbered(make_event(), b"broken"))
    await function_app.close_gaps(typing.cast("func.TimerRequest", None))

    found = content(await function_app.status(request("status")))

    assert found["dead_letters"] == {
        "open": {"not_json": 1},
        "closed": {},
        "dropped": {},
        "total_open": 1,
    }
    assert [each["partition_id"] for each in found["event_hub"]["partitions"]] == ["0", "1"]


async def collect() -> None:
    await function_app.collect_streaming_metrics(typing.cast("func.TimerRequest", None))


@pytest.fixture
def collected(running: Stack, logs: Logs, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """The process's own app, with Log Analytics to collect from."""
    monkeypatch.setenv("METRICS_TARGETS", WORKSPACE)
    monkeypatch.setenv("METRICS_ENDPOINT", logs.server.endpoint)
    return running


async def test_the_timer_collects_what_was_streamed(collected: Stack, logs: Logs) -> None:
    logs.server.add(
        [
            make_log_row(),
            make_log_row(Name="Completion Tokens", Sum=20.0),
            make_log_row(Name="Total Tokens", Sum=120.0),
        ]
    )

    await collect()
    await collect()

    (record,) = await collected.documents("usage", type="usage")
    (mark,) = await collected.documents("state", type="watermark")
    assert (record["source"], record["input_tokens"], record["output_tokens"]) == (
        "metrics",
        100,
        20,
    )
    assert mark["collected_through"] == "2026-11-20T13:45:00.000000Z"
    assert {each.status for each in logs.server.requests} == {200}


async def test_the_summary_shows_what_was_collected_and_how_far(
    collected: Stack, logs: Logs
) -> None:
    logs.server.add([make_log_row()])
    await collected.app.ingest.batch(make_numbered(make_event(usage=None, streaming=True)))
    await collect()

    found = content(
        await function_app.usage_summary(
            request("usage/summary", start_date="2026-11-20", end_date="2026-11-20")
        )
    )

    (mark,) = found["completeness"]["sources"]["metrics"]["watermarks"]
    assert (found["totals"]["requests"], found["totals"]["input_tokens"]) == (1, 100)
    assert mark["target"] == WORKSPACE
    assert mark["collected_through"] == "2026-11-20T13:45:00.000000Z"


async def test_status_shows_the_watermarks(collected: Stack) -> None:
    await collect()

    found = content(await function_app.status(request("status")))["metrics"]

    assert [(each["target"], each["profile"]) for each in found["watermarks"]] == [
        (WORKSPACE, "own")
    ]
    assert found["streaming"]["awaiting"] == {"count": 0, "listed": []}
    del collected


async def test_metrics_that_cannot_be_read_make_the_timer_raise(
    collected: Stack, logs: Logs
) -> None:
    logs.server.faults.add(LogsFault(status=403, count=None))

    with pytest.raises(ConfigError, match="Log Analytics Reader"):
        await collect()

    assert await collected.documents("state", type="watermark") == []


async def test_without_targets_the_timer_says_so_once_and_asks_nobody(
    running: Stack, logs: Logs, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="usage_ingest")

    await collect()
    await collect()

    said = [each.getMessage() for each in caplog.records if each.name == "usage_ingest"]
    assert said == ['metrics_not_collected {"text":"METRICS_TARGETS names no target"}']
    assert not logs.server.requests
    assert await running.documents("state", type="watermark") == []
