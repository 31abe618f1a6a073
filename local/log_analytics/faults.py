"""Faults on request: which queries they hit, and what happens to those."""

from dataclasses import dataclass

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

    def matches(self, target: str) -> bool:
        """Whether a query is one of those that this fault is about."""
        return self.target is None or self.target.lower() == target.lower()
