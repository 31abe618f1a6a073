"""What a total covers, and what may be missing from it. Pure.

Hub-side days are days of the enqueued time. An event is usually enqueued on the day of its call
or the next one, so a range of days looks at the hub from its start to the day after its end.
"""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from usage_ingest.dead_letter_counts import DeadLetterCounts
from usage_ingest.document import time_text
from usage_ingest.events.progress import UNKNOWN_PARTITION, Gap, Progress
from usage_ingest.streaming import Metrics, Streaming, metrics_state
from usage_ingest.summary_query import SummaryQuery

CHECK_PATIENCE: Final = timedelta(minutes=30)
"""A partition whose end was last looked up longer ago than this may hold more than is known."""

_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What the totals themselves tell of what they lack; `days` have some usage."""

    requests_awaiting_metrics: int
    requests_without_usage: int
    estimated: bool
    days: AbstractSet[str]
    streaming: Streaming


@dataclass(frozen=True, slots=True)
class _Span:
    """Enqueued times that concern a range: from `start`, before `end`."""

    start: datetime
    end: datetime

    def touches(self, gap: Gap) -> bool:
        """Whether what the gap lacks may have been enqueued in the span; None has no bound."""
        begins_in_time = gap.after is None or gap.after < self.end
        ends_in_time = gap.before is None or gap.before >= self.start
        return begins_in_time and ends_in_time

    def lags(self, progress: Progress) -> bool:
        """Whether events that wait behind the mark may concern the range."""
        marked = progress.mark_time
        return bool(progress.lag) and (marked is None or marked < self.end)

    def unchecked(self, progress: Progress, now: datetime) -> bool:
        """Whether the hub may hold events of the range that nobody has looked for lately."""
        checked, marked = progress.checked_at, progress.mark_time
        if (marked is not None and marked >= self.end) or (checked and checked >= self.end):
            return False
        return checked is None or now - checked > CHECK_PATIENCE

    def cut_off(self, progress: Progress) -> bool:
        """Whether events of the span may have gone with a hub that was recreated."""
        noticed, marked = progress.archived_at, progress.mark_time
        if not progress.archived or noticed is None:
            return False
        return (marked is None or marked < self.end) and noticed >= self.start

    def unplaced(self, progress: Progress) -> bool:
        """Whether it notes batches without a partition id that came in the span."""
        first, last = progress.mark_time, progress.checked_at
        if progress.partition_id != UNKNOWN_PARTITION or first is None or last is None:
            return False
        return first < self.end and last >= self.start


_ALWAYS: Final = _Span(datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))


def hub_days(query: SummaryQuery) -> tuple[str, str]:
    """Return the first and last day of enqueued times that concern the range."""
    return query.start.isoformat(), (query.end + _DAY).isoformat()


@dataclass(frozen=True, slots=True)
class Sources:
    """What was known of the sources before the totals were read.

    `progress` is of every partition, archived generations included; the dead letters are those
    enqueued on the `hub_days` of the range.
    """

    progress: Sequence[Progress]
    dead_letters: DeadLetterCounts
    metrics: Metrics


def completeness(
    query: SummaryQuery, counted: Counted, sources: Sources, now: datetime
) -> dict[str, Any]:
    """Return what a summary of a range, filtered or not, says of itself at a moment."""
    span, progress, dead_letters = _span(query), sources.progress, sources.dead_letters
    hub = _event_hub(span, progress)
    streaming = counted.streaming.listed(sources.metrics)
    reasons = {
        "open_gaps": hub["open_gaps"],
        "lost_gaps": hub["lost_gaps"],
        "dead_letters": dead_letters.open.total(),
        "lag": any(span.lags(each) for each in _live(progress)),
        "progress_unknown": _unwatched(progress) or any(map(span.unplaced, progress)),
        "hub_recreated": any(map(span.cut_off, progress)),
        "not_checked_lately": any(span.unchecked(each, now) for each in _live(progress)),
        "metrics_lag": sources.metrics.stale(now, query.end),
        "awaiting_metrics": streaming["awaiting"]["count"],
        "streaming_uncovered": streaming["streaming_uncovered"]["count"],
        "metrics_source_left": sources.metrics.left(query.start, query.end),
        "metrics_skipped": sources.metrics.skipped(query.start, query.end),
        "streaming_by_both": streaming["by_both"]["count"],
    }
    incomplete_because = [code for code, holds in reasons.items() if holds]
    incomplete_because += sources.metrics.notes(query.start, query.end)
    return {
        "sources": {
            "event_hub": hub,
            "metrics": metrics_state(sources.metrics, now, query.start, query.end),
        },
        "streaming": streaming,
        "requests_awaiting_metrics": counted.requests_awaiting_metrics,
        "requests_without_usage": counted.requests_without_usage,
        "dead_letters": dead_letters.listed(),
        "days_without_usage": _days_without_usage(query, counted.days, now),
        "estimated": counted.estimated,
        "complete": not incomplete_because,
        "incomplete_because": incomplete_because,
    }


def hub_state(progress: Sequence[Progress]) -> dict[str, Any]:
    """Return every partition's lag and gaps, whatever days they concern."""
    return _event_hub(_ALWAYS, progress)


