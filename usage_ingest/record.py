"""The noun of the whole app: one call through a gateway, and the usage it reported.

Pure: no I/O, no clock, no settings. Counts are integers; None is "not reported" and 0 is
"reported as zero". Names follow OpenTelemetry's GenAI conventions (docs/adr/0002).
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import field, fields, replace
from datetime import datetime
from enum import StrEnum
from operator import attrgetter
from typing import Final

from usage_ingest.record_id import Coordinates, MetricBin, hashed, spelled
from usage_ingest.value import value

IMPLAUSIBLE_COUNT: Final = 100_000_000
"""A count above this in one call is a producer's fault, not usage."""


class UsageState(StrEnum):
    """Where a record's tokens are."""

    REPORTED = "reported"
    AWAITING_METRICS = "awaiting_metrics"
    NONE = "none"


class Source(StrEnum):
    """The channel that a record came by."""

    EVENT_HUB = "event_hub"
    METRICS = "metrics"


class Flag(StrEnum):
    """What a reader of the record should know about how it was read."""

    INCONSISTENT_USAGE = "inconsistent_usage"  # parts above wholes, or a total below its parts
    TIME_FROM_ENQUEUED = "time_from_enqueued"  # the event carried no time of its own
    TIME_FROM_BODY = "time_from_body"  # the time is the response's creation
    REDELIVERY_ONLY = "redelivery_only"  # no id in the event: only redelivery is recognised
    READ_BACK = "read_back"  # a GET of what an earlier call was billed for
    USAGE_APART = "usage_apart"  # the call also used a second model, which is not in these counts
    COVERED_BY_METRICS = "covered_by_metrics"  # the tokens were told, but count by the metrics
    ODD_VALUE = "odd_value"  # a value that is not a count could not be read and was left out


@value()
class TokenUsage:
    """Tokens and other units of one call; wholes include their parts.

    `input_tokens` includes cached and cache-writing tokens, `output_tokens` includes reasoning.
    `duration_ms` is audio length in milliseconds, `images` and `searches` are pieces.
    """

    input_tokens: int | None = None
    cached_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None
    cache_write_5m_input_tokens: int | None = None
    cache_write_30m_input_tokens: int | None = None
    cache_write_1h_input_tokens: int | None = None
    cache_write_12h_input_tokens: int | None = None
    audio_input_tokens: int | None = None
    image_input_tokens: int | None = None
    text_input_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_output_tokens: int | None = None
    audio_output_tokens: int | None = None
    image_output_tokens: int | None = None
    text_output_tokens: int | None = None
    accepted_prediction_output_tokens: int | None = None
    rejected_prediction_output_tokens: int | None = None
    total_tokens: int | None = None
    duration_ms: int | None = None
    images: int | None = None
    searches: int | None = None
    _reported: Mapping[str, int] | None = field(default=None, init=False, repr=False, compare=False)

    def reported(self) -> Mapping[str, int]:
        """Return the units that were reported, by name, zeros included; made once."""
        if self._reported is None:
            counts = zip(USAGE_FIELDS, _counts(self), strict=True)
            found = {name: count for name, count in counts if count is not None}
            object.__setattr__(self, "_reported", found)
            return found
        return self._reported

    @classmethod
    def of(cls, reported: Mapping[str, int]) -> "TokenUsage":
        """Return the usage of these units, which are in the order of the fields."""
        made = cls(**reported)
        made._reported = reported  # type: ignore[misc]
        return made

    def payload_hash(self) -> str:
        """Return a hash that two usages share exactly when they are equal."""
        return payload_hash(self.reported())

    def settled(self) -> tuple["TokenUsage", bool]:
        """Return the usage with wholes kept and impossible parts set to None.

        Returns:
            The usage, and whether everything in it was consistent.
        """
        reported, unknown = self.reported(), set[str]()
        for whole, parts, wrong in _groups(tuple(reported)):
            if sum([reported[name] for name in parts]) > reported[whole]:
                unknown.update(wrong)
        if not unknown:
            return self, True
        return replace(self, **dict.fromkeys(unknown)), False


def payload_hash(reported: Mapping[str, int]) -> str:
    """Return a hash of reported units, in the order of TokenUsage."""
    written = _KIND
    for name, count in reported.items():
        part = f"{name}={count}"
        written += f"{len(part)}:{part};"  # as `spelled` does, without a call
    return hashed(written)


