"""Structured logs and named counters.

Azure Functions sends on only the text of a log line (`extra` is lost), so the fields stand in
the text as JSON. Counters also add up in this process, for the local panel and the tests; they
count deliveries, so after a redelivery they are above the stored totals: approximate, by name.
"""

import logging
from collections import Counter
from typing import Final, Literal

import orjson

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

AlarmName = Literal[
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

counters: Final[Counter[str]] = Counter()
said: Final[set[str]] = set()
"""Events that this process logs once only."""
_logger: Final = logging.getLogger("usage_ingest")


def count(name: CounterName, amount: int = 1) -> None:
    """Add to a counter of this process."""
    counters[name] += amount


def event(name: str, **fields: object) -> None:
    """Log one line: the event's name and its fields as JSON."""
    _logger.info("%s %s", name, _text(fields))


def event_once(name: str, **fields: object) -> None:
    """Log one line, the first time in this process."""
    if name not in said:
        said.add(name)
        event(name, **fields)


def alarm(name: AlarmName, **fields: object) -> None:
    """Log an error line that an alert rule looks for: `alarm <name> {...}`."""
    _logger.error("alarm %s %s", name, _text(fields))


def _text(fields: dict[str, object]) -> str:
    return orjson.dumps(fields, default=str).decode()
