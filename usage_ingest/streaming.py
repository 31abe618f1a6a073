"""What totals cover of streamed requests, whose tokens come from metrics. Pure.

Rows of metrics name no request: a subscription's day either has tokens by metrics or has none,
and which request they belong to cannot be checked.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from usage_ingest.document import time_text
from usage_ingest.metrics.watermark import NOTES, Source, Watermark
from usage_ingest.record import TOKEN_FIELDS
from usage_ingest.record import Source as Channel

STALE_AFTER: Final = timedelta(hours=1)
"""A mark that is further behind than this and the settling delay is not being moved."""
MAX_LISTED: Final = 1_000
STREAMING_COLUMNS: Final = (
    "day",
    "subscription_id",
    "source",
    "streaming",
    "product_id",
    "requests_awaiting_metrics",
    *TOKEN_FIELDS,
)
NOT_COLLECTED: Final = "streamed requests' tokens are not collected by this deployment"

_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """Which sources are collected, and how far each of them is."""

    sources: Sequence[Source] = ()
    settling_delay: timedelta = timedelta(0)
    marks: Sequence[Watermark] = ()

    def configured(self, mark: Watermark) -> bool:
        """Whether the mark is of a source that is collected today."""
        return _name(mark.source) in {_name(each) for each in self.sources}

    def settled(self, day: date) -> bool:
        """Whether everything that is to come of a day has been collected.

        A source that was added later does not concern a day before it began, and one that is no
        longer collected does not concern days after it stopped.
        """
        begun = [each for each in self.marks if each.collected_from <= _midnight(day)]
        done = [each for each in begun if self._reaches(each, day)]
        late = [each for each in begun if self.configured(each) and each not in done]
        standing = late or self.left(day, day) or self.skipped(day, day)
        return bool(done) and not standing

    def left(self, first: date, last: date) -> list[Watermark]:
        """Return the marks that stand still within a range because nobody collects them now."""
        return [
            each
            for each in self.marks
            if not self.configured(each)
            and each.collected_through >= _midnight(first)
            and not self._reaches(each, last)
        ]

    def skipped(self, first: date, last: date) -> list[Watermark]:
        """Return the marks that were moved beyond arrivals of a range: those are not collected."""
        start, end = _midnight(first), _midnight(last) + _DAY + self.settling_delay
        return [
            each
            for each in self.marks
            if any(w.start < end and w.end > start for w in each.skipped)
        ]

    def stale(self, now: datetime, last: date) -> list[Source]:
        """Return the sources that may hold more of the days up to `last` than was collected."""
        through = {_name(each.source): each for each in self.marks}
        oldest = now - self.settling_delay - STALE_AFTER
        return [
            source
            for source in self.sources
            if (mark := through.get(_name(source))) is None
            or (mark.collected_through < oldest and not self._reaches(mark, last))
        ]

    def listed(self, now: datetime) -> list[dict[str, Any]]:
        """Return every mark with its age, and sources that have none yet."""
        known = {_name(each.source) for each in self.marks}
        unmarked = [each for each in self.sources if _name(each) not in known]
        return [
            *(_listed(each.source, each, now, self.configured(each)) for each in self.marks),
            *(_listed(each, None, now, True) for each in unmarked),
        ]

    def notes(self, first: date, last: date) -> list[str]:
        """Return what is odd of bins in a range of days."""
        return [
            note
            for note in NOTES
            if any(
                first.isoformat() <= day <= last.isoformat()
                for mark in self.marks
                for day in mark.notes.get(note, ())
            )
        ]

    def _reaches(self, mark: Watermark, day: date) -> bool:
        return mark.collected_through >= _midnight(day) + _DAY + self.settling_delay


@dataclass(slots=True)
class _Sums:
    awaiting: int = 0
    by_metrics: dict[str, int] = field(default_factory=dict)
    by_events: int = 0
    awaiting_products: set[str | None] = field(default_factory=set)


@dataclass(slots=True)
class Streaming:
    """Streamed requests and their tokens by day and subscription; rollups are added."""

    days: dict[tuple[str, str | None], _Sums] = field(default_factory=dict)
    products: set[tuple[str, str | None]] = field(default_factory=set)
    """Days and products of metrics that name no subscription."""
    wanted: Sequence[Any] | None = None
    """The only subscriptions that are listed; None lists all."""

    def add(self, rollup: Mapping[str, Any]) -> None:
        """Add a rollup: day, subscription, source, streaming, and its counters."""
        is_metric = rollup.get("source") == Channel.METRICS
        awaiting = rollup.get("requests_awaiting_metrics") or 0
        tokens = {name: rollup[name] for name in TOKEN_FIELDS if rollup.get(name)}
        if not awaiting and not (tokens and (is_metric or rollup.get("streaming"))):
            return
        sums = self.days.setdefault((rollup["day"], rollup.get("subscription_id")), _Sums())
        sums.awaiting += awaiting
        if awaiting:
            sums.awaiting_products.add(rollup.get("product_id"))
        if is_metric:
            if rollup.get("subscription_id") is None:
                self.products.add((rollup["day"], rollup.get("product_id")))
            for name, count in tokens.items():
                sums.by_metrics[name] = sums.by_metrics.get(name, 0) + count
        elif rollup.get("streaming"):
            sums.by_events += sum(tokens.values())

    def listed(self, metrics: Metrics) -> dict[str, Any]:
        """Return what is known of streamed requests, by day and subscription.

        `awaiting`: the day is not collected to its end. `streaming_uncovered`: it is, and the
        metrics have nothing. `without_requests`: tokens by metrics of requests that no event
        told of. `by_both`: streamed requests whose events told tokens, beside metrics.
        """
        settled = {day: metrics.settled(date.fromisoformat(day)) for day, _ in self.days}
        waiting, uncovered, alone, both = [], [], [], []
        for (day, subscription), sums in sorted(self.days.items(), key=_order):
            if self.wanted is not None and subscription not in self.wanted:
                continue
            where = {"day": day, "subscription": subscription}
            has_tokens = any(sums.by_metrics.values())
            if sums.awaiting and not settled[day]:
                waiting.append({**where, "requests": sums.awaiting})
            elif sums.awaiting and not has_tokens and not self._by_product(day, sums):
                uncovered.append({**where, "requests": sums.awaiting})
            if has_tokens and not sums.awaiting and not self._awaited(day, subscription):
                alone.append({**where, **sums.by_metrics})
            if has_tokens and sums.by_events:
                both.append(where)
        return {
            "awaiting": _some(waiting),
            "streaming_uncovered": _some(uncovered),
            "without_requests": _some(alone),
            "by_both": _some(both),
            "checked_by_request": False,
        }

    def _by_product(self, day: str, sums: _Sums) -> bool:
        """Whether metrics without subscriptions tell of every product that requests await."""
        return all((day, product) in self.products for product in sums.awaiting_products)

    def _awaited(self, day: str, subscription: str | None) -> bool:
        """Whether metrics without a subscription are of products that requests await."""
        if subscription is not None:
            return False
        awaited = {
            (each, product)
            for (each, _), sums in self.days.items()
            for product in sums.awaiting_products
        }
        return all(each in awaited for each in self.products if each[0] == day)


def metrics_state(metrics: Metrics, now: datetime, first: date, last: date) -> dict[str, Any]:
    """Return what a range of days has of the metrics."""
    ended = _days(first, min(last, now.astimezone(UTC).date() - _DAY))
    text = None
    if not metrics.sources:
        text = NOT_COLLECTED
    elif metrics.stale(now, last):
        text = "collecting is behind: see the watermarks"
    elif metrics.skipped(first, last):
        text = "what arrived on some of these days was skipped: see the watermarks"
    elif not all(metrics.settled(day) for day in ended):
        text = "some of these days began before collecting did, or are not collected to their end"
    return {"covered": text is None, "text": text, "watermarks": metrics.listed(now)}


def _days(first: date, last: date) -> Iterator[date]:
    return (first + n * _DAY for n in range((last - first).days + 1))


def _name(source: Source) -> tuple[str, str]:
    return source.target.lower(), source.profile


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)


def _order(item: tuple[tuple[str, str | None], _Sums]) -> tuple[str, bool, str]:
    (day, subscription), _ = item
    return day, subscription is None, subscription or ""


def _some(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"count": len(entries), "listed": list(entries[:MAX_LISTED])}


def _listed(
    source: Source, mark: Watermark | None, now: datetime, configured: bool
) -> dict[str, Any]:
    skipped = mark.skipped if mark else ()
    return {
        "target": source.target,
        "profile": source.profile,
        "configured": configured,
        "collected_from": mark and time_text(mark.collected_from),
        "collected_through": mark and time_text(mark.collected_through),
        "checked_at": mark and time_text(mark.checked_at),
        "age_seconds": mark and int((now - mark.collected_through).total_seconds()),
        "window_seconds": mark and mark.window_seconds,
        "skipped": [{"start": time_text(w.start), "end": time_text(w.end)} for w in skipped],
        **{note: list(mark.notes.get(note, ())) if mark else [] for note in NOTES},
    }
