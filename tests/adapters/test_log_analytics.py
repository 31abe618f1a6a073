"""The reader of metrics over the real SDK: whole answers, patience, refusals in clear words."""

import math
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, NoReturn

import pytest
from aiohttp import web
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import CredentialUnavailableError

from local.log_analytics import Fault
from tests.builders import COMPONENT, NOON, WORKSPACE, make_definition, make_log_row
from tests.conftest import Logs
from usage_ingest.adapters.credentials import LocalToken
from usage_ingest.adapters.log_analytics import LogAnalyticsMetrics
from usage_ingest.errors import ConfigError, PartialResultError, TransientError
from usage_ingest.metrics.watermark import Bin, Window

ARRIVED = Window(NOON, NOON + timedelta(hours=1))
BIN = Bin(NOON, 3_600)
OWN = make_definition()


@asynccontextmanager
async def reader(
    endpoint: str, credential: AsyncTokenCredential | None = None, **options: Any
) -> AsyncIterator[LogAnalyticsMetrics]:
    made = LogAnalyticsMetrics(endpoint, credential or LocalToken(), **options)
    try:
        yield made
    finally:
        await made.close()


@pytest.fixture
async def metrics(logs: Logs) -> AsyncIterator[LogAnalyticsMetrics]:
    async with reader(logs.server.endpoint, patience_seconds=5.0) as made:
        yield made


async def minutes(metrics: LogAnalyticsMetrics, target: str = WORKSPACE) -> set[datetime]:
    return await metrics.touched(target, OWN, ARRIVED, ARRIVED.generated)


# What is answered


async def test_the_time_is_the_services_and_not_this_machines(
    logs: Logs, metrics: LogAnalyticsMetrics
) -> None:
    logs.clock.moment = NOON.replace(year=2031, microsecond=123_456)

    assert await metrics.now(WORKSPACE) == logs.clock.moment


async def test_the_minutes_of_what_arrived_are_aware_utc(
    logs: Logs, metrics: LogAnalyticsMetrics
) -> None:
    at = (NOON, NOON + timedelta(seconds=59), NOON - timedelta(hours=5))
    logs.server.add(make_log_row(each, arrives_at=NOON + timedelta(minutes=5)) for each in at)

    found = await minutes(metrics)

    assert found == {NOON, NOON - timedelta(hours=5)}
    assert {each.utcoffset() for each in found} == {timedelta(0)}


async def test_nothing_that_arrived_is_no_minutes_and_no_rows(
    metrics: LogAnalyticsMetrics,
) -> None:
    assert await minutes(metrics) == set()
    assert await metrics.rows(WORKSPACE, OWN, [BIN]) == []


@pytest.mark.parametrize("target", [WORKSPACE, WORKSPACE.upper(), COMPONENT, COMPONENT.upper()])
async def test_rows_are_read_of_a_workspace_and_of_a_component(
    logs: Logs, metrics: LogAnalyticsMetrics, target: str
) -> None:
    logs.server.add([make_log_row(), make_log_row(NOON + timedelta(minutes=9), Sum=7.0)])

    (row,) = await metrics.rows(target, OWN, [BIN])

    assert (row.bin_start, row.metric, row.total) == (NOON, "Prompt Tokens", 107.0)
    assert row.role_name == "apim-contoso.azure-api.net Sweden Central"
    assert row.component == COMPONENT
    assert row.as_of == logs.clock.moment
    assert '"usage.subscription":"hr-copilot"' in row.properties.replace(" ", "")


async def test_a_row_without_a_sender_has_an_empty_one(
    logs: Logs, metrics: LogAnalyticsMetrics
) -> None:
    logs.server.add([make_log_row(AppRoleName="")])

    (row,) = await metrics.rows(WORKSPACE, OWN, [BIN])

    assert row.role_name == ""


# Answers that are not whole


