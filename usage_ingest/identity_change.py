"""Which identity values may be written, and what is wrong with those that are. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

import orjson

from usage_ingest.errors import ConfigError, InvalidQueryError
from usage_ingest.identity import (
    BEGINNING,
    BIN_SIZE,
    HMAC_KEY,
    METRIC_PROFILE,
    SHARDS,
    DatedValue,
    Identity,
    changed,
)
from usage_ingest.metric_profile import OFF, parsed
from usage_ingest.metrics.shipped import SHIPPED

NAMES: Final = "shards/<subscription>, bin_size, hmac_key and metric_profile/<profile>"


@dataclass(frozen=True, slots=True)
class DatedValues:
    """All values of one name; without an ETag nothing is stored yet."""

    name: str
    values: Sequence[DatedValue] = ()
    etag: str | None = None


def with_value(
    dated: DatedValues, value: str, from_day: date, today: date, hmac_key_ids: Collection[str]
) -> DatedValues:
    """Return the values with one more, checked.

    Raises:
        ConfigError: It is no value of this name, or its day is too near or not the last.
        InvalidQueryError: There is no such name.
    """
    if wrong := wrong_value(dated.name, value, hmac_key_ids):
        raise ConfigError(wrong)
    return replace(dated, values=changed(dated.values, value, from_day, today))


def wrong_value(name: str, value: str, hmac_key_ids: Collection[str]) -> str | None:
    """Return what is wrong with a value, or None.

    Raises:
        InvalidQueryError: There is no such name.
    """
    kind, _, rest = name.partition("/")
    identity = Identity({name: (DatedValue(BEGINNING, value),)})
    try:
        match f"{kind}/" if rest else kind:
            case _ if name == BIN_SIZE:
                identity.bin_seconds(BEGINNING)
            case _ if name == HMAC_KEY:
                return _wrong_key(value, hmac_key_ids)
            case found if found == SHARDS:
                identity.shards(rest, BEGINNING)
            case found if found == METRIC_PROFILE:
                if value != OFF:
                    parsed(rest, value)
            case _:
                raise InvalidQueryError("NAME", f"{name!r} is none of {NAMES}")
    except ConfigError as error:
        return str(error).replace(f" on {BEGINNING}", "")
    return None


def _wrong_key(value: str, hmac_key_ids: Collection[str]) -> str | None:
    if value in hmac_key_ids:
        return None
    known = ", ".join(hmac_key_ids) or "none"
    return (
        f"identity {HMAC_KEY!r}: PRIVACY_HMAC_KEYS has no key of this id (it has: {known}); add "
        "it there first, in the app too, and keep the old one"
    )


def completed(profile: str, covered: Mapping[str, Sequence[str]]) -> str:
    """Return the definition of a profile that ships, with what it covers.

    Raises:
        InvalidQueryError: None of this name ships, or it covers streaming only.
    """
    shipped = SHIPPED.get(profile)
    if shipped is None:
        raise InvalidQueryError("--covered", f"{profile!r} is none of {', '.join(SHIPPED)}")
    if shipped.get("covers") != "all":
        raise InvalidQueryError("--covered", f"{profile} covers streaming only: it lists nothing")
    return orjson.dumps({**shipped, "covered": covered}).decode()


def wrong_values(identity: Identity, hmac_key_ids: Collection[str]) -> list[str]:
    """Return what is wrong with all that is stored."""
    found = []
    for name, values in sorted(identity.values.items()):
        for each in values:
            try:
                wrong = wrong_value(name, each.value, hmac_key_ids)
            except InvalidQueryError as error:
                wrong = error.text
            if wrong:
                found.append(f"{wrong} (from {each.from_day} on)")
    return found
