"""Faults on request: which requests they hit, and what happens to those."""

from dataclasses import asdict, dataclass
from typing import Any

OPERATIONS = ("batch", "create", "replace", "read", "query", "patch", "upsert", "delete")


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to which data requests; account, container and query-plan reads never fail."""

    operation: str | None = None  # one of OPERATIONS, or None for any data request
    container: str | None = None  # a container's name, or None for any
    skip: int = 0  # how many matching requests pass first
    count: int | None = 1  # how many then are hit; None is all
    status: int | None = None  # answered at the top level; nothing is done
    substatus: int = 0  # goes with `status`
    retry_after_ms: int = 10  # goes with a throttling `status` or `inside`
    inside: int | None = None  # the failing operation's status in a batch's 207; nothing is done
    inside_index: int = 0  # which operation of the batch fails
    latency_seconds: float = 0.0  # waited first; alone, the request is then served
    reset: bool = False  # the connection is closed without an answer, nothing is done
    lost_answer: bool = False  # the request is carried out, then the connection is closed

    def __post_init__(self) -> None:
        """Refuse a fault that would do nothing, or two things."""
        if self.operation not in (None, *OPERATIONS):
            raise ValueError(f"operation {self.operation!r} is not one of {', '.join(OPERATIONS)}")
        effects = [self.status, self.inside, self.reset or None, self.lost_answer or None]
        chosen = sum(effect is not None for effect in effects)
        if chosen > 1 or (not chosen and not self.latency_seconds):
            raise ValueError("one of status, inside, reset, lost_answer, or latency_seconds")


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
            wanted = "batch" if fault.inside is not None else fault.operation
            if wanted not in (None, operation) or fault.container not in (None, container):
                continue
            entry[1] += 1
            number = entry[1] - fault.skip
            if number > 0 and (fault.count is None or number <= fault.count):
                return fault
        return None

    def as_json(self) -> list[dict[str, Any]]:
        """The faults and how many matching requests each has seen."""
        return [{**asdict(fault), "seen": seen} for fault, seen in self._entries]
