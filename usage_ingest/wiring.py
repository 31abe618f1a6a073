"""The composition root: settings in, verbs with their adapters out. Nothing else builds adapters.

SDKs are imported at first use, so that indexing function_app stays fast and needs no settings.
"""

import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from usage_ingest.events.accept import Accept
from usage_ingest.events.ingest import Ingest
from usage_ingest.events.keep_progress import ProgressKeeper
from usage_ingest.events.ports import Backfills, KeptLetters
from usage_ingest.from_settings import pace, privacy, sources
from usage_ingest.metrics.collect import Collect
from usage_ingest.ports import (
    Clock,
    HubReader,
    IdentityEditor,
    IdentityStore,
    Ledger,
    ReportStores,
)
from usage_ingest.settings import Settings, load_settings

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

    from usage_ingest.adapters.cosmos import Cosmos
    from usage_ingest.adapters.cosmos_totals import CosmosTotals
    from usage_ingest.adapters.credentials import Credentials
    from usage_ingest.adapters.log_analytics import LogAnalyticsMetrics
    from usage_ingest.adapters.patience import Patience


_PUBLISH_SECONDS: Final = 30.0  # an HTTP caller waits for it


class SystemClock:
    """Implements ports.Clock."""

    def now(self) -> datetime:
        """Return the current moment, aware UTC."""
        return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """What the functions call; `close` ends its connections."""

    settings: Settings
    clock: Clock
    ingest: Ingest
    accept: Accept
    reports: ReportStores
    reader: HubReader
    ledger: Ledger
    identity: IdentityStore
    identity_editor: IdentityEditor
    letters: KeptLetters
    backfills: Backfills
    totals: "CosmosTotals"
    credentials: "Credentials"
    close: Callable[[], Awaitable[None]]


def build(
    settings: Settings,
    clock: Clock | None = None,
    reader: HubReader | None = None,
    patience_seconds: float = 60.0,
) -> App:
    """Put the app together; connects at the first request only.

    Args:
        settings: What the deployment says.
        clock: Another clock, in tests.
        reader: Another reader of the hub, in tests.
        patience_seconds: How long a busy store is waited for before the host is to retry.
    """
    from usage_ingest.adapters.cosmos import cosmos_patience
    from usage_ingest.adapters.cosmos_backfills import CosmosBackfills
    from usage_ingest.adapters.cosmos_dead_letters import CosmosDeadLetters
    from usage_ingest.adapters.cosmos_identity import CosmosIdentityEditor
    from usage_ingest.adapters.cosmos_kept_letters import CosmosKeptLetters
    from usage_ingest.adapters.cosmos_ledger import CosmosLedger
    from usage_ingest.adapters.cosmos_reports import CosmosReportReader
    from usage_ingest.adapters.cosmos_state import (
        CosmosIdentityStore,
        CosmosProgressStore,
        CosmosWatermarkStore,
    )
    from usage_ingest.adapters.cosmos_totals import CosmosTotals
    from usage_ingest.adapters.credentials import Credentials
    from usage_ingest.adapters.event_hub_publisher import EventHubPublisher

    credentials = Credentials()
    clock = clock or SystemClock()
    cosmos = connected(settings, credentials, cosmos_patience(patience_seconds))
    reader = reader or reread(settings, credentials, settings.event_hub_reread_consumer_group)
    publisher = EventHubPublisher(
        settings.event_hub_name,
        namespace=settings.namespace,
        connection=_hub_connection(settings, credentials),
        patience_seconds=min(patience_seconds, _PUBLISH_SECONDS),
    )
    progress = CosmosProgressStore(cosmos)
    identity = CosmosIdentityStore(cosmos, clock, tuple(settings.privacy_hmac_keys))

    ledger = CosmosLedger(cosmos, identity, settings.ledger_ttl_days, settings.rollup_tags)

    async def close() -> None:
        await publisher.close()
        await cosmos.close()
        await credentials.close()

    ingest = Ingest(
        ledger=ledger,
        dead_letters=CosmosDeadLetters(cosmos, clock, settings.dead_letter_ttl_days),
        progress=ProgressKeeper(progress, reader, clock),
        identity=identity,
        clock=clock,
        privacy=privacy(settings),
        ledger_ttl_days=settings.ledger_ttl_days,
        keep_raw=settings.dead_letter_body == "raw",
        rollup_slots=settings.rollup_slots,
    )
    return App(
        settings=settings,
        clock=clock,
        ingest=ingest,
        accept=Accept(publisher=publisher, clock=clock, ledger_ttl_days=settings.ledger_ttl_days),
        reports=ReportStores(
            reader=CosmosReportReader(cosmos),
            progress=progress,
            watermarks=CosmosWatermarkStore(cosmos),
            sources=sources(settings),
            settling_delay=settings.metrics_settling_delay,
        ),
        reader=reader,
        ledger=ledger,
        identity=identity,
        identity_editor=CosmosIdentityEditor(cosmos),
        letters=CosmosKeptLetters(cosmos, clock, settings.dead_letter_ttl_days),
        backfills=CosmosBackfills(cosmos),
        totals=CosmosTotals(cosmos),
        credentials=credentials,
        close=close,
    )


@contextlib.asynccontextmanager
async def collecting(app: App, patience_seconds: float = 60.0) -> AsyncIterator[Collect]:
    """Yield the collector of metrics over a connection of its own, closed afterwards."""
    settings = app.settings
    metrics = log_analytics(settings, app.credentials, patience_seconds)
    try:
        yield Collect(
            ledger=app.ledger,
            metrics=metrics,
            watermarks=app.reports.watermarks,
            identity=app.identity,
            clock=app.clock,
            sources=app.reports.sources,
            pace=pace(settings),
            ledger_ttl_days=settings.ledger_ttl_days,
        )
    finally:
        await metrics.close()


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
        connection=_hub_connection(settings, credentials),
    )


def _hub_connection(settings: Settings, credentials: "Credentials") -> "str | AsyncTokenCredential":
    connection = settings.event_hub_connection
    return connection.get_secret_value() if connection else credentials.default()


def environment() -> Mapping[str, str]:
    """Return the environment of this process; nothing else reads it."""
    return os.environ


class _Running:
    """The app of this process; one event loop runs all its functions."""

    app: App | None = None


def running(environment: Mapping[str, str] = os.environ) -> App:
    """Return the app of this process, built at the first call.

    Raises:
        ConfigError: Naming every missing or wrong setting.
    """
    if _Running.app is None:
        _Running.app = build(load_settings(environment))
    return _Running.app


async def stop() -> None:
    """Close the app of this process; the next call of `running` builds another."""
    app, _Running.app = _Running.app, None
    if app is not None:
        await app.close()
