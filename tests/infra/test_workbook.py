"""The workbook: put together from its parts, and run over the lines of the real app."""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import pytest
from pycep import BicepParser

from tests.builders import NOON, WORKSPACE, make_event
from tests.conftest import Stack
from tests.infra import workbook_parts
from tests.infra.alert_rules import INFRA
from tests.infra.deployments import form, the
from tests.infra.log_tables import LogTables
from tests.infra.told import undeclared
from tests.infra.watch import Watch, collected_through, watched
from tests.kusto.parser import Diagnosis, diagnose
from usage_ingest import telemetry
from usage_ingest.health import tell_streaming
from usage_ingest.rollup import LATENCY_COUNTERS

PARTS: Final = {
    each.stem: each.read_text(encoding="utf-8") for each in workbook_parts.PARTS.glob("*.kql")
}
SHOWN: Final = {name: shown for part in workbook_parts.SECTIONS.values() for name, _, shown in part}


@pytest.fixture(scope="module")
def diagnoses() -> Mapping[str, Diagnosis]:
    """Every query, checked at once."""
    return diagnose(PARTS)


def test_the_file_is_what_the_parts_make() -> None:
    """Run python -m tests.infra.workbook_parts after a change."""
    assert workbook_parts.WORKBOOK.read_text(encoding="utf-8") == workbook_parts.text()
    assert PARTS.keys() == {*SHOWN, workbook_parts.CHOICE}


def test_the_module_loads_the_file() -> None:
    text = (INFRA / "workbook.bicep").read_text(encoding="utf-8")
    resource = BicepParser().parse(text=text)["resources"]["workbook"]
    properties: dict[str, Any] = resource["config"]["properties"]

    loaded = properties["serializedData"]["function"]["parameters"]["file_path"]
    assert INFRA / loaded == workbook_parts.WORKBOOK


@pytest.mark.parametrize("name", PARTS)
def test_microsofts_parser_has_nothing_to_say(
    diagnoses: Mapping[str, Diagnosis], name: str
) -> None:
    assert diagnoses[name].problems == ()


@pytest.mark.parametrize("name", SHOWN)
def test_a_chart_has_a_time_and_a_number(diagnoses: Mapping[str, Diagnosis], name: str) -> None:
    kinds = {*diagnoses[name].columns.values()}

    if SHOWN[name] != "table":
        assert "datetime" in kinds
        assert kinds & {"long", "real"}


@pytest.mark.parametrize("name", PARTS)
def test_a_query_names_only_what_is_declared(name: str) -> None:
    assert undeclared(PARTS[name]) == set()


def test_the_latency_is_that_of_all_buckets() -> None:
    assert set(re.findall(r"Each\.(\w+)", PARTS["latency"])) == {*LATENCY_COUNTERS}


@pytest.fixture
async def logs(stack: Stack, caplog: pytest.LogCaptureFixture) -> LogTables:
    """Some events, a gap, a dead letter, a source, a failure; all of an app that is called app."""
    watch: Watch = watched(stack, caplog)
    watch.start(METRICS_TARGETS=WORKSPACE)
    statuses = [200] * 7 + [500, 500, 429]
    await watch.ingest(*(make_event(status=each, latency_ms=20_000) for each in statuses), b"no")
    await watch.ingest(make_event(subscription_id="other", latency_ms=100), first=15)
    watch.hub.is_away = True
    await collected_through(watch, 2)
    await watch.look(times=2)
    await tell_streaming(watch.app.reports, stack.clock)
    with suppress(LookupError), telemetry.failures_told("status"):
        raise LookupError
    watch.keep()
    return watch.logs


def rows(logs: LogTables, name: str, app: str = "app") -> list[dict[str, Any]]:
    return logs.ask(PARTS[name].replace("{App}", app), NOON.replace(hour=13))


async def test_usage_is_shown_by_subscription_and_model(logs: LogTables) -> None:
    first, second = rows(logs, "usage-by-subscription")

    assert first == {
        "Subscription": "hr-copilot",
        "Requests": 10,
        "InputTokens": 1_000,
        "CachedInputTokens": 640,
        "OutputTokens": 200,
        "Failed": 3,
        "RateLimited": 1,
        "WithoutUsage": 0,
    }
    assert (second["Subscription"], second["Requests"]) == ("other", 1)
    models = rows(logs, "tokens-by-model")
    assert [(each["Model"], each["Tokens"]) for each in models] == [("gpt-4o-2024-11-20", 1_320)]


async def test_errors_and_latency_are_shown(logs: LogTables) -> None:
    (errors,) = rows(logs, "errors")
    (latency,) = rows(logs, "latency")

    assert (errors["Requests"], errors["Failed"], errors["RateLimited"]) == (11, 3, 1)
    assert latency["AverageMilliseconds"] == pytest.approx((10 * 20_000 + 100) / 11)
    assert latency["PercentAboveTenSeconds"] == pytest.approx(1_000 / 11)


async def test_ingestion_is_shown(logs: LogTables) -> None:
    (ingestion,) = rows(logs, "ingestion")
    (partition,) = rows(logs, "partitions")
    (letters,) = rows(logs, "dead-letters")

    assert (ingestion["Received"], ingestion["Stored"], ingestion["DeadLetters"]) == (12, 11, 1)
    assert (partition["Partition"], partition["Lag"], partition["OpenGaps"]) == ("0", 0, 1)
    assert (partition["NewestEventSeconds"], partition["LookedAtSeconds"]) == (600, 0)
    assert [each["InOpenGaps"] for each in rows(logs, "gaps")] == [4, 4]
    assert (letters["Reason"], letters["Open"]) == ("not_json", 1)
    assert {each["Lag"] for each in rows(logs, "lag")} == {0}


async def test_streamed_requests_and_alarms_are_shown(logs: LogTables) -> None:
    ages = [each["AgeMinutes"] for each in rows(logs, "watermarks")]
    (streaming,) = rows(logs, "streaming")
    alarms = {each["Alarm"]: each["Times"] for each in rows(logs, "alarms")}

    assert ages == [130]
    assert (streaming["Since"], streaming["Awaiting"]) == ("2026-11-17", 0)
    assert alarms == {"gap_noticed": 1, "function_failed": 1}


@pytest.mark.parametrize("app", ["", "<unset>"])
async def test_without_a_choice_every_app_is_shown(logs: LogTables, app: str) -> None:
    assert rows(logs, "ingestion", app) == rows(logs, "ingestion")
    assert rows(logs, "ingestion", "another") == []
    assert rows(logs, workbook_parts.CHOICE) == [{"AppRoleName": "app"}]


def test_the_workbook_is_json_that_the_portal_knows() -> None:
    found = json.loads(workbook_parts.WORKBOOK.read_text(encoding="utf-8"))

    made, _ = form("as it comes")
    workbook = the(made, "Microsoft.Insights/workbooks")
    assert workbook.body["kind"] == "shared"
    assert workbook.body["properties"]["category"] == "workbook"
    assert json.loads(workbook.body["properties"]["serializedData"]) == found
    assert found["version"] == "Notebook/1.0"
    assert {each["type"] for each in found["items"]} == {1, 3, 9}
    assert len({each["name"] for each in found["items"]}) == len(found["items"])