def _span(query: SummaryQuery) -> _Span:
    first, last = (date.fromisoformat(day) for day in hub_days(query))
    start, end = (datetime.combine(day, time.min, UTC) for day in (first, last + _DAY))
    return _Span(start, end)


def _event_hub(span: _Span, progress: Sequence[Progress]) -> dict[str, Any]:
    ordered = sorted(progress, key=_order)
    gaps = {
        "open_gaps": [_gap(each, gap) for each in ordered for gap in _in(span, each.open_gaps)],
        "lost_gaps": [_gap(each, gap) for each in ordered for gap in _in(span, each.lost_gaps)],
    }
    lags = [each.lag for each in _live(ordered)]
    known = [lag for lag in lags if lag is not None]
    return {
        "partitions": [_partition(each) for each in _live(ordered)],
        "lag": sum(known) if known and len(known) == len(lags) else None,
        **gaps,
        "gap_events_open": sum(gap["events"] for gap in gaps["open_gaps"]),
        "gap_events_lost": sum(gap["events"] for gap in gaps["lost_gaps"]),
    }


def _unwatched(progress: Iterable[Progress]) -> bool:
    """Whether a partition has no progress yet: nobody knows what it holds."""
    live = _live(progress)
    expected = max((each.hub_partitions or 0 for each in live), default=0)
    return not live or len(live) < expected


def _live(progress: Iterable[Progress]) -> list[Progress]:
    return [
        each for each in progress if not each.archived and each.partition_id != UNKNOWN_PARTITION
    ]


def _order(progress: Progress) -> tuple[str, str, int, str, int]:
    number = progress.partition_id  # "10" comes after "9"
    return progress.namespace, progress.hub, len(number), number, progress.generation


def _in(span: _Span, gaps: Iterable[Gap]) -> list[Gap]:
    return sorted((gap for gap in gaps if span.touches(gap)), key=lambda gap: gap.first)


def _partition(progress: Progress) -> dict[str, Any]:
    return {
        "namespace": progress.namespace,
        "hub": progress.hub,
        "partition_id": progress.partition_id,
        "stored_through": progress.stored_through,
        "last_enqueued": progress.last_enqueued,
        "lag": progress.lag,
        "checked_at": _text(progress.checked_at),
        "mark_time": _text(progress.mark_time),
    }


def _gap(progress: Progress, gap: Gap) -> dict[str, Any]:
    return {
        "namespace": progress.namespace,
        "hub": progress.hub,
        "partition_id": progress.partition_id,
        "generation": progress.generation,
        "first": gap.first,
        "last": gap.last,
        "events": gap.events,
        "after": _text(gap.after),
        "before": _text(gap.before),
        "noticed_at": _text(gap.noticed_at),
    }


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else time_text(moment)


def _days_without_usage(
    query: SummaryQuery, days: AbstractSet[str], now: datetime
) -> list[str] | None:
    """Return days up to today that no rollup was read of; of a filtered range it says nothing."""
    if query.filters:
        return None
    last = min(query.end, now.astimezone(UTC).date())
    every = ((query.start + n * _DAY).isoformat() for n in range((last - query.start).days + 1))
    return [day for day in every if day not in days]
