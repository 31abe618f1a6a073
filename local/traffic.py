"""Demo traffic: what gateways would send, and the totals it must come to.

The expected totals come from the generator's own numbers, before anything is sent; nothing of
usage_ingest is asked. Events and metrics of our own shape are templates that the executed policies
of policies/ emitted (own_events.json); ids, times, names and numbers are filled in, and no key.
"""

import json
import random
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from local.bill import Call
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
KINDS = {"chat": 6, "responses": 3, "embeddings": 2, "failed": 1, "streamed": 4}
"""Kinds of calls of our own shape, and how often each is made."""
UNMEASURED = "search-lab"
"""Streams through an API whose diagnostics have no metrics: nobody knows its streamed tokens."""
LATEST_ARRIVAL_SECONDS = 12.0
ROLE = "apim-contoso.azure-api.net Sweden Central"
TEMPLATES: Mapping[str, Any] = json.loads(
    Path(__file__).with_name("own_events.json").read_text(encoding="utf-8")
)
"""By kind: an event, and the dimensions of its metric where it is streamed."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One body for the hub; `key` is the partition key, None for any partition."""

    body: bytes
    key: str | None


@dataclass(slots=True)
class Traffic:
    """Makes events in random order; `expected` grows with each that is made.

    So do `metrics`, the rows of streamed calls as APIM would emit them, `uncovered`, the
    streamed calls of a subscription and day that no row tells of, and `calls`, all that is to
    be paid.
    """

    chance: random.Random
    now: datetime
    days: int = 1
    expected: Totals = field(default_factory=dict)
    broken: int = 0
    repeated: int = 0
    metrics: list[dict[str, Any]] = field(default_factory=list)
    uncovered: Counter[tuple[str, str]] = field(default_factory=Counter)
    calls: list[Call] = field(default_factory=list)
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

    def all_days(self) -> list[str]:
        """Return the days that calls may be of, the first one first."""
        today = self.now.date()
        return [(today - timedelta(days=ago)).isoformat() for ago in range(self.days, -1, -1)]

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
        kind = self.chance.choices(list(KINDS), list(KINDS.values()))[0]
        return self._own(subscription, moment, kind)

    def own(self, kind: str) -> Sent:
        """Make one event of our own shape, of a kind in TEMPLATES."""
        return self._own(self.chance.choice(list(TEAMS)), self.now, kind)

    def _count(self, subscription: str, model: str, moment: datetime, **units: int) -> None:
        key = (subscription, model, moment.date().isoformat())
        totals = self.expected.setdefault(key, Counter())
        totals["requests"] += 1
        for name, value in units.items():
            totals[name] += value

    def _bill(self, event: Mapping[str, Any], model: str, moment: datetime, *tokens: int) -> None:
        """Keep what is to be paid for a call of our own shape: input, cached, output."""
        self.calls.append(
            Call(
                event["subscription_id"],
                event["product_id"],
                event["deployment"],
                model,
                event.get("service_tier"),
                moment.date().isoformat(),
                *tokens,
            )
        )

    def _own(self, subscription: str, moment: datetime, kind: str) -> Sent:
        product, team = TEAMS[subscription]
        request_id = str(uuid.UUID(int=self.chance.getrandbits(128)))
        asked = self.chance.choice(list(CHAT_MODELS)) if kind != "embeddings" else EMBEDDINGS
        event = filled(
            TEMPLATES[kind]["event"],
            gateway_request_id=request_id,
            event_time=moment.strftime("%Y-%m-%dT%H:%M:%S.%f") + "0Z",
            subscription_id=subscription,
            subscription_name=subscription.replace("-", " ").title(),
            product_id=product,
            product_name=product,
            app_id=f"{subscription}-app-{self.chance.randrange(3)}",
            tags={"team": team},
            deployment=f"{asked}-prod",
            request_model=asked,
            latency_ms=int(self.chance.lognormvariate(6.5, 0.8)),
            backend=self.chance.choice(["aoai-swc-1", "aoai-fra-1"]),
        )
        if kind == "failed":
            event = filled(event, status=self.chance.choice([429, 500, 502]))
            self._count(subscription, asked, moment)
        elif kind == "streamed":
            self._stream(event, moment)
        else:
            event = self._answer(event, moment, kind)
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
        self._bill(event, asked, moment, size, 0, written)
        names = ("Prompt Tokens", "Completion Tokens", "Total Tokens")
        (dimensions,) = TEMPLATES["streamed"]["dimensions"]
        self.metrics += [
            {
                "TimeGenerated": moment.isoformat(),
                "Name": name,
                "Sum": part,
                "AppRoleName": ROLE,
                "_ResourceId": COMPONENT,
                "arrives_in_seconds": self.chance.random() * LATEST_ARRIVAL_SECONDS,
                "Properties": {
                    **filled(
                        dimensions,
                        **{
                            "usage.subscription": subscription,
                            "usage.product": event["product_id"],
                            "usage.app": event["app_id"],
                            "usage.deployment": event["deployment"],
                            "usage.model": asked,
                        },
                    ),
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

    def _answer(self, event: dict[str, Any], moment: datetime, kind: str) -> dict[str, Any]:
        """Fill in a response's part of an event, and count what it reports."""
        subscription, asked = event["subscription_id"], event["request_model"]
        model = CHAT_MODELS.get(asked, asked)
        size, written = self.chance.randrange(20, 6_000), self.chance.randrange(1, 900)
        cached = size // 2 if size > 2_048 and self.chance.random() < 0.5 else 0
        thought = written // 3 if asked == "o4-mini" else 0
        usage = event["usage"]
        if kind == "embeddings":
            self._bill(event, model, moment, size, 0, 0)
            self._count(subscription, model, moment, input_tokens=size, total_tokens=size)
            usage = filled(usage, prompt_tokens=size, total_tokens=size)
            return filled(event, response_model=model, usage=usage)
        self._bill(event, model, moment, size, cached, written)
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
        before, after = ("prompt", "completion") if kind == "chat" else ("input", "output")
        details = {
            f"{before}_tokens_details": {"cached_tokens": cached},
            f"{after}_tokens_details": {"reasoning_tokens": thought},
        }
        counts = {f"{before}_tokens": size, f"{after}_tokens": written}
        parts = {name: filled(usage[name], **part) for name, part in details.items()}
        return filled(
            event,
            response_id=f"resp-{self.chance.getrandbits(64):016x}",
            response_model=model,
            response_created=int(moment.timestamp()),
            usage=filled(usage, total_tokens=size + written, **counts, **parts),
        )

    def _ai_hub(self, subscription: str, moment: datetime) -> Sent:
        model = self.chance.choice(list(CHAT_MODELS.values()))
        size, written = self.chance.randrange(20, 6_000), self.chance.randrange(1, 900)
        units = {"input_tokens": size, "output_tokens": written, "total_tokens": size + written}
        self._count(subscription, model, moment, **units)
        product, day = TEAMS[subscription][0], moment.date().isoformat()
        self.calls.append(Call(subscription, product, "chat", model, None, day, size, 0, written))
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


def filled(template: Mapping[str, Any], **values: Any) -> dict[str, Any]:
    """Return a template with values filled in, for keys that it has.

    Raises:
        KeyError: It has no such key: the policies do not emit it.
    """
    if unknown := values.keys() - template.keys():
        raise KeyError(f"the policies do not emit {', '.join(sorted(unknown))}")
    return {**template, **values}


def utc_now() -> datetime:
    """Return the current moment, aware UTC."""
    return datetime.now(UTC)
