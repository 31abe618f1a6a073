"""Builders with keyword overrides: what a test does not name is ordinary."""

import itertools
import uuid
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from usage_ingest.events.ingest import Batch
from usage_ingest.identity import BEGINNING, METRIC_PROFILE, DatedValue, Identity
from usage_ingest.metric_profile import Definition
from usage_ingest.metrics.fold import Kind, MetricRow
from usage_ingest.metrics.shipped import SHIPPED
from usage_ingest.ports import PartitionProperties, ReceivedEvent

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
WORKSPACE = "11111111-aaaa-4bbb-8ccc-000000000001"
COMPONENT = (
    "/subscriptions/5a/resourceGroups/rg/providers/microsoft.insights/components/apim-insights"
)
DIMENSIONS = {
    "usage.subscription": "hr-copilot",
    "usage.product": "ai-standard",
    "usage.app": "app-1",
    "usage.deployment": "gpt-4o-prod",
    "usage.model": "gpt-4o",
}
_numbers = itertools.count(1)


class FrozenClock:
    """A clock that moves only when a test moves it."""

    def __init__(self, moment: datetime = NOON) -> None:
        self.moment = moment

    def now(self) -> datetime:
        return self.moment

    def move(self, **passed: float) -> None:
        self.moment += timedelta(**passed)


def make_usage(**overrides: Any) -> dict[str, Any]:
    return {
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "total_tokens": 120,
        "prompt_tokens_details": {"cached_tokens": 64},
        "completion_tokens_details": {"reasoning_tokens": 0},
    } | overrides


def make_event(**overrides: Any) -> dict[str, Any]:
    """An event of our own; an override of None is sent as null."""
    return {
        "schema": "usage-ingest/1",
        "gateway_request_id": str(uuid.UUID(int=next(_numbers))),
        "event_time": "2026-11-20T11:59:58.1234567Z",
        "gateway": "apim-contoso",
        "region": "Sweden Central",
        "subscription_id": "hr-copilot",
        "product_id": "ai-standard",
        "app_id": "app-1",
        "tags": {"team": "benefits"},
        "provider": "openai",
        "api_kind": "chat",
        "deployment": "gpt-4o-prod",
        "request_model": "gpt-4o",
        "streaming": False,
        "status": 200,
        "latency_ms": 812,
        "response_id": f"chatcmpl-{next(_numbers)}",
        "response_model": "gpt-4o-2024-11-20",
        "object": "chat.completion",
        "usage": make_usage(),
    } | overrides


def make_ai_hub_event(**overrides: Any) -> dict[str, Any]:
    """An event of the ai-hub gateway: all 21 fields."""
    return {
        "id": f"chatcmpl-{next(_numbers)}",
        "timestamp": "11/20/2026 11:45:56 AM",
        "appId": "NA",
        "subscriptionId": "finance-bot",
        "productName": "AI-Retail",
        "targetService": "chat.completion",
        "model": "gpt-4o-2024-11-20",
        "gatewayName": "apim-hub",
        "gatewayRegion": "Sweden Central",
        "aiGatewayId": "managed",
        "RequestIp": "203.0.113.77",
        "operationName": "ChatCompletions_Create",
        "sessionId": "NA",
        "endUserId": "NA",
        "backendId": "openai-backend-0",
        "routeLocation": "swedencentral",
        "routeName": "SWC",
        "deploymentName": "chat",
        "promptTokens": 100,
        "responseTokens": 20,
        "totalTokens": 120,
    } | overrides


def make_definition(**overrides: Any) -> Definition:
    """The definition of our own metric."""
    return Definition.model_validate({**SHIPPED["own"], **overrides})


def make_identity(**definitions: Definition) -> Identity:
    """Definitions that hold from the beginning, by profile."""
    return Identity(
        {
            METRIC_PROFILE + profile: (DatedValue(BEGINNING, definition.model_dump_json()),)
            for profile, definition in definitions.items()
        }
    )


def make_kind(
    definition: Definition | None = None,
    profile: str = "own",
    bin_seconds: int = 3_600,
    **others: Definition,
) -> Kind:
    """A reading of a profile, beside which there may be others."""
    definition = definition or make_definition()
    identity = make_identity(**{profile: definition}, **others)
    return Kind(profile, definition, bin_seconds, identity)


def make_metric_row(**overrides: Any) -> MetricRow:
    """A sum as the service answers it; `properties` may be given as a mapping."""
    fields: dict[str, Any] = {
        "bin_start": NOON,
        "metric": "Prompt Tokens",
        "total": 100.0,
        "role_name": "apim-contoso.azure-api.net Sweden Central",
        "component": COMPONENT,
        "properties": DIMENSIONS,
        "as_of": NOON + timedelta(hours=2),
    } | overrides
    if isinstance(fields["properties"], Mapping):
        fields["properties"] = orjson.dumps(fields["properties"]).decode()
    return MetricRow(**fields)


def make_log_row(moment: datetime = NOON, **overrides: Any) -> dict[str, Any]:
    """A row of AppMetrics, as the stand-in takes it; it arrives two minutes after its time."""
    return {
        "TimeGenerated": moment,
        "Name": "Prompt Tokens",
        "Sum": 100.0,
        "AppRoleName": "apim-contoso.azure-api.net Sweden Central",
        "Properties": DIMENSIONS,
        "_ResourceId": COMPONENT,
        "arrives_at": moment + timedelta(minutes=2),
    } | overrides


def is_before(event: ReceivedEvent, first: int | datetime) -> bool:
    if isinstance(first, datetime):
        return event.enqueued_time is not None and event.enqueued_time < first
    return (event.sequence_number or 0) < first


class FakeHub:
    """A hub reader over events in memory; `events` maps a partition to what it holds."""

    namespace = "localhost"
    hub = "usage"

    def __init__(self, beginning: int = 0) -> None:
        self.beginning = beginning
        self.events: dict[str, list[ReceivedEvent]] = {"0": [], "1": []}

    async def partition_ids(self) -> list[str]:
        return sorted(self.events)

    async def properties(self, partition_id: str) -> PartitionProperties:
        held = self.events[partition_id]
        last = held[-1].sequence_number if held else self.beginning - 1
        time = held[-1].enqueued_time if held else NOON
        assert last is not None
        assert time is not None
        return PartitionProperties(
            beginning=self.beginning, last_enqueued=last, last_enqueued_time=time
        )

    async def read(
        self, partition_id: str, first: int | datetime, last: int
    ) -> AsyncGenerator[Sequence[ReceivedEvent], None]:
        held = [each for each in self.events[partition_id] if not is_before(each, first)]
        for each in held:
            if (each.sequence_number or 0) < self.beginning:
                continue
            yield [each]
            if (each.sequence_number or 0) >= last:
                return


def body(element: object) -> bytes:
    return element if isinstance(element, bytes) else orjson.dumps(element)


def make_batch(
    *elements: object,
    first: int = 0,
    partition_id: str | None = "0",
    enqueued: datetime = NOON,
) -> Batch:
    """A received batch, one event an element, numbered from `first`."""
    events = [
        ReceivedEvent(body(each), number, enqueued) for number, each in enumerate(elements, first)
    ]
    return Batch(partition_id, events)