async def test_a_partial_answer_is_no_answer(logs: Logs, metrics: LogAnalyticsMetrics) -> None:
    logs.server.add(make_log_row(NOON + timedelta(minutes=n)) for n in range(4))
    logs.server.faults.add(Fault(partial=True, count=2))

    with pytest.raises(PartialResultError, match=r"a partial answer.*E_QUERY_RESULT_SET"):
        await minutes(metrics)
    with pytest.raises(PartialResultError, match="a partial answer"):
        await metrics.rows(WORKSPACE, OWN, [BIN])
    assert len(await minutes(metrics)) == 4


@pytest.mark.parametrize(("found", "whole"), [(3, True), (4, False), (5, False)])
async def test_an_answer_as_long_as_it_may_be_is_not_taken_for_whole(
    logs: Logs, found: int, *, whole: bool
) -> None:
    """The service may cut without a word."""
    logs.server.add(make_log_row(NOON + timedelta(minutes=n)) for n in range(found))
    logs.server.faults.add(Fault(full_page=4, count=None))

    async with reader(logs.server.endpoint, max_rows=4) as metrics:
        if whole:
            assert len(await minutes(metrics)) == found
        else:
            with pytest.raises(PartialResultError, match="4 rows, as many as an answer may have"):
                await minutes(metrics)


async def test_a_query_that_took_too_long_is_asked_for_less_at_once(
    logs: Logs, metrics: LogAnalyticsMetrics
) -> None:
    logs.server.faults.add(Fault(status=504))

    with pytest.raises(PartialResultError, match="504"):
        await minutes(metrics)

    assert [each.status for each in logs.server.requests] == [504]


# A busy service


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_busy_service_is_waited_for(
    logs: Logs, metrics: LogAnalyticsMetrics, status: int
) -> None:
    logs.server.add([make_log_row()])
    logs.server.faults.add(Fault(status=status, count=2))

    assert await minutes(metrics) == {NOON}

    assert [each.status for each in logs.server.requests] == [status, status, 200]


async def test_the_service_is_left_alone_for_as_long_as_it_asks(
    logs: Logs, metrics: LogAnalyticsMetrics
) -> None:
    logs.server.faults.add(Fault(status=429, retry_after_seconds=0.6))
    began = time.monotonic()

    await minutes(metrics)

    assert time.monotonic() - began >= 0.6
    assert [each.status for each in logs.server.requests] == [429, 200]


async def test_a_wait_that_is_longer_than_our_patience_is_the_next_runs(logs: Logs) -> None:
    logs.server.faults.add(Fault(status=429, retry_after_seconds=30, count=None))
    began = time.monotonic()

    async with reader(logs.server.endpoint, patience_seconds=0.5) as metrics:
        with pytest.raises(TransientError, match=r"Log Analytics is busy or out of reach: .*429"):
            await minutes(metrics)

    assert time.monotonic() - began < 30
    assert len(logs.server.requests) == 1


async def test_a_service_that_stays_busy_is_not_flooded(logs: Logs) -> None:
    logs.server.faults.add(Fault(status=503, count=None))

    async with reader(logs.server.endpoint, patience_seconds=0.5) as metrics:
        with pytest.raises(TransientError, match="503"):
            await minutes(metrics)

    assert 1 < len(logs.server.requests) < 10


async def test_a_connection_that_breaks_is_made_again(
    logs: Logs, metrics: LogAnalyticsMetrics
) -> None:
    logs.server.add([make_log_row()])
    logs.server.faults.add(Fault(reset=True, count=2))

    assert await minutes(metrics) == {NOON}

    assert [each.status for each in logs.server.requests] == [0, 0, 200]


async def test_connections_that_keep_breaking_are_the_next_runs(logs: Logs) -> None:
    logs.server.faults.add(Fault(reset=True, count=None))

    async with reader(logs.server.endpoint, patience_seconds=0.3) as metrics:
        with pytest.raises(TransientError, match="Log Analytics is busy or out of reach"):
            await metrics.now(WORKSPACE)


async def test_a_service_out_of_reach_is_the_next_runs() -> None:
    with socket.socket() as bound:  # nobody listens where it is
        bound.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{bound.getsockname()[1]}"

        async with reader(endpoint, patience_seconds=0.3) as metrics:
            with pytest.raises(TransientError, match="Log Analytics is busy or out of reach"):
                await metrics.now(WORKSPACE)


