"""The Log Analytics stand-in, driven through the real asyncio SDK."""

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import aiohttp
import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError, ServiceRequestError
from azure.monitor.query import LogsQueryPartialResult, LogsQueryResult
from azure.monitor.query.aio import LogsQueryClient
from hypothesis import given, settings
from hypothesis import strategies as st

from local.log_analytics import Fault, LogAnalyticsServer, Served

WORKSPACE = "11111111-aaaa-4bbb-8ccc-000000000001"
OTHER_WORKSPACE = "11111111-aaaa-4bbb-8ccc-000000000002"
GROUP = "/subscriptions/5a/resourceGroups/rg/providers/microsoft.insights/components"
ONE, TWO, THREE = (f"{GROUP}/{name}" for name in ("One", "two", "three"))
HOUR = datetime(2026, 11, 20, 10, tzinfo=UTC)
END = datetime.max.replace(tzinfo=UTC)
ALL_OF_IT = "AppMetrics | order by TimeGenerated asc | project Name"
COUNT = "AppMetrics | count"
GENERATED = """
let generated_from = datetime(2026-11-17T10:00:00.000000Z);
let generated_to = datetime(2026-11-21T11:00:00.000000Z);
let names = dynamic(["Prompt Tokens", "Completion Tokens", "Total Tokens"]);
let is_ours = (bag: dynamic) { isnotnull(bag["usage.subscription"]) and isnull(bag["productName"]) };
"""  # noqa: E501 - one line in the query
TOUCHED_MINUTES = f"""
// The minutes of what arrived: the collector's own time doesn't count.
let window_start = datetime(2026-11-20T10:00:00.000000Z);
let window_end = datetime(2026-11-20T11:00:00.000000Z);
{GENERATED}
AppMetrics
| where TimeGenerated >= generated_from and TimeGenerated < generated_to
| where ingestion_time() >= window_start and ingestion_time() < window_end
| where Name in (names) and is_ours(Properties)
| summarize by Minute = bin(TimeGenerated, 1m)
"""
WHOLE_BINS = f"""
let bin_size = 1h;
let bins = datatable(Bin: datetime)[datetime(2026-11-20T10:00:00Z), datetime(2026-11-20T11:00:00Z)];
{GENERATED}
AppMetrics
| where TimeGenerated >= generated_from and TimeGenerated < generated_to
| where Name in (names) and is_ours(Properties)
| extend Bin = bin(TimeGenerated, bin_size)
| where Bin in (bins)
| summarize Sum = sum(Sum) by Bin, Name, AppRoleName, _ResourceId, Properties = tostring(Properties)
| extend AsOf = now()
"""


class Clock:
    def __init__(self) -> None:
        self.now = HOUR + timedelta(hours=2)

    def __call__(self) -> datetime:
        return self.now


class StaticToken:
    """An AsyncTokenCredential."""

    async def get_token(self, *_: str, **__: Any) -> AccessToken:
        return AccessToken("token", 4_102_444_800)

    async def close(self) -> None:
        pass

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass


class Asker:
    """Asks the stand-in through one client, which does not try again by itself."""

    def __init__(self, client: LogsQueryClient) -> None:
        self._client = client

    async def answer(
        self, kql: str, target: str = WORKSPACE, **options: Any
    ) -> LogsQueryResult | LogsQueryPartialResult:
        ask = self._client.query_resource if "/" in target else self._client.query_workspace
        return await ask(target, kql, **{"timespan": None, "enforce_https": False} | options)

    async def rows(self, kql: str, target: str = WORKSPACE, **options: Any) -> list[dict[str, Any]]:
        answer = await self.answer(kql, target, **options)
        assert isinstance(answer, LogsQueryResult)
        (table,) = answer.tables
        return [dict(zip(table.columns, row, strict=True)) for row in table.rows]

    async def names(self, target: str = WORKSPACE, **options: Any) -> list[str]:
        return [row["Name"] for row in await self.rows(ALL_OF_IT, target, **options)]

    async def refusal(self, kql: str = COUNT, target: str = WORKSPACE) -> tuple[int | None, str]:
        with pytest.raises(HttpResponseError) as caught:
            await self.answer(kql, target)
        return caught.value.status_code, str(caught.value)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def server(tmp_path: Path, clock: Clock) -> AsyncIterator[LogAnalyticsServer]:
    workspaces = {WORKSPACE: [ONE, TWO], OTHER_WORKSPACE: [THREE]}
    path = tmp_path / "logs" / "rows.db"
    async with LogAnalyticsServer(path, workspaces, clock=clock, max_rows=20) as server:
        yield server


