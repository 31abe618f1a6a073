"""All that money is made of, in memory: it changes as a test says, and keeps when it did."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from tests.builders import FrozenClock
from tests.chargeback.builders import make_deployment, make_price, make_rule
from tests.chargeback.rollups import Rollups, Row, make_rollup
from usage_ingest.chargeback.close import Close, Outcome
from usage_ingest.chargeback.corrections import Identity, identity
from usage_ingest.chargeback.deployment import Provisioned
from usage_ingest.chargeback.line import EXACT, Charge, Line
from usage_ingest.chargeback.owner import Payer
from usage_ingest.chargeback.pending import pending
from usage_ingest.chargeback.period import first_day, last_day
from usage_ingest.chargeback.ports import ChargebackStores, Import, Statement
from usage_ingest.chargeback.rated import Asked, rated
from usage_ingest.chargeback.reference import Reference
from usage_ingest.chargeback.statement import Days, Tally
from usage_ingest.errors import ConflictError
from usage_ingest.events.progress import Progress
from usage_ingest.metrics.watermark import Source, Watermark
from usage_ingest.ports import ReportStores

NEW_YEAR = datetime(2027, 1, 15, tzinfo=UTC)
Sums = dict[Identity, tuple[Decimal, Decimal]]


class _Rows(Rollups):
    """The rollups and counts of dead letters that there are now."""

    def __init__(self) -> None:
        super().__init__()
        self.written_at: list[datetime] = []

        self.letters: list[Row] = []

    async def dead_letter_counts(self, start: str, end: str) -> AsyncIterator[Row]:
        for row in self.letters:
            if start <= row["day"] <= end:
                yield row


class _Partition:
    """One hub partition, stored to its end."""

    def __init__(self, clock: FrozenClock) -> None:
        self.clock = clock
        self.lag = 0

    async def all(self) -> list[Progress]:
        await asyncio.sleep(0)
        now = self.clock.now()
        return [
            Progress(
                namespace="localhost",
                hub="usage",
                partition_id="0",
                stored_through=9,
                last_enqueued=9 + self.lag,
                mark_time=now,
                checked_at=now,
                hub_partitions=1,
            )
        ]

    async def read(
        self, namespace: str, hub: str, partition_id: str, *, fresh: bool = False
    ) -> Progress | None:
        raise AssertionError(namespace, hub, partition_id, fresh)

    async def write(self, progress: Progress) -> Progress:
        raise AssertionError(progress)

    async def archive(self, progress: Progress) -> None:
        raise AssertionError(progress)


class _NoWatermarks:
    """Metrics are not collected."""

    async def all(self) -> list[Watermark]:
        return []

    async def read(self, source: Source) -> Watermark | None:
        raise AssertionError(source)

    async def write(self, mark: Watermark) -> Watermark:
        raise AssertionError(mark)

    async def delete(self, mark: Watermark) -> None:
        raise AssertionError(mark)


class _Reference:
    """What was imported so far."""

    def __init__(self) -> None:
        self.held = Reference()
        self.done: list[Import] = []

    async def imports(self) -> list[Import]:
        return list(self.done)

    async def load(self) -> Reference:
        return self.held

    async def append(
        self, source: str, content_id: str, documents: Sequence[Mapping[str, Any]]
    ) -> Import:
        raise AssertionError(source, content_id, documents)


class _Statements:
    """Closed periods; of two with a number the first stands."""

    def __init__(self) -> None:
        self.closed: list[tuple[Statement, list[Line]]] = []
        self.read: list[str] = []

    async def all(self) -> list[Statement]:
        await asyncio.sleep(0)  # others go on meanwhile, as beside a store
        return [head for head, _ in self.closed]

    async def lines(self, statement: Statement, days: Days | None = None) -> AsyncIterator[Line]:
        self.read.append(statement.period)
        (found,) = (lines for head, lines in self.closed if head.id == statement.id)
        for line in found:
            if days is None or days.hold(line):
                yield line

    async def corrections(
        self, statement: Statement, days: Days | None = None
    ) -> AsyncIterator[Line]:
        async for line in self.lines(statement, days):
            if line.charge is Charge.CORRECTION:
                yield line

    async def write(self, statement: Statement, lines: AsyncIterator[Line]) -> Statement:
        held, tally = [line async for line in lines], Tally()
        for line in held:
            tally.add(line)
        if len(self.closed) != statement.number - 1:
            raise ConflictError(statement.period)
        stored = replace(statement, lines=tally.lines, totals=tally.totals())
        self.closed.append((stored, held))
        return stored


class _Changes:
    """Knows when each rollup was written."""

    def __init__(self, rows: _Rows) -> None:
        self.rows = rows

    async def changed_since(self, moment: datetime, first: date, last: date) -> bool:
        days = first.isoformat(), last.isoformat()
        written = zip(self.rows.rows, self.rows.written_at, strict=True)
        return any(at >= moment and days[0] <= row["day"] <= days[1] for row, at in written)


@dataclass
class Books:
    """Rollups, reference documents and closed periods; each change takes an hour."""

    clock: FrozenClock = field(default_factory=lambda: FrozenClock(NEW_YEAR))

    def __post_init__(self) -> None:
        self.rows, self.reference = _Rows(), _Reference()
        self.partition, self.statements = _Partition(self.clock), _Statements()
        self.stores = ChargebackStores(
            reports=ReportStores(
                reader=self.rows, progress=self.partition, watermarks=_NoWatermarks()
            ),
            reference=self.reference,
            statements=self.statements,
            changes=_Changes(self.rows),
        )

    def use(self, day: str, **overrides: Any) -> None:
        """Count calls of a day."""
        self.clock.move(hours=1)
        self.rows.rows = (*self.rows.rows, make_rollup(**{"day": day, **overrides}))
        self.rows.written_at.append(self.clock.now())

    def price(self, from_day: str, amount: str, **rest: Any) -> None:
        """Import a price of input."""
        named: dict[str, Any] = {"unit_prices": {"input": amount}, "currency": "EUR", **rest}
        price = make_price("gpt-4o", from_day=from_day, revision=self._import(), **named)
        held = self.reference.held
        self.reference.held = replace(held, prices=(*held.prices, price))

    def rule(self, from_day: str, owner: str, markup: str = "0", **rest: Any) -> None:
        """Import who pays for the subscription."""
        payer = Payer(owner, markup_percent=Decimal(markup))
        rule = make_rule(owner, from_day=from_day, payer=payer, revision=self._import(), **rest)
        held = self.reference.held
        self.reference.held = replace(held, owners=(*held.owners, rule))

    def provision(self, from_day: str, amount: str, **rest: Any) -> None:
        """Import what a deployment costs by the month."""
        costs = Provisioned(amount=Decimal(amount), per="month", currency="EUR")
        named: dict[str, Any] = {"provisioned": costs, **rest}
        document = make_deployment("ptu", from_day=from_day, revision=self._import(), **named)
        held = self.reference.held
        self.reference.held = replace(held, deployments=(*held.deployments, document))

    def _import(self) -> int:
        self.clock.move(hours=1)
        number = len(self.reference.done) + 1
        self.reference.done.append(
            Import(
                number=number,
                id=str(number),
                source="test",
                imported_at=self.clock.now(),
                counts={},
            )
        )
        return number

    async def close(self, period: str, accept: str | None = "a test", **how: Any) -> Outcome:
        self.clock.move(hours=1)
        verb = Close(stores=self.stores, clock=self.clock, tags=("team",))
        return await verb(period, accept, **how)

    async def pending(self, *, recheck: bool = False) -> list[Line]:
        closed = await self.statements.all()
        found = pending(self.stores, closed, self.reference.held, recheck=recheck)
        return [line async for line in found]

    async def now(self) -> list[Line]:
        """All closed periods as they would be now."""
        closed = await self.statements.all()
        if not closed:
            return []
        days = first_day(closed[0].period), last_day(closed[-1].period)
        asked = Asked(days=True, apps=True, tenants=True, tags=("team",))
        return [line async for line in rated(self.rows, self.reference.held, *days, asked)]

    def posted(self) -> list[Line]:
        """The lines of all statements."""
        return [line for _, lines in self.statements.closed for line in lines]


def sums(lines: Iterable[Line]) -> Sums:
    """Quantities and amounts by what they are of; what comes to nothing is left out."""
    found: Sums = {}
    for line in lines:
        quantity, amount = found.get(identity(line), (Decimal(0), Decimal(0)))
        found[identity(line)] = (
            EXACT.add(quantity, Decimal(line.quantity)),
            EXACT.add(amount, line.amount or Decimal(0)),
        )
    return {of: each for of, each in found.items() if any(each)}
