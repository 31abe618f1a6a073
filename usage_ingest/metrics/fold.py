"""Rows of whole bins -> records: one for each bin, sender and set of dimensions. Pure.

Rows are summed, never counted: whether a row is a request is not known.
"""

import functools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from usage_ingest.errors import ConfigError, TransientError
from usage_ingest.events.fields import text
from usage_ingest.identity import Identity
from usage_ingest.metric_profile import Definition, covering_profile, definition_of
from usage_ingest.record import Flag, Source, TokenUsage, UsageRecord, UsageState
from usage_ingest.record_id import MetricBin, metric_record_id

SHAPE: Final = "metric"
_ADDED: Final = "_MS."  # how keys start that Azure Monitor adds
_GATEWAY_HOSTS: Final = (".azure-api.net", ".azure-api.us", ".azure-api.cn")
_NEARLY: Final = 1e-6
_IMPLAUSIBLE: Final = 1e12
"""Tokens that no bin of one set of dimensions has: a sum above is a producer's fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricRow:
    """One sum as the service answered it; `properties` is JSON text, `total` may be NaN."""

    bin_start: datetime
    metric: str
    total: float
    role_name: str
    component: str
    properties: str
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Kind:
    """What all rows of a reading have in common."""

    profile: str
    definition: Definition
    bin_seconds: int
    identity: Identity

    def takes(self, day: str, fields: Mapping[str, Any]) -> bool:
        """Whether rows of a day with these fields count by this profile, and by no other."""
        covering = covering_profile(self.identity, day, fields)
        return covering == (self.profile if self.definition.covers == "all" else None)


@dataclass(frozen=True, slots=True)
class _Key:
    """What tells records apart: the parts of their identity."""

    bin_start: datetime
    component: str
    role_name: str
    bag: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class _Sums:
    as_of: datetime
    totals: dict[str, float] = field(default_factory=dict)


def bag_of(row: MetricRow) -> Mapping[str, str]:
    """Return a row's properties as texts, without those that Azure Monitor adds.

    Raises:
        TransientError: They are no JSON object.
    """
    return _bag(row.properties)


@functools.lru_cache(maxsize=4_096)
def _bag(properties: str) -> Mapping[str, str]:
    try:
        bag = json.loads(properties)  # takes lone surrogates, which callers' names may hold
    except ValueError as error:
        raise TransientError("Log Analytics answered properties that are no JSON") from error
    if not isinstance(bag, Mapping):
        raise TransientError("Log Analytics answered properties that are no JSON object")
    return {
        key: value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
        for key, value in bag.items()
        if not key.startswith(_ADDED) and value is not None
    }


def check_one_profile(rows: Iterable[MetricRow], kind: Kind) -> None:
    """Refuse rows that another profile would count too, collected today or not.

    Raises:
        ConfigError: Naming both profiles, and the keys that do not tell them apart.
    """
    others = sorted(set(kind.identity.metric_profiles()) - {kind.profile})
    for row in rows if others else ():
        bag, day = bag_of(row), row.bin_start.date().isoformat()
        for other in others:
            definition = definition_of(other, kind.identity, day)
            if definition is not None and definition.matches(row.metric, bag):
                raise ConfigError(
                    f"metric rows with the keys {', '.join(sorted(bag))} match the profiles "
                    f"{kind.profile} and {other}: tell them apart by must_have and must_not_have"
                )


def records(rows: Iterable[MetricRow], kind: Kind, now: datetime) -> list[UsageRecord]:
    """Return the records of rows that are all of one kind.

    Rows that this profile does not count are left out: those count by events, or by another.
    """
    sums: dict[_Key, _Sums] = {}
    for row in rows:
        known = bag_of(row).items()
        bag = tuple(sorted(each for each in known if each[0] not in kind.definition.ignored))
        key = _Key(row.bin_start, row.component.lower(), row.role_name, bag)
        found = sums.setdefault(key, _Sums(row.as_of))
        name = kind.definition.metrics[row.metric]
        found.totals[name] = found.totals.get(name, 0.0) + row.total
    read = (_record(key, each, kind, now) for key, each in sums.items())
    return [each for each in read if each is not None]


def _record(key: _Key, sums: _Sums, kind: Kind, now: datetime) -> UsageRecord | None:
    bag = dict(key.bag)
    fields = _fields(bag, kind.definition)
    if not kind.takes(key.bin_start.date().isoformat(), fields):
        return None
    gateway, region = gateway_of(key.role_name)
    counts = {name: _whole(total) for name, total in sums.totals.items()}
    usage = TokenUsage(**counts)
    # Sums stay as they are: what does not fit yet may only be half arrived.
    flags = [] if usage.settled()[1] else [Flag.INCONSISTENT_USAGE]
    if None in counts.values():
        flags.append(Flag.ODD_VALUE)
    return UsageRecord(
        record_id=metric_record_id(
            key.component, key.bin_start, kind.bin_seconds, key.role_name, bag
        ),
        shape=SHAPE,
        source=Source.METRICS,
        event_time=key.bin_start,
        ingested_at=now,
        usage=usage,
        usage_state=UsageState.REPORTED,
        usage_estimated=True,
        flags=tuple(flags),
        metric=MetricBin(
            component=key.component,
            profile=kind.profile,
            role_name=text(key.role_name) or "",
            bin_seconds=kind.bin_seconds,
            as_of=sums.as_of,
        ),
        gateway=gateway or text(key.component.rpartition("/")[2]) or "unknown",
        streaming=True if kind.definition.covers == "streaming" else None,
        **{"region": region} | fields,
    )


def _fields(bag: Mapping[str, str], definition: Definition) -> dict[str, Any]:
    """Read the dimensions that the profile names; what stands for nothing is left out."""
    unknown = {each.lower() for each in definition.unknown_values}
    read = {name: text(bag.get(key)) for name, key in definition.fields.items()}
    return {
        name: value
        for name, value in read.items()
        if value is not None and value.lower() not in unknown
    }


def gateway_of(role_name: str) -> tuple[str | None, str | None]:
    """Read the gateway and its region from a role name: `<name>.azure-api.net <region>`."""
    host, _, region = role_name.strip().partition(" ")
    for suffix in _GATEWAY_HOSTS:
        host = host.removesuffix(suffix)
    return text(host), text(region)


def _whole(total: float) -> int | None:
    """Return a sum of tokens, or None where it is no plausible whole number."""
    if not 0 <= total <= _IMPLAUSIBLE or abs(total - round(total)) > _NEARLY:
        return None  # NaN is within no bounds
    return round(total)
