"""The composition root: settings in, verbs with their adapters out. Nothing else builds adapters.

SDKs are imported at first use, so that indexing function_app stays fast and needs no settings.
"""

import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from usage_ingest.chargeback.ports import (
    ChargebackStores,
    ReferenceStore,
    RollupChanges,
    StatementStore,
)
from usage_ingest.connections import connected, hub_connection, log_analytics, reread
from usage_ingest.events.accept import Accept
from usage_ingest.events.ingest import Ingest
from usage_ingest.events.keep_progress import ProgressKeeper
from usage_ingest.events.ports import Backfills, KeptLetters
from usage_ingest.from_settings import list_estimates, pace, privacy, sources
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
    from usage_ingest.adapters.cosmos_totals import CosmosTotals
    from usage_ingest.adapters.credentials import Credentials


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
    reference: ReferenceStore
    reader: HubReader
    ledger: Ledger
    identity: IdentityStore
    identity_editor: IdentityEditor
    letters: KeptLetters
    backfills: Backfills
    totals: "CosmosTotals"
    statements: StatementStore
    changes: RollupChanges
    credentials: "Credentials"
    close: Callable[[], Awaitable[None]]

    @property
    def chargeback(self) -> ChargebackStores:
        """What reports of money are read from."""
        return ChargebackStores(
            reports=self.reports,
            reference=self.reference,
            statements=self.statements,
            changes=self.changes,
        )


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
    from usage_ingest.adapters.cosmos_changes import CosmosRollupChanges
    from usage_ingest.adapters.cosmos_dead_letters import CosmosDeadLetters
    from usage_ingest.adapters.cosmos_identity import CosmosIdentityEditor
    from usage_ingest.adapters.cosmos_kept_letters import CosmosKeptLetters
    from usage_ingest.adapters.cosmos_ledger import CosmosLedger
    from usage_ingest.adapters.cosmos_reference import CosmosReferenceStore
    from usage_ingest.adapters.cosmos_reports import CosmosReportReader
    from usage_ingest.adapters.cosmos_state import (
        CosmosIdentityStore,
        CosmosProgressStore,
        CosmosWatermarkStore,
    )
    from usage_ingest.adapters.cosmos_statements import CosmosStatementStore
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
        connection=hub_connection(settings, credentials),
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
        reference=CosmosReferenceStore(cosmos, clock, list_estimates(settings)),
        reader=reader,
        ledger=ledger,
        identity=identity,
        identity_editor=CosmosIdentityEditor(cosmos),
        letters=CosmosKeptLetters(cosmos, clock, settings.dead_letter_ttl_days),
        backfills=CosmosBackfills(cosmos),
        totals=CosmosTotals(cosmos),
        statements=CosmosStatementStore(cosmos),
        changes=CosmosRollupChanges(cosmos),
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
