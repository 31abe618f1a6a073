"""The events of a benchmark, and the payload that the Functions host makes of them."""

import json
import random
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, Final, cast

import azure.functions as func
import orjson
from azure.functions.eventhub import EventHubTriggerConverter
from azure.functions.meta import Datum

PARTITION: Final = "0"
Payload = tuple[Datum, dict[str, Datum]]


class Traffic:
    """Calls of gateways, each with ids of its own; the same seed gives the same calls."""

    def __init__(self, subscriptions: int = 1, deployments: int = 1, seed: int = 1) -> None:
        """Each subscription calls so many deployments in turn."""
        self.subscriptions = subscriptions
        self.deployments = deployments
        self._random = random.Random(seed)
        self._end = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        self._sent = 0

    def events(self, count: int, padded_to: int = 0) -> list[bytes]:
        """Return the bodies of the next calls, with a key that nobody reads where padded."""
        bodies = [orjson.dumps(self._event(at, count)) for at in range(count)]
        return [_padded(body, padded_to) for body in bodies]

    def payload(self, bodies: Sequence[bytes]) -> Payload:
        """Return what the host sends of a batch: bodies, and metadata as JSON texts."""
        first, self._sent = self._sent, self._sent + len(bodies)
        enqueued = self._end.replace(tzinfo=None)
        system = [
            {
                "SequenceNumber": first + at,
                "Offset": str((first + at) * 1_000),
                "PartitionKey": None,
                "EnqueuedTimeUtc": (enqueued + timedelta(milliseconds=at)).isoformat(),
            }
            for at in range(len(bodies))
        ]
        metadata = {
            "PartitionKeyArray": [],
            "OffsetArray": [each["Offset"] for each in system],
            "SequenceNumberArray": [each["SequenceNumber"] for each in system],
            "EnqueuedTimeUtcArray": [each["EnqueuedTimeUtc"] for each in system],
            "PropertiesArray": [{} for _ in bodies],
            "SystemPropertiesArray": system,
            "PartitionContext": {"PartitionId": PARTITION, "EventHubName": "usage"},
        }
        texts = {name: Datum(json.dumps(value), "json") for name, value in metadata.items()}
        return Datum(SimpleNamespace(bytes=list(bodies)), "collection_bytes"), texts

    def _event(self, at: int, count: int) -> dict[str, Any]:
        subscription = at % self.subscriptions
        deployment = at // self.subscriptions % self.deployments
        prompt, completion = self._random.randrange(50, 6_000), self._random.randrange(5, 900)
        time = self._end - timedelta(seconds=60) + timedelta(seconds=50 * at / count)
        model = f"gpt-4o-{deployment}"
        return {
            "schema": "usage-ingest/1",
            "gateway_request_id": str(uuid.UUID(int=self._random.getrandbits(128))),
            "event_time": time.strftime("%Y-%m-%dT%H:%M:%S.%f") + "1Z",
            "gateway": "apim-contoso",
            "region": "Sweden Central",
            "subscription_id": f"team-{subscription}",
            "product_id": "ai-standard",
            "app_id": str(uuid.UUID(int=subscription)),
            "tags": {"team": f"team-{subscription}"},
            "provider": "openai",
            "api_kind": "chat",
            "deployment": f"{model}-prod",
            "request_model": model,
            "streaming": False,
            "status": 200,
            "latency_ms": self._random.randrange(200, 9_000),
            "response_id": f"chatcmpl-{self._random.getrandbits(96):024x}",
            "response_model": f"{model}-2024-11-20",
            "usage": {
                "prompt_tokens": prompt,
                "completion_tokens": completion,
                "total_tokens": prompt + completion,
                "prompt_tokens_details": {"cached_tokens": prompt // 2},
                "completion_tokens_details": {"reasoning_tokens": 0},
            },
        }


def _padded(body: bytes, size: int) -> bytes:
    missing = size - len(body) - len(b',"more":""')
    return body[:-1] + b',"more":"' + b"x" * missing + b'"}' if missing > 0 else body


def decoded(payload: Payload) -> list[func.EventHubEvent]:
    """Decode a payload as the worker does, before the function is called."""
    data, metadata = payload
    found = EventHubTriggerConverter.decode(data, trigger_metadata=metadata)
    return cast("list[func.EventHubEvent]", found)
