"""The settings of the hub, the store and the event flow; settings.py adds the others and the rules.

README.md's table is generated from the fields (python -m tests.readme_table).
"""

import re
from typing import Annotated, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

CONNECTION: Final = "EventHubConnection"
NAMESPACE: Final = "EventHubConnection__fullyQualifiedNamespace"
_TAG: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
ENDPOINT: Final = re.compile(r"Endpoint=sb://([^:/;]+)", re.IGNORECASE)


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


class EventSettings(BaseModel):
    """What the event flow reads; field descriptions say what each is for."""

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
        found = ENDPOINT.search(connection.get_secret_value()) if connection else None
        return found.group(1) if found else "unknown"