@pytest.fixture
async def logs(server: LogAnalyticsServer) -> AsyncIterator[Asker]:
    credential = StaticToken()
    async with LogsQueryClient(credential, endpoint=server.endpoint, retry_total=0) as client:
        yield Asker(client)


def row(minutes: float = 0.0, **overrides: Any) -> dict[str, Any]:
    """A row of so many minutes after ten, that arrived four minutes later."""
    generated_at = HOUR + timedelta(minutes=minutes)
    return {
        "TimeGenerated": generated_at.isoformat(),
        "Name": "Prompt Tokens",
        "Sum": 10.0,
        "AppRoleName": "apim",
        "Properties": {"usage.subscription": "team-a"},
        "_ResourceId": ONE,
        "arrives_at": (generated_at + timedelta(minutes=4)).isoformat(),
    } | overrides


def named(*names: str) -> Iterable[dict[str, Any]]:
    return [row(number, Name=name) for number, name in enumerate(names)]


# --- the queries of the collector ---


async def test_touched_minutes_are_those_of_rows_that_arrived_in_the_window(
    server: LogAnalyticsServer, logs: Asker
) -> None:
    server.add(
        [
            row(0.0),
            row(0.9, Name="Total Tokens"),
            row(7.5),
            row(-30, arrives_at="2026-11-20T10:00:00Z"),
            row(1, arrives_at="2026-11-20T09:59:59.999999Z"),
            row(2, arrives_at="2026-11-20T11:00:00Z"),
            row(3, Name="Other Metric"),
            row(4, Properties={"Subscription ID": "a"}),
            row(5, Properties={"usage.subscription": "a", "productName": ""}),
        ]
    )

    found = await logs.rows(TOUCHED_MINUTES)

    minutes = {(each["Minute"] - HOUR) / timedelta(minutes=1) for each in found}
    assert minutes == {0.0, 7.0, -30.0}
    assert len(found) == 3


async def test_whole_bins_are_sums_of_each_set_of_dimensions(
    server: LogAnalyticsServer, logs: Asker, clock: Clock
) -> None:
    other = {"usage.subscription": "täm 你", "API ID": ""}
    server.add(
        [
            *(row(1), row(59.999, Sum=2), row(60), row(120), row(-0.001)),
            *(row(5, Properties=other), row(2, _ResourceId=TWO), row(2, AppRoleName="")),
            row(2, Name="Total Tokens", Sum=0.5),
        ]
    )

    found = await logs.rows(WHOLE_BINS)

    ours = json.dumps({"usage.subscription": "team-a"}, separators=(",", ":"))
    fields = ("Bin", "Name", "AppRoleName", "_ResourceId", "Properties", "Sum")
    assert {tuple(each[field] for field in fields) for each in found} == {
        (HOUR, "Prompt Tokens", "apim", ONE, ours, 12.0),
        (HOUR + timedelta(hours=1), "Prompt Tokens", "apim", ONE, ours, 10.0),
        (
            *(HOUR, "Prompt Tokens", "apim", ONE),
            *('{"usage.subscription":"täm 你","API ID":""}', 10.0),
        ),
        (HOUR, "Prompt Tokens", "apim", TWO, ours, 10.0),
        (HOUR, "Prompt Tokens", "", ONE, ours, 10.0),
        (HOUR, "Total Tokens", "apim", ONE, ours, 0.5),
    }
    assert len(found) == 6
    assert {each["AsOf"] for each in found} == {clock.now}


