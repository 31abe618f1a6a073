"""What totals gained, summed by subscription, model and source: for a log line. Pure.

A line has bounds (32,768 characters in Application Insights), so names are cut, few counters are
told, and beyond the first groups all others are one.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from usage_ingest.rollup import LATENCY_COUNTERS, OTHER, REQUEST_COUNTERS, RollupKey

TOLD: Final = (
    *REQUEST_COUNTERS,
    *("input_tokens", "cached_input_tokens", "output_tokens"),
    *LATENCY_COUNTERS,
)
"""The counters that are told, by the names that rollups have."""
MAX_GROUPS: Final = 30
NAME_LENGTH: Final = 100
_NONE: Final = "-"
_WEIGHT: Final = ("requests", "input_tokens", "output_tokens")


class _Group(NamedTuple):
    subscription: str
    model: str
    source: str


@dataclass(slots=True)
class Gains:
    """The sums so far; what was taken back is subtracted, as in the rollups."""

    groups: dict[_Group, Counter[str]] = field(default_factory=dict)

    def add(self, key: RollupKey, counters: Mapping[str, int]) -> None:
        """Add what one rollup gained in a batch that was committed."""
        group = _Group(_name(key.subscription_id), _name(key.model), key.source)
        self._add(group, counters)

    def listed(self) -> list[dict[str, Any]]:
        """Return the groups, heaviest first; a counter that did not change is left out."""
        ordered = sorted(self.groups.items(), key=lambda item: -_weight(item[1]))
        told = Gains()
        for at, (group, sums) in enumerate(ordered):
            told._add(group if at < MAX_GROUPS else _Group(OTHER, OTHER, group.source), sums)
        return [
            {**group._asdict(), **{name: sums[name] for name in TOLD if sums[name]}}
            for group, sums in told.groups.items()
            if any(sums[name] for name in TOLD)
        ]

    def _add(self, group: _Group, counters: Mapping[str, int]) -> None:
        sums = self.groups.setdefault(group, Counter())
        for name in TOLD:
            if count := counters.get(name):
                sums[name] += count


def _name(found: str | None) -> str:
    return found[:NAME_LENGTH] if found else _NONE


def _weight(sums: Mapping[str, int]) -> int:
    return sum(sums.get(name, 0) for name in _WEIGHT)
