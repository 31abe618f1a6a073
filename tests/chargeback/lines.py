"""Lines with keyword overrides: what a test does not name is ordinary."""

from decimal import Decimal
from typing import Any

from usage_ingest.chargeback.kinds import Kind
from usage_ingest.chargeback.line import Charge, Line, Rate, Subject
from usage_ingest.chargeback.owner import Payer

DAY = "2026-11-20"


def make_subject(**overrides: Any) -> Subject:
    fields: dict[str, Any] = {
        "day": DAY,
        "subscription_id": "hr-copilot",
        "product_id": "ai-standard",
        "app_id": "app-1",
        "tenant_id": None,
        "tags": (("team", "benefits"),),
        "gateway": "apim-contoso",
        "backend": None,
        "provider": "openai",
        "model": "gpt-4o-2024-11-20",
        "deployment": "gpt-4o-prod",
        "served_deployment": None,
        "region": "Sweden Central",
        "service_tier": "default",
        "spillover": False,
        "context_band": "128k",
        "usage_estimated": False,
        "source": "event_hub",
    }
    return Subject(**fields | overrides)


def make_rate(**overrides: Any) -> Rate:
    fields: dict[str, Any] = {
        "price_id": "price-1",
        "source": "contract",
        "revision": 1,
        "unit_price": Decimal("2.50"),
        "list_unit_price": Decimal("2.75"),
    }
    return Rate(**fields | overrides)


def make_line(**overrides: Any) -> Line:
    """A line with a price; `subject` may be given as the fields that differ."""
    fields: dict[str, Any] = {
        "subject": {},
        "payer": Payer("hr", "CC-1", "People", Decimal(10)),
        "kind": Kind.INPUT,
        "charge": Charge.USAGE,
        "quantity": 1_000_000,
        "model": "gpt-4o",
        "version": "2024-11-20",
        "sku": "GlobalStandard",
        "region": "swedencentral",
        "rate": make_rate(),
        "currency": "EUR",
        "cost": Decimal("2.50"),
        "list_cost": Decimal("2.75"),
        "amount": Decimal("2.7500"),
    } | overrides
    if isinstance(fields["subject"], dict):
        fields["subject"] = make_subject(**fields["subject"])
    return Line(**fields)


def make_unpriced(**overrides: Any) -> Line:
    """A line that has no price."""
    none = dict.fromkeys(("rate", "currency", "cost", "list_cost", "amount"))
    return make_line(**{"charge": Charge.UNPRICED, **none, **overrides})
