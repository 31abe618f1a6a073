"""Folds that the product's totals are compared with, written apart from the product's code."""

from collections.abc import Iterable, Mapping
from typing import Any

TOKENS = (
    "input_tokens",
    "cached_input_tokens",
    "cache_write_input_tokens",
    "cache_write_5m_input_tokens",
    "cache_write_30m_input_tokens",
    "cache_write_1h_input_tokens",
    "cache_write_12h_input_tokens",
    "audio_input_tokens",
    "image_input_tokens",
    "text_input_tokens",
    "output_tokens",
    "reasoning_output_tokens",
    "audio_output_tokens",
    "image_output_tokens",
    "text_output_tokens",
    "accepted_prediction_output_tokens",
    "rejected_prediction_output_tokens",
    "total_tokens",
)
KEYS = (
    "day",
    "subscription_id",
    "product_id",
    "app_id",
    "tenant_id",
    "gateway",
    "backend",
    "provider",
    "api_kind",
    "model",
    "deployment",
    "served_deployment",
    "region",
    "service_tier",
    "streaming",
)
Totals = dict[tuple[Any, ...], dict[str, int]]


def fold(ledger: Iterable[Mapping[str, Any]]) -> Totals:
    """Add up ledger documents by what rollups are keyed by."""
    totals: Totals = {}
    for document in ledger:
        row = dict(document)
        row["model"] = row.get("response_model") or row.get("request_model")
        sums = totals.setdefault(tuple(row.get(name) for name in KEYS), {})
        for name, value in _counted(row).items():
            sums[name] = sums.get(name, 0) + value
    return {key: _seen(sums) for key, sums in totals.items()}


def _counted(row: Mapping[str, Any]) -> dict[str, int]:
    counted = {name: row[name] for name in TOKENS if row.get(name) is not None}
    status = row.get("status") or 0
    counted["requests"] = 1
    counted["failed_requests"] = int(status >= 400)
    counted["rate_limited_requests"] = int(status == 429)
    counted["requests_without_usage"] = int(row["usage_state"] == "none")
    counted["requests_awaiting_metrics"] = int(row["usage_state"] == "awaiting_metrics")
    counted["latency_ms_sum"] = row.get("latency_ms") or 0
    return counted


def rollup_totals(rollups: Iterable[Mapping[str, Any]]) -> Totals:
    """Add up rollup documents, slots together; what a correction emptied is left out."""
    totals: Totals = {}
    for document in rollups:
        if not document.get("requests"):
            assert not any(document.get(name) for name in TOKENS), document
            continue
        sums = totals.setdefault(tuple(document.get(name) for name in KEYS), {})
        for name, value in document.items():
            if name in TOKENS or name.endswith("requests") or name.startswith("requests_"):
                sums[name] = sums.get(name, 0) + value
        sums["latency_ms_sum"] = sums.get("latency_ms_sum", 0) + document.get("latency_ms_sum", 0)
    return {key: _seen(sums) for key, sums in totals.items()}


def _seen(sums: Mapping[str, int]) -> dict[str, int]:
    """Keep token counts of zero: they were reported; our own counters of zero say nothing."""
    return {name: value for name, value in sums.items() if value or name in TOKENS}
