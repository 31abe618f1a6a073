"""Structured logs and named counters.

Azure Functions sends on only the text of a log line (`extra` is lost), so the fields stand in
the text as JSON: `<event> {...}`, and `alarm <name> {...}` for what needs a look. Alert rules and
the workbook read these lines by name and field, so both are declared here (docs/telemetry.md).
Counters add up in this process only, for the local panel and the tests; they count deliveries,
so after a redelivery they are above the stored totals: approximate, by name.
"""

import json
import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, Literal

import orjson

from usage_ingest.errors import UsageIngestError

CounterName = Literal[
    "events_received",  # events that a trigger or a re-read handed over
    "records_stored",  # records that were new
    "records_repeated",  # records that were stored already
    "records_completed",  # records whose usage came with a later event
    "dead_letters_stored",  # dead letters that were new
    "internal_errors",  # our own defects, each a dead letter: alarmed
    "events_accepted",  # events that came over HTTP and were published to the hub
    "events_refused",  # events that came over HTTP and could not be read
    "gaps_noticed",  # ranges of sequence numbers that nobody stored: alarmed
    "gap_records_stored",  # records that a re-read brought back
    "hubs_recreated",  # partitions whose numbers began anew: alarmed
    "partitions_unknown",  # batches without a partition id: gaps cannot be watched
]

EventName = Literal[
    "batch_ingested",  # a received batch was stored
    "usage_counted",  # what the totals gained, by subscription and model
    "events_refused",  # a body that came over HTTP could not be read
    "gaps_watched",  # a run of close_gaps
    "gap_step_failed",  # a partition or a gap that a run could not deal with
    "metrics_collected",  # a run of collect_streaming_metrics
    "metrics_not_collected",  # no target is configured; once in a process
    "collecting_overtaken",  # another run collects the same source
    "health",  # the whole app, at every run of close_gaps
    "partition_health",  # one partition of the hub, at every run of close_gaps
    "watermark_health",  # one source of metrics, at every run of close_gaps
    "streaming_health",  # streamed requests of the last days, at every collecting run
    "health_failed",  # the state could not be read
]

AlarmName = Literal[
    "function_failed",
    "internal_error",
    "gap_noticed",
    "gap_lost",
    "hub_recreated",
    "partition_unknown",
    "rollup_refused",
    "metrics_source_failed",
    "metrics_not_taken",
    "metric_bin_shrank",
    "metric_value_odd",
    "metric_bin_too_old",
]

EVENTS: Final[Mapping[EventName, tuple[str, ...]]] = {
    "batch_ingested": (
        *("partition_id", "received", "stored", "repeated", "completed", "dead_letters"),
    ),
    "usage_counted": ("usage",),
    "events_refused": ("refused", "reasons"),
    "gaps_watched": ("partitions", "records_stored"),
    "gap_step_failed": ("text",),
    "metrics_collected": ("windows", "records_stored", "records_grown", "caught_up"),
    "metrics_not_collected": ("text",),
    "collecting_overtaken": ("target", "profile"),
    "health": (
        *("partitions", "lag", "last_event_age_seconds"),
        *("open_gaps", "open_gap_events", "oldest_open_gap_seconds"),
        *("lost_gaps", "lost_gap_events", "dead_letters_open", "dead_letters"),
    ),
    "partition_health": (
        *("hub", "partition_id", "lag", "open_gaps", "lost_gaps"),
        *("checked_age_seconds", "last_event_age_seconds"),
    ),
    "watermark_health": ("target", "profile", "age_seconds", "stale"),
    "streaming_health": (
        *("since", "awaiting", "awaiting_requests", "uncovered", "uncovered_requests"),
        *("without_requests", "by_both"),
    ),
    "health_failed": ("error", "text"),
}
"""The fields that an event's line may have."""

ALARMS: Final[Mapping[AlarmName, tuple[str, ...]]] = {
    "function_failed": ("function", "error", "text"),
    "internal_error": ("partition_id", "sequence_number", "text"),
    "gap_noticed": ("partition_id", "gaps", "first", "last", "events"),
    "gap_lost": ("partition_id", "gaps", "first", "last", "events"),
    "hub_recreated": ("partition_id", "generation"),
    "partition_unknown": ("hub", "events", "text"),
    "rollup_refused": ("id", "operation", "status", "text"),
    "metrics_source_failed": ("target", "profile", "text"),
    "metrics_not_taken": ("target", "profile", "rows"),
    "metric_bin_shrank": ("target", "profile", "bins"),
    "metric_value_odd": ("target", "profile", "bins"),
    "metric_bin_too_old": ("target", "profile", "bins"),
}
"""The fields that an alarm's line may have."""

counters: Final[Counter[str]] = Counter()
said: Final[set[str]] = set()
"""Events that this process logs once only."""
_logger: Final = logging.getLogger("usage_ingest")


def count(name: CounterName, amount: int = 1) -> None:
    """Add to a counter of this process."""
    counters[name] += amount


def event(name: EventName, **fields: object) -> None:
    """Log one line: the event's name and its fields as JSON."""
    _logger.info("%s %s", name, _text(fields))


def event_once(name: EventName, **fields: object) -> None:
    """Log one line, the first time in this process."""
    if name not in said:
        said.add(name)
        event(name, **fields)


def alarm(name: AlarmName, **fields: object) -> None:
    """Log an error line that an alert rule looks for: `alarm <name> {...}`."""
    _logger.error("alarm %s %s", name, _text(fields))


@contextmanager
def failures_told(function: str) -> Iterator[None]:
    """Alarm what leaves a function as an exception; the host retries or reports it as ever.

    Of an error that is not ours only the type is told.
    """
    try:
        yield
    except Exception as error:
        failed(function, error)
        raise


def failed(function: str, error: Exception) -> None:
    """Alarm that a function could not do its work."""
    alarm("function_failed", function=function, error=type(error).__name__, text=text_of(error))


def text_of(error: Exception) -> str | None:
    """Return the text of an error of ours; that of another may be of any content."""
    return str(error) if isinstance(error, UsageIngestError) else None


def _text(fields: dict[str, object]) -> str:
    try:
        return orjson.dumps(fields, default=str).decode()
    except TypeError:  # lone surrogates, numbers of more than 64 bits: a line stops no batch
        return json.dumps(fields, default=str)
