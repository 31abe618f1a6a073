"""The protocol's small print: signatures, what a request means, the JSON around results."""

import base64
import hashlib
import hmac
import json
import urllib.parse
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from local.cosmos.errors import CosmosError, bad_request
from local.cosmos.store import Container, Operation, Outcome
from local.cosmos.values import loads, partition_key_text

# The key that Microsoft publishes for its own emulators.
EMULATOR_KEY = (
    "C2y6yDjf5/R+ob0N8A7Cgv30VRDJIWEHLM+4QDU5DE2nQ9nDuVTqobD4b8mGGyPMbIZnqyMsEcaGQy67XIw/Jw=="
)
MAX_BATCH_OPERATIONS = 100
MAX_BATCH_BYTES = 2 * 1024 * 1024
DEFAULT_PAGE = 100
LARGEST_PAGE = 1000
_POSTS = {
    "x-ms-cosmos-is-query-plan-request": "plan",
    "x-ms-documentdb-isquery": "query",
    "x-ms-cosmos-is-batch-request": "batch",
    "x-ms-documentdb-is-upsert": "upsert",
}
_BATCHED = {"Create", "Upsert", "Read", "Replace", "Patch", "Delete"}
_METHODS = {"PUT": "replace", "PATCH": "patch", "DELETE": "delete"}


def check_authorization(
    method: str, segments: list[str], headers: Mapping[str, str], key: str
) -> None:
    """Refuse a request that is not signed, or signed with another key; tokens are believed."""
    given = urllib.parse.unquote(headers.get("authorization", ""))
    if given.startswith("type=aad&"):
        return
    named = len(segments) % 2 == 0
    kind = segments[-2 if named else -1] if segments else ""
    link = "/".join(segments if named else segments[:-1])
    date = headers.get("x-ms-date", "").lower()
    text = f"{method.lower()}\n{kind}\n{link}\n{date}\n\n"
    digest = hmac.new(base64.b64decode(key), text.encode(), hashlib.sha256).digest()
    expected = f"type=master&ver=1.0&sig={base64.b64encode(digest).decode()}"
    if not hmac.compare_digest(given.encode(), expected.encode()):
        message = "The input authorization token can't serve the request: is the key right?"
        raise CosmosError(HTTPStatus.UNAUTHORIZED, message)


def operation_name(method: str, item: str | None, headers: Mapping[str, str]) -> str:
    """What a request on a container's documents is, in the words of Fault.operation."""
    if method == "POST" and item is None:
        for header, name in _POSTS.items():
            if headers.get(header, "").lower() == "true":
                return name
        return "create"
    if method == "GET":
        return "query" if item is None else "read"
    if item is None or method not in _METHODS:
        raise bad_request(f"{method} is not supported here on this resource.")
    return _METHODS[method]


def partition_key(container: Container, headers: Mapping[str, str]) -> str | None:
    """The logical partition that the request names; None if it names none."""
    text = headers.get("x-ms-documentdb-partitionkey")
    if text is None:
        return None
    components = loads(text) or [{}] * len(container.partition_key_paths)
    if len(components) != len(container.partition_key_paths):
        raise bad_request("A prefix of a hierarchical partition key is not supported here.")
    return partition_key_text(components)


def page_size(headers: Mapping[str, str]) -> int:
    """The most rows of a page."""
    size = int(headers.get("x-ms-max-item-count", DEFAULT_PAGE))
    return size if size > 0 else LARGEST_PAGE


def parse_operation(
    name: str, item: str | None, body: bytes, headers: Mapping[str, str]
) -> Operation:
    """The one operation of a request."""
    if name != "read" and "if-none-match" in headers:
        raise bad_request("If-None-Match is supported here for reads only.")
    return Operation(
        name,
        item,
        loads(body) if name not in ("read", "delete") else None,
        headers.get("if-match"),
        headers.get("if-none-match"),
    )


def parse_batch(body: bytes) -> list[Operation]:
    """The operations of a batch."""
    if len(body) > MAX_BATCH_BYTES:
        raise CosmosError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Request size is too large")
    entries = loads(body)
    if not isinstance(entries, list) or not 0 < len(entries) <= MAX_BATCH_OPERATIONS:
        raise bad_request(f"A batch has 1 to {MAX_BATCH_OPERATIONS} operations.")
    kinds = {entry.get("operationType") for entry in entries} - _BATCHED
    if kinds:
        raise bad_request(f"A batch cannot hold these operations: {kinds}.")
    return [
        Operation(
            entry["operationType"].lower(),
            entry.get("id"),
            entry.get("resourceBody"),
            entry.get("ifMatch"),
            entry.get("ifNoneMatch"),
        )
        for entry in entries
    ]


def batch_answer(outcome: Outcome | CosmosError) -> dict[str, Any]:
    """One operation's part of a batch's answer."""
    if isinstance(outcome, CosmosError):
        answer: dict[str, Any] = {"statusCode": outcome.status, "requestCharge": 1.0}
        if outcome.substatus:
            answer["subStatusCode"] = outcome.substatus
        if outcome.retry_after_ms is not None:
            answer["retryAfterMilliseconds"] = outcome.retry_after_ms
        return answer
    answer = {"statusCode": outcome.status, "requestCharge": outcome.charge}
    if outcome.etag is not None:
        answer["eTag"] = outcome.etag
    if outcome.body is not None:
        answer["resourceBody"] = loads(outcome.body)
    return answer


def account(endpoint: str) -> dict[str, Any]:
    """The account as clients discover it: one region, at the address that they asked."""
    region = {"name": "Local", "databaseAccountEndpoint": f"{endpoint}/"}
    return {
        "_self": "",
        "id": "local",
        "_rid": "local",
        "writableLocations": [region],
        "readableLocations": [region],
        "enableMultipleWriteLocations": False,
        "userConsistencyPolicy": {"defaultConsistencyLevel": "Session"},
    }


def feed(name: str, rid: str, rows: list[bytes]) -> bytes:
    """A list of resources."""
    head = f'{{"_rid":{json.dumps(rid)},"{name}":['.encode()
    return head + b",".join(rows) + f'],"_count":{len(rows)}}}'.encode()
