"""The KQL that is sent: read by Microsoft's parser, and run by the stand-in over the real SDK."""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
import pytest
from azure.monitor.query import LogsQueryResult
from azure.monitor.query.aio import LogsQueryClient

from tests.builders import COMPONENT, DIMENSIONS, NOON, WORKSPACE, make_definition, make_log_row
from tests.conftest import Logs
from tests.kusto.parser import Diagnosis, diagnose
from usage_ingest.adapters.credentials import LocalToken
from usage_ingest.metric_profile import Definition, parsed
from usage_ingest.metrics import query
from usage_ingest.metrics.shipped import SHIPPED
from usage_ingest.metrics.watermark import Bin, Window

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
ARRIVED = Window(NOON, NOON + HOUR)
COMPLETED: Final[Mapping[str, Mapping[str, Any]]] = {
    "own": {},
    "ai-hub": {},
    "citadel": {"covered": {"product_id": ["AI-Retail", "-"]}},
    "toolkit": {"covered": {"subscription_id": ["sub-1"]}},
}
PROFILES: Final = {
    name: parsed(name, orjson.dumps({**SHIPPED[name], **added}).decode())
    for name, added in COMPLETED.items()
} | {
    "odd names": make_definition(
        metrics={"Prompt 'Tokens' // {0}": "input_tokens", "täm 你": "output_tokens"},
        must_have=["it's", "a//b", "{x}", "[0]", "你.b c"],
        must_not_have=["$", "*", "`", "a;b"],
    )
}
COLUMNS: Final = {
    "minutes": {"Minute": "datetime"},
    "bins": {
        "Bin": "datetime",
        "Name": "string",
        "AppRoleName": "string",
        "_ResourceId": "string",
        "Properties": "string",
        "Sum": "real",
        "AsOf": "datetime",
    },
    "now": {"Now": "datetime"},
    "seen": {"Rows": "long"},
}


def hour(n: int) -> Bin:
    return Bin(NOON + n * HOUR, 3_600)


def texts() -> dict[str, str]:
    """Every text that is made: of each profile, of each size of bins, of one bin and of many."""
    made = {"now": query.service_time(), "seen": query.metrics_seen()}
    for name, definition in PROFILES.items():
        made[f"minutes of {name}"] = query.touched_minutes(definition, ARRIVED, ARRIVED.generated)
        made[f"bins of {name}"] = query.whole_bins(definition, [hour(0), hour(1)])
    for seconds in (60, 900, 3_600, 21_600, 86_400):
        bins = [Bin(NOON.replace(hour=0), seconds)]
        made[f"bins of {seconds} s"] = query.whole_bins(PROFILES["own"], bins)
    many = [Bin(NOON.replace(hour=0) + n * MINUTE, 60) for n in range(500)]
    made["bins, five hundred"] = query.whole_bins(PROFILES["own"], many)
    return made


@pytest.fixture(scope="module")
def diagnoses() -> Mapping[str, Diagnosis]:
    """Every text, checked at once: the parser takes a second to start."""
    return diagnose(texts())


@pytest.mark.parametrize("name", texts())
def test_microsofts_parser_has_nothing_to_say_and_knows_the_columns(
    diagnoses: Mapping[str, Diagnosis], name: str
) -> None:
    kind = name.replace(",", " ").split()[0]

    assert diagnoses[name] == Diagnosis((), COLUMNS[kind])


# What they find


class Asker:
    """Asks the stand-in through the SDK's own client."""

    def __init__(self, client: LogsQueryClient, logs: Logs) -> None:
        self.client = client
        self.add = logs.server.add
        self.clock = logs.clock

    async def rows(self, kql: str) -> list[dict[str, Any]]:
        answer = await self.client.query_workspace(
            WORKSPACE, kql, timespan=None, enforce_https=False
        )
        assert isinstance(answer, LogsQueryResult)
        (table,) = answer.tables
        return [dict(zip(table.columns, row, strict=True)) for row in table.rows]

    async def minutes(
        self, definition: Definition | None = None, generated: Window | None = None
    ) -> list[datetime]:
        asked = query.touched_minutes(
            definition or make_definition(), ARRIVED, generated or ARRIVED.generated
        )
        return sorted(row["Minute"] for row in await self.rows(asked))

    async def sums(
        self, *bins: Bin, definition: Definition | None = None
    ) -> dict[tuple[datetime, str], float]:
        """The sum of each bin and metric; fails where dimensions split one."""
        asked = query.whole_bins(definition or make_definition(), bins or [hour(0)])
        found = await self.rows(asked)
        sums = {(row["Bin"], row["Name"]): row["Sum"] for row in found}
        assert len(sums) == len(found)
        return sums