async def test_now_is_the_clock_of_the_server(logs: Asker, clock: Clock) -> None:
    clock.now += timedelta(microseconds=123_456)

    (found,) = await logs.rows("print Now = now(), Before = ago(1h)")

    assert found == {"Now": clock.now, "Before": clock.now - timedelta(hours=1)}


def bin_start(moment: datetime, size: timedelta) -> datetime:
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (moment - midnight) // size * size


async def test_bins_of_every_size_start_at_utc_midnight(
    server: LogAnalyticsServer, logs: Asker
) -> None:
    sizes = {f"{minutes}m": minutes for minutes in range(5, 1441) if 1440 % minutes == 0}
    midnight = HOUR.replace(day=18, hour=0)
    for text, minutes in (sizes | {"1h": 60, "6h": 360, "1d": 1440}).items():
        size = timedelta(minutes=minutes)
        edges = [midnight, midnight + size, midnight + 720 // minutes * size]
        moments = {edge + timedelta(microseconds=off) for edge in edges for off in (-1, 0, 1)}
        server.remove_before(END)
        server.add(row(TimeGenerated=moment, arrives_at=moment) for moment in moments)

        found = await logs.rows(
            f"let size = {text}; "
            "AppMetrics | project T = TimeGenerated, B = bin(TimeGenerated, size)"
        )

        starts = {each["T"]: each["B"] for each in found}
        assert starts == {moment: bin_start(moment, size) for moment in moments}, text


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
BAG = st.dictionaries(st.sampled_from(["Subscription ID", "productName", "*", "é"]), TEXT)
BAGS = st.builds(
    lambda bag, ours: bag | ours,
    BAG,
    st.sampled_from([{}, {"usage.subscription": ""}, {"usage.subscription": "a"}]),
)
NAMES = st.sampled_from(["Prompt Tokens", "Total Tokens", "prompt tokens"])
ROWS = st.lists(st.tuples(st.integers(-70, 130), NAMES, BAGS, st.integers(0, 9)), max_size=12)


@settings(max_examples=40)
@given(ROWS)
async def test_sums_are_those_of_a_fold(
    server: LogAnalyticsServer, logs: Asker, rows: list[tuple[int, str, dict[str, str], int]]
) -> None:
    server.remove_before(END)
    server.add(
        row(at, Name=name, Properties=bag, Sum=total, arrives_at=HOUR)
        for at, name, bag, total in rows
    )

    found = await logs.rows(WHOLE_BINS)

    expected: dict[tuple[int, str, str], float] = defaultdict(float)
    for at, name, bag, total in rows:
        ours = "usage.subscription" in bag and "productName" not in bag
        if ours and name != "prompt tokens" and 0 <= at < 120:
            expected[at // 60, name, json.dumps(bag)] += total
    assert expected == {
        (
            (each["Bin"] - HOUR) // timedelta(hours=1),
            each["Name"],
            json.dumps(json.loads(each["Properties"])),
        ): each["Sum"]
        for each in found
    }


# --- other KQL ---


@pytest.mark.parametrize(
    "key", ["usage.subscription", "Subscription ID", "é 你", "*", "$", "[0]", "a/b", "it's", "x//y"]
)
async def test_a_dimension_is_read_by_its_very_key(
    server: LogAnalyticsServer, logs: Asker, key: str
) -> None:
    server.add(
        [
            row(0, Properties={key: "v", f"{key}x": "w"}),
            row(1, Properties={key: ""}),
            row(2, Properties={f"{key}x": "w", "other": "w"}),
        ]
    )

    found = await logs.rows(
        f'AppMetrics | order by TimeGenerated asc | project V = tostring(Properties["{key}"]), '
        f'Missing = isnull(Properties["{key}"])'
    )

    assert [tuple(each.values()) for each in found] == [("v", False), ("", False), ("", True)]


async def test_times_and_calls_in_texts_and_comments_are_left_alone(logs: Asker) -> None:
    text = "now() ingestion_time() datetime(2026-11-20) it\\'s"

    (found,) = await logs.rows(
        f"print A = '{text}', // ingestion_time() isn't \"called\n B = @'C:\\', C = \"'now()'\""
    )

    expected = text.replace("\\", "")
    assert found == {"A": expected, "B": "C:\\", "C": "'now()'"}


@pytest.mark.parametrize(
    ("literal", "expected"),
    [
        ("2026-11-20", HOUR.replace(hour=0)),
        ("2026-11-20 10:00", HOUR),
        ("2026-11-20T12:00:00+02:00", HOUR),
        ("2026-11-20T10:00:00.1234567Z", HOUR + timedelta(microseconds=123_456)),
        ("null", None),
    ],
)
async def test_a_time_is_read_as_kusto_reads_it(
    logs: Asker, literal: str, expected: datetime | None
) -> None:
    (found,) = await logs.rows(f"print T = datetime({literal})")

    assert found["T"] == expected


async def test_the_same_query_of_another_time_is_another_query(
    server: LogAnalyticsServer, logs: Asker
) -> None:
    server.add(named("a", "b", "c"))

    async def before(moment: str) -> int:
        (found,) = await logs.rows(f"{COUNT.replace('|', f'| where {moment} |')}")
        count: int = found["Count"]
        return count

    assert [
        await before(f"TimeGenerated < datetime(2026-11-20T10:0{minute}:00Z)")
        for minute in (0, 1, 2, 9)
    ] == [0, 1, 2, 3]


async def test_types_are_written_as_the_service_writes_them(
    server: LogAnalyticsServer, logs: Asker
) -> None:
    server.add([row(0.5, Sum=3)])
    url = f"{server.endpoint}/v1/workspaces/{WORKSPACE}/query"
    kql = "AppMetrics | extend L = long(7), B = Sum > 1, N = real(nan), E = long(null)"
    headers = {"authorization": "Bearer token"}

    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.post(url, json={"query": kql}) as answer,
    ):
        (table,) = (await answer.json())["tables"]

    assert table["name"] == "PrimaryResult"
    names = [column["name"] for column in table["columns"]]
    types = [column["type"] for column in table["columns"]]
    assert dict(zip(names, zip(types, table["rows"][0], strict=True), strict=True)) == {
        "TimeGenerated": ("datetime", "2026-11-20T10:00:30.0000000Z"),
        "Name": ("string", "Prompt Tokens"),
        "Sum": ("real", 3.0),
        "ItemCount": ("int", 1),
        "Min": ("real", 3.0),
        "Max": ("real", 3.0),
        "AppRoleName": ("string", "apim"),
        "Properties": ("dynamic", '{"usage.subscription":"team-a"}'),
        "_ResourceId": ("string", ONE),
        "L": ("long", 7),
        "B": ("bool", True),
        "N": ("real", "NaN"),
        "E": ("long", None),
    }
    assert len((await logs.rows("AppMetrics"))[0]) == 9


@pytest.mark.parametrize(
    ("kql", "code", "message"),
    [
        (
            "Nope | where Sum > 1",
            "SEM0100",
            "'where' operator: Failed to resolve table or column expression named 'Nope'",
        ),
        ("let a = 1; Nope", "SEM0100", "resolve table or column expression named 'Nope'"),
        ("appmetrics | take 1", "SEM0100", "'appmetrics'"),
        ("AppMetrics | where name == 'a'", "SEM0100", "'name'"),
        ("AppMetrics | where Nope == 1", "SEM0100", "Nope"),
        ("AppMetrics | evaluate bag_unpack(Properties)", "SEM0100", "evaluate"),
        ("AppMetrics | project X = Properties['']", "SEM0100", "JSON path"),
        ("declare query_parameters(x: long); print x", "SEM0100", "no value: x"),
        ("print x = 1h", "SEM0100", "type timespan is not supported here"),
        ("server | take 1", "SEM0100", "'server'"),
        ("AppMetrics | wher", "SYN0002", "could not parse"),
        ("print datetime(2026-13-01)", "SYN0002", "datetime(2026-13-01)"),
        (".show tables", "SYN0002", "'.'"),
        (".drop table metric_rows", "SYN0002", "'.'"),
        ("", "SYN0002", "could not parse"),
    ],
)
async def test_a_query_that_cannot_run_is_refused_by_name(
    logs: Asker, kql: str, code: str, message: str
) -> None:
    status, text = await logs.refusal(kql)

    assert status == 400
    assert "BadArgumentError" in text
    assert f'"code": "{code}"' in text
    assert message in text


# --- rows ---


async def test_a_row_is_seen_from_its_arrival_on(
    server: LogAnalyticsServer, logs: Asker, clock: Clock
) -> None:
    server.add([row(119, Name="late", arrives_at=None, arrives_in_seconds=180)])
    clock.now += timedelta(seconds=179.999)
    assert await logs.names() == []

    clock.now += timedelta(seconds=0.001)

    assert await logs.names() == ["late"]
    (found,) = await logs.rows("AppMetrics | extend At = ingestion_time()")
    assert found["At"] == clock.now


@pytest.mark.parametrize(
    ("age", "kept"),
    [
        (timedelta(days=2), True),
        (timedelta(days=2, microseconds=1), False),
        (-timedelta(days=1), True),
        (-timedelta(days=1, microseconds=1), False),
    ],
)
async def test_a_time_too_far_from_the_arrival_is_replaced_by_it(
    server: LogAnalyticsServer, logs: Asker, age: timedelta, kept: bool
) -> None:
    generated_at = HOUR - age
    server.add([row(TimeGenerated=generated_at, arrives_at=HOUR)])

    (found,) = await logs.rows("AppMetrics")

    assert found["TimeGenerated"] == (generated_at if kept else HOUR)


async def test_rows_are_sent_over_http(server: LogAnalyticsServer, logs: Asker) -> None:
    url = f"{server.endpoint}/_local/rows"
    async with aiohttp.ClientSession() as http:
        async with http.post(url, json=list(named("a", "b"))) as answer:
            assert await answer.json() == {"taken": 2}
        async with http.post(url, json=[]) as answer:
            assert await answer.json() == {"taken": 0}

    assert await logs.names() == ["a", "b"]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"TimeGenerated": "yesterday"}, "TimeGenerated"),
        ({"TimeGenerated": "2026-11-20T10:00:00"}, "timezone"),
        ({"Sum": "10"}, "Sum"),
        ({"Sum": True}, "Sum"),
        ({"Name": None}, "Name"),
        ({"Properties": {"a": None}}, "null"),
        ({"Properties": []}, "Properties"),
        ({"arrives_in_seconds": -1}, "arrives_in_seconds"),
        ({"_ResourceId": f"{GROUP}/four"}, f"{GROUP}/four"),
        ({"Summ": 1}, "Summ"),
    ],
)
async def test_a_wrong_row_is_refused_by_name_and_none_is_kept(
    server: LogAnalyticsServer, logs: Asker, wrong: Mapping[str, Any], told: str
) -> None:
    url = f"{server.endpoint}/_local/rows"
    async with (
        aiohttp.ClientSession() as http,
        http.post(url, json=[row(), row(**wrong)]) as answer,
    ):
        assert answer.status == 400
        assert told in await answer.text()
    with pytest.raises(ValueError, match=told):
        server.add([row(), row(**wrong)])

    assert await logs.names() == []


