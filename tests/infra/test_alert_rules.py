"""The alert rules as infra/ makes them: what Azure Monitor gets of what is declared."""

from datetime import timedelta
from typing import Any, Final

import pytest

from tests.infra.alert_rules import log_alerts, metric_alerts, watching
from tests.infra.bicep.values import Made
from tests.infra.deployments import FORMS, deployed, form, of_type, the

LOGS: Final = log_alerts()
PLATFORM: Final = metric_alerts()
WITH_GATEWAY: Final = "with a gateway that is there"
# What the two kinds take, as far as it is used here; a window is no shorter than the time between
# two looks.
EVERY: Final = {"PT1M": 1, "PT5M": 5, "PT15M": 15, "PT30M": 30, "PT1H": 60}


def rules(made: list[Made], kind: str) -> dict[str, dict[str, Any]]:
    """The properties of a kind's rules, by the names of the alerts."""
    app = the(made, "Microsoft.Web/sites").name
    found = of_type(made, f"Microsoft.Insights/{kind}")
    return {each.name.removeprefix(f"{app}-"): each.body["properties"] for each in found}


def criteria(rule: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = rule["criteria"]["allOf"]
    return found


def threshold(declared: int | str) -> int:
    """A number, or the default of the parameter that is named."""
    found = watching()["parameters"][declared]["default"] if isinstance(declared, str) else declared
    return int(found)


def test_every_log_alert_is_a_rule_over_the_workspace_and_asks_for_its_own_component() -> None:
    made, _ = form("as it comes")
    workspace = the(made, "Microsoft.OperationalInsights/workspaces").id
    component = the(made, "Microsoft.Insights/components").id.lower()
    found = rules(made, "scheduledQueryRules")

    assert found.keys() == LOGS.keys()
    for name, each in found.items():
        (one,) = criteria(each)
        told = LOGS[name]
        assert each["scopes"] == [workspace]
        assert one["query"] == told.query.replace("{component}", component)
        assert (one["timeAggregation"], one["metricMeasureColumn"]) == (
            told.aggregation,
            told.measure,
        )
        assert (one["operator"], one["threshold"]) == (told.operator, told.threshold)
        assert [dimension["name"] for dimension in one["dimensions"]] == [*told.dimensions]
        assert each["skipQueryValidation"] is True, "its table may not be there yet"


def test_every_metric_alert_is_a_rule_over_the_resource_whose_metrics_it_reads() -> None:
    made, _ = form(WITH_GATEWAY)
    found = rules(made, "metricAlerts")

    assert found.keys() == PLATFORM.keys()
    for name, each in found.items():
        told = PLATFORM[name]["criteria"]
        (scope,) = each["scopes"]
        assert f"/providers/{PLATFORM[name]['namespace']}/" in f"{scope}/"
        assert [one["metricName"] for one in criteria(each)] == [one["metric"] for one in told]
        for one, declared in zip(criteria(each), told, strict=True):
            assert one["metricNamespace"] == PLATFORM[name]["namespace"]
            assert one["timeAggregation"] == declared["aggregation"]
            assert one["operator"] == declared["operator"]
            assert one["threshold"] == threshold(declared["threshold"])
            assert len(one["dimensions"]) == len(declared["dimensions"])
        assert len({one["name"] for one in criteria(each)}) == len(told)


@pytest.mark.parametrize("kind", ["scheduledQueryRules", "metricAlerts"])
def test_a_rule_looks_often_enough_tells_the_action_group_and_resolves_by_itself(
    kind: str,
) -> None:
    made, _ = form(WITH_GATEWAY)
    group = the(made, "Microsoft.Insights/actionGroups").id

    for each in rules(made, kind).values():
        assert EVERY[each["evaluationFrequency"]] <= EVERY[each["windowSize"]]
        assert each["autoMitigate"] is True
        told = each["actions"]
        groups = (
            told["actionGroups"]
            if isinstance(told, dict)
            else [action["actionGroupId"] for action in told]
        )
        assert groups == [group]


def test_a_line_is_seen_in_a_window_though_it_comes_minutes_late() -> None:
    """Every line is within the window of two looks at least."""
    made, _ = form("as it comes")

    for each in rules(made, "scheduledQueryRules").values():
        every, window = (EVERY[each[name]] for name in ("evaluationFrequency", "windowSize"))
        assert timedelta(minutes=window) >= 2 * timedelta(minutes=every)


def test_an_alert_is_silenced_by_its_name_alone() -> None:
    made, _ = deployed(**FORMS[WITH_GATEWAY], disabledAlerts=["high-usage", "hub-unread"])

    silent = {
        name
        for kind in ("scheduledQueryRules", "metricAlerts")
        for name, each in rules(made, kind).items()
        if not each["enabled"]
    }
    assert silent == {"high-usage", "hub-unread"}


def test_the_action_group_writes_to_whom_it_is_told_to() -> None:
    asked, silent = (
        the(form(name)[0], "Microsoft.Insights/actionGroups").body["properties"]
        for name in ("with an operator and alerts", "as it comes")
    )

    (receiver,) = asked["emailReceivers"]
    assert receiver["emailAddress"] == FORMS["with an operator and alerts"]["alertEmail"]
    assert silent["emailReceivers"] == []
    assert 1 <= len(asked["groupShortName"]) <= 12
