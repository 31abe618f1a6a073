"""`doctor` over the stand-ins, in good times and bad."""

import asyncio
import json
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from azure.eventhub.aio import EventHubConsumerClient
from click.testing import Result

from local.cosmos import Fault
from local.event_hubs import SendFault
from local.log_analytics import Fault as LogsFault
from tests.builders import WORKSPACE
from tests.cli.commands import Commands
from tests.conftest import Logs, Stack
from usage_ingest.containers import CONTAINERS

SECRET = "planted-secret-1f2e"  # noqa: S105
ONLY_ENVIRONMENT = {"AZURE_TOKEN_CREDENTIALS": "EnvironmentCredential"}
STORAGE = {"AzureWebJobsStorage__accountName": "contoso"}
Found = dict[str, dict[str, Any]]


@pytest.fixture
def doctor(stack: Stack, logs: Logs) -> Commands:
    """All three stand-ins, the metrics' with this machine's time."""
    logs.clock.moment = datetime.now(UTC)
    targets = {"METRICS_TARGETS": WORKSPACE, "METRICS_ENDPOINT": logs.server.endpoint}
    return Commands({**stack.environment, **targets, **STORAGE})


async def look(doctor: Commands, *options: str, **overrides: str | None) -> tuple[int, Found]:
    result = await doctor("doctor", "--json", *options, **overrides)
    return result.exit_code, found_in(result)


def found_in(result: Result) -> Found:
    return {each["check"]: each for each in json.loads(result.stdout)["findings"]}


def failures(found: Found) -> list[str]:
    failed = [each for each in found.values() if each["state"] == "failed"]
    assert all(each["text"] and each["remedy"] for each in failed)
    return [each["check"] for each in failed]


async def test_a_deployment_that_is_well_is_said_to_be(doctor: Commands, stack: Stack) -> None:
    result = await doctor("doctor")

    assert result.exit_code == 0, result.output
    assert "0 failed" in result.stdout
    for text in ("container dead-letters", "consumer group reread", "may send", "0 rows"):
        assert text in result.stdout
    assert "looking at Event Hubs ..." in result.stderr
    assert await stack.documents("state") == []  # the probe is gone


async def test_a_dry_run_writes_no_probe(doctor: Commands, stack: Stack) -> None:
    code, found = await look(doctor, "--dry-run")

    assert (code, found["Cosmos DB: write"]["state"]) == (0, "not used")
    assert {each.operation for each in stack.cosmos.requests} <= {"read", "query"}


async def test_every_wrong_setting_is_told_and_the_rest_is_looked_at(doctor: Commands) -> None:
    code, found = await look(
        doctor, EVENT_HUB_NAME="", LEDGER_TTL_DAYS="5", PRIVACY_HMAC_KEYS="", METRICS_PROFILES="!"
    )

    assert code == 1
    assert failures(found) == [
        "setting EVENT_HUB_NAME",
        "setting LEDGER_TTL_DAYS",
        "setting METRICS_PROFILES",
        "Event Hubs",
    ]
    assert found["Event Hubs"]["text"] == "not tried: its settings are wrong"
    assert found["Cosmos DB: container usage"]["state"] == "ok"
    assert found[f"Log Analytics: {WORKSPACE}"]["state"] == "ok"


async def test_no_settings_at_all_are_no_reason_to_stop() -> None:
    code, found = await look(Commands({}))

    assert code == 1
    assert {"Cosmos DB", "Event Hubs"} <= set(failures(found))
    assert found["settings of the host"]["state"] == found["Log Analytics"]["state"] == "not used"


async def test_missing_settings_of_the_host_are_told(doctor: Commands) -> None:
    _, found = await look(doctor, METRICS_SCHEDULE="")

    assert found["settings of the host"]["text"] == "missing: METRICS_SCHEDULE"


async def test_missing_containers_are_named_with_the_database(
    doctor: Commands, stack: Stack
) -> None:
    stack.cosmos.provision("half", [each for each in CONTAINERS if each["id"] != "reference"])

    _, half = await look(doctor, COSMOS_DATABASE="half")
    _, none = await look(doctor, COSMOS_DATABASE="none")

    assert failures(half) == ["Cosmos DB: container reference"]
    assert half["Cosmos DB: container reference"]["text"] == "is missing in the database half"
    assert len(failures(none)) == 6
    assert none["Cosmos DB: write"]["text"] == "the container state is missing"


