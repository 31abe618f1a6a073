"""The alert rules against the lines that telemetry.py declares, and against the runbook."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, get_args

import pytest

from tests.infra.alert_rules import INFRA, WINDOWS, LogAlert, log_alerts, metric_alerts, watching
from tests.infra.told import NESTED, alarms_of, events_of, undeclared
from tests.infra.workbook_parts import SECTIONS, kql
from tests.kusto.parser import Diagnosis, diagnose
from usage_ingest import telemetry

DOCS: Final = Path(__file__).resolve().parent.parent.parent / "docs"
RULES: Final = log_alerts()
PLATFORM: Final = metric_alerts()
MEASURES: Final = {"long", "real", "int"}
METRICS: Final = {
    "Microsoft.EventHub/namespaces": {
        "IncomingMessages": "EntityName",
        "OutgoingMessages": "EntityName",
        "ThrottledRequests": "EntityName",
    },
    "Microsoft.DocumentDB/databaseAccounts": {"TotalRequests": "StatusCode"},
    "Microsoft.ApiManagement/service": {
        "Requests": "",
        "EventHubTotalEvents": "",
        "EventHubDroppedEvents": "",
        "EventHubRejectedEvents": "",
        "EventHubThrottledEvents": "",
        "EventHubTimedoutEvents": "",
    },
}
"""The platform metrics by Microsoft's reference, with the dimension that is used of each."""


@pytest.fixture(scope="module")
def diagnoses() -> Mapping[str, Diagnosis]:
    """Every query, checked at once."""
    return diagnose({name: rule.query for name, rule in RULES.items()})


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.name)
def test_microsofts_parser_has_nothing_to_say_and_finds_what_the_rule_measures(
    diagnoses: Mapping[str, Diagnosis], rule: LogAlert
) -> None:
    found = diagnoses[rule.name]

    assert found.problems == ()
    assert found.columns["TimeGenerated"] == "datetime"
    assert rule.measure is None or found.columns[rule.measure] in MEASURES
    assert {found.columns[name] for name in rule.dimensions} <= {"string"}


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.name)
def test_a_query_names_only_what_is_declared(rule: LogAlert) -> None:
    assert events_of(rule.query) | alarms_of(rule.query)
    assert undeclared(rule.query) == set()


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.name)
def test_a_query_looks_at_its_own_component_only(rule: LogAlert) -> None:
    """A workspace may hold the lines of several."""
    tables = re.findall(r"\b(?:AppTraces|AppRequests)\n", rule.query)

    assert len(tables) == rule.query.count('_ResourceId =~ "{component}"') >= 1


def test_a_query_that_names_what_nobody_writes_is_noticed() -> None:
    named = 'AppTraces | where Message startswith_cs "helth {" | extend X = Line.lag'

    assert undeclared(named) == {"helth", "lag"}
    assert undeclared('Message startswith_cs "health {" | extend X = Line.lagg') == {"lagg"}
    assert undeclared('Alarm in ("gap_lots")') == {"gap_lots"}


def test_every_query_is_that_of_one_rule() -> None:
    files = {each.stem for each in (INFRA / "kql").glob("*.kql")}

    assert files == RULES.keys()
    assert not RULES.keys() & PLATFORM.keys()


@pytest.mark.parametrize("name", [*RULES, *PLATFORM])
def test_a_rule_says_what_it_means_and_how_bad_it_is(name: str) -> None:
    rules: dict[str, Any] = {
        each.name: (each.description, each.severity, each.window) for each in RULES.values()
    }
    declared = {
        each["name"]: (each["description"], each["severity"], each["window"])
        for each in PLATFORM.values()
    }
    description, severity, window = (rules | declared)[name]

    assert description.endswith(".")
    assert 1 <= severity <= 3
    assert window in WINDOWS


@pytest.mark.parametrize("rule", PLATFORM.values(), ids=lambda rule: rule["name"])
def test_a_rule_over_platform_metrics_names_those_that_exist(rule: dict[str, Any]) -> None:
    known = METRICS[rule["namespace"]]

    for each in rule["criteria"]:
        assert {one["name"] for one in each["dimensions"]} <= {known[each["metric"]]}
        assert each["aggregation"] == ("Count" if each["metric"] == "TotalRequests" else "Total")
        assert each["operator"] in ("GreaterThan", "LessThan")


