"""Settings that enter identity or placement: dated, so that changing one moves nothing stored.

Each value holds from a day on; days before it keep the value that they had. Pure.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

from usage_ingest.errors import ConfigError
from usage_ingest.record_id import digest

BEGINNING: Final = "0001-01-01"
_SHARDS: Final = re.compile(r"[1-9][0-9]{0,3}")
NOTICE_DAYS: Final = 3
"""A change starts at least this many days ahead: instances re-read the values hourly, and no
event is dated more than 24 h after its enqueued time."""

BIN_SIZE: Final = "bin_size"
HMAC_KEY: Final = "hmac_key"
METRIC_PROFILE: Final = "metric_profile/"
SHARDS: Final = "shards/"
_BIN: Final = re.compile(r"([1-9][0-9]{0,3})([mhd])")
_UNIT_SECONDS: Final = {"m": 60, "h": 3_600, "d": 86_400}
_DAY_SECONDS: Final = 86_400


@dataclass(frozen=True, slots=True)
class DatedValue:
    """A value and the first UTC day (YYYY-MM-DD) that it holds for."""

    from_day: str
    value: str


@dataclass(frozen=True, slots=True)
class Identity:
    """The dated values, by name.

    Names are `hmac_key`, `bin_size`, `shards/<subscription>` and `metric_profile/<profile>`,
    whose values are definitions as JSON text.
    """

    values: Mapping[str, Sequence[DatedValue]] = field(default_factory=dict)
    _profiles: Sequence[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        profiles = (name for name in sorted(self.values) if name.startswith(METRIC_PROFILE))
        names = [name.removeprefix(METRIC_PROFILE) for name in profiles]
        object.__setattr__(self, "_profiles", names)  # asked for with each event

    def value(self, name: str, day: str) -> str | None:
        """Return the value that holds on a day, or None where there is none."""
        values = self.values.get(name)
        if not values:
            return None
        held = [each for each in values if each.from_day <= day]
        return max(held, key=lambda each: each.from_day).value if held else None

    def shards(self, subscription: str, day: str) -> int:
        """Return how many logical partitions a subscription's day is spread over.

        Raises:
            ConfigError: What is stored is no whole number above zero.
        """
        name = SHARDS + subscription
        value = self.value(name, day)
        if not value:
            return 1
        if not _SHARDS.fullmatch(value):
            raise ConfigError(f"identity {name!r}: {value!r} on {day} is no number of shards")
        return int(value)

    def bin_seconds(self, day: str) -> int:
        """Return how long the time bins are that a day's metrics are summed in.

        Raises:
            ConfigError: What is stored is no length that divides a day.
        """
        value = self.value(BIN_SIZE, day) or "1h"
        found = _BIN.fullmatch(value)
        seconds = int(found[1]) * _UNIT_SECONDS[found[2]] if found else 0
        if not seconds or _DAY_SECONDS % seconds:
            raise ConfigError(
                f"identity {BIN_SIZE!r}: {value!r} on {day} does not divide a day; takes "
                "minutes, hours or a day, as 15m, 1h or 1d"
            )
        return seconds

    def metric_profiles(self) -> Sequence[str]:
        """Return the names of the metric profiles that have a definition on some day."""
        return self._profiles

    def hmac_key_id(self, day: str) -> str | None:
        """Return the id of the key that hashes what a day's events hold."""
        return self.value(HMAC_KEY, day)


def changed(
    values: Sequence[DatedValue], value: str, from_day: date, today: date
) -> tuple[DatedValue, ...]:
    """Append a value that holds from a day on.

    Raises:
        ConfigError: The day is nearer than three days, or not after every day already set.
    """
    earliest = today + timedelta(days=NOTICE_DAYS)
    if from_day < earliest:
        raise ConfigError(
            f"{from_day} is too near: events of it may be stored already; "
            f"choose {earliest} or later"
        )
    if any(each.from_day >= from_day.isoformat() for each in values):
        raise ConfigError(f"a value from {from_day} or later is set already")
    return (*values, DatedValue(from_day.isoformat(), value))


def cosmos_partition_key(
    subscription: str | None, day: str, record_id: str, identity: Identity
) -> str:
    """Return `<subscription>|<day>|<shard>`: a record and the rollup that counts it share it."""
    name = subscription or "-"
    count = identity.shards(name, day)
    shard = 0 if count == 1 else int(digest("shard", record_id), 16) % count
    return f"{name}|{day}|{shard}"