@pytest.mark.parametrize(
    ("name", "change", "text"),
    [
        ("usage", {"partitionKey": {"paths": ["/id"], "kind": "Hash"}}, "the partition key is /id"),
        ("usage", {"defaultTtl": None}, "the time to live is off"),
        ("usage", {"defaultTtl": 3600}, "totals are deleted by it"),
        ("dead-letters", {"indexingPolicy": {"indexingMode": "none"}}, "indexing mode is none"),
        (
            "state",
            {
                "indexingPolicy": {
                    "indexingMode": "consistent",
                    "includedPaths": [{"path": "/*"}],
                    "excludedPaths": [],
                }
            },
            "not indexed: /type/?",
        ),
        (
            "reference",
            {
                "indexingPolicy": {
                    "indexingMode": "consistent",
                    "includedPaths": [{"path": "/type/?"}, {"path": "/a/?"}],
                    "excludedPaths": [{"path": "/*"}],
                }
            },
            "indexed without need: /a/?",
        ),
    ],
)
async def test_a_container_that_is_not_as_it_must_be_is_told(
    doctor: Commands, stack: Stack, name: str, change: dict[str, Any], text: str
) -> None:
    containers = deepcopy(list(CONTAINERS))
    (chosen,) = (each for each in containers if each["id"] == name)
    chosen.update(change)
    if chosen.get("defaultTtl", 0) is None:
        del chosen["defaultTtl"]
    stack.cosmos.provision("other", containers)

    code, found = await look(doctor, COSMOS_DATABASE="other")

    assert code == 1
    assert failures(found) == [f"Cosmos DB: container {name}"]
    assert text in found[f"Cosmos DB: container {name}"]["text"]


async def test_a_partition_key_of_state_that_is_wrong_keeps_the_probe_out(
    doctor: Commands, stack: Stack
) -> None:
    containers = deepcopy(list(CONTAINERS))
    containers[2]["partitionKey"]["paths"] = ["/id"]
    stack.cosmos.provision("other", containers)

    _, found = await look(doctor, COSMOS_DATABASE="other")

    assert {"Cosmos DB: container state", "Cosmos DB: write"} <= set(failures(found))


async def test_missing_rights_to_write_are_told_with_the_role(
    doctor: Commands, stack: Stack
) -> None:
    stack.cosmos.faults.add(Fault(operation="create", status=403, count=None))

    _, found = await look(doctor)

    assert failures(found) == ["Cosmos DB: write"]
    assert "00000000-0000-0000-0000-000000000002" in found["Cosmos DB: write"]["remedy"]


async def test_missing_rights_to_read_are_told_of_each_container(
    doctor: Commands, stack: Stack
) -> None:
    stack.cosmos.faults.add(Fault(operation="read", container="usage", status=403, count=None))

    _, found = await look(doctor)

    assert failures(found) == ["Cosmos DB: container usage"]


async def test_a_probe_that_somebody_else_changed_is_no_crash(
    doctor: Commands, stack: Stack
) -> None:
    stack.cosmos.faults.add(Fault(operation="replace", status=412))

    _, found = await look(doctor)

    assert failures(found) == ["Cosmos DB: write"]


async def test_a_store_that_is_busy_for_a_while_is_waited_for(
    doctor: Commands, stack: Stack
) -> None:
    stack.cosmos.faults.add(Fault(status=429, count=5))

    code, _ = await look(doctor)

    assert code == 0


async def test_a_store_that_stays_busy_is_told(doctor: Commands, stack: Stack) -> None:
    stack.cosmos.faults.add(Fault(container="usage", status=429, count=None, retry_after_ms=9_000))

    _, found = await look(doctor)

    assert failures(found) == ["Cosmos DB: container usage"]
    assert "busy" in found["Cosmos DB: container usage"]["text"]


@pytest.mark.parametrize("key", ["bm9uZQ==", SECRET])
async def test_a_wrong_key_is_told_and_not_shown(doctor: Commands, key: str) -> None:
    result = await doctor("doctor", COSMOS_KEY=key)

    assert result.exit_code == 1
    assert "failed    Cosmos DB: account" in result.stdout
    assert key not in result.output


async def test_services_out_of_reach_are_told_and_no_secret_with_them(doctor: Commands) -> None:
    connection = (
        "Endpoint=sb://localhost:9;SharedAccessKeyName=a;"
        f"SharedAccessKey={SECRET};UseDevelopmentEmulator=true"
    )
    result = await doctor(
        "doctor",
        COSMOS_ENDPOINT="http://127.0.0.1:9",
        EventHubConnection=connection,
        METRICS_ENDPOINT="http://127.0.0.1:9",
        PRIVACY_HMAC_KEYS=f"k1={SECRET}",
    )

    assert result.exit_code == 1
    assert SECRET not in result.output
    for check in ("Cosmos DB: account", "Event Hubs: usage", f"Log Analytics: {WORKSPACE}"):
        assert f"failed    {check}" in result.stdout


async def test_a_missing_consumer_group_is_told_with_its_setting(doctor: Commands) -> None:
    code, found = await look(doctor, EVENT_HUB_REREAD_CONSUMER_GROUP="nobody")

    assert code == 1
    assert failures(found) == ["Event Hubs: consumer group nobody"]
    remedy = found["Event Hubs: consumer group nobody"]["remedy"]
    assert "EVENT_HUB_REREAD_CONSUMER_GROUP" in remedy


