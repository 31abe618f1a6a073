"""Faults on request: which queries they hit, and what happens to those."""

from dataclasses import asdict, dataclass
from typing import Any

STATUSES = (401, 403, 429, 500, 503, 504)


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to which queries."""

    target: str | None = None  # a workspace's GUID or a component's resource id, or None for any
    skip: int = 0  # how many matching queries pass first
    count: int | None = 1  # how many then are hit; None is all
    status: int | None = None  # one of STATUSES; the query does not run
    retry_after_seconds: float | None = None  # goes with `status`
    partial: bool = False  # half of the rows, and the error that says so
    full_page: int | None = None  # no more than so many rows, and nothing that says so
    missing_table: bool = False  # the query is refused as if there were no AppMetrics
    reset: bool = False  # the connection is closed without an answer
    latency_seconds: float = 0.0  # waited first; alone, the query is then answered

    def __post_init__(self) -> None:
        """Refuse a fault that would do nothing, or two things."""
        if self.status not in (None, *STATUSES):
            raise ValueError(f"status {self.status} is not one of {STATUSES}")
        flags = (self.partial, self.missing_table, self.reset)
        chosen = sum(flags) + sum(value is not None for value in (self.status, self.full_page))
        if chosen > 1 or (not chosen and not self.latency_seconds):
            raise ValueError(
                "one of status, partial, full_page, missing_table, reset, or latency_seconds"
            )


class Faults:
    """The faults in force, first added first; each query is hit by one at most."""

    def __init__(self) -> None:
        self._entries: list[list[Any]] = []  # [fault, how many matching queries it has seen]

    def add(self, fault: Fault) -> None:
        """Put a fault in force."""
        self._entries.append([fault, 0])

    def clear(self) -> None:
        """Remove all faults."""
        self._entries.clear()

    def take(self, target: str) -> Fault | None:
        """Count the query and return the fault that hits it."""
        for entry in self._entries:
            fault: Fault = entry[0]
            if fault.target is not None and fault.target.lower() != target.lower():
                continue
            entry[1] += 1
            number = entry[1] - fault.skip
            if number > 0 and (fault.count is None or number <= fault.count):
                return fault
        return None

    def as_json(self) -> list[dict[str, Any]]:
        """The faults and how many matching queries each has seen."""
        return [{**asdict(fault), "seen": seen} for fault, seen in self._entries]
