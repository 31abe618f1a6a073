"""Connections as the settings say: keys for local endpoints only, else the app's identity.

Part of the composition root; SDKs are imported at first use.
"""

from typing import TYPE_CHECKING

from usage_ingest.ports import HubReader
from usage_ingest.settings import Settings

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

    from usage_ingest.adapters.cosmos import Cosmos
    from usage_ingest.adapters.credentials import Credentials
    from usage_ingest.adapters.log_analytics import LogAnalyticsMetrics
    from usage_ingest.adapters.patience import Patience


def log_analytics(
    settings: Settings, credentials: "Credentials", patience_seconds: float
) -> "LogAnalyticsMetrics":
    """Return the reader of metrics; a stand-in on this machine takes any token."""
    from usage_ingest.adapters.credentials import LocalToken
    from usage_ingest.adapters.log_analytics import LogAnalyticsMetrics

    endpoint = settings.metrics_endpoint
    credential = LocalToken() if endpoint.startswith("http://") else credentials.default()
    return LogAnalyticsMetrics(endpoint, credential, patience_seconds)


def connected(
    settings: Settings, credentials: "Credentials", patience: "Patience | None" = None
) -> "Cosmos":
    """Return the database of the settings: with the key of a local endpoint, else the identity."""
    from usage_ingest.adapters.cosmos import Cosmos

    key = settings.cosmos_key
    credential = key.get_secret_value() if key else credentials.default()
    return Cosmos(settings.cosmos_endpoint, credential, settings.cosmos_database, patience)


def reread(settings: Settings, credentials: "Credentials", consumer_group: str) -> HubReader:
    """Return a reader of the hub in a consumer group; connects at the first request only."""
    from usage_ingest.adapters.event_hub import EventHubReader

    return EventHubReader(
        settings.event_hub_name,
        consumer_group,
        namespace=settings.namespace,
        connection=hub_connection(settings, credentials),
    )


def hub_connection(settings: Settings, credentials: "Credentials") -> "str | AsyncTokenCredential":
    """Return the connection string of a local endpoint, else the app's identity."""
    connection = settings.event_hub_connection
    return connection.get_secret_value() if connection else credentials.default()