async def test_a_missing_hub_is_told(doctor: Commands) -> None:
    _, found = await look(doctor, EVENT_HUB_NAME="nothing")

    assert failures(found) == ["Event Hubs: nothing"]


async def test_a_group_that_the_trigger_reads_is_well_and_not_disturbed(
    doctor: Commands, stack: Stack
) -> None:
    """The trigger holds its partitions with an epoch: others are refused, and it stays."""
    connection = stack.environment["EventHubConnection"]
    client = EventHubConsumerClient.from_connection_string(
        connection, "functions", eventhub_name="usage"
    )
    errors: list[Exception] = []
    opened = asyncio.Event()

    async def on_batch(*_: object) -> None:
        opened.set()

    async def on_error(_: object, error: Exception) -> None:
        errors.append(error)

    async with client:
        reading = asyncio.create_task(
            client.receive_batch(
                on_batch, on_error=on_error, partition_id="0", owner_level=0, max_wait_time=1
            )
        )
        await opened.wait()
        code, found = await look(doctor)
        reading.cancel()

    assert code == 0
    text = found["Event Hubs: consumer group functions"]["text"]
    assert text == "is there, and is being read"
    assert errors == []


async def test_a_right_to_send_is_not_required(doctor: Commands, stack: Stack) -> None:
    stack.hubs.fail_sends(SendFault("amqp:unauthorized-access", at_attach=True))

    code, found = await look(doctor)

    assert code == 0
    assert found["Event Hubs: send"]["state"] == "not used"
    assert "POST api/v1/events" in found["Event Hubs: send"]["text"]


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (LogsFault(status=403, count=None), "refuses this identity (403)"),
        (LogsFault(missing_table=True, skip=1, count=None), "no table AppMetrics"),
        (LogsFault(partial=True, skip=1, count=None), "a partial answer"),
    ],
    ids=["no right", "no table", "partial"],
)
async def test_metrics_that_cannot_be_read_are_told(
    doctor: Commands, logs: Logs, fault: LogsFault, text: str
) -> None:
    logs.server.faults.add(fault)

    _, found = await look(doctor)

    assert failures(found) == [f"Log Analytics: {WORKSPACE}"]
    assert text in found[f"Log Analytics: {WORKSPACE}"]["text"]


async def test_each_target_is_looked_at(doctor: Commands) -> None:
    other = "11111111-aaaa-4bbb-8ccc-000000000009"

    _, found = await look(doctor, METRICS_TARGETS=f"{other},{WORKSPACE}")

    assert failures(found) == [f"Log Analytics: {other}"]
    assert "knows no" in found[f"Log Analytics: {other}"]["text"]
    assert found[f"Log Analytics: {WORKSPACE}"]["state"] == "ok"


async def test_a_clock_that_is_wrong_is_told(doctor: Commands, logs: Logs) -> None:
    logs.clock.move(minutes=-5)

    code, found = await look(doctor)

    assert code == 1
    assert failures(found) == ["clock: Log Analytics"]
    assert "ahead of Log Analytics" in found["clock: Log Analytics"]["text"]
    assert found["clock: Cosmos DB"]["state"] == "ok"


async def test_without_a_token_each_service_is_told_and_not_tried(
    doctor: Commands, tmp_path: Path
) -> None:
    """The credential has nothing to ask: its environment is empty."""
    code, found = await look(
        doctor,
        COSMOS_KEY=None,
        EventHubConnection=None,
        EventHubConnection__fullyQualifiedNamespace="contoso.servicebus.windows.net",
        METRICS_ENDPOINT="https://api.loganalytics.io",
        HOME=str(tmp_path),
        **ONLY_ENVIRONMENT,
    )

    assert code == 1
    assert failures(found) == [
        *("identity: Cosmos DB", "Cosmos DB"),
        *("identity: Event Hubs", "Event Hubs"),
        *("identity: Log Analytics", "Log Analytics"),
    ]
    assert "az login" in found["identity: Cosmos DB"]["remedy"]


async def test_identity_values_that_somebody_spoilt_are_told(
    doctor: Commands, stack: Stack
) -> None:
    run = Commands(stack.environment)
    await run("identity", "set", "shards/a", "2", "--from", "2999-01-01")
    await run("identity", "set", "hmac_key", "k1", "--from", "2999-01-01", PRIVACY_HMAC_KEYS="k1=s")

    _, found = await look(doctor)

    assert failures(found) == ["identity values"]
    assert "PRIVACY_HMAC_KEYS has no key of this id" in found["identity values"]["text"]
    assert "from 2999-01-01 on" in found["identity values"]["text"]
