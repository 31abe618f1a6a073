"""A dead letter as the store keeps it, and what can become of it: the noun of replaying. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from usage_ingest.record_id import Coordinates

State = Literal["open", "closed", "dropped"]
"""Closed: it was read again and is in the ledger. Dropped: a person gave it up."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a dead letter could not be read again: as of an event, or `not_in_hub`."""

    reason: str
    path: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Closing:
    """How dead letters are closed; `by` and `because` are a person's words, for the dropped."""

    state: Literal["closed", "dropped"]
    by: str | None = None
    because: str | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """Which open dead letters; days are those of the enqueued time, both included."""

    reasons: Sequence[str] = ()
    start: str | None = None
    end: str | None = None
    letter_ids: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptLetter:
    """One dead letter, or without a `letter_id` one place of a block: of that only this is known.

    A place has no enqueued time, but the `minute` of it (YYYY-MM-DD HH:MM).
    """

    letter_id: str | None
    block_id: str
    cosmos_partition_key: str
    state: State = "open"
    reason: str
    day: str
    coordinates: Coordinates
    minute: str | None = None
    element: int
    path: str = ""
    text: str = ""
    size: int = 0
    skeleton: Any = None
    whole: bool = False
    attempts: int = 0
    last_failure: Failure | None = None
    stored_at: datetime | None = None

    @property
    def where(self) -> str:
        """Its place in words: hub, partition, sequence number, and an array's element."""
        hub = self.coordinates
        number = "?" if hub.sequence_number is None else hub.sequence_number
        element = f".{self.element}" if self.element else ""
        return f"{hub.hub}/{hub.partition_id or '?'}#{number}{element}"
