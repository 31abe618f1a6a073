"""The compose file and its settings against what the app expects. No container is started here."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from local.environment import EMULATOR_KEY, HUBS
from tests.compose import read_yaml
from usage_ingest.settings import load_settings

ROOT: Final = Path(__file__).resolve().parent.parent
COMPOSE: Final[dict[str, Any]] = read_yaml((ROOT / "docker-compose.yml").read_text())
SERVICES: Final[dict[str, Any]] = COMPOSE["services"]
SAMPLE: Final[dict[str, str]] = json.loads((ROOT / "local.settings.json.sample").read_text())[
    "Values"
]


def ports_of(service: str) -> list[int]:
    return [int(each.split(":")[-1]) for each in SERVICES[service]["ports"]]


def sourced() -> dict[str, str]:
    """What a shell has after it read emulators/settings.env."""
    script = "set -a; . emulators/settings.env; env"
    done = subprocess.run(  # noqa: S603 - our own file
        ["/bin/sh", "-c", script], cwd=ROOT, env={}, capture_output=True, text=True, check=True
    )
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


def test_the_three_emulators_are_there_with_their_ports() -> None:
    assert set(SERVICES) == {"azurite", "event-hubs", "cosmos", "ready"}
    assert ports_of("azurite") == [10000, 10001, 10002]
    assert ports_of("event-hubs") == [5672, 5300]
    assert ports_of("cosmos") == [8081, 8080, 1234]


def test_nothing_is_open_to_other_machines() -> None:
    published = [port for each in SERVICES.values() for port in each.get("ports", [])]

    assert published
    assert all(re.fullmatch(r"127\.0\.0\.1:(\d+):\1", each) for each in published)


@pytest.mark.parametrize("service", SERVICES)
def test_images_are_microsofts_and_pinned(service: str) -> None:
    name, _, tag = SERVICES[service]["image"].rpartition(":")

    assert name.startswith("mcr.microsoft.com/")
    assert re.fullmatch(r"\d+\.\d+\.\d+|vnext-EN\d{8}", tag)


def test_the_event_hubs_emulator_has_its_storage_and_its_configuration() -> None:
    hubs = SERVICES["event-hubs"]

    assert hubs["environment"] == {
        "ACCEPT_EULA": "Y",
        "BLOB_SERVER": "azurite",
        "METADATA_SERVER": "azurite",
    }
    assert hubs["depends_on"] == {"azurite": {"condition": "service_healthy"}}
    (mount,) = hubs["volumes"]
    source, target, mode = mount.split(":")
    assert (ROOT / source).is_file()
    assert target == "/Eventhubs_Emulator/ConfigFiles/Config.json"
    assert mode == "ro"


def test_every_emulator_is_waited_for() -> None:
    """`docker compose up --wait` waits for health checks; one asks those that have no shell."""
    asked = " ".join(SERVICES["ready"]["healthcheck"]["test"])

    assert "http://event-hubs:5300/health" in asked
    assert "http://cosmos:8080/ready" in asked
    assert "10000" in " ".join(SERVICES["azurite"]["healthcheck"]["test"])


def test_hub_partitions_and_consumer_groups_are_those_of_the_app() -> None:
    (namespace,) = json.loads((ROOT / "emulators/Config.json").read_text())["UserConfig"][
        "NamespaceConfig"
    ]
    found = {
        each["Name"]: (int(each["PartitionCount"]), [one["Name"] for one in each["ConsumerGroups"]])
        for each in namespace["Entities"]
    }

    assert namespace["Name"] == "emulatorNs1"
    assert found == {
        name: (spec.partitions, [*spec.consumer_groups]) for name, spec in HUBS.items()
    }
    assert found[SAMPLE["EVENT_HUB_NAME"]][1] == [
        SAMPLE["EVENT_HUB_CONSUMER_GROUP"],
        SAMPLE["EVENT_HUB_REREAD_CONSUMER_GROUP"],
    ]


def test_the_settings_point_to_the_emulators_as_the_sample_does() -> None:
    found = sourced()
    own = {name: value for name, value in found.items() if name in SAMPLE}

    assert own == {name: SAMPLE[name] for name in own}
    assert len(own) == 7
    assert load_settings(found).cosmos_endpoint == "http://localhost:8081"
    assert found["COSMOS_KEY"] == EMULATOR_KEY


def test_the_tests_are_pointed_to_the_same_endpoints() -> None:
    found = sourced()

    assert found["USAGE_INGEST_TEST_COSMOS_ENDPOINT"] == found["COSMOS_ENDPOINT"]
    assert found["USAGE_INGEST_TEST_COSMOS_KEY"] == found["COSMOS_KEY"]
    assert found["USAGE_INGEST_TEST_EVENT_HUB_CONNECTION"] == found["EventHubConnection"]
    assert found["USAGE_INGEST_TEST_LACKS"] == "index_policy"


def test_no_secret_but_the_published_keys_is_in_the_files() -> None:
    texts = [
        (ROOT / "docker-compose.yml").read_text(),
        (ROOT / "emulators/Config.json").read_text(),
    ]
    settings = (ROOT / "emulators/settings.env").read_text()

    assert not any(re.search(r"(?i)key=|password|secret=", each) for each in texts)
    assert set(re.findall(r"SharedAccessKey=([^;]*)", settings)) == {"SAS_KEY_VALUE"}
    assert set(re.findall(r"(?m)^COSMOS_KEY='(.*)'$", settings)) == {EMULATOR_KEY}


@pytest.mark.parametrize("text", ["a: &x 1", "a:\n   b: 1", "a: 1\na: 2", "a: {b: 1}", "- a\n-b"])
def test_yaml_that_is_not_plain_is_refused_and_not_misread(text: str) -> None:
    with pytest.raises(ValueError, match=r"plain|indentation"):
        read_yaml(text)