def test_every_parameter_says_what_it_is() -> None:
    parameters = watching()["parameters"]

    assert all(each["decorators"] for each in parameters.values())
    assert {name for name, each in parameters.items() if each["default"] is None} == {
        *("location", "appInsightsId", "workspaceId", "functionAppName"),
        *("cosmosAccountId", "eventHubsNamespaceId", "eventHubName"),
    }


def test_the_runbook_has_a_heading_for_each_alert() -> None:
    text = (DOCS / "runbook.md").read_text(encoding="utf-8")
    _, _, after = text.partition("\n## Alerts\n")
    section, _, _ = after.partition("\n## ")

    assert set(re.findall(r"^### (.+)$", section, re.MULTILINE)) == {*RULES, *PLATFORM}


def test_the_runbook_names_thresholds_as_they_are() -> None:
    text = (DOCS / "runbook.md").read_text(encoding="utf-8")
    defaults = {name: each.get("default") for name, each in watching()["parameters"].items()}

    assert (defaults["lagEvents"], "more than 5,000 events" in text) == (5_000, True)
    assert (defaults["openGapSeconds"], "for more than 30 minutes" in text) == (1_800, True)
    assert (defaults["nothingStoredSeconds"], "older than three days" in text) == (259_200, True)
    assert (defaults["openDeadLetters"], "More than 100 dead letters" in text) == (100, True)
    assert (defaults["watermarkSeconds"], "more than 2 hours behind" in text) == (7_200, True)
    assert (defaults["failedFunctions"], "failed at least 3 times" in text) == (2, True)
    assert (defaults["errorPercent"], "more than a quarter" in text.lower()) == (25, True)


# The lines, as docs/telemetry.md lists them


@cache
def listed(heading: str) -> dict[str, tuple[str, str]]:
    """Return the fields and the readers of each line, as written."""
    text = (DOCS / "telemetry.md").read_text(encoding="utf-8")
    _, _, after = text.partition(f"\n## {heading}\n")
    section, _, _ = after.partition("\n## ")
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", section, re.MULTILINE)
    cells = {name: rest.split(" | ") for name, rest in rows}
    return {name: (each[-2], each[-1]) for name, each in cells.items()}


def words(cell: str) -> list[str]:
    return re.findall(r"`([\w-]+)`", cell)


def readers(*, event: str = "", alarm: str = "") -> tuple[set[str], bool]:
    """Return the alerts that read a line, and whether the workbook does."""
    rules = {
        name
        for name, each in RULES.items()
        if event in events_of(each.query) or alarm in alarms_of(each.query)
    }
    parts = [kql(name) for section in SECTIONS.values() for name, *_ in section]
    shown = any(event in events_of(each) for each in parts) if event else True  # all alarms
    return rules, shown


@pytest.mark.parametrize("name", get_args(telemetry.EventName))
def test_an_event_is_listed_with_its_fields_and_readers(name: telemetry.EventName) -> None:
    fields, read_by = listed("Events")[name]
    nested = {word for names in NESTED.values() for word in names}

    own = [word for word in words(fields) if word in telemetry.EVENTS[name]]
    assert own == [*telemetry.EVENTS[name]]
    assert {*words(fields)} - {*own} <= nested
    assert ({*words(read_by)}, "workbook" in read_by) == readers(event=name)


@pytest.mark.parametrize("name", get_args(telemetry.AlarmName))
def test_an_alarm_has_an_alert_or_a_reason_for_having_none(name: telemetry.AlarmName) -> None:
    fields, read_by = listed("Alarms")[name]
    rules, shown = readers(alarm=name)

    assert tuple(words(fields)) == telemetry.ALARMS[name]
    assert ("workbook" in read_by) is shown
    assert len(rules) <= 1
    if rules:
        assert {*words(read_by)} == rules
    else:
        assert re.search(r"no alert( of its own)?: \w+", read_by)


def test_every_line_is_declared_with_its_fields() -> None:
    assert telemetry.EVENTS.keys() == {*get_args(telemetry.EventName)} == listed("Events").keys()
    assert telemetry.ALARMS.keys() == {*get_args(telemetry.AlarmName)} == listed("Alarms").keys()
