"""The verb that closes a period: its numbers are frozen, and later changes become corrections.

1. Read all of it once, and see what stands against closing. Nothing is written so far.
2. Read it again, writing chunks as lines come. What stands against closing by now ends it.
3. Write the head, which closes the period: whoever is second finds it taken.

Interrupted anywhere, the period is open and may be closed again.
"""

import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Any

from usage_ingest.chargeback.closing import Closing, Sums, Watch, begin, kept
from usage_ingest.chargeback.line import Line
from usage_ingest.chargeback.period import first_day, following
from usage_ingest.chargeback.ports import ChargebackStores, Statement
from usage_ingest.document import time_text
from usage_ingest.ports import Clock


def _unwatched(_lines: int) -> None:
    """Let lines go by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of closing a period.

    `statement` is None where it was not closed. `bars` are reasons, in words, that no acceptance
    lifts; then nothing was read, unless a dry run shows what an open period holds so far.
    `completeness` holds what else stands against closing as `incomplete_because`.
    """

    period: str
    statement: Statement | None
    bars: Sequence[str]
    sums: Sums
    completeness: dict[str, Any] | None

    def may_be_closed(self, accept: str | None) -> bool:
        """Whether nothing stands against closing, or what does is accepted."""
        told = self.completeness
        return not self.bars and told is not None and (told["complete"] or accept is not None)


class _IncompleteError(Exception):
    """Something stands against closing that did not when the period was read first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """Closes periods in their order; `tags` are the names that rollups are kept by."""

    stores: ChargebackStores
    clock: Clock
    tags: tuple[str, ...] = ()

    async def __call__(
        self,
        period: str,
        accept: str | None = None,
        watch: Watch = _unwatched,
        *,
        dry_run: bool = False,
        recheck: bool = False,
    ) -> Outcome:
        """Close a period, unless something stands against it.

        Args:
            period: The first that is closed may be any, then each in its turn.
            accept: Why an incomplete period is closed all the same.
            watch: Is told how far reading is.
            dry_run: Read it, and write nothing.
            recheck: Compare all closed periods with what they would be now; see `pending`.

        Raises:
            ConflictError: Somebody else closed a period at the same time.
        """
        closed = await self.stores.statements.all()
        bars = bars_of(period, closed, self.clock.now())
        is_closed = any(each.period == period for each in closed)
        if is_closed or (bars and not dry_run):
            return Outcome(period=period, statement=None, bars=bars, sums=Sums(), completeness=None)
        closing = await begin(self.stores, period, closed, self.clock.now())
        async for _ in closing.lines(self.tags, watch, recheck=recheck):
            pass
        told = closing.completeness()
        if dry_run or (accept is None and not told["complete"]):
            return _outcome(closing, period, None, bars)
        reason = None if told["complete"] else accept
        again = await begin(self.stores, period, closed, self.clock.now())
        head = _head(again, period, self.tags, kept(told), reason)
        lines = self._checked(again, accept, watch, recheck=recheck)
        try:
            written = await self.stores.statements.write(head, lines)
        except _IncompleteError:
            return _outcome(again, period, None, bars)
        return _outcome(again, period, written, bars)

    async def _checked(
        self, closing: Closing, accept: str | None, watch: Watch, *, recheck: bool
    ) -> AsyncIterator[Line]:
        """Yield the lines; raise instead of ending when something stands against closing now."""
        async for line in closing.lines(self.tags, watch, recheck=recheck):
            yield line
        if accept is None and not closing.completeness()["complete"]:
            raise _IncompleteError


def bars_of(period: str, closed: Sequence[Statement], now: datetime) -> list[str]:
    """Return why a period cannot be closed, whatever is accepted."""
    for each in closed:
        if each.period == period:
            return [f"it was closed at {time_text(each.closed_at)}"]
    bars = []
    if closed and (due := following(closed[-1].period)) != period:
        bars.append(f"periods are closed in their order: the next is {due}")
    end = datetime.combine(first_day(following(period)), time.min, UTC)
    if now < end:
        bars.append(f"it ends at {time_text(end)}")
    return bars


def _head(
    closing: Closing, period: str, tags: tuple[str, ...], told: dict[str, Any], reason: str | None
) -> Statement:
    return Statement(
        number=len(closing.closed) + 1,
        period=period,
        id=uuid.uuid4().hex,
        closed_at=closing.begun_at,
        read_from=closing.begun_at,
        accepted=reason,
        lines=0,
        totals={},
        completeness=told,
        imports=closing.imports,
        tags=tags,
    )


def _outcome(
    closing: Closing, period: str, statement: Statement | None, bars: Sequence[str]
) -> Outcome:
    return Outcome(
        period=period,
        statement=statement,
        bars=bars,
        sums=closing.sums,
        completeness=closing.completeness(),
    )
