"""Calls through the gateway: what a test does not name is ordinary.

Whatever a call is, these are held against it: bodies are left alone, events keep the contract and
become records, nothing secret or private is in them.
"""

import base64
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any, Final

from tests.policies.contract import DIMENSIONS, SIZE_LIMIT, Event
from tests.policies.gateway import Gateway
from tests.sightings import record_of
from usage_ingest.events.fields import TEXT_LIMIT
from usage_ingest.events.shapes.own import KEYS
from usage_ingest.record import UsageRecord

DATA: Final = Path(__file__).resolve().parent.parent / "data"
TIME: Final = "2026-11-20T11:59:58.1234567Z"
_TICKS: Final = 10_000_000
_numbers = count(1)

CHAT: Final = "/openai/deployments/gpt-4o-prod/chat/completions?api-version=2026-10-01"
RESPONSES: Final = "/openai/v1/responses"
MESSAGES: Final = "/anthropic/v1/messages"
EMBEDDINGS: Final = "/openai/deployments/te3-large/embeddings"
NO_BODY: Final = object()
JSON: Final = "application/json; charset=utf-8"
SSE: Final = "text/event-stream; charset=utf-8"

RESPONSE: Final[dict[str, Any]] = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1795176000,
    "model": "gpt-5-2026-08-07",
    "background": False,
    "service_tier": "priority",
    "output": [{"type": "message", "content": [{"type": "output_text", "text": "planted answer"}]}],
    "usage": {
        "input_tokens": 4000,
        "input_tokens_details": {"cached_tokens": 1024},
        "output_tokens": 900,
        "output_tokens_details": {"reasoning_tokens": 640},
        "total_tokens": 4900,
    },
}


def ticks(text: str) -> int:
    """Return .NET's ticks of a time: steps of 100 ns since the year 1."""
    whole = datetime.fromisoformat(text[:19]) - datetime(1, 1, 1)  # noqa: DTZ001 - counted only
    return (whole.days * 86_400 + whole.seconds) * _TICKS + int(text[20:27])


def asked(**overrides: Any) -> dict[str, Any]:
    """A chat request's body; its texts are secrets."""
    return {
        "model": "gpt-4o",
        "messages": [{"role": "user", "content": "planted prompt"}],
        "user": "planted-user",
    } | overrides


def body_on_file(name: str) -> Any:
    return json.loads((DATA / "bodies" / f"{name}.json").read_text(encoding="utf-8"))


def make_response(
    body: object = None, status: int = 200, kind: str = JSON, **headers: str
) -> dict[str, Any]:
    """A backend's answer; a dict is written as JSON, None is no body."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return {
        "status": status,
        "headers": {"Content-Type": kind, "x-planted": "planted"} | named,
        "body": encoded(body),
    }


def make_call(
    url: str = CHAT,
    body: object = NO_BODY,
    *,
    method: str = "POST",
    headers: Mapping[str, Any] | None = None,
    **overrides: Any,
) -> dict[str, Any]:
    """A call; `response` is the backend's answer, None for a backend that cannot be reached."""
    given = asked() if body is NO_BODY else body
    secret = {
        "api-key": "planted-key",
        "Accept-Encoding": "br, gzip",
        "Authorization": "Bearer planted",
        "Cookie": "planted",
    }
    request = {
        "method": method,
        "url": f"https://apim-contoso.azure-api.net{url}",
        "headers": {"Content-Type": "application/json", **secret, **(headers or {})},
        "body": encoded(given),
    }
    return {
        "policy": "openai-api",
        "request": request,
        "request_id": str(uuid.UUID(int=next(_numbers) * 2**96 + 2**76 + 2**63)),
        "ticks": ticks(TIME),
        "elapsed_ms": 812.9,
        "service": "apim-contoso",
        "gateway": {"id": "managed"},
        "region": "Sweden Central",
        "subscription": {"id": "hr-copilot", "name": "HR Copilot"},
        "product": {"id": "ai-standard", "name": "AI Standard"},
        "api": {"id": "azure-openai", "name": "Azure OpenAI"},
        "operation": {"id": "ChatCompletions_Create", "name": "Creates a completion"},
        "user": {"id": "1"},
        "response": make_response(body_on_file("chat")),
    } | overrides


def encoded(body: object) -> str | None:
    if body is None:
        return None
    if isinstance(body, str):
        body = body.encode("utf-8", "surrogatepass")
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    return base64.b64encode(body).decode()


def decoded(body: str | None) -> bytes | None:
    return None if body is None else base64.b64decode(body)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a call: events with their records, metrics, and what went on and back."""

    told: Mapping[str, Any]
    events: list[dict[str, Any]]
    records: list[UsageRecord]

    @property
    def event(self) -> dict[str, Any]:
        (event,) = self.events
        return event

    @property
    def record(self) -> UsageRecord:
        (record,) = self.records
        return record

    @property
    def metrics(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.told["metrics"]
        return found

    @property
    def forwarded(self) -> bytes | None:
        return decoded(self.told["forwarded"])


def send(gateway: Gateway, /, **overrides: Any) -> Outcome:
    """Send a call and hold it against everything that is true of any."""
    call = make_call(**overrides)
    told = gateway.ask(call)

    assert told["misuses"] == []
    assert told["warnings"] == []
    _hold_bodies(call, told)
    for metric in told["metrics"]:
        _hold_metric(metric)
    events = [_hold_event(call, each) for each in told["events"]]
    records = [record_of(each["body"].encode()) for each in told["events"]]
    return Outcome(told, events, records)


def _hold_bodies(call: Mapping[str, Any], told: Mapping[str, Any]) -> None:
    if told["error"] is None:
        assert told["answer"] == call["response"]["body"]
        assert told["status"] == call["response"]["status"]
    if told["buffered"] is not None:
        assert told["encoding"] == "identity"
        assert told["buffered"] is not told["variables"]["usage-streaming"]
    if told["buffered"] is not None and "+usage" not in call["policy"]:
        assert told["forwarded"] == call["request"]["body"]


def _hold_event(call: Mapping[str, Any], logged: Mapping[str, Any]) -> dict[str, Any]:
    written = logged["body"]
    event: dict[str, Any] = json.loads(written, parse_constant=_refuse)
    size = len(written.encode())
    number = int(call["request_id"][:8], 16) % 4

    assert size < SIZE_LIMIT
    assert "planted" not in written
    assert "203.0.113.77" not in written
    assert "api-version" not in written
    assert event.keys() <= KEYS
    assert Event.model_validate(event)
    assert event["gateway_request_id"] == call["request_id"]
    assert event["event_time"] == TIME
    assert logged["logger"] == "usage-events"
    assert logged["key"] == f"{((call['subscription'] or {}).get('id') or '-')[:100]}-{number}"
    return event


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def _hold_metric(metric: Mapping[str, Any]) -> None:
    assert metric["section"] == "inbound"
    assert metric["namespace"] == "usage-ingest"
    assert sorted(metric["dimensions"]) == sorted(DIMENSIONS)
    assert all(0 < len(value) <= TEXT_LIMIT for value in metric["dimensions"].values())
