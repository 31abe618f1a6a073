"""Builders for the events of the other gateways; what a test does not name is ordinary."""

import itertools
import json
import uuid
from typing import Any

_numbers = itertools.count(1)


def make_chat_body(**overrides: Any) -> dict[str, Any]:
    """A whole chat completion."""
    return {
        "id": f"chatcmpl-F{next(_numbers)}",
        "object": "chat.completion",
        "created": 1795175998,
        "model": "gpt-4o-2024-11-20",
        "service_tier": "default",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "a"}}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
    } | overrides


def make_fabric_event(
    request: object = None, response: object = None, **overrides: Any
) -> dict[str, Any]:
    """An event of the fabric gateway; bodies that are no text are written as JSON."""
    asked = {"model": "gpt-4o-prod", "messages": [{"role": "user", "content": "a"}]}
    return {
        "EventTime": "2026-11-20T11:59:58.1234567Z",
        "AppSubscriptionKey": "a caller's key",
        "Request": _written(asked if request is None else request),
        "Response": _written(make_chat_body() if response is None else response),
    } | overrides


def make_toolkit_event(**overrides: Any) -> dict[str, Any]:
    """An event of the toolkit gateway."""
    return {
        "Type": "Message",
        "EventTime": "11/20/2026 11:45:56 AM",
        "ServiceName": "apim-toolkit",
        "GatewayId": "managed",
        "RequestId": str(uuid.UUID(int=next(_numbers))),
        "RequestIp": "203.0.113.77",
        "OperationName": "ChatCompletions_Create",
        "SubscriptionId": "finance-bot",
        "TotalTokens": "120",
    } | overrides


def make_monitoring_event(**overrides: Any) -> dict[str, Any]:
    """An event of the monitoring gateway."""
    return {
        "SubscriptionId": "finance-bot",
        "EventTime": "20/11/2026 11:45:56",
        "ServiceName": "apim-monitoring",
        "RequestId": str(uuid.UUID(int=next(_numbers))),
        "RequestIp": "203.0.113.77",
        "OperationName": "ChatCompletions_Create",
        "Prompt": [{"role": "user", "content": "a"}],
        "Response": [{"index": 0, "message": {"role": "assistant", "content": "a"}}],
        "Tokens": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
    } | overrides


def make_chargeback_event(**overrides: Any) -> dict[str, Any]:
    """An event of the chargeback gateway that says the subscription; bodies are objects."""
    return {
        "subscriptionId": "finance-bot",
        "requestBody": {"model": "gpt-4o", "messages": [{"role": "user", "content": "a"}]},
        "responseBody": make_chat_body(),
        "deploymentId": "gpt-4o-prod",
    } | overrides


def make_token_chargeback_event(**overrides: Any) -> dict[str, Any]:
    """An event of the chargeback gateway that says what the caller's token says."""
    event = make_chargeback_event()
    del event["subscriptionId"]
    return {"tenantId": "tenant-1", "clientAppId": "app-1", "audience": "api://a"} | (
        event | overrides
    )


def _written(body: object) -> object:
    return body if isinstance(body, str) else json.dumps(body)
