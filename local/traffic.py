"""Demo traffic: what gateways would send, and the totals it must come to.

The expected totals come from the generator's own numbers, before anything is sent; nothing of
usage_ingest is asked.
"""

import json
import random
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from local.environment import COMPONENT

Totals = dict[tuple[str, str, str], Counter[str]]
"""(subscription, model, day) -> requests and tokens by kind."""

TEAMS = {
    "hr-copilot": ("AI-Standard", "benefits"),
    "finance-bot": ("AI-Standard", "treasury"),
    "support-desk": ("AI-Premium", "service"),
    "code-assist": ("AI-Premium", "platform"),
    "search-lab": ("AI-Sandbox", "research"),
}
CHAT_MODELS = {
    "gpt-5.4": "gpt-5.4-2026-03-05",
    "gpt-5.4-mini": "gpt-5.4-mini-2026-03-05",
    "gpt-4o": "gpt-4o-2024-11-20",
    "o4-mini": "o4-mini-2025-04-16",
}
EMBEDDINGS = "text-embedding-3-large"
UNMEASURED = "search-lab"
"""Streams through an API whose diagnostics have no metrics: nobody knows its streamed tokens."""
LATEST_ARRIVAL_SECONDS = 12.0
ROLE = "apim-contoso.azure-api.net Sweden Central"
SCHEMA = "usage-ingest/1"


@dataclass(frozen=True, slots=True)
class Sent:
    """One body for the hub; `key` is the partition key, None for any partition."""

    body: bytes
    key: str | None


