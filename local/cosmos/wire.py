"""The protocol's small print: signatures, what a request means, the JSON around results."""

import base64
import hashlib
import hmac
import urllib.parse
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson

from local.cosmos.documents import CosmosError, bad_request
from local.cosmos.store import Operation, Outcome, partition_key_text

# The key that Microsoft publishes for its own emulators.
EMULATOR_KEY = (
    "C2y6yDjf5/R+ob0N8A7Cgv30VRDJIWEHLM+4QDU5DE2nQ9nDuVTqobD4b8mGGyPMbIZnqyMsEcaGQy67XIw/Jw=="
)
ONE_RANGE = b'{"id":"0","minInclusive":"","maxExclusive":"FF","parents":[]}'
MAX_BATCH_OPERATIONS = 100
MAX_BATCH_BYTES = 2 * 1024 * 1024
_REFUSED = {"a-im": "The change feed", "x-ms-start-epk": "A feed range"}
_POSTS = {
    "x-ms-cosmos-is-query-plan-request": "plan",
    "x-ms-documentdb-isquery": "query",
    "x-ms-cosmos-is-batch-request": "batch",
    "x-ms-documentdb-is-upsert": "upsert",
}
_METHODS = {"GET": "read", "PUT": "replace", "PATCH": "patch", "DELETE": "delete"}


def check_authorization(
    method: str, segments: list[str], headers: Mapping[str, str], key: str
) -> None:
    """Refuse a request that is not signed, or signed with another key."""
    named = len(segments) % 2 == 0
    kind = segments[-2 if named else -1] if segments else ""
    link = "/".join(segments if named else segments[:-1])
    text = f"{method.lower()}\n{kind}\n{link}\n{headers.get('x-ms-date', '').lower()}\n\n"
    digest = hmac.new(base64.b64decode(key), text.encode(), hashlib.sha256).digest()
    expected = f"type=master&ver=1.0&sig={base64.b64encode(digest).decode()}"
    given = urllib.parse.unquote(headers.get("authorization", ""))
    if not hmac.compare_digest(given.encode(), expected.encode()):
        message = "The input authorization token can't serve the request: is the key right?"
        raise CosmosError(HTTPStatus.UNAUTHORIZED, message)


def operation_name(method: str, item: str | None, headers: Mapping[str, str]) -> str:
    """What a request on a container's documents is, in the words of Fault.operation."""
    for header, what in _REFUSED.items():
        if header in headers:
            raise bad_request(f"{what} is not supported here ({header}).")
    if method == "POST":
        name = next((name for header, name in _POSTS.items() if header in headers), "create")
    else:
        name = "query" if item is None and method == "GET" else _METHODS[method]
    if "prefer" in headers and name != "batch":
        raise bad_request(f"no_response is supported here for batches only, not for {name}.")
    return name


def partition_key(headers: Mapping[str, str]) -> str | None:
    """The logical partition that the request names; None if it names none."""
    text = headers.get("x-ms-documentdb-partitionkey")
    if text is None:
        return None
    (value,) = orjson.loads(text) or [{}]
    return partition_key_text(value)


def parse_batch(body: bytes) -> list[Operation]:
    """The operations of a batch."""
    if len(body) > MAX_BATCH_BYTES:
        raise CosmosError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Request size is too large")
    entries = orjson.loads(body)
    if not isinstance(entries, list) or not 0 < len(entries) <= MAX_BATCH_OPERATIONS:
        raise bad_request(f"A batch has 1 to {MAX_BATCH_OPERATIONS} operations.")
    fields = ("id", "resourceBody", "ifMatch", "ifNoneMatch")
    return [
        Operation(entry["operationType"].lower(), *(entry.get(field) for field in fields))
        for entry in entries
    ]


def batch_answer(outcome: Outcome | CosmosError, *, minimal: bool = False) -> dict[str, Any]:
    """One operation's part of a batch's answer; a minimal one leaves the document out."""
    answer: dict[str, Any] = {"statusCode": outcome.status, "requestCharge": 1.0}
    if isinstance(outcome, CosmosError):
        answer["subStatusCode"] = outcome.substatus
        answer["retryAfterMilliseconds"] = outcome.retry_after_ms
    elif outcome.body is not None:
        answer["eTag"] = outcome.etag
        if not minimal:
            answer["resourceBody"] = orjson.loads(outcome.body)
    return answer


def account(endpoint: str) -> dict[str, Any]:
    """The account as clients discover it: one region, at the address that they asked."""
    region = {"name": "Local", "databaseAccountEndpoint": f"{endpoint}/"}
    policy = {"defaultConsistencyLevel": "Session"}
    locations = {"writableLocations": [region], "readableLocations": [region]}
    return {"id": "local", **locations, "userConsistencyPolicy": policy}


def feed(name: str, rid: str, rows: list[bytes]) -> bytes:
    """A list of resources."""
    head = b'{"_rid":%b,"%b":[' % (orjson.dumps(rid), name.encode())
    return head + b",".join(rows) + b'],"_count":%d}' % len(rows)