async def test_rows_before_a_moment_are_removed(server: LogAnalyticsServer, logs: Asker) -> None:
    server.add(named("a", "b", "c"))

    server.remove_before(HOUR + timedelta(minutes=1))

    assert await logs.names() == ["b", "c"]


async def test_rows_survive_a_restart_under_an_open_client(
    server: LogAnalyticsServer, logs: Asker
) -> None:
    server.add(named("a"))
    endpoint = server.endpoint
    assert await logs.names() == ["a"]

    await server.stop()
    await server.start()

    assert server.endpoint == endpoint
    assert await logs.names() == ["a"]


# --- targets ---


async def test_a_target_sees_its_own_rows_only(server: LogAnalyticsServer, logs: Asker) -> None:
    server.add(
        row(number, Name=each[-3:].lower(), _ResourceId=each)
        for number, each in enumerate((ONE, TWO.upper(), THREE))
    )

    assert await logs.names(WORKSPACE) == ["one", "two"]
    assert await logs.names(OTHER_WORKSPACE.upper()) == ["ree"]
    assert await logs.names(ONE) == ["one"]
    assert await logs.names(TWO.upper()) == ["two"]
    assert await logs.names(additional_workspaces=[OTHER_WORKSPACE]) == ["one", "two", "ree"]
    assert server.requests[0] == Served(WORKSPACE, 200)
    assert server.requests[2] == Served(ONE, 200)


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("11111111-aaaa-4bbb-8ccc-000000000003", "WorkspaceNotFoundError"),
        (f"{GROUP}/four", "PathNotFoundError"),
    ],
)
async def test_an_unknown_target_is_not_found(
    server: LogAnalyticsServer, logs: Asker, target: str, code: str
) -> None:
    status, text = await logs.refusal(target=target)

    assert (status, code in text) == (404, True)
    assert list(server.requests) == [Served(target, 404)]


