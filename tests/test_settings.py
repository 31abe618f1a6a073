"""The settings, and that the code, the sample and README.md name the same ones."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from tests.readme_table import README, main, tables, with_tables
from usage_ingest.chargeback.focus import Biller
from usage_ingest.errors import ConfigError
from usage_ingest.event_settings import CONNECTION, NAMESPACE
from usage_ingest.from_settings import biller, pace, sources
from usage_ingest.metrics.watermark import Pace
from usage_ingest.settings import (
    HOST_SETTINGS,
    Settings,
    load_settings,
)

ROOT: Final = Path(__file__).resolve().parent.parent
SECRET: Final = "kept-out-of-every-text"  # noqa: S105 - it stands for one


def settings(**overrides: str) -> Settings:
    return load_settings(environment(**overrides))


def environment(**overrides: str) -> dict[str, str]:
    """A deployment that is right; an empty override takes a setting away."""
    return {
        NAMESPACE: "contoso.servicebus.windows.net",
        "EVENT_HUB_NAME": "usage",
        "EVENT_HUB_CONSUMER_GROUP": "functions",
        "EVENT_HUB_REREAD_CONSUMER_GROUP": "reread",
        "COSMOS_ENDPOINT": "https://contoso.documents.azure.com:443/",
    } | overrides


def problems(**overrides: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        settings(**overrides)
    first, *lines = str(raised.value).splitlines()
    assert first == "The settings are wrong:"
    return [line.removeprefix("- ") for line in lines]


def own_names() -> set[str]:
    return {str(field.alias) for field in Settings.model_fields.values()}


def host_names() -> set[str]:
    return {each.name for each in HOST_SETTINGS}


def sample() -> dict[str, str]:
    content = json.loads((ROOT / "local.settings.json.sample").read_text(encoding="utf-8"))
    values: dict[str, str] = content["Values"]
    return values


def test_what_is_not_set_has_its_default() -> None:
    found = settings()

    assert found.event_hub_retention_days == 7
    assert found.cosmos_database == "usage-ingest"
    assert found.cosmos_key is None
    assert (found.ledger_ttl_days, found.dead_letter_ttl_days) == (400, 90)
    assert (found.dead_letter_body, found.end_user_id, found.client_ip) == (
        "skeleton",
        "hash",
        "drop",
    )
    assert (found.rollup_slots, found.rollup_tags, found.privacy_hmac_keys) == (4, (), {})


def test_who_bills_is_named_and_has_names_by_default() -> None:
    named = {"BILLING_ACCOUNT_ID": "contoso", "INVOICE_ISSUER_NAME": "AI platform team"}

    assert biller(settings()) == Biller(
        account_id="internal", account_name="Internal chargeback", issuer="Platform team"
    )
    assert biller(settings(**named)) == Biller(
        account_id="contoso", account_name="Internal chargeback", issuer="AI platform team"
    )


def test_a_public_list_fills_in_prices_unless_it_is_turned_off() -> None:
    assert settings().list_estimates == "on"
    assert settings(LIST_ESTIMATES="off").list_estimates == "off"
    (problem,) = problems(LIST_ESTIMATES="maybe")
    assert problem.startswith("LIST_ESTIMATES: Input should be 'on' or 'off'.")


def test_nothing_set_names_everything_that_is_missing_at_once() -> None:
    """The rules that hold between settings are told once each of them can be read."""
    with pytest.raises(ConfigError) as raised:
        load_settings({})

    text = str(raised.value)
    required = [str(field.alias) for field in Settings.model_fields.values() if field.is_required()]
    assert len(required) == 4
    for name in required:
        assert re.search(rf"^- {name}: is missing\. \w", text, re.MULTILINE), name
    assert "Example: https://contoso.documents.azure.com:443/" in text


def test_every_wrong_setting_is_named_at_once_with_what_it_should_be() -> None:
    found = problems(
        COSMOS_ENDPOINT="contoso",
        EVENT_HUB_RETENTION_DAYS="a week",
        ROLLUP_SLOTS="0",
        DEAD_LETTER_BODY="all",
        END_USER_ID="encrypt",
        CLIENT_IP="keep",
        EVENT_HUB_NAME="",
    )

    assert [line.partition(":")[0] for line in found] == [
        "CLIENT_IP",
        "COSMOS_ENDPOINT",
        "DEAD_LETTER_BODY",
        "END_USER_ID",
        "EVENT_HUB_NAME",
        "EVENT_HUB_RETENTION_DAYS",
        "ROLLUP_SLOTS",
    ]
    text = "\n".join(found)
    assert "'skeleton' or 'raw'" in text
    assert "'keep', 'hash' or 'drop'" in text
    assert "greater than or equal to 1" in text


@pytest.mark.parametrize("blank", ["", "  "])
def test_an_empty_value_counts_as_missing(blank: str) -> None:
    assert settings(COSMOS_DATABASE=blank).cosmos_database == "usage-ingest"
    assert problems(COSMOS_ENDPOINT=blank)[0].startswith("COSMOS_ENDPOINT: is missing")


@pytest.mark.parametrize(
    "wrong",
    [
        {"PRIVACY_HMAC_KEYS": SECRET},
        {"PRIVACY_HMAC_KEYS": f"k1={SECRET},k1={SECRET}"},
        {CONNECTION: f"SharedAccessKey={SECRET}", NAMESPACE: ""},
        {CONNECTION: f"Endpoint=sb://localhost;SharedAccessKey={SECRET}"},
        {"COSMOS_KEY": SECRET, "COSMOS_ENDPOINT": "contoso"},
        {"COSMOS_KEY": SECRET, "LEDGER_TTL_DAYS": "3", "PRIVACY_HMAC_KEYS": f"k1={SECRET}"},
    ],
)
def test_no_problem_shows_a_secret(wrong: dict[str, str]) -> None:
    assert SECRET not in "\n".join(problems(**wrong))


def test_settings_that_are_right_show_no_secret_when_printed() -> None:
    found = settings(
        **{CONNECTION: f"Endpoint=sb://localhost;SharedAccessKey={SECRET}", NAMESPACE: ""},
        COSMOS_KEY=SECRET,
        PRIVACY_HMAC_KEYS=f"k1={SECRET}",
    )

    assert SECRET not in f"{found} {found!r}"


def test_the_ledger_outlives_whatever_may_be_delivered_again() -> None:
    assert settings(LEDGER_TTL_DAYS="99").ledger_ttl_days == 99

    (found,) = problems(LEDGER_TTL_DAYS="98")
    assert found.startswith("LEDGER_TTL_DAYS: must be at least 99 (EVENT_HUB_RETENTION_DAYS + ")


def test_gaps_are_not_re_read_in_the_triggers_consumer_group() -> None:
    assert problems(EVENT_HUB_REREAD_CONSUMER_GROUP="functions") == [
        "EVENT_HUB_REREAD_CONSUMER_GROUP: must not be EVENT_HUB_CONSUMER_GROUP."
    ]


def test_the_hub_is_reached_in_one_way_and_not_in_two() -> None:
    connection = "Endpoint=sb://localhost;SharedAccessKeyName=a;SharedAccessKey=b"

    assert problems(**{NAMESPACE: ""}) == [
        f"{NAMESPACE}: is missing (or {CONNECTION}, for emulators)."
    ]
    assert problems(**{CONNECTION: connection}) == [
        f"{CONNECTION}: set it or {NAMESPACE}, not both."
    ]
    assert problems(**{CONNECTION: "localhost", NAMESPACE: ""}) == [
        f"{CONNECTION}: is not a connection string (Endpoint=sb://...)."
    ]


@pytest.mark.parametrize(
    ("connection", "namespace", "expected"),
    [
        ("", "contoso.servicebus.windows.net", "contoso.servicebus.windows.net"),
        ("Endpoint=sb://localhost:5672;SharedAccessKey=b", "", "localhost"),
        (
            "Endpoint=sb://contoso.servicebus.windows.net/;SharedAccessKey=b",
            "",
            "contoso.servicebus.windows.net",
        ),
        ("SharedAccessKey=b;endpoint=SB://localhost", "", "localhost"),
    ],
)
def test_the_namespace_is_known_however_it_is_reached(
    connection: str, namespace: str, expected: str
) -> None:
    assert settings(**{CONNECTION: connection, NAMESPACE: namespace}).namespace == expected


def test_hmac_keys_are_read_by_their_ids_and_keep_their_order() -> None:
    found = settings(PRIVACY_HMAC_KEYS="k2=b=c==, k1 = a ,").privacy_hmac_keys

    assert {name: key.get_secret_value() for name, key in found.items()} == {
        "k2": "b=c==",
        "k1": "a",
    }
    assert list(found) == ["k2", "k1"]


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ("k1", "each key is written as id=secret"),
        ("=a", "each key is written as id=secret"),
        ("k1=", "each key is written as id=secret"),
        ("k1=a,k1=b", "a key id appears twice"),
    ],
)
def test_bad_hmac_keys_say_how_they_are_written(keys: str, text: str) -> None:
    assert problems(PRIVACY_HMAC_KEYS=keys)[0].startswith(f"PRIVACY_HMAC_KEYS: {text}. Keys")


def test_tag_names_are_read_as_events_spell_them() -> None:
    assert settings(ROLLUP_TAGS=" Team, cost.centre ,").rollup_tags == ("team", "cost.centre")


@pytest.mark.parametrize("name", ["a b", "-team", 'x"]', "t" * 65])
def test_a_name_that_no_tag_can_have_is_refused(name: str) -> None:
    assert problems(ROLLUP_TAGS=f"team,{name}")[0].startswith(
        f"ROLLUP_TAGS: not a tag name: {name}."
    )


WORKSPACE: Final = "11111111-aaaa-4bbb-8ccc-000000000001"
COMPONENT: Final = (
    "/subscriptions/5a/resourceGroups/rg/providers/Microsoft.Insights/components/apim-insights"
)


def test_without_targets_streaming_is_not_collected() -> None:
    found = settings()

    assert (found.metrics_targets, found.metrics_profiles) == ((), ("own",))
    assert found.metrics_endpoint == "https://api.loganalytics.io"
    assert found.metrics_overlap == timedelta(hours=1)
    assert found.metrics_settling_delay == timedelta(minutes=15)
    assert found.metrics_initial_lookback == timedelta(hours=24)


def test_targets_are_workspaces_and_components_separated_by_commas() -> None:
    found = settings(METRICS_TARGETS=f" {WORKSPACE.upper()}, {COMPONENT} ,").metrics_targets

    assert found == (WORKSPACE.upper(), COMPONENT)


@pytest.mark.parametrize(
    "target",
    [
        "contoso-logs",
        WORKSPACE[:-1],
        WORKSPACE + "0",
        f"{{{WORKSPACE}}}",
        COMPONENT + "/",
        COMPONENT + "/more",
        COMPONENT.removeprefix("/"),
        COMPONENT.replace("Insights/components", "OperationalInsights/workspaces"),
        "/subscriptions/5a/resourceGroups/rg/providers/microsoft.insights/components/",
    ],
)
def test_what_is_no_target_is_named(target: str) -> None:
    (found,) = problems(METRICS_TARGETS=f"{WORKSPACE},{target}")

    assert found.startswith(
        f"METRICS_TARGETS: not a workspace's GUID or a component's resource id: {target}. Where"
    )


@pytest.mark.parametrize(
    "targets", [f"{WORKSPACE},{WORKSPACE.upper()}", f"{COMPONENT},{COMPONENT.lower()}"]
)
def test_a_target_that_is_listed_twice_is_refused(targets: str) -> None:
    """Both would move one mark."""
    assert problems(METRICS_TARGETS=targets)[0].startswith(
        "METRICS_TARGETS: something is listed twice. "
    )


def test_profiles_are_listed_by_name() -> None:
    assert settings(METRICS_PROFILES="own, ai-hub,x9").metrics_profiles == ("own", "ai-hub", "x9")


@pytest.mark.parametrize("name", ["Own", "a b", "-own", "metric_profile/own", "a" * 65])
def test_a_name_that_no_profile_can_have_is_refused(name: str) -> None:
    assert problems(METRICS_PROFILES=f"own,{name}")[0].startswith(
        f"METRICS_PROFILES: not a profile's name: {name}. "
    )


@pytest.mark.parametrize(
    ("profiles", "text"),
    [("own,own", "something is listed twice"), (",", "names nothing; takes a profile's name")],
)
def test_profiles_are_listed_once_and_there_is_one(profiles: str, text: str) -> None:
    (found,) = problems(METRICS_PROFILES=profiles)

    assert found.startswith("METRICS_PROFILES: ")
    assert text in found


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://api.loganalytics.us",
        "http://localhost:1234",
        "http://127.0.0.1:1234",
        "http://[::1]:1234",
    ],
)
def test_another_endpoint_is_reached_over_https_or_is_on_this_machine(endpoint: str) -> None:
    assert settings(METRICS_ENDPOINT=endpoint).metrics_endpoint == endpoint


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://api.loganalytics.io",
        "http://localhost.contoso.example",
        "http://localhost@contoso.example",
        "http://10.0.0.4:8080",
    ],
)
def test_http_is_for_stand_ins_on_this_machine_only(endpoint: str) -> None:
    """A token would be sent in the clear."""
    assert problems(METRICS_ENDPOINT=endpoint) == [
        "METRICS_ENDPOINT: takes https; http is for stand-ins on this machine only."
    ]


@pytest.mark.parametrize(
    "endpoint",
    ["api.loganalytics.io", "ftp://localhost", "https://", "https://x/v1", "http://[::1"],
)
def test_an_endpoint_that_is_no_address_is_refused_by_name(endpoint: str) -> None:
    assert problems(METRICS_ENDPOINT=endpoint)[0].startswith("METRICS_ENDPOINT: ")


@pytest.mark.parametrize(
    ("name", "longest"),
    [
        ("METRICS_OVERLAP", "P2D"),
        ("METRICS_SETTLING_DELAY", "24:00:00"),
        ("METRICS_INITIAL_LOOKBACK", "P90D"),
    ],
)
def test_durations_have_bounds(name: str, longest: str) -> None:
    assert getattr(settings(**{name: "00:00:00"}), name.lower()) == timedelta(0)
    assert getattr(settings(**{name: "00:00:30"}), name.lower()) == timedelta(seconds=30)
    assert getattr(settings(**{name: longest}), name.lower()) > timedelta(hours=23)

    for wrong in ("-00:00:01", "P91D", "a while", "15"):
        assert problems(**{name: wrong})[0].startswith(f"{name}: "), wrong


def test_a_source_is_a_target_and_a_profile() -> None:
    found = sources(
        settings(METRICS_TARGETS=f"{WORKSPACE},{COMPONENT}", METRICS_PROFILES="own,ai-hub")
    )

    assert [(each.target, each.profile) for each in found] == [
        (WORKSPACE, "own"),
        (WORKSPACE, "ai-hub"),
        (COMPONENT, "own"),
        (COMPONENT, "ai-hub"),
    ]


def test_windows_are_paced_by_the_settings() -> None:
    found = pace(
        settings(
            METRICS_OVERLAP="02:00:00",
            METRICS_SETTLING_DELAY="00:05:00",
            METRICS_INITIAL_LOOKBACK="P7D",
        )
    )

    assert found == Pace(timedelta(hours=2), timedelta(minutes=5), timedelta(days=7))


def test_code_sample_and_readme_name_the_same_settings() -> None:
    written = README.read_text(encoding="utf-8")

    assert set(sample()) == own_names() | host_names()
    for name in own_names() | host_names():
        assert f"| `{name}` |" in written


def test_every_setting_that_the_host_resolves_is_listed() -> None:
    source = (ROOT / "function_app.py").read_text(encoding="utf-8")

    named = set(re.findall(r"%(\w+)%", source)) | set(re.findall(r'connection="(\w+)"', source))
    assert named <= host_names()


def test_the_sample_is_a_deployment_that_loads() -> None:
    found = load_settings(sample())

    assert found.namespace == "localhost"
    assert found.cosmos_key is not None


def test_the_readmes_tables_are_those_of_the_settings() -> None:
    assert main(["--check"]) == 0
    assert "| `COSMOS_ENDPOINT` | required | The Cosmos DB account. |" in tables()


def test_a_readme_that_differs_is_rewritten_between_its_markers_only() -> None:
    written = README.read_text(encoding="utf-8")
    spoilt = written.replace("| `ROLLUP_SLOTS` |", "| `ROLLUP_PLACES` |")

    assert spoilt != written
    assert with_tables(spoilt) == written
    with pytest.raises(ValueError, match="settings: begin"):
        with_tables("# no tables")


def test_rules_between_settings_are_named_together_with_single_ones() -> None:
    with pytest.raises(ConfigError) as raised:
        load_settings({"EVENT_HUB_CONSUMER_GROUP": "a", "EVENT_HUB_REREAD_CONSUMER_GROUP": "a"})

    text = str(raised.value)
    for name in (NAMESPACE, "EVENT_HUB_NAME", "COSMOS_ENDPOINT", "EVENT_HUB_REREAD_CONSUMER_GROUP"):
        assert f"- {name}: " in text


def test_dead_letters_outlive_the_hubs_retention() -> None:
    """A redelivered event would be counted as a dead letter again otherwise."""
    (problem,) = problems(DEAD_LETTER_TTL_DAYS="7")

    assert problem.startswith("DEAD_LETTER_TTL_DAYS: must be above EVENT_HUB_RETENTION_DAYS (7)")