@pytest.fixture
async def ask(logs: Logs) -> AsyncIterator[Asker]:
    client = LogsQueryClient(LocalToken(), endpoint=logs.server.endpoint, retry_total=0)
    async with client:
        yield Asker(client, logs)


async def test_the_services_time_is_its_own(ask: Asker) -> None:
    ask.clock.move(seconds=1.25)

    assert await ask.rows(query.service_time()) == [{"Now": NOON + 2 * HOUR + timedelta(0, 1.25)}]


async def test_rows_are_found_by_their_arrival_from_the_start_and_before_the_end(
    ask: Asker,
) -> None:
    """The end of one window is the start of the next: no arrival is in both, or in neither."""
    tick = timedelta(microseconds=1)
    ask.add(
        [
            make_log_row(NOON + 1 * MINUTE, arrives_at=ARRIVED.start - tick),
            make_log_row(NOON + 2 * MINUTE, arrives_at=ARRIVED.start),
            make_log_row(NOON + 3 * MINUTE, arrives_at=ARRIVED.end - tick),
            make_log_row(NOON + 4 * MINUTE, arrives_at=ARRIVED.end),
        ]
    )

    assert await ask.minutes() == [NOON + 2 * MINUTE, NOON + 3 * MINUTE]


async def test_late_rows_are_found_by_the_minute_that_they_carry(ask: Asker) -> None:
    late = NOON - timedelta(hours=47, minutes=3, seconds=12)
    ahead = NOON + timedelta(hours=23)
    ask.add(make_log_row(each, arrives_at=NOON + MINUTE) for each in (late, ahead))

    assert await ask.minutes() == [late.replace(second=0), ahead]


async def test_times_that_are_asked_for_bound_what_is_found(ask: Asker) -> None:
    generated = Window(NOON, NOON + 10 * MINUTE)
    tick = timedelta(microseconds=1)
    ask.add(
        make_log_row(each, arrives_at=NOON + 30 * MINUTE)
        for each in (NOON - tick, NOON, NOON + 10 * MINUTE - tick, NOON + 10 * MINUTE)
    )

    assert await ask.minutes(generated=generated) == [NOON, NOON + 9 * MINUTE]


async def test_a_minute_with_many_rows_is_found_once(ask: Asker) -> None:
    ask.add(make_log_row(NOON + timedelta(seconds=n)) for n in range(60))

    assert await ask.minutes() == [NOON]


async def test_a_bin_is_read_whole_whenever_its_rows_arrived(ask: Asker) -> None:
    ask.add(
        [
            make_log_row(NOON, Sum=1.0, arrives_at=NOON - HOUR),
            make_log_row(NOON + 59 * MINUTE, Sum=2.0, arrives_at=NOON + 2 * HOUR),
            make_log_row(NOON + 30 * MINUTE, Sum=4.0, arrives_at=NOON + HOUR),
            make_log_row(NOON - timedelta(microseconds=1), Sum=8.0),
            make_log_row(NOON + HOUR, Sum=16.0),
        ]
    )

    assert await ask.sums(hour(0)) == {(NOON, "Prompt Tokens"): 7.0}


async def test_bins_that_nobody_asked_for_are_not_read_even_between_others(ask: Asker) -> None:
    ask.add(make_log_row(NOON - n * HOUR, Sum=2.0**n) for n in range(5))

    assert await ask.sums(hour(-3), hour(-1)) == {
        (NOON - 3 * HOUR, "Prompt Tokens"): 8.0,
        (NOON - HOUR, "Prompt Tokens"): 2.0,
    }


@pytest.mark.parametrize("seconds", [60, 900, 21_600, 86_400])
async def test_bins_of_every_length_begin_where_ours_do(ask: Asker, seconds: int) -> None:
    length = timedelta(seconds=seconds)
    start = NOON.replace(hour=0)
    ask.add(
        make_log_row(start + offset, arrives_at=NOON, Sum=total)
        for offset, total in (
            (-timedelta(microseconds=1), 1.0),
            (timedelta(0), 2.0),
            (length - timedelta(microseconds=1), 4.0),
            (length, 8.0),
        )
    )

    assert await ask.sums(Bin(start, seconds)) == {(start, "Prompt Tokens"): 6.0}


async def test_an_answer_says_whose_sums_it_has_and_when_it_was_read(ask: Asker) -> None:
    ask.add([make_log_row(Sum=1.5), make_log_row(NOON + MINUTE, Sum=2.25)])

    (row,) = await ask.rows(query.whole_bins(make_definition(), [hour(0)]))

    properties = orjson.loads(row.pop("Properties"))
    assert properties == DIMENSIONS
    assert row == {
        "Bin": NOON,
        "Name": "Prompt Tokens",
        "AppRoleName": "apim-contoso.azure-api.net Sweden Central",
        "_ResourceId": COMPONENT,
        "Sum": 3.75,
        "AsOf": NOON + 2 * HOUR,
    }


