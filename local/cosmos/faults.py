"""Faults on request: which requests they hit, and what happens to those."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from local.cosmos.errors import bad_request

OPERATIONS = ("batch", "create", "replace", "read", "query", "patch", "upsert", "delete")


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to which data requests; account, container and query-plan reads never fail.

    Attributes:
        operation: One of OPERATIONS, or None for any data request.
        container: A container's name, or None for any.
        skip: How many matching requests pass first.
        count: How many then are hit; None is all.
        status: Answered at the top level; nothing is done.
        substatus: Goes with `status`.
        retry_after_ms: Goes with a throttling `status` or `inside`.
        inside: The failing operation's status inside a batch's 207; nothing is committed.
        inside_index: Which operation of the batch fails.
        latency_seconds: Waited before anything else; alone, the request is then served.
        reset: The connection is closed without an answer, nothing is done.
        lost_answer: The request is carried out, then the connection is closed.
    """

    operation: str | None = None
    container: str | None = None
    skip: int = 0
    count: int | None = 1
    status: int | None = None
    substatus: int = 0
    retry_after_ms: int = 10
    inside: int | None = None
    inside_index: int = 0
    latency_seconds: float = 0.0
    reset: bool = False
    lost_answer: bool = False

    def __post_init__(self) -> None:
        """Refuse a fault that would do nothing, or two things."""
        if self.operation not in (None, *OPERATIONS):
            raise ValueError(f"operation {self.operation!r} is not one of {', '.join(OPERATIONS)}")
        effects = [self.status, self.inside, self.reset or None, self.lost_answer or None]
        chosen = sum(effect is not None for effect in effects)
        if chosen > 1 or (not chosen and not self.latency_seconds):
            raise ValueError("one of status, inside, reset, lost_answer, or latency_seconds")

    def concerns(self, operation: str, container: str) -> bool:
        """Whether the request is one that this fault counts."""
        wanted = "batch" if self.inside is not None else self.operation
        return wanted in (None, operation) and self.container in (None, container)


class Faults:
    """The faults in force, first added first; each request is hit by one at most."""

    def __init__(self) -> None:
        self._entries: list[list[Any]] = []  # [fault, how many matching requests it has seen]

    def add(self, fault: Fault) -> None:
        """Put a fault in force."""
        self._entries.append([fault, 0])

    def clear(self) -> None:
        """Remove all faults."""
        self._entries.clear()

    def take(self, operation: str, container: str) -> Fault | None:
        """Count the request and return the fault that hits it."""
        for entry in self._entries:
            fault: Fault = entry[0]
            if not fault.concerns(operation, container):
                continue
            entry[1] += 1
            number = entry[1] - fault.skip
            if number > 0 and (fault.count is None or number <= fault.count):
                return fault
        return None

    def as_json(self) -> list[dict[str, Any]]:
        """The faults and how many matching requests each has seen."""
        return [{**asdict(fault), "seen": seen} for fault, seen in self._entries]


def fault_from_json(document: Any) -> Fault:
    """Read a fault as it is posted; raises a 400 that names what is wrong."""
    known = {field.name for field in fields(Fault)}
    if not isinstance(document, Mapping) or not set(document) <= known:
        raise bad_request(f"A fault is an object with some of: {', '.join(sorted(known))}.")
    try:
        return Fault(**document)
    except (TypeError, ValueError) as error:
        raise bad_request(f"Not a fault: {error}") from error