async def test_the_timespan_narrows_what_is_seen(server: LogAnalyticsServer, logs: Asker) -> None:
    server.add(named("a", "b", "c"))
    one_minute = timedelta(minutes=1)

    assert await logs.names(timespan=(HOUR + one_minute, HOUR + 2 * one_minute)) == ["b"]
    with pytest.raises(HttpResponseError, match="start/end"):
        await logs.names(timespan=one_minute)


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("workspaces/x/query", {"query": COUNT}, {}, 401),
        ("workspaces/x/query", {"query": COUNT}, {"authorization": "Basic x"}, 401),
        ("workspaces/x/query", {"kql": COUNT}, {"authorization": "Bearer x"}, 400),
        ("workspaces/x/query", [], {"authorization": "Bearer x"}, 400),
        ("$batch", {"requests": []}, {"authorization": "Bearer x"}, 404),
    ],
)
async def test_what_is_no_query_is_refused(
    server: LogAnalyticsServer, path: str, body: Any, headers: dict[str, str], status: int
) -> None:
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.post(f"{server.endpoint}/v1/{path}", json=body) as answer,
    ):
        assert answer.status == status
        assert (await answer.json())["error"]["code"]


async def test_port_in_use_is_named(server: LogAnalyticsServer, tmp_path: Path) -> None:
    second = LogAnalyticsServer(tmp_path / "second.db", {}, port=server.port)
    with pytest.raises(OSError, match=str(server.port)):
        await second.start()