async def test_each_set_of_dimensions_and_sender_has_sums_of_its_own(ask: Asker) -> None:
    ask.add(
        [
            make_log_row(),
            make_log_row(AppRoleName="another"),
            make_log_row(Properties=DIMENSIONS | {"usage.app": "app-2"}),
            make_log_row(Properties=DIMENSIONS | {"_MS.AggregationIntervalMs": "60000"}),
        ]
    )

    found = await ask.rows(query.whole_bins(make_definition(), [hour(0)]))

    assert [row["Sum"] for row in found] == [100.0] * 4


@pytest.mark.parametrize(
    ("bag", "found"),
    [
        pytest.param({"usage.subscription": "a", "Backend ID": "b"}, True, id="both-keys"),
        pytest.param({"usage.subscription": "", "Backend ID": ""}, True, id="empty-values"),
        pytest.param({"usage.subscription": "a"}, False, id="one-key"),
        pytest.param({"usage": {"subscription": "a"}, "Backend ID": "b"}, False, id="nested"),
        pytest.param({"Usage.Subscription": "a", "Backend ID": "b"}, False, id="other-case"),
        pytest.param({}, False, id="no-key"),
        pytest.param(
            {"usage.subscription": "a", "Backend ID": "b", "route Name.x": "c"},
            False,
            id="a-key-that-must-not-be-there",
        ),
        pytest.param(
            {"usage.subscription": "a", "Backend ID": "b", "route Name.x": ""},
            False,
            id="an-empty-one-that-must-not-be-there",
        ),
    ],
)
async def test_rows_are_told_by_their_keys_as_the_definition_tells_them(
    ask: Asker, bag: dict[str, Any], *, found: bool
) -> None:
    """Keys may hold dots and spaces; what is asked of the service is what matches() says."""
    definition = make_definition(
        must_have=["usage.subscription", "Backend ID"], must_not_have=["route Name.x"]
    )
    ask.add([make_log_row(Properties=bag)])

    minutes, sums = await ask.minutes(definition), await ask.sums(definition=definition)

    assert bool(minutes) is bool(sums) is found
    assert definition.matches("Prompt Tokens", bag) is found


@pytest.mark.parametrize("key", ["it's", "a//b", "$", "*", "[0]", "{x}", "täm 你", "a/b~c"])
async def test_a_key_is_taken_for_its_very_letters(ask: Asker, key: str) -> None:
    wanted, unwanted = make_definition(must_have=[key]), make_definition(must_not_have=[key])
    ask.add(
        [
            make_log_row(NOON, Properties=DIMENSIONS | {key: "v"}),
            make_log_row(NOON + MINUTE, Properties=DIMENSIONS | {f"{key}x": "v"}),
        ]
    )

    assert await ask.minutes(wanted) == [NOON]
    assert await ask.minutes(unwanted) == [NOON + MINUTE]


async def test_names_are_told_letter_by_letter(ask: Asker) -> None:
    names = ("Prompt Tokens", "prompt tokens", "Prompt Tokens ", "AI Throttling", "Total Tokens")
    ask.add(make_log_row(Name=name) for name in names)

    assert set(await ask.sums()) == {(NOON, "Prompt Tokens"), (NOON, "Total Tokens")}


BAGS: Final = {
    "own": DIMENSIONS,
    "ai-hub": {
        "SubscriptionId": "finance-bot",
        "productName": "AI-Retail",
        "routeName": "SWC",
        "routeLocation": "swedencentral",
        "deploymentName": "chat",
        "backendId": "openai-backend-0",
    },
    "citadel": {
        "productName": "AI-Retail",
        "deploymentName": "gpt-4o",
        "Backend ID": "b",
        "appId": "finance-bot",
        "customDimension1": "",
        "customDimension2": "",
    },
    "toolkit": {
        "API ID": "a",
        "Operation ID": "o",
        "Product ID": "p",
        "Subscription ID": "sub-1",
        "Location": "Sweden Central",
        "Gateway ID": "g",
        "Client IP": "203.0.113.77",
    },
    "somebody else": {"Subscription ID": "sub-1", "tenant": "t"},
}


@pytest.mark.parametrize("profile", COMPLETED)
async def test_rows_of_other_namespaces_with_the_same_names_are_left_out(
    ask: Asker, profile: str
) -> None:
    """The table does not tell the namespace that a metric was emitted under."""
    minutes = {name: NOON + n * MINUTE for n, name in enumerate(BAGS)}
    ask.add(make_log_row(minutes[name], Properties=bag) for name, bag in BAGS.items())

    assert await ask.minutes(PROFILES[profile]) == [minutes[profile]]
    assert await ask.sums(definition=PROFILES[profile]) == {(NOON, "Prompt Tokens"): 100.0}
