"""The settings: what the app reads, and what the Functions host reads.

Every wrong or missing setting is reported at once, by name, with what it should be.
README.md's table is generated from these (python -m tests.readme_table).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, ValidationError

from usage_ingest.billing_settings import BillingSettings
from usage_ingest.errors import ConfigError
from usage_ingest.event_settings import CONNECTION, ENDPOINT, NAMESPACE, EventSettings

_SPARE_DAYS: Final = 2
_TARGET: Final = re.compile(
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"|/subscriptions/[^/]+/resourceGroups/[^/]+/providers/microsoft\.insights/components/[^/?#\s]+",
    re.IGNORECASE,
)
_PROFILE: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def _listed(value: object, pattern: re.Pattern[str], what: str) -> object:
    if not isinstance(value, str):
        return value
    names = tuple(each.strip() for each in value.split(",") if each.strip())
    if not names:
        raise ValueError(f"names nothing; takes {what}")
    if wrong := [name for name in names if not pattern.fullmatch(name)]:
        raise ValueError(f"not {what}: {', '.join(wrong)}")
    if len({name.lower() for name in names}) != len(names):
        raise ValueError("something is listed twice")
    return names


def _targets(value: object) -> object:
    return _listed(value, _TARGET, "a workspace's GUID or a component's resource id")


def _profiles(value: object) -> object:
    return _listed(value, _PROFILE, "a profile's name")


class Settings(BillingSettings, EventSettings):
    """What the app reads from its environment; field descriptions say what each is for."""

    metrics_targets: Annotated[tuple[str, ...], BeforeValidator(_targets)] = Field(
        (),
        alias="METRICS_TARGETS",
        description="Where streamed requests' metrics are: Log Analytics workspaces (their GUIDs) "
        "or Application Insights components (their resource ids), separated by commas; without "
        "any, streaming is not collected",
        examples=["00000000-0000-0000-0000-000000000000"],
    )
    metrics_endpoint: str = Field(
        "https://api.loganalytics.io",
        alias="METRICS_ENDPOINT",
        pattern=r"^https?://[^/]+/?$",
        description="The Log Analytics API; another one in sovereign clouds",
        examples=["https://api.loganalytics.us"],
    )
    metrics_profiles: Annotated[tuple[str, ...], BeforeValidator(_profiles)] = Field(
        ("own",),
        alias="METRICS_PROFILES",
        min_length=1,
        description="Which metrics are collected, separated by commas: own, ai-hub, citadel, "
        "toolkit, or a profile that an identity document defines",
        examples=["own,ai-hub"],
    )
    metrics_overlap: timedelta = Field(
        timedelta(hours=1),
        alias="METRICS_OVERLAP",
        ge=timedelta(0),
        le=timedelta(days=2),
        description="How far a run reads arrivals again that an earlier run has collected",
        examples=["01:00:00"],
    )
    metrics_settling_delay: timedelta = Field(
        timedelta(minutes=15),
        alias="METRICS_SETTLING_DELAY",
        ge=timedelta(0),
        le=timedelta(days=1),
        description="How long arrivals settle before they are collected",
        examples=["00:15:00"],
    )
    metrics_initial_lookback: timedelta = Field(
        timedelta(hours=24),
        alias="METRICS_INITIAL_LOOKBACK",
        ge=timedelta(0),
        le=timedelta(days=90),
        description="How far back the first run of a target and profile begins",
        examples=["24:00:00"],
    )


@dataclass(frozen=True, slots=True)
class HostSetting:
    """A setting that the Functions host resolves itself; required, and without default."""

    name: str
    description: str
    example: str


HOST_SETTINGS: Final = (
    HostSetting("AzureWebJobsStorage", "The host's storage account", "UseDevelopmentStorage=true"),
    HostSetting("FUNCTIONS_WORKER_RUNTIME", "The language (local runs only)", "python"),
    HostSetting(CONNECTION, "Prefix of the trigger's connection; see above", ""),
    HostSetting("EVENT_HUB_NAME", "The trigger's event hub; see above", "usage"),
    HostSetting("EVENT_HUB_CONSUMER_GROUP", "The trigger's consumer group; see above", "functions"),
    HostSetting("CLOSE_GAPS_SCHEDULE", "When gaps are looked for: NCRONTAB, UTC", "0 */5 * * * *"),
    HostSetting("METRICS_SCHEDULE", "When metrics are collected: NCRONTAB, UTC", "0 */15 * * * *"),
)


def load_settings(environment: Mapping[str, str]) -> Settings:
    """Read the settings; empty values count as missing.

    Raises:
        ConfigError: Naming every missing or wrong setting at once, never a secret's value.
    """
    given = {name: value for name, value in environment.items() if value.strip()}
    problems = set(_broken_rules(given))
    try:
        settings = Settings.model_validate(given)
    except ValidationError as error:
        problems |= {_problem(dict(each)) for each in error.errors()}
    if problems:
        listed = "\n".join(f"- {each}" for each in sorted(problems))
        raise ConfigError(f"The settings are wrong:\n{listed}")
    return settings


def _broken_rules(given: Mapping[str, str]) -> Iterator[str]:
    """Yield what is wrong between settings, whether or not each of them is right by itself."""
    connection, namespace = given.get(CONNECTION), given.get(NAMESPACE)
    if connection is None and namespace is None:
        yield f"{NAMESPACE}: is missing (or {CONNECTION}, for emulators)."
    if connection is not None and namespace is not None:
        yield f"{CONNECTION}: set it or {NAMESPACE}, not both."
    if connection is not None and not ENDPOINT.search(connection):
        yield f"{CONNECTION}: is not a connection string (Endpoint=sb://...)."
    group = given.get("EVENT_HUB_CONSUMER_GROUP")
    if group is not None and group == given.get("EVENT_HUB_REREAD_CONSUMER_GROUP"):
        yield "EVENT_HUB_REREAD_CONSUMER_GROUP: must not be EVENT_HUB_CONSUMER_GROUP."
    if _is_plain(given.get("METRICS_ENDPOINT", "")):
        yield "METRICS_ENDPOINT: takes https; http is for stand-ins on this machine only."
    yield from _broken_ttls(given)


def _is_plain(endpoint: str) -> bool:
    """Whether an endpoint is http, and not on this machine."""
    try:
        parts = urlsplit(endpoint)
    except ValueError:  # no address at all
        return True
    return parts.scheme == "http" and parts.hostname not in _LOOPBACK


def _broken_ttls(given: Mapping[str, str]) -> Iterator[str]:
    retention, letters, ledger = (
        _whole(given, name)
        for name in ("EVENT_HUB_RETENTION_DAYS", "DEAD_LETTER_TTL_DAYS", "LEDGER_TTL_DAYS")
    )
    if retention is None or letters is None or ledger is None:
        return  # said of each by itself
    if letters <= retention:
        yield (
            f"DEAD_LETTER_TTL_DAYS: must be above EVENT_HUB_RETENTION_DAYS ({retention}): a "
            "redelivered event would count again."
        )
    least = retention + letters + _SPARE_DAYS
    if ledger < least:
        yield (
            f"LEDGER_TTL_DAYS: must be at least {least} (EVENT_HUB_RETENTION_DAYS + "
            f"DEAD_LETTER_TTL_DAYS + {_SPARE_DAYS}): a replay could count twice otherwise."
        )


def _whole(given: Mapping[str, str], alias: str) -> int | None:
    default = next(each.default for each in Settings.model_fields.values() if each.alias == alias)
    try:
        return int(given.get(alias, default))
    except ValueError:
        return None


def _problem(error: dict[str, Any]) -> str:
    text = str(error["msg"]).removeprefix("Value error, ")
    if not error["loc"]:
        return text
    name = str(error["loc"][0])
    described = next(each for each in Settings.model_fields.values() if each.alias == name)
    if error["type"] == "missing":
        text = "is missing"
    example = f" Example: {described.examples[0]}." if described.examples else ""
    return f"{name}: {text}. {described.description}.{example}"
