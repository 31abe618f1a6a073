"""The composition root: settings in, verbs with their adapters out. Nothing else builds adapters.

SDKs are imported at first use, so that indexing function_app stays fast and needs no settings.
"""

import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from usage_ingest.events.ingest import Ingest
from usage_ingest.events.keep_progress import ProgressKeeper
from usage_ingest.events.privacy import Privacy
from usage_ingest.ports import Clock, HubReader, ProgressStore, ReportReader
from usage_ingest.settings import Settings, load_settings

if TYPE_CHECKING:
    from usage_ingest.adapters.cosmos import Cosmos, Patience
    from usage_ingest.adapters.credentials import Credentials


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
    reports: ReportReader
    progress: ProgressStore
    reader: HubReader
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
    from usage_ingest.adapters.cosmos import Patience
    from usage_ingest.adapters.cosmos_dead_letters import CosmosDeadLetters
    from usage_ingest.adapters.cosmos_ledger import CosmosLedger
    from usage_ingest.adapters.cosmos_reports import CosmosReportReader
    from usage_ingest.adapters.cosmos_state import CosmosIdentityStore, CosmosProgressStore
    from usage_ingest.adapters.credentials import Credentials
    from usage_ingest.adapters.event_hub import EventHubReader

    credentials = Credentials()
    clock = clock or SystemClock()
    cosmos = connected(settings, credentials, Patience(patience_seconds))
    connection = settings.event_hub_connection
    reader = reader or EventHubReader(
        settings.event_hub_name,
        settings.event_hub_reread_consumer_group,
        namespace=settings.namespace,
        connection=connection.get_secret_value() if connection else credentials.default(),
    )
    progress = CosmosProgressStore(cosmos)
    identity = CosmosIdentityStore(cosmos, clock, tuple(settings.privacy_hmac_keys))

    async def close() -> None:
        await cosmos.close()
        await credentials.close()

    ingest = Ingest(
        ledger=CosmosLedger(cosmos, identity, settings.ledger_ttl_days, settings.rollup_tags),
        dead_letters=CosmosDeadLetters(cosmos, clock, settings.dead_letter_ttl_days),
        progress=ProgressKeeper(progress, reader, clock),
        identity=identity,
        clock=clock,
        privacy=_privacy(settings),
        ledger_ttl_days=settings.ledger_ttl_days,
        keep_raw=settings.dead_letter_body == "raw",
        rollup_slots=settings.rollup_slots,
    )
    return App(
        settings=settings,
        clock=clock,
        ingest=ingest,
        reports=CosmosReportReader(cosmos),
        progress=progress,
        reader=reader,
        close=close,
    )


def connected(
    settings: Settings, credentials: "Credentials", patience: "Patience | None" = None
) -> "Cosmos":
    """Return the database of the settings: with the key of a local endpoint, else the identity."""
    from usage_ingest.adapters.cosmos import Cosmos

    key = settings.cosmos_key
    credential = key.get_secret_value() if key else credentials.default()
    return Cosmos(settings.cosmos_endpoint, credential, settings.cosmos_database, patience)


def _privacy(settings: Settings) -> Privacy:
    keys = {
        name: secret.get_secret_value().encode()
        for name, secret in settings.privacy_hmac_keys.items()
    }
    return Privacy(settings.end_user_id, settings.client_ip, keys)


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
