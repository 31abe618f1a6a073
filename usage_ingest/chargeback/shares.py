"""What each owner is charged by a statement: own usage, and corrections of earlier ones. Pure."""

from dataclasses import dataclass, field
from typing import NamedTuple

from usage_ingest.chargeback.line import Line
from usage_ingest.chargeback.statement import Tally


class Charged(NamedTuple):
    """Who is charged in which currency, of which earlier period; None is the statement's own."""

    owner: str
    cost_center: str | None
    department: str | None
    currency: str | None
    corrects: str | None


@dataclass(slots=True)
class Shares:
    """Amounts of lines as they go by; what has no price has no currency, and is counted."""

    tallies: dict[Charged, Tally] = field(default_factory=dict)

    def add(self, line: Line) -> None:
        """Add a line."""
        payer = line.payer
        charged = Charged(
            payer.owner, payer.cost_center, payer.department, line.currency, line.corrects
        )
        self.tallies.setdefault(charged, Tally()).add(line)

    def ordered(self) -> list[tuple[Charged, Tally]]:
        """Return what there is by owner, own usage before corrections."""
        return sorted(self.tallies.items(), key=_order)


def _order(item: tuple[Charged, Tally]) -> tuple[str, ...]:
    charged, _ = item
    return tuple(each or "" for each in charged)