@dataclass(slots=True)
class Traffic:
    """Makes events in random order; `expected` grows with each that is made.

    So do `metrics`, the rows of streamed calls as APIM would emit them, and `uncovered`, the
    streamed calls of a subscription and day that no row tells of.
    """

    chance: random.Random
    now: datetime
    days: int = 1
    expected: Totals = field(default_factory=dict)
    broken: int = 0
    repeated: int = 0
    metrics: list[dict[str, Any]] = field(default_factory=list)
    uncovered: Counter[tuple[str, str]] = field(default_factory=Counter)
    _recent: list[Sent] = field(default_factory=list)

    def events(self, number: int) -> Iterator[Sent]:
        """Yield so many calls, with repeats and broken events between them."""
        for _ in range(number):
            yield self._keep(self._call())
            if self._recent and self.chance.random() < 0.05:
                self.repeated += 1
                yield self.chance.choice(self._recent)
            if self.chance.random() < 0.02:
                self.broken += 1
                yield self._broken()

    def _keep(self, sent: Sent) -> Sent:
        self._recent = [*self._recent[-199:], sent]
        return sent

    def _call(self) -> Sent:
        moment = self.now - timedelta(
            days=self.chance.randrange(self.days), seconds=self.chance.random() * 3
        )
        subscription = self.chance.choice(list(TEAMS))
        if self.chance.random() < 0.25:
            return self._ai_hub(subscription, moment)
        kinds = ["chat", "responses", "embeddings", "failed", "streamed"]
        kind = self.chance.choices(kinds, [6, 3, 2, 1, 4])[0]
        return self._own(subscription, moment, kind)

    def _count(self, subscription: str, model: str, moment: datetime, **units: int) -> None:
        key = (subscription, model, moment.date().isoformat())
        totals = self.expected.setdefault(key, Counter())
        totals["requests"] += 1
        for name, value in units.items():
            totals[name] += value

    def _own(self, subscription: str, moment: datetime, kind: str) -> Sent:
        product, team = TEAMS[subscription]
        request_id = str(uuid.UUID(int=self.chance.getrandbits(128)))
        asked = self.chance.choice(list(CHAT_MODELS)) if kind != "embeddings" else EMBEDDINGS
        event: dict[str, Any] = {
            "schema": SCHEMA,
            "gateway_request_id": request_id,
            "event_time": moment.strftime("%Y-%m-%dT%H:%M:%S.%f") + "0Z",
            "gateway": "apim-contoso",
            "gateway_id": "managed",
            "region": "Sweden Central",
            "subscription_id": subscription,
            "product_id": product,
            "app_id": f"{subscription}-app-{self.chance.randrange(3)}",
            "tags": {"team": team},
            "provider": "openai",
            "api_kind": "chat" if kind in ("failed", "streamed") else kind,
            "deployment": f"{asked}-prod",
            "request_model": asked,
            "streaming": kind == "streamed",
            "latency_ms": int(self.chance.lognormvariate(6.5, 0.8)),
            "backend": self.chance.choice(["aoai-swc-1", "aoai-fra-1"]),
        }
        if kind == "failed":
            event |= {"status": self.chance.choice([429, 500, 502]), "usage": None}
            self._count(subscription, asked, moment)
        elif kind == "streamed":
            event |= {"status": 200, "usage": None}
            self._stream(event, moment)
        else:
            event |= {"status": 200} | self._answer(subscription, moment, kind, asked)
        key = f"{subscription}-{int(request_id[:8], 16) % 4}"
        return Sent(json.dumps(event).encode(), key)

    def _stream(self, event: dict[str, Any], moment: datetime) -> None:
        """Count a streamed call, and emit its metric: three rows that arrive as they like."""
        subscription, asked = event["subscription_id"], event["request_model"]
        if subscription == UNMEASURED:
            self._count(subscription, asked, moment)
            self.uncovered[subscription, moment.date().isoformat()] += 1
            return
        size, written = self.chance.randrange(20, 6_000), self.chance.randrange(1, 900)
        units = {"input_tokens": size, "output_tokens": written, "total_tokens": size + written}
        self._count(subscription, asked, moment, **units)
        names = ("Prompt Tokens", "Completion Tokens", "Total Tokens")
        self.metrics += [
            {
                "TimeGenerated": moment.isoformat(),
                "Name": name,
                "Sum": part,
                "AppRoleName": ROLE,
                "_ResourceId": COMPONENT,
                "arrives_in_seconds": self.chance.random() * LATEST_ARRIVAL_SECONDS,
                "Properties": {
                    "usage.subscription": subscription,
                    "usage.product": event["product_id"],
                    "usage.app": event["app_id"],
                    "usage.deployment": event["deployment"],
                    "usage.model": asked,
                    "_MS.AggregationIntervalMs": "60000",
                },
            }
            for name, tokens in zip(names, units.values(), strict=True)
            for part in self._parts(tokens)
        ]

    def _parts(self, tokens: int) -> list[int]:
        """Split a count now and then: what is one call may come as more than one row."""
        if tokens < 2 or self.chance.random() < 0.8:
            return [tokens]
        first = self.chance.randrange(1, tokens)
        return [first, tokens - first]

    def _answer(self, subscription: str, moment: datetime, kind: str, asked: str) -> dict[str, Any]:
        """Make a response's part of an event, and count what it reports."""
        model = CHAT_MODELS.get(asked, asked)
        size, written = self.chance.randrange(20, 6_000), self.chance.randrange(1, 900)
        cached = size // 2 if size > 2_048 and self.chance.random() < 0.5 else 0
        thought = written // 3 if asked == "o4-mini" else 0
        if kind == "embeddings":
            self._count(subscription, model, moment, input_tokens=size, total_tokens=size)
            usage: dict[str, Any] = {"prompt_tokens": size, "total_tokens": size}
            return {"object": "list", "response_model": model, "usage": usage}
        self._count(
            subscription,
            model,
            moment,
            input_tokens=size,
            output_tokens=written,
            total_tokens=size + written,
            cached_input_tokens=cached,
            reasoning_output_tokens=thought,
        )
        names = ("prompt", "completion") if kind == "chat" else ("input", "output")
        usage = {
            f"{names[0]}_tokens": size,
            f"{names[1]}_tokens": written,
            "total_tokens": size + written,
            f"{names[0]}_tokens_details": {"cached_tokens": cached},
            f"{names[1]}_tokens_details": {"reasoning_tokens": thought},
        }
        return {
            "object": "chat.completion" if kind == "chat" else "response",
            "response_id": f"resp-{self.chance.getrandbits(64):016x}",
            "response_model": model,
            "service_tier": "default",
            "usage": usage,
        }

    def _ai_hub(self, subscription: str, moment: datetime) -> Sent:
        model = self.chance.choice(list(CHAT_MODELS.values()))
        size, written = self.chance.randrange(20, 6_000), self.chance.randrange(1, 900)
        units = {"input_tokens": size, "output_tokens": written, "total_tokens": size + written}
        self._count(subscription, model, moment, **units)
        event = {
            "id": f"chatcmpl-{self.chance.getrandbits(64):016x}",
            "timestamp": f"{moment.month}/{moment.day}/{moment.year} "
            + moment.strftime("%I:%M:%S %p"),
            "appId": "NA",
            "subscriptionId": subscription,
            "productName": TEAMS[subscription][0],
            "targetService": "chat.completion",
            "model": model,
            "gatewayName": "apim-hub",
            "gatewayRegion": "Sweden Central",
            "aiGatewayId": "managed",
            "RequestIp": "203.0.113.7",
            "operationName": "ChatCompletions_Create",
            "sessionId": "NA",
            "endUserId": "NA",
            "backendId": "openai-backend-0",
            "routeLocation": "swedencentral",
            "routeName": "SWC",
            "deploymentName": "chat",
            "promptTokens": str(size) if self.chance.random() < 0.2 else size,
            "responseTokens": written,
            "totalTokens": size + written,
        }
        return Sent(json.dumps(event).encode(), None)

    def _broken(self) -> Sent:
        kinds = (
            b'{"schema":"usage-ingest/1","usage":{"prompt_tok',
            b"<html><body>502 Bad Gateway</body></html>",
            b'{"hello":"world"}',
            b'{"schema":"usage-ingest/1","gateway_request_id":"x","usage":{"prompt_tokens":-5}}',
            b'{"schema":"usage-ingest/1","event_time":"2099-01-01T00:00:00Z"}',
            b'"just text"',
        )
        return Sent(self.chance.choice(kinds), None)


def utc_now() -> datetime:
    """Return the current moment, aware UTC."""
    return datetime.now(UTC)
