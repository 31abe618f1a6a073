"""Looks at every dependency of the app, one after the other; what fails stops nothing."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

from usage_ingest import connections
from usage_ingest.adapters.check_cosmos import CosmosCheck
from usage_ingest.adapters.check_event_hub import EventHubCheck
from usage_ingest.adapters.cosmos import Cosmos, cosmos_patience
from usage_ingest.adapters.cosmos_identity import CosmosIdentityEditor
from usage_ingest.adapters.credentials import Credentials, holder
from usage_ingest.adapters.event_hub import EventHubReader
from usage_ingest.adapters.log_analytics import LogAnalyticsMetrics
from usage_ingest.cli.session import tell
from usage_ingest.containers import CONTAINERS
from usage_ingest.errors import ConfigError, UsageIngestError
from usage_ingest.event_settings import CONNECTION
from usage_ingest.findings import Finding, clock_finding, failed, not_used, ok
from usage_ingest.identity import Identity
from usage_ingest.identity_change import wrong_values
from usage_ingest.ports import Clock
from usage_ingest.settings import Settings

PATIENCE_SECONDS: Final = 10.0
_HUB_SCOPE: Final = "https://eventhubs.azure.net//.default"
_SIGN_IN: Final = (
    "Sign in (`az login`), or set AZURE_CLIENT_ID, AZURE_TENANT_ID and a secret; in Azure, give "
    "the app a managed identity, and AZURE_CLIENT_ID where it is a user-assigned one."
)
_HUB_REACH: Final = (
    "Look at EVENT_HUB_NAME, the name of the namespace, its firewall and the network (port 5671, "
    "AMQP); give this identity the role Azure Event Hubs Data Receiver on the namespace."
)
_READER: Final = "Give this identity the role Azure Event Hubs Data Receiver on the namespace."
_LOGS: Final = (
    "The role is Log Analytics Reader on the workspace, or Monitoring Reader on the component; "
    "METRICS_TARGETS takes a workspace's GUID (customer id) or a component's resource id, and "
    "METRICS_ENDPOINT is another one in sovereign clouds."
)
_TABLE: Final = (
    "Let a workspace-based Application Insights component send its metrics there, and APIM emit "
    "them: docs/runbook.md, 'Metrics are missing'."
)

Parts = Mapping[str, Settings | None]
"""The settings of each dependency; None where they are wrong."""


class Diagnosis:
    """One look at everything; `close` ends its connections."""

    def __init__(self, parts: Parts, clock: Clock, *, writes: bool) -> None:
        """Keep the settings; without `writes` no probe is written."""
        self._parts = parts
        self._clock = clock
        self._writes = writes
        self._credentials = Credentials()

    async def findings(self) -> AsyncIterator[Finding]:
        """Yield what is found, in the order in which an operator would mend it."""
        for name, look in (
            ("Cosmos DB", self._cosmos),
            ("Event Hubs", self._event_hubs),
            ("Log Analytics", self._log_analytics),
        ):
            settings = self._parts[name]
            if settings is None:
                yield failed(name, "not tried: its settings are wrong", "Mend the settings first.")
                continue
            tell(f"looking at {name} ...")
            async for found in look(settings):
                yield found

    async def close(self) -> None:
        """Close the credential, if one was made."""
        await self._credentials.close()

    async def _identity(self, service: str, scope: str) -> Finding:
        check = f"identity: {service}"
        try:
            name = await holder(self._credentials.default(), scope)
        except ConfigError as error:
            return failed(check, str(error), _SIGN_IN)
        return ok(check, f"a token for {name}")

    async def _cosmos(self, settings: Settings) -> AsyncIterator[Finding]:
        if settings.cosmos_key is not None:
            yield not_used("identity: Cosmos DB", "COSMOS_KEY is used instead")
        else:
            host = urlsplit(settings.cosmos_endpoint).hostname
            found = await self._identity("Cosmos DB", f"https://{host}/.default")
            yield found
            if found.state == "failed":
                yield failed("Cosmos DB", "not tried: there is no token", _SIGN_IN)
                return
        try:
            patience = cosmos_patience(PATIENCE_SECONDS)
            cosmos = connections.connected(settings, self._credentials, patience)
        except ConfigError as error:
            yield failed("Cosmos DB: account", str(error), "Copy the key again.")
            return
        try:
            async for found in self._database(cosmos, settings):
                yield found
        finally:
            await cosmos.close()

    async def _database(self, cosmos: Cosmos, settings: Settings) -> AsyncIterator[Finding]:
        check = CosmosCheck(cosmos, settings.cosmos_database, self._clock)
        reached, clock = await check.reach()
        yield reached
        if clock is not None:
            yield clock
        if reached.state == "failed":
            return
        for found in await asyncio.gather(*(check.container(each) for each in CONTAINERS)):
            yield found
        if self._writes:
            yield await check.write()
        else:
            yield not_used("Cosmos DB: write", "--dry-run: no probe is written")
        yield await _identity_values(cosmos, tuple(settings.privacy_hmac_keys))

    async def _event_hubs(self, settings: Settings) -> AsyncIterator[Finding]:
        secret = settings.event_hub_connection
        if secret is not None:
            yield not_used("identity: Event Hubs", f"{CONNECTION} is used instead")
        else:
            found = await self._identity("Event Hubs", _HUB_SCOPE)
            yield found
            if found.state == "failed":
                yield failed("Event Hubs", "not tried: there is no token", _SIGN_IN)
                return
        connection = secret.get_secret_value() if secret else self._credentials.default()
        hub, check = settings.event_hub_name, f"Event Hubs: {settings.event_hub_name}"
        reader = EventHubReader(
            hub, "$Default", namespace=settings.namespace, connection=connection
        )
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                partitions = await reader.partition_ids()
        except TimeoutError:
            yield failed(check, f"no answer within {PATIENCE_SECONDS:.0f} seconds", _HUB_REACH)
            return
        except UsageIngestError as error:
            yield failed(check, str(error), _HUB_REACH)
            return
        yield ok(check, f"{len(partitions)} partitions in {settings.namespace}")
        asked = EventHubCheck(
            hub,
            namespace=settings.namespace,
            connection=connection,
            patience_seconds=PATIENCE_SECONDS,
        )
        groups = (
            (settings.event_hub_consumer_group, "EVENT_HUB_CONSUMER_GROUP"),
            (settings.event_hub_reread_consumer_group, "EVENT_HUB_REREAD_CONSUMER_GROUP"),
        )
        readings = (_group(asked, group, name, partitions[0]) for group, name in groups)
        for found in await asyncio.gather(*readings, _sender(asked)):
            yield found

    async def _log_analytics(self, settings: Settings) -> AsyncIterator[Finding]:
        if not settings.metrics_targets:
            text = "METRICS_TARGETS names no target: streamed requests' tokens are not collected"
            yield not_used("Log Analytics", text)
            return
        endpoint = settings.metrics_endpoint.rstrip("/")
        if endpoint.startswith("http://"):
            yield not_used("identity: Log Analytics", "a stand-in on this machine takes any token")
        else:
            found = await self._identity("Log Analytics", f"{endpoint}/.default")
            yield found
            if found.state == "failed":
                yield failed("Log Analytics", "not tried: there is no token", _SIGN_IN)
                return
        metrics = connections.log_analytics(settings, self._credentials, PATIENCE_SECONDS)
        try:
            for target in settings.metrics_targets:
                for found in await self._target(metrics, target):
                    yield found
        finally:
            await metrics.close()

    async def _target(self, metrics: LogAnalyticsMetrics, target: str) -> Sequence[Finding]:
        check, before = f"Log Analytics: {target}", self._clock.now()
        try:
            there = await metrics.now(target)
            middle = before + (self._clock.now() - before) / 2
        except UsageIngestError as error:
            return [failed(check, str(error), _LOGS)]
        answers = [clock_finding("clock: Log Analytics", "Log Analytics", middle, there)]
        try:
            rows = await metrics.seen(target)
        except ConfigError as error:
            return [failed(check, str(error), _TABLE), *answers]
        except UsageIngestError as error:
            return [failed(check, str(error), _LOGS), *answers]
        return [ok(check, f"AppMetrics is there, with {rows:,} rows of the last day"), *answers]


async def _identity_values(cosmos: Cosmos, hmac_key_ids: Sequence[str]) -> Finding:
    check = "identity values"
    try:
        stored = await CosmosIdentityEditor(cosmos).all()
    except UsageIngestError as error:
        remedy = "Look at the container state, and at the document that is named."
        return failed(check, str(error), remedy)
    values = Identity({each.name: each.values for each in stored})
    if wrong := wrong_values(values, hmac_key_ids):
        remedy = "Append a right value with `identity set`; add a missing key to PRIVACY_HMAC_KEYS."
        return failed(check, "; ".join(wrong), remedy)
    return ok(check, f"{len(stored)} names, all with values that can be read")


async def _group(asked: EventHubCheck, group: str, setting: str, partition_id: str) -> Finding:
    check = f"Event Hubs: consumer group {group}"
    try:
        reading = await asked.reading(group, partition_id)
    except UsageIngestError as error:
        return failed(check, str(error), _HUB_REACH)
    return {
        "free": ok(check, "can be read"),
        "taken": ok(check, "is there, and is being read"),
        "missing": failed(
            check, "is missing", f"Create it on the event hub {asked.hub}, or mend {setting}."
        ),
        "refused": failed(check, "this identity may not read it", _READER),
    }[reading]


async def _sender(asked: EventHubCheck) -> Finding:
    check = "Event Hubs: send"
    try:
        may = await asked.can_send()
    except UsageIngestError as error:
        return not_used(check, f"could not be tried ({error}); only POST api/v1/events needs it")
    if may:
        return ok(check, "may send: POST api/v1/events can work")
    text = "may not send; only POST api/v1/events needs it (Azure Event Hubs Data Sender)"
    return not_used(check, text)
