"""Faults on request: which requests they hit, and what happens to those."""

from dataclasses import dataclass

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

    def matches(self, operation: str, container: str) -> bool:
        """Whether a request is one of those that this fault is about."""
        wanted = "batch" if self.inside is not None else self.operation
        return wanted in (None, operation) and self.container in (None, container)
