"""The number of dead letters by reason: the fold of counts documents. Pure."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class DeadLetterCounts:
    """Dead letters by reason; counts documents are added as they are read."""

    open: Counter[str] = field(default_factory=Counter)
    closed: Counter[str] = field(default_factory=Counter)

    def add(self, document: Mapping[str, Any]) -> None:
        """Add a counts document: flat integers `open_<reason>` and `closed_<reason>`."""
        for name, value in document.items():
            state, _, reason = name.partition("_")
            if state == "open" and reason:
                self.open[reason] += int(value)
            elif state == "closed" and reason:
                self.closed[reason] += int(value)

    def listed(self) -> dict[str, Any]:
        """Return the reasons that have any, and how many dead letters are open."""
        return {
            "open": _present(self.open),
            "closed": _present(self.closed),
            "total_open": self.open.total(),
        }


def _present(counts: Mapping[str, int]) -> dict[str, int]:
    return {reason: count for reason, count in sorted(counts.items()) if count}
