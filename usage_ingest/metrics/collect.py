"""The verb of the timer collect_streaming_metrics: Log Analytics -> ledger, by watermark.

Each source, a target and a profile, goes on from its own mark, window by window of arrival
times. The bins that a window touches are read whole and stored; then the mark moves, under its
ETag. Everything may be repeated, at any time and by two runs at once.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

from usage_ingest import telemetry
from usage_ingest.errors import (
    ConfigError,
    ConflictError,
    OutOfTimeError,
    PartialResultError,
    TransientError,
)
from usage_ingest.identity import METRIC_PROFILE, Identity
from usage_ingest.metric_profile import (
    Definition,
    covering_since,
    definition_of,
    wrong_definitions,
)
from usage_ingest.metrics.fold import Kind, MetricRow, check_one_profile, records
from usage_ingest.metrics.ports import MetricReader, WatermarkStore
from usage_ingest.metrics.read_bins import BinReader
from usage_ingest.metrics.shipped import shipped
from usage_ingest.metrics.watermark import (
    Bin,
    Note,
    Pace,
    Source,
    Watermark,
    Window,
    advanced,
    initial,
    next_window,
    noted,
    slowed,
)
from usage_ingest.ports import Clock, IdentityStore, Ledger
from usage_ingest.record import Flag

TIME_FOR_COLLECTING: Final = timedelta(minutes=5)
"""A run starts no further window after this, well below the function's timeout."""
BINS_AT_ONCE: Final = 48
"""Bins of one query: what one answer may hold, and how long it is read, stay within bounds."""
_SLOT: Final = 0  # rollups of metrics are their own: no hub partition writes to them


@dataclass(frozen=True, slots=True)
class CollectOutcome:
    """What a run did, over all sources."""

    windows: int = 0
    records_stored: int = 0
    records_grown: int = 0
    caught_up: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Collect:
    """Everything that collecting needs; built once in wiring."""

    ledger: Ledger
    metrics: MetricReader
    watermarks: WatermarkStore
    identity: IdentityStore
    clock: Clock
    sources: Sequence[Source]
    pace: Pace
    ledger_ttl_days: int

    async def run(self) -> CollectOutcome:
        """Collect what has settled since the last run; what fails in one source stops no other.

        Raises:
            TransientError: A source could not be read or stored; the next run goes on.
            ConfigError: A source cannot work as it is configured.
        """
        run = _Run(self, await self.identity.load(), self.clock.now() + TIME_FOR_COLLECTING)
        if not self.sources:
            telemetry.event_once("metrics_not_collected", text="METRICS_TARGETS names no target")
        defined = await run.defined()
        waiting = [each for each in self.sources if each.profile in defined]
        random.shuffle(waiting)  # none waits for ever
        while waiting and self.clock.now() < run.ends_at:
            waiting = [each for each in waiting if await run.attempt(each)]
        caught_up = not waiting and not run.failed
        outcome = CollectOutcome(run.windows, run.stored, run.grown, caught_up)
        if self.sources:
            telemetry.event("metrics_collected", **asdict(outcome))
        run.raise_first()
        return outcome


