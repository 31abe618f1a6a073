"""The profiles that ship with the app: our own metric, and those of gateways that are read. Pure.

A definition counts from its first use on as the identity document that it is then stored as.
"""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from usage_ingest.errors import ConfigError
from usage_ingest.identity import METRIC_PROFILE
from usage_ingest.metric_profile import Definition, parsed

_TOKENS: Final = {
    "Prompt Tokens": "input_tokens",
    "Completion Tokens": "output_tokens",
    "Total Tokens": "total_tokens",
}
_STAND_INS: Final = ("NA", "N/A", "Portal-Admin", "Portal-Admin-Sub")
SHIPPED: Final[Mapping[str, Mapping[str, Any]]] = {
    "own": {
        "metrics": _TOKENS,
        "must_have": ["usage.subscription"],
        "fields": {
            "subscription_id": "usage.subscription",
            "product_id": "usage.product",
            "app_id": "usage.app",
            "deployment": "usage.deployment",
            "request_model": "usage.model",
        },
        "unknown_values": ["-"],
    },
    "ai-hub": {
        "metrics": _TOKENS,
        "must_have": ["SubscriptionId", "routeName"],
        "must_not_have": ["usage.subscription"],
        "fields": {
            "subscription_id": "SubscriptionId",
            "product_id": "productName",
            "product_name": "productName",
            "deployment": "deploymentName",
            "backend": "backendId",
            "route": "routeName",
        },
        "unknown_values": _STAND_INS,
    },
    "citadel": {
        "metrics": _TOKENS,
        "must_have": ["productName", "Backend ID"],
        "must_not_have": ["usage.subscription", "SubscriptionId", "Subscription ID"],
        "fields": {
            "product_id": "productName",
            "product_name": "productName",
            "deployment": "deploymentName",
            "request_model": "deploymentName",
            "backend": "Backend ID",
            "app_id": "appId",
        },
        "unknown_values": _STAND_INS,
        "covers": "all",
        "covered": {"product_id": []},
    },
    "toolkit": {
        "metrics": _TOKENS,
        "must_have": ["Subscription ID", "Operation ID", "Gateway ID"],
        "must_not_have": ["usage.subscription", "productName"],
        "fields": {
            "subscription_id": "Subscription ID",
            "product_id": "Product ID",
            "api_id": "API ID",
            "operation_id": "Operation ID",
            "gateway_id": "Gateway ID",
            "region": "Location",
        },
        "ignored": ["Client IP"],
        "covers": "all",
        "covered": {"subscription_id": []},
    },
}
"""Definitions to start from. The two that cover all are whole only with what they cover."""


def shipped(profile: str) -> Definition:
    """Return a definition that ships with the app.

    Raises:
        ConfigError: There is none of this name, or it has to be completed first.
    """
    document = f"an identity document named {METRIC_PROFILE}{profile}"
    if profile not in SHIPPED:
        raise ConfigError(
            f"METRICS_PROFILES: {profile} is none of {', '.join(SHIPPED)} and needs {document}"
        )
    try:
        return parsed(profile, orjson.dumps(SHIPPED[profile]).decode())
    except ConfigError as error:
        raise ConfigError(f"METRICS_PROFILES: {profile} needs {document}: {error}") from error
