"""Statements: what adds up in a closed period, and how its lines are cut into chunks. Pure."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, NamedTuple

from usage_ingest.chargeback.line import EXACT, Charge, Line
from usage_ingest.plain import plain

MAX_LINES: Final = 20_000
"""As many lines are held at a time; a chunk that is too large for a document is cut further."""


class Days(NamedTuple):
    """Days from the first to the last, both included, as texts."""

    first: str
    last: str

    def hold(self, line: Line) -> bool:
        """Whether a line is of usage on one of the days."""
        return line.subject.day is not None and self.first <= line.subject.day <= self.last


class Chunk(NamedTuple):
    """Which lines a chunk holds; days are those of the first and the last use in it."""

    lines: int
    first_day: str | None
    last_day: str | None
    corrections: bool

    def touches(self, days: Days) -> bool:
        """Whether it may hold lines of some days."""
        return (self.first_day or "") <= days.last and days.first <= (self.last_day or "")


@dataclass(slots=True)
class Tally:
    """What lines add up to, as they go by."""

    lines: int = 0
    amounts: dict[str, Decimal] = field(default_factory=dict)

    def add(self, line: Line) -> None:
        """Count a line; one without a price has no amount."""
        self.lines += 1
        if line.currency is not None and line.amount is not None:
            before = self.amounts.get(line.currency, Decimal(0))
            self.amounts[line.currency] = EXACT.add(before, line.amount)

    def totals(self) -> dict[str, str]:
        """Return the amounts by currency, as texts."""
        return {currency: plain(self.amounts[currency]) for currency in sorted(self.amounts)}


def chunk_of(lines: list[Line]) -> Chunk:
    """Describe lines that are to be one chunk."""
    days = [line.subject.day for line in lines if line.subject.day is not None]
    return Chunk(
        lines=len(lines),
        first_day=min(days, default=None),
        last_day=max(days, default=None),
        corrections=_is_correction(lines[0]),
    )


async def cut(lines: AsyncIterator[Line], most: int = MAX_LINES) -> AsyncIterator[list[Line]]:
    """Yield lines in lists of one chunk each; corrections stand in chunks of their own."""
    held: list[Line] = []
    async for line in lines:
        if held and (len(held) == most or _is_correction(held[0]) is not _is_correction(line)):
            yield held
            held = []
        held.append(line)
    if held:
        yield held


def _is_correction(line: Line) -> bool:
    return line.charge is Charge.CORRECTION