# Refusals


@pytest.mark.parametrize("status", [401, 403])
async def test_an_identity_without_rights_is_told_which_role_it_needs(
    logs: Logs, metrics: LogAnalyticsMetrics, status: int
) -> None:
    logs.server.faults.add(Fault(status=status, count=None))

    with pytest.raises(ConfigError) as raised:
        await minutes(metrics)

    text = str(raised.value)
    assert f"({status}) for {WORKSPACE}" in text
    assert "'Log Analytics Reader'" in text
    assert "'Monitoring Reader'" in text
    assert {each.status for each in logs.server.requests} == {status}


@pytest.mark.parametrize(
    "target", ["11111111-aaaa-4bbb-8ccc-00000000dead", COMPONENT.replace("apim-insights", "nope")]
)
async def test_a_target_that_nobody_knows_names_the_setting(
    metrics: LogAnalyticsMetrics, target: str
) -> None:
    with pytest.raises(ConfigError, match="METRICS_TARGETS: Log Analytics knows no ") as raised:
        await metrics.now(target)

    assert target in str(raised.value)


async def test_a_workspace_without_the_table_names_the_setting(
    logs: Logs, metrics: LogAnalyticsMetrics
) -> None:
    logs.server.faults.add(Fault(missing_table=True))

    with pytest.raises(ConfigError, match=r"METRICS_TARGETS: .* has no table AppMetrics"):
        await minutes(metrics)


@pytest.mark.parametrize(
    "error",
    [ClientAuthenticationError("no such identity"), CredentialUnavailableError("no credential")],
    ids=lambda each: type(each).__name__,
)
async def test_an_identity_that_gets_no_token_is_a_deployment_error(
    logs: Logs, error: Exception
) -> None:
    async with reader(logs.server.endpoint, Refused(error), patience_seconds=5.0) as metrics:
        with pytest.raises(ConfigError, match=r"No token for Log Analytics: .*no "):
            await metrics.now(WORKSPACE)

    assert not logs.server.requests


