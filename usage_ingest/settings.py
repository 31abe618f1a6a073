"""The settings: what the app reads, and what the Functions host reads.

Every wrong or missing setting is reported at once, by name, with what it should be.
README.md's table is generated from these (python -m tests.readme_table).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from usage_ingest.errors import ConfigError

CONNECTION: Final = "EventHubConnection"
NAMESPACE: Final = "EventHubConnection__fullyQualifiedNamespace"
_TAG: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_ENDPOINT: Final = re.compile(r"Endpoint=sb://([^:/;]+)", re.IGNORECASE)
_SPARE_DAYS: Final = 2


def _tag_names(value: object) -> object:
    if not isinstance(value, str):
        return value
    names = tuple(name.strip().lower() for name in value.split(",") if name.strip())
    if wrong := [name for name in names if not _TAG.fullmatch(name)]:
        raise ValueError(f"not a tag name: {', '.join(wrong)}")
    return names


def _keys(value: object) -> object:
    if not isinstance(value, str):
        return value
    pairs = [each.strip().partition("=") for each in value.split(",") if each.strip()]
    if any(not name.strip() or not secret.strip() for name, _, secret in pairs):
        raise ValueError("each key is written as id=secret")
    if len({name for name, _, _ in pairs}) != len(pairs):
        raise ValueError("a key id appears twice")
    return {name.strip(): secret.strip() for name, _, secret in pairs}


class Settings(BaseModel):
    """What the app reads from its environment; field descriptions say what each is for."""

    model_config = ConfigDict(frozen=True, extra="ignore", str_strip_whitespace=True)

    event_hub_connection: SecretStr | None = Field(
        None,
        alias=CONNECTION,
        description="Connection string of the Event Hubs namespace: local stand-ins and "
        "emulators only",
        examples=["Endpoint=sb://localhost;SharedAccessKeyName=...;UseDevelopmentEmulator=true"],
    )
    event_hub_namespace: str | None = Field(
        None,
        alias=NAMESPACE,
        description="Event Hubs namespace, reached with the app's identity",
        pattern=r"^[A-Za-z0-9.-]+$",
        examples=["contoso.servicebus.windows.net"],
    )
    event_hub_name: str = Field(
        alias="EVENT_HUB_NAME", min_length=1, description="The event hub", examples=["usage"]
    )
    event_hub_reread_consumer_group: str = Field(
        alias="EVENT_HUB_REREAD_CONSUMER_GROUP",
        min_length=1,
        description="Consumer group that gaps are re-read from; not the trigger's",
        examples=["reread"],
    )
    event_hub_consumer_group: str = Field(
        alias="EVENT_HUB_CONSUMER_GROUP",
        min_length=1,
        description="Consumer group of the trigger",
        examples=["functions"],
    )
    event_hub_retention_days: int = Field(
        7,
        alias="EVENT_HUB_RETENTION_DAYS",
        ge=1,
        le=90,
        description="How long the hub keeps events",
    )
    cosmos_endpoint: str = Field(
        alias="COSMOS_ENDPOINT",
        pattern=r"^https?://",
        description="The Cosmos DB account",
        examples=["https://contoso.documents.azure.com:443/"],
    )
    cosmos_key: SecretStr | None = Field(
        None,
        alias="COSMOS_KEY",
        description="Account key: emulators and local stand-ins only; without it the app's "
        "identity is used",
    )
    cosmos_database: str = Field(
        "usage-ingest", alias="COSMOS_DATABASE", min_length=1, description="The database"
    )
    ledger_ttl_days: int = Field(
        400,
        alias="LEDGER_TTL_DAYS",
        ge=3,
        le=3650,
        description="How long single records are kept; totals stay",
    )
    dead_letter_ttl_days: int = Field(
        90,
        alias="DEAD_LETTER_TTL_DAYS",
        ge=1,
        le=3650,
        description="How long dead letters are kept; their counts stay",
    )
    dead_letter_body: Literal["skeleton", "raw"] = Field(
        "skeleton",
        alias="DEAD_LETTER_BODY",
        description="`raw` also keeps the body of what could not be parsed, for 3 days: it may "
        "hold prompts",
    )
    rollup_slots: int = Field(
        4,
        alias="ROLLUP_SLOTS",
        ge=1,
        le=32,
        description="Rollup documents per key, so that hub partitions do not fight over one",
    )
    rollup_tags: Annotated[tuple[str, ...], BeforeValidator(_tag_names)] = Field(
        (),
        alias="ROLLUP_TAGS",
        description="Tags that summaries can group by, separated by commas; few, with few values",
        examples=["team,environment"],
    )
    end_user_id: Literal["keep", "hash", "drop"] = Field(
        "hash",
        alias="END_USER_ID",
        description="What is stored of an end user's id; `hash` drops it where there is no key",
    )
    client_ip: Literal["drop", "truncate"] = Field(
        "drop",
        alias="CLIENT_IP",
        description="`truncate` keeps a caller's network (IPv4 /24, IPv6 /48)",
    )
    privacy_hmac_keys: Annotated[dict[str, SecretStr], BeforeValidator(_keys)] = Field(
        default_factory=dict,
        alias="PRIVACY_HMAC_KEYS",
        description="Keys that identifiers are hashed with: `id=secret`, separated by commas",
        examples=["k1=<secret>"],
    )

    @property
    def namespace(self) -> str:
        """The namespace's host name, however it is reached."""
        if self.event_hub_namespace is not None:
            return self.event_hub_namespace
        connection = self.event_hub_connection
        found = _ENDPOINT.search(connection.get_secret_value()) if connection else None
        return found.group(1) if found else "unknown"


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
    if connection is not None and not _ENDPOINT.search(connection):
        yield f"{CONNECTION}: is not a connection string (Endpoint=sb://...)."
    group = given.get("EVENT_HUB_CONSUMER_GROUP")
    if group is not None and group == given.get("EVENT_HUB_REREAD_CONSUMER_GROUP"):
        yield "EVENT_HUB_REREAD_CONSUMER_GROUP: must not be EVENT_HUB_CONSUMER_GROUP."
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
