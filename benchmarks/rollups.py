"""Rollups as ingestion writes them, for what reads them."""

from collections.abc import Mapping
from typing import Any

from usage_ingest.rollup import RollupKey, rollup_document


def make_rollup(
    at: int,
    day: str,
    subscription: str,
    counters: Mapping[str, int],
    **named: Any,  # noqa: ANN401 - what differs of the key
) -> dict[str, Any]:
    """Return the rollup that is the `at`th of a feed."""
    key = RollupKey(
        day=day,
        subscription_id=subscription,
        product_id="ai-standard",
        app_id=f"app-{at}",
        tenant_id=None,
        tags=(("team", subscription),),
        gateway="apim-contoso",
        backend=None,
        provider="openai",
        api_kind="chat",
        model="gpt-4o",
        deployment="gpt-4o-prod",
        served_deployment=None,
        region="Sweden Central",
        service_tier=None,
        spillover=False,
        context_band="128k",
        streaming=False,
        usage_estimated=False,
        source="event_hub",
    )._replace(**named)
    return rollup_document(key, at % 4, f"{subscription}|{day}|0", counters)