async def test_queries_at_once_are_all_answered(server: LogAnalyticsServer, logs: Asker) -> None:
    server.add(named("a"))

    answers = await asyncio.gather(*(logs.names(target) for target in [ONE, TWO] * 5))

    assert answers == [["a"], []] * 5


# --- answers that are not whole, and faults ---


async def test_more_rows_than_an_answer_may_have_are_a_partial_result(
    server: LogAnalyticsServer, logs: Asker
) -> None:
    server.add(row(number) for number in range(20))
    assert len(await logs.names()) == 20
    server.add([row(20)])

    answer = await logs.answer("AppMetrics")

    assert isinstance(answer, LogsQueryPartialResult)
    assert len(answer.partial_data[0].rows) == 20
    assert answer.partial_error is not None
    assert answer.partial_error.code == "PartialError"
    assert "exceed the set limit of 20 records" in str(answer.partial_error.details)


async def test_a_partial_answer_has_half_of_the_rows(
    server: LogAnalyticsServer, logs: Asker
) -> None:
    server.add(named("a", "b", "c", "d", "e"))
    server.faults.add(Fault(partial=True))

    answer = await logs.answer(ALL_OF_IT)

    assert isinstance(answer, LogsQueryPartialResult)
    assert [list(each) for each in answer.partial_data[0].rows] == [["a"], ["b"]]
    assert len(await logs.names()) == 5


