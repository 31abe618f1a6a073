"""Which rows of the metrics are usage, and what their dimensions mean. Pure.

The log tables do not say which namespace a metric was emitted under, so a source is a profile:
told by its metric names and by dimension keys that are there and not there. Definitions are
dated identity values, `metric_profile/<name>`: days before a change keep what they had.
"""

import functools
import re
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from usage_ingest.errors import ConfigError
from usage_ingest.identity import METRIC_PROFILE, Identity

OFF: Final = "off"
"""The value of a profile that ends: from its day on there is no definition."""
UNKNOWN: Final = "-"
"""Stands in a list of covered products or subscriptions for calls that have none."""

_KEY: Final = re.compile(r'[^"\\\x00-\x1f\x7f-\x9f]{1,256}')

TokenField = Literal[
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "cached_input_tokens",
    "cache_write_input_tokens",
    "reasoning_output_tokens",
    "audio_input_tokens",
    "audio_output_tokens",
    "image_input_tokens",
    "image_output_tokens",
]
DimensionField = Literal[
    "subscription_id",
    "product_id",
    "product_name",
    "app_id",
    "tenant_id",
    "deployment",
    "request_model",
    "backend",
    "route",
    "region",
    "gateway_id",
    "api_id",
    "operation_id",
    "provider",
    "api_kind",
]
CoveredField = Literal["product_id", "subscription_id"]
_COVERED_BY: Final[Mapping[CoveredField, tuple[str, ...]]] = {
    "product_id": ("product_id", "product_name"),
    "subscription_id": ("subscription_id",),
}
"""A product may be listed by its id or by its name, whichever the metric tells."""


def _plain(name: str) -> str:
    if not _KEY.fullmatch(name):
        raise ValueError("takes 1 to 256 characters without quotes, backslashes and controls")
    return name


Name = Annotated[str, AfterValidator(_plain)]


class Definition(BaseModel):
    """What a profile is from some day on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    metrics: dict[Name, TokenField] = Field(min_length=1)
    must_have: tuple[Name, ...] = Field(min_length=1)
    must_not_have: tuple[Name, ...] = ()
    fields: dict[DimensionField, Name]
    unknown_values: tuple[str, ...] = ()
    ignored: tuple[Name, ...] = ()  # dimensions that tell no records apart: a caller's address
    covers: Literal["streaming", "all"] = "streaming"
    covered: dict[CoveredField, tuple[str, ...]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _whole(self) -> "Definition":
        if len(set(self.metrics.values())) != len(self.metrics):
            raise ValueError("metrics: two names stand for the same tokens")
        if set(self.must_have) & set(self.must_not_have):
            raise ValueError("must_not_have: a key is in must_have too")
        if used := set(self.ignored) & {*self.must_have, *self.fields.values()}:
            raise ValueError(f"ignored: {', '.join(sorted(used))} is used as well")
        if self.covers == "streaming" and self.covered:
            raise ValueError("covered: only a profile that covers all lists what it covers")
        if self.covers == "all" and not any(self.covered.values()):
            raise ValueError(
                "covered: a profile that covers all lists the products or subscriptions whose "
                "tokens count by it and no longer by events"
            )
        return self

    def matches(self, metric: str, bag: Mapping[str, Any]) -> bool:
        """Whether a row with these properties is of this profile."""
        return (
            metric in self.metrics
            and all(bag.get(key) is not None for key in self.must_have)
            and all(bag.get(key) is None for key in self.must_not_have)
        )

    def covers_call(self, fields: Mapping[str, Any]) -> bool:
        """Whether the tokens of a call with these fields count by this profile alone."""
        return any(
            value in listed
            for field, listed in self.covered.items()
            for value in _told(fields, _COVERED_BY[field])
        )


def _told(fields: Mapping[str, Any], names: tuple[str, ...]) -> set[str]:
    return {str(fields[name]) for name in names if fields.get(name)} or {UNKNOWN}


def definition_of(profile: str, identity: Identity, day: str) -> Definition | None:
    """Return the definition of a profile that holds on a day; None before the first, or if off.

    Raises:
        ConfigError: What is stored is no definition.
    """
    text = identity.value(METRIC_PROFILE + profile, day)
    return None if text in (None, OFF) else parsed(profile, text)


@functools.lru_cache(maxsize=64)  # asked for each event
def parsed(profile: str, text: str) -> Definition:
    """Read a definition; every problem is named at once.

    Raises:
        ConfigError: It is not one.
    """
    try:
        return Definition.model_validate_json(text)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, each['loc']))}: {each['msg']}".removeprefix(": ")
            for each in error.errors()
        )
        raise ConfigError(f"metric profile {profile!r}: {problems}") from error


def covering_profile(identity: Identity, day: str, fields: Mapping[str, Any]) -> str | None:
    """Return the profile whose metrics alone count the tokens of a day's call, if there is one.

    Where two cover it, the first by name counts it.

    Raises:
        ConfigError: A stored definition is none.
    """
    for profile in identity.metric_profiles():
        definition = definition_of(profile, identity, day)
        if definition is not None and definition.covers_call(fields):
            return profile
    return None


def covering_since(profile: str, identity: Identity, today: date) -> datetime | None:
    """Return when a profile began to count instead of events; None where it does not yet."""
    days = [
        dated.from_day
        for dated in identity.values.get(METRIC_PROFILE + profile, ())
        if dated.from_day <= today.isoformat()
        and dated.value != OFF
        and parsed(profile, dated.value).covers == "all"
    ]
    return datetime.fromisoformat(min(days)).replace(tzinfo=UTC) if days else None


def wrong_definitions(identity: Identity, collected: AbstractSet[str], today: str) -> list[str]:
    """Return what is wrong with definitions: of any day that cannot be read, else today's."""
    if unreadable := list(_unreadable(identity)):
        return unreadable
    definitions = {
        profile: definition_of(profile, identity, today) for profile in identity.metric_profiles()
    }
    return [
        f"identity {METRIC_PROFILE}{profile} covers calls whose tokens count by metrics alone, "
        f"and nobody collects it: add {profile} to METRICS_PROFILES and its workspace to "
        "METRICS_TARGETS"
        for profile, definition in definitions.items()
        if definition is not None and definition.covers == "all" and profile not in collected
    ]


def _unreadable(identity: Identity) -> Iterator[str]:
    for profile in identity.metric_profiles():
        for dated in identity.values[METRIC_PROFILE + profile]:
            if dated.value == OFF:
                continue
            try:
                parsed(profile, dated.value)
            except ConfigError as error:
                yield f"{error} (from {dated.from_day} on)"