_KIND: Final = spelled("usage")
USAGE_FIELDS: Final = tuple(each.name for each in fields(TokenUsage) if each.init)
TOKEN_FIELDS: Final = tuple(name for name in USAGE_FIELDS if name.endswith("_tokens"))
_counts: Final = attrgetter(*USAGE_FIELDS)
NO_USAGE: Final = TokenUsage()
NO_USAGE_HASH: Final = NO_USAGE.payload_hash()

_WRITE: Final = "cache_write_input_tokens"
_WRITE_LIFETIMES: Final = (
    "cache_write_5m_input_tokens",
    "cache_write_30m_input_tokens",
    "cache_write_1h_input_tokens",
    "cache_write_12h_input_tokens",
)
_PARTS: Final = (
    ("input_tokens", ("cached_input_tokens", _WRITE, *_WRITE_LIFETIMES)),
    ("input_tokens", ("audio_input_tokens", "image_input_tokens", "text_input_tokens")),
    (_WRITE, _WRITE_LIFETIMES),
    ("output_tokens", ("reasoning_output_tokens",)),
    ("output_tokens", ("audio_output_tokens", "image_output_tokens", "text_output_tokens")),
    (
        "output_tokens",
        ("accepted_prediction_output_tokens", "rejected_prediction_output_tokens"),
    ),
    ("total_tokens", ("input_tokens", "output_tokens")),
)
"""Each whole with a group of parts that do not overlap: their sum cannot be above it."""


@functools.lru_cache(maxsize=256)  # most usages report the same few units
def _groups(reported: Sequence[str]) -> list[tuple[str, list[str], Sequence[str]]]:
    """Return the groups that can be judged: a whole, its parts, and what is wrong above it."""
    found: list[tuple[str, list[str], Sequence[str]]] = []
    for whole, names in _PARTS:
        parts = [name for name in names if name in reported]
        if _WRITE in parts:  # the lifetimes are in it; they may also be reported alone
            parts = [name for name in parts if name not in _WRITE_LIFETIMES]
        if parts and whole in reported:
            found.append((whole, parts, (whole,) if whole == "total_tokens" else names))
    return found


@value(kw_only=True)
class UsageRecord:
    """One call: who, what, when, how it ended and what it used. Times are aware UTC."""

    record_id: str
    shape: str
    source: Source
    event_time: datetime
    ingested_at: datetime
    usage: TokenUsage = NO_USAGE
    usage_state: UsageState = UsageState.NONE
    usage_estimated: bool = False
    flags: tuple[Flag, ...] = ()
    coordinates: Coordinates | None = None
    element: int = 0
    metric: MetricBin | None = None  # of a record by metrics: it sums up calls

    gateway: str
    gateway_id: str | None = None
    region: str | None = None
    gateway_request_id: str | None = None
    subscription_id: str | None = None
    subscription_name: str | None = None
    product_id: str | None = None
    product_name: str | None = None
    api_id: str | None = None
    api_name: str | None = None
    operation_id: str | None = None
    operation_name: str | None = None
    user_id: str | None = None
    app_id: str | None = None
    app_hint: str | None = None
    tenant_id: str | None = None
    end_user_id: str | None = None
    session_id: str | None = None
    client_ip: str | None = None
    tags: dict[str, str] = field(default_factory=dict)

    provider: str | None = None
    api_kind: str | None = None
    object: str | None = None
    request_model: str | None = None
    response_model: str | None = None
    response_id: str | None = None
    deployment: str | None = None
    served_deployment: str | None = None
    spillover_from: str | None = None
    backend: str | None = None
    route: str | None = None
    service_tier: str | None = None
    streaming: bool | None = None
    background: bool | None = None
    method: str | None = None
    status: int | None = None
    latency_ms: int | None = None
    error_source: str | None = None
    error_reason: str | None = None

    @property
    def day(self) -> str:
        """The UTC day that the call counts in, as YYYY-MM-DD."""
        return self.event_time.date().isoformat()

    @property
    def model(self) -> str | None:
        """The model that answered, else the one that was asked for."""
        return self.response_model or self.request_model


class Repeat(StrEnum):
    """What a second sighting of a record id means."""

    REPEATED = "repeated"  # a repeated delivery: nothing to do
    COMPLETES = "completes"  # the first had no usage: it is replaced
    CONFLICTS = "conflicts"  # both have usage and differ: the first stands


def repeat(first_hash: str, later_hash: str) -> Repeat:
    """Judge two records of one id by the payload hashes of their usage."""
    if later_hash in (first_hash, NO_USAGE_HASH):
        return Repeat.REPEATED
    return Repeat.COMPLETES if first_hash == NO_USAGE_HASH else Repeat.CONFLICTS