@dataclass(slots=True)
class _Run:
    """One run over all sources."""

    collect: Collect
    identity: Identity
    ends_at: datetime
    windows: int = 0
    stored: int = 0
    grown: int = 0
    failed: list[TransientError | ConfigError] = field(default_factory=list)

    async def defined(self) -> set[str]:
        """Return the profiles that can be collected.

        A definition that ships is fixed at its first use: a release changes none. What is wrong
        with any of them is told, before its day comes where possible.
        """
        wanted = {each.profile for each in self.collect.sources}
        for profile in sorted(wanted - set(self.identity.metric_profiles())):
            try:
                text = shipped(profile).model_dump_json()
            except ConfigError as error:
                self._failed(error)
            else:
                self.identity = await self.collect.identity.record(METRIC_PROFILE + profile, text)
        today = self.collect.clock.now().date().isoformat()
        for problem in wrong_definitions(self.identity, wanted, today):
            self._failed(ConfigError(problem))
        return wanted & set(self.identity.metric_profiles())

    async def attempt(self, source: Source) -> bool:
        """Collect one window of a source while there is time; return whether there is more."""
        if self.collect.clock.now() >= self.ends_at:
            return True
        try:
            return await self._window(source)
        except ConflictError:
            telemetry.event("collecting_overtaken", **asdict(source))  # by another run: it goes on
        except PartialResultError as error:
            self._failed(TransientError(f"{source.target}: {error}"), **asdict(source))
        except (TransientError, ConfigError) as error:
            self._failed(error, **asdict(source))
        return False

    def raise_first(self) -> None:
        """Raise what needs a person first, else the first that happened."""
        for error in sorted(self.failed, key=lambda each: not isinstance(each, ConfigError)):
            raise error

    def _failed(self, error: TransientError | ConfigError, **fields: str) -> None:
        telemetry.alarm("metrics_source_failed", text=str(error), **fields)
        self.failed.append(error)

    async def _window(self, source: Source) -> bool:
        collect, began = self.collect, self.collect.clock.now()
        mark = await collect.watermarks.read(source)
        now = await collect.metrics.now(source.target)
        if mark is None:
            mark = await collect.watermarks.write(self._first_mark(source, now))
        window = next_window(mark, now, collect.pace)
        if window is None:
            return False
        try:
            mark = await self._collected(mark, window, now)
        except OutOfTimeError:
            if self.ends_at - began < TIME_FOR_COLLECTING / 2:
                return True  # the run is over, and the window had little of it
            await collect.watermarks.write(slowed(mark))
            raise
        mark = await collect.watermarks.write(advanced(mark, window.end, now))
        self.windows += 1
        return next_window(mark, now, collect.pace) is not None

    def _first_mark(self, source: Source, now: datetime) -> Watermark:
        since = covering_since(source.profile, self.identity, now.date())
        oldest = now - timedelta(days=self.collect.ledger_ttl_days - 1)
        return initial(source, now, self.collect.pace, since and max(since, oldest))

    async def _collected(self, mark: Watermark, window: Window, now: datetime) -> Watermark:
        """Store what the window touches; return the mark with what is odd of it."""
        source = mark.source
        read = BinReader(self.collect.metrics, source, self.identity, self._in_time)
        touched = await read.touched(window)
        for definition, bins in self._readable(source.profile, touched, now):
            kind = Kind(source.profile, definition, bins[0].seconds, self.identity)
            async for rows in read.whole(definition, bins):
                mark = await self._store(mark, kind, rows)
        return self._note_too_old(mark, touched, now)

    def _in_time(self) -> None:
        if self.collect.clock.now() >= self.ends_at:
            raise OutOfTimeError("a window took longer than a run may: the next ones are shorter")

    def _readable(
        self, profile: str, touched: Sequence[Bin], now: datetime
    ) -> Iterator[tuple[Definition, Sequence[Bin]]]:
        """Yield the bins that the ledger still keeps, those of one kind together."""

        def kind(each: Bin) -> tuple[int, Definition | None]:
            return each.seconds, definition_of(profile, self.identity, each.day)

        kept = [each for each in touched if not self._is_too_old(each, now)]
        for (_, definition), group in groupby(kept, kind):
            bins = list(group)
            for at in range(0, len(bins), BINS_AT_ONCE):
                if definition is not None:
                    yield definition, bins[at : at + BINS_AT_ONCE]

    async def _store(self, mark: Watermark, kind: Kind, rows: Sequence[MetricRow]) -> Watermark:
        collect = self.collect
        check_one_profile(rows, kind)
        read = records(rows, kind, collect.clock.now())
        if rows and not read:
            telemetry.alarm("metrics_not_taken", **asdict(mark.source), rows=len(rows))
        outcome = await collect.ledger.store(read, _SLOT)
        if outcome.too_large:
            raise TransientError("Cosmos DB refuses a record of the metrics")
        self.stored += outcome.stored
        self.grown += outcome.completed
        telemetry.count("records_stored", outcome.stored)
        odd = (each.event_time for each in read if Flag.ODD_VALUE in each.flags)
        mark = _noted(mark, "metric_bin_shrank", (each.event_time for each in outcome.shrank))
        return _noted(mark, "metric_value_odd", odd)

    def _is_too_old(self, each: Bin, now: datetime) -> bool:
        return each.end <= now - timedelta(days=self.collect.ledger_ttl_days - 1)

    def _note_too_old(self, mark: Watermark, touched: Iterable[Bin], now: datetime) -> Watermark:
        old = (each.start for each in touched if self._is_too_old(each, now))
        return _noted(mark, "metric_bin_too_old", old)


def _noted(mark: Watermark, note: Note, bins: Iterable[datetime]) -> Watermark:
    after = noted(mark, note, bins)
    if new := sorted(set(after.notes.get(note, ())) - set(mark.notes.get(note, ()))):
        telemetry.alarm(note, **asdict(mark.source), bins=new)
    return after