class Refused(LocalToken):
    """A credential that raises."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def get_token(self, *_scopes: str, **_options: Any) -> NoReturn:
        raise self.error


# Answers as only the service gives them: the stand-in's rows have finite sums


Answer = Callable[[web.Request], web.Response]


@asynccontextmanager
async def answering(
    answer: Answer, patience_seconds: float = 0.2
) -> AsyncIterator[LogAnalyticsMetrics]:
    """A reader of a service that answers every query in one way."""

    async def served(request: web.Request) -> web.Response:
        return answer(request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", served)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        endpoint = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with reader(endpoint, patience_seconds=patience_seconds) as metrics:
            yield metrics
    finally:
        await runner.cleanup()


def table(*rows: list[Any], **columns: str) -> Answer:
    named = [{"name": name, "type": kind} for name, kind in columns.items()]
    found = {"tables": [{"name": "PrimaryResult", "columns": named, "rows": list(rows)}]}
    return lambda _: web.json_response(found)


def refusing(status: int, message: str, **headers: str) -> Answer:
    inner = {"code": "X", "message": message}
    error = {"error": {"code": "BadArgumentError", "message": "no", "innererror": inner}}
    return lambda _: web.json_response(error, status=status, headers=headers)


BIN_COLUMNS = {
    "Bin": "datetime",
    "Name": "string",
    "AppRoleName": "string",
    "_ResourceId": "string",
    "Properties": "string",
    "Sum": "real",
    "AsOf": "datetime",
}


@pytest.mark.parametrize("total", ["NaN", None, "Infinity", "-Infinity", "many"])
async def test_a_sum_that_is_no_number_is_never_taken_for_zero(total: object) -> None:
    row = ["2026-11-20T12:00:00Z", "Prompt Tokens", None, None, None, total, "2026-11-20T14:00:00Z"]

    async with answering(table(row, **BIN_COLUMNS)) as metrics:
        (found,) = await metrics.rows(WORKSPACE, OWN, [BIN])

    assert not math.isfinite(found.total)
    assert (found.role_name, found.component, found.properties) == ("", "", "{}")


async def test_a_time_that_is_none_is_asked_for_again() -> None:
    """A mark must not move by a time that is not one."""
    async with answering(table(["tomorrow"], Now="datetime")) as metrics:
        with pytest.raises(TransientError, match="answered str, not a time"):
            await metrics.now(WORKSPACE)


async def test_times_of_ten_millionths_of_a_second_are_read() -> None:
    async with answering(table(["2026-11-20T12:00:00.1234567Z"], Now="datetime")) as metrics:
        assert await metrics.now(WORKSPACE) == NOON.replace(microsecond=123_456)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "Query result set has exceeded the internal record count limit 500000"),
        (400, "Runaway query (E_RUNAWAY_QUERY)"),
        (400, "LowMemoryCondition: E_LOW_MEMORY_CONDITION"),
        (408, "took too long"),
        (413, "too large"),
    ],
)
async def test_a_query_that_is_too_much_is_asked_for_less(status: int, message: str) -> None:
    async with answering(refusing(status, message)) as metrics:
        with pytest.raises(PartialResultError, match=r"refused: \w+ "):
            await minutes(metrics)


async def test_a_refusal_that_nobody_expects_is_told_and_tried_by_the_next_run() -> None:
    async with answering(refusing(400, "Failed to resolve scalar expression 'x'")) as metrics:
        with pytest.raises(TransientError, match=f"Log Analytics answers {WORKSPACE}: "):
            await minutes(metrics)


@pytest.mark.parametrize("told", ["soon", "-5", "Fri, 20 Nov 2026 12:00:00 GMT"])
async def test_a_wait_that_cannot_be_read_is_none(told: str) -> None:
    async with answering(refusing(503, "busy", **{"Retry-After": told})) as metrics:
        with pytest.raises(TransientError, match="busy or out of reach"):
            await minutes(metrics)


@pytest.mark.parametrize("kind", ["application/json", "text/html"])
@pytest.mark.parametrize(
    ("status", "body"),
    [(200, "<html>"), (200, ""), (200, "{}"), (200, '{"tables":[]}'), (502, "<html>bad gateway")],
)
async def test_an_answer_that_is_no_table_is_the_next_runs(
    status: int, body: str, kind: str
) -> None:
    """A proxy in between answers pages of its own: one source must not stop the others."""

    def page(_: web.Request) -> web.Response:
        return web.Response(status=status, text=body, content_type=kind)

    async with answering(page) as metrics:
        with pytest.raises(TransientError):
            await metrics.now(WORKSPACE)


async def test_a_busy_gateway_that_answers_a_page_is_waited_for() -> None:
    """What stands before the service tells a 502 or 503 in HTML."""
    statuses = [503, 502]

    def answer(request: web.Request) -> web.Response:
        if statuses:
            page = "<html>unavailable</html>"
            return web.Response(status=statuses.pop(), text=page, content_type="text/html")
        return table(["2026-11-20T12:00:00Z"], Now="datetime")(request)

    async with answering(answer, patience_seconds=5.0) as metrics:
        assert await metrics.now(WORKSPACE) == NOON


async def test_the_path_of_a_query_is_right_where_the_endpoint_ends_in_a_slash() -> None:
    paths: list[str] = []

    def answer(request: web.Request) -> web.Response:
        paths.append(request.raw_path)
        return table(["2026-11-20T12:00:00Z"], Now="datetime")(request)

    async with answering(answer) as metrics:
        slashed = LogAnalyticsMetrics(metrics._client._endpoint + "/", LocalToken())
        await metrics.now(WORKSPACE)
        await slashed.now(WORKSPACE)
        await slashed.now(COMPONENT)
        await slashed.close()

    assert paths == [*[f"/v1/workspaces/{WORKSPACE}/query"] * 2, f"/v1{COMPONENT}/query"]
