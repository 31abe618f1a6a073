"""The number of dead letters by reason: the fold of counts documents. Pure."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class DeadLetterCounts:
    """Dead letters by reason; counts documents are added as they are read.

    The closed were read again and are in the totals; the dropped were given up by a person.
    """

    open: Counter[str] = field(default_factory=Counter)
    closed: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)

    def add(self, document: Mapping[str, Any]) -> None:
        """Add a counts document: flat integers named by state and reason, as `open_not_json`."""
        states = {"open": self.open, "closed": self.closed, "dropped": self.dropped}
        for name, value in document.items():
            state, _, reason = name.partition("_")
            if state in states and reason:
                states[state][reason] += int(value)

    def listed(self) -> dict[str, Any]:
        """Return by state the reasons that have any, and how many dead letters are open."""
        return {
            "open": _present(self.open),
            "closed": _present(self.closed),
            "dropped": _present(self.dropped),
            "total_open": self.open.total(),
        }


def _present(counts: Mapping[str, int]) -> dict[str, int]:
    return {reason: count for reason, count in sorted(counts.items()) if count}