async def test_a_full_page_says_nothing_of_what_it_leaves_out(
    server: LogAnalyticsServer, logs: Asker
) -> None:
    server.add(named("a", "b", "c"))
    server.faults.add(Fault(full_page=2))

    assert await logs.names() == ["a", "b"]
    assert await logs.names() == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "InvalidTokenError"),
        (403, "InsufficientAccessError"),
        (429, "ThrottledError"),
        (500, "InternalServerError"),
        (503, "ServiceUnavailableError"),
        (504, "GatewayTimeout"),
    ],
)
async def test_a_fault_answers_its_status(
    server: LogAnalyticsServer, logs: Asker, status: int, code: str
) -> None:
    server.faults.add(Fault(status=status))

    seen, text = await logs.refusal()

    assert (seen, code in text) == (status, True)
    assert (await logs.rows(COUNT))[0]["Count"] == 0
    assert [served.status for served in server.requests] == [status, 200]


async def test_a_throttled_query_says_when_to_come_back(
    server: LogAnalyticsServer, logs: Asker
) -> None:
    server.faults.add(Fault(status=429, retry_after_seconds=1.5))

    with pytest.raises(HttpResponseError) as caught:
        await logs.answer(COUNT)

    response: Any = caught.value.response
    assert response.headers["Retry-After"] == "1.5"


async def test_a_missing_table_is_told_as_the_service_tells_it(
    server: LogAnalyticsServer, logs: Asker
) -> None:
    server.faults.add(Fault(missing_table=True))

    status, text = await logs.refusal(TOUCHED_MINUTES)

    expected = "'where' operator: Failed to resolve table or column expression named 'AppMetrics'"
    assert (status, expected in text) == (400, True)


async def test_a_reset_connection_has_no_answer(server: LogAnalyticsServer, logs: Asker) -> None:
    server.faults.add(Fault(reset=True))

    with pytest.raises(ServiceRequestError):
        await logs.answer(COUNT)

    assert await logs.names() == []
    assert [served.status for served in server.requests] == [0, 200]


async def test_latency_delays_and_then_answers(server: LogAnalyticsServer, logs: Asker) -> None:
    server.faults.add(Fault(latency_seconds=0.2))
    started = time.perf_counter()

    await logs.names()

    assert time.perf_counter() - started >= 0.2


async def test_skip_count_and_target_choose_the_queries(
    server: LogAnalyticsServer, logs: Asker
) -> None:
    server.faults.add(Fault(target=ONE.upper(), skip=1, count=2, status=500))

    for target in (ONE, TWO, ONE, WORKSPACE, ONE, ONE):
        try:
            await logs.answer(COUNT, target)
        except HttpResponseError:
            continue

    statuses = [served.status for served in server.requests]
    assert statuses == [200, 200, 500, 200, 500, 200]


async def test_faults_are_set_listed_and_cleared_over_http(
    server: LogAnalyticsServer, logs: Asker
) -> None:
    url = f"{server.endpoint}/_local/faults"
    async with aiohttp.ClientSession() as http:
        async with http.post(url, json={"status": 504, "count": None}) as answer:
            assert answer.status == 200
        assert (await logs.refusal())[0] == 504
        async with http.get(url) as answer:
            (listed,) = (await answer.json())["faults"]
            assert (listed["status"], listed["seen"]) == (504, 1)
        async with http.delete(url) as answer:
            assert await answer.json() == {"faults": []}
        wrongs: list[Any] = [{"status": 429, "reset": True}, {"stauts": 429}, {}, []]
        for wrong in [*wrongs, {"status": 418}, {"partial": True, "full_page": 1}]:
            async with http.post(url, json=wrong) as answer:
                assert answer.status == 400, wrong
    assert await logs.names() == []
