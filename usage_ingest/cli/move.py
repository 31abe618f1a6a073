"""Looks up what moving a watermark concerns, and moves it beside a running collector."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from usage_ingest import wiring
from usage_ingest.cli.session import PATIENCE_SECONDS, tell
from usage_ingest.document import time_text
from usage_ingest.errors import (
    ConflictError,
    InvalidQueryError,
    TransientError,
    UsageIngestError,
)
from usage_ingest.from_settings import pace as pace_of
from usage_ingest.identity import BEGINNING, METRIC_PROFILE, DatedValue, Identity
from usage_ingest.metrics.collect import Collect
from usage_ingest.metrics.move_watermark import Asked, Move, moved
from usage_ingest.metrics.read_bins import BinReader
from usage_ingest.metrics.shipped import shipped
from usage_ingest.metrics.watermark import LONGEST_WINDOW, Bin, Source, Watermark, Window
from usage_ingest.wiring import App

_ROUNDS: Final = 5
"""How often a mark is read again that the collector moved in the meantime."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a move concerns; bins are None where the service could not be asked for them."""

    move: Move
    now: datetime
    bins: Sequence[Bin] | None
    too_old: int
    unknown: str = ""

    @property
    def days(self) -> dict[str, int] | None:
        """How many bins of each day it concerns."""
        if self.bins is None:
            return None
        return dict(sorted(Counter(each.day for each in self.bins).items()))


async def asked_source(app: App, target: str | None, profile: str | None) -> Source:
    """Return the source that is meant: one that is collected, or has a mark.

    Raises:
        InvalidQueryError: There is none, or more than one.
    """
    marks = await app.reports.watermarks.all()
    known = {
        (each.target.lower(), each.profile): each
        for each in [*app.reports.sources, *(mark.source for mark in marks)]
    }
    found = [
        each
        for (lowered, name), each in sorted(known.items())
        if target in (None, "") or lowered == str(target).lower()
        if profile is None or name == profile
    ]
    if len(found) == 1:
        return found[0]
    listed = "\n".join(f"- --target {each.target} --profile {each.profile}" for each in found)
    if found:
        raise InvalidQueryError("--target", f"say which source is meant:\n{listed}")
    listed = "\n".join(
        f"- --target {each.target} --profile {each.profile}" for each in known.values()
    )
    raise InvalidQueryError("--target", f"there is no such source; there are:\n{listed or 'none'}")


async def preview(app: App, source: Source, asked: Asked) -> Preview:
    """Return what a move concerns, as the service tells; nothing is written.

    Raises:
        InvalidQueryError: The move is refused.
    """
    async with wiring.collecting(app, PATIENCE_SECONDS) as collect:
        unknown = ""
        try:
            now = await collect.metrics.now(source.target)
        except UsageIngestError as error:
            now, unknown = app.clock.now(), str(error)
        mark = await app.reports.watermarks.read(source)
        move = moved(source, mark, asked, now, collect.pace)
        bins: Sequence[Bin] | None = None
        if not unknown and move.kind != "none":
            try:
                bins = await _touched(app, collect, source, move.arrivals)
            except UsageIngestError as error:
                unknown = str(error)
    oldest = now - timedelta(days=app.settings.ledger_ttl_days - 1)
    too_old = sum(each.end <= oldest for each in bins or ())
    return Preview(move=move, now=now, bins=bins, too_old=too_old, unknown=unknown)


async def applied(app: App, source: Source, asked: Asked, seen: Preview) -> Move:
    """Write a move, worked out anew where the collector moved the mark meanwhile.

    Raises:
        InvalidQueryError: By now it would be another one than was shown.
        TransientError: The mark is being moved all the time.
    """
    pace = pace_of(app.settings)
    for _ in range(_ROUNDS):
        mark = await app.reports.watermarks.read(source)
        move = moved(source, mark, asked, seen.now, pace)
        if move.kind != seen.move.kind:
            raise InvalidQueryError("--to", "the mark has moved meanwhile: look at it again")
        try:
            await app.reports.watermarks.write(move.after)
        except ConflictError:
            continue
        return move
    raise TransientError("the watermark is being moved by others; try again")


async def left_mark(app: App, source: Source) -> Watermark:
    """Return the mark of a source that is collected no more.

    Raises:
        InvalidQueryError: It has none, is collected, or its mark has to be kept.
    """
    metrics = await app.reports.metrics()
    mark = await app.reports.watermarks.read(source)
    if mark is None:
        raise InvalidQueryError("--target", "this source has no mark")
    if metrics.configured(mark):
        raise InvalidQueryError(
            "--target", "this source is collected: take it out of the app's settings first"
        )
    if mark.skipped:
        raise InvalidQueryError("--target", "its mark keeps a skip, which would be forgotten")
    return mark


async def _touched(app: App, collect: Collect, source: Source, arrivals: Window) -> list[Bin]:
    """Ask which bins the arrivals of a span touch, a day at a time."""
    identity = await _identity(app, source.profile)
    read = BinReader(collect.metrics, source, identity, lambda: None)
    found: set[Bin] = set()
    start = arrivals.start
    while start < arrivals.end:
        end = min(start + LONGEST_WINDOW, arrivals.end)
        tell(f"asking what arrived from {time_text(start)[:16]}Z to {time_text(end)[:16]}Z ...")
        found.update(await read.touched(Window(start, end)))
        start = end
    return sorted(found)


async def _identity(app: App, profile: str) -> Identity:
    """Return the identity values; a profile that was never collected is as it ships."""
    values = {each.name: each.values for each in await app.identity_editor.all()}
    name = METRIC_PROFILE + profile
    if name not in values:
        values[name] = (DatedValue(BEGINNING, shipped(profile).model_dump_json()),)
    return Identity(values)
