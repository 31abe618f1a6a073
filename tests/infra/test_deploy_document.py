"""docs/deploy.md against infra/, host.json and the model of request units."""

import json
import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from croniter import croniter

from tests.infra import parameter_table
from tests.infra.bicep.files import read
from tests.infra.bicep.tree import Param
from tests.infra.deployments import FILES, INFRA, ROOT, every_resource, form
from tests.infra.test_app_settings import LOCAL_ONLY, written

TEXT: Final = (ROOT / "docs/deploy.md").read_text(encoding="utf-8")
MILLION: Final = 1_000_000
MONTH: Final = timedelta(days=30)


def cell(row: str, column: int = 1) -> str:
    """A cell of the one row that begins so."""
    (found,) = (line for line in TEXT.splitlines() if line.startswith(f"| {row} |"))
    return found.strip("| ").split(" | ")[column]


def cells(row: str) -> list[str]:
    lines = [line for line in TEXT.splitlines() if line.startswith(f"| {row} |")]
    return [line.strip("| ").split(" | ")[1] for line in lines]


def runs(schedule: str) -> int:
    """How often a timer runs in a month; its first field are the seconds."""
    start = datetime(2026, 11, 1, tzinfo=UTC)
    times = croniter(schedule, start - timedelta(seconds=1), second_at_beginning=True)
    found = 0
    while times.get_next(datetime) < start + MONTH:
        found += 1
    return found


def test_the_parameters_are_listed_as_they_are() -> None:
    assert parameter_table.main(["--check"]) == 0


def test_every_file_and_every_environment_value_that_is_named_is_one() -> None:
    files = set(re.findall(r"`(infra/[\w.-]+\.bicep)`", TEXT))
    assert files == {f"infra/{path.name}" for path in FILES}
    parameters = json.loads((INFRA / "main.parameters.json").read_text())["parameters"]
    known = {re.sub(r"\W.*", "", each["value"].strip("${}")) for each in texts(parameters)}

    prose = TEXT.replace(parameter_table.table(), "")
    named = set(re.findall(r"`((?:APIM|AZURE_P|ENTRA|HMAC|KEY_VAULT|PRIVATE_N)\w+)`", prose))
    assert named - known == set()
    assert len(named) >= 10
    declared = read(INFRA / "main.bicep").statements.values()
    objects = {each.name for each in declared if isinstance(each, Param) and is_no_text(each)}
    assert all(f"`{each}`" in prose for each in objects)


def texts(parameters: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in parameters.values() if isinstance(each["value"], str)]


def is_no_text(param: Param) -> bool:
    return param.type in ("object", "array")


def test_every_resource_provider_that_must_be_registered_is_named() -> None:
    """Those of deployments and roles always are; the subnet of the app needs one more."""
    made = {each.type.split("/")[0] for each in every_resource()}
    needed = made - {"Microsoft.Authorization", "Microsoft.Resources"} | {"Microsoft.App"}

    (line,) = (each for each in TEXT.splitlines() if each.startswith("`Microsoft."))
    assert re.findall(r"`(Microsoft\.\w+)`", line) == sorted(needed)


def test_settings_for_local_runs_are_named() -> None:
    assert all(f"`{each}`" in TEXT for each in LOCAL_ONLY)


def test_what_it_costs_at_rest_follows_from_the_schedules() -> None:
    settings = written(form("as it comes")[0])
    gaps, metrics = (runs(settings[each]) for each in ("CLOSE_GAPS_SCHEDULE", "METRICS_SCHEDULE"))

    at_rest, _ = cells("Functions, executions")
    assert at_rest == f"{gaps + metrics:,}"
    assert f"every 5 minutes: {gaps:,}; `collect_streaming_metrics` every 15: {metrics:,}" in TEXT
    seconds, _ = cells("Functions, GB-seconds")
    assert seconds == f"{(gaps + metrics) * 2:,}"
    hours = int(MONTH / timedelta(hours=1))
    assert cell("Event Hubs, throughput unit hours") == f"{hours}"
    assert cell("Cosmos DB, autoscale").startswith(f"{hours} hours")


def test_what_a_million_events_cost_follows_from_the_batch_size_and_the_model() -> None:
    host = json.loads((ROOT / "host.json").read_text())
    size = host["extensions"]["eventHubs"]["maxEventBatchSize"]
    batches = math.ceil(MILLION / size)

    _, executions = cells("Functions, executions")
    assert executions == f"{batches:,}"
    _, seconds = cells("Functions, GB-seconds")
    assert seconds == f"{batches * 2:,}"
    by_model = modelled()
    mix = f"{size} events, 20 subscriptions"
    assert cell("Cosmos DB, request units") == f"{round(by_model[mix] * MILLION):,}"
    least, most = min(by_model.values()), max(by_model.values())
    why = cell("Cosmos DB, request units", 2)
    assert why.startswith(f"{by_model[mix]} for each event; from {least} ")
    assert f"to {most} " in why


def modelled() -> dict[str, float]:
    """Request units of an event by the mix of its batch, as performance.md has them."""
    text = (ROOT / "docs/performance.md").read_text(encoding="utf-8")
    table = text.partition("RU by the model |\n")[2].partition("\n\n")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines()[1:]]
    return {each[0]: float(each[5]) for each in rows if each[5] != "not modelled"}
