"""Prices: what a kind of usage costs, from a day on. Pure.

Documents are appended by imports and never edited. A later import of the same key and day
corrects an earlier one; one of a later day follows it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NamedTuple

from usage_ingest.chargeback.kinds import Kind

STANDARD_TIERS: Final = frozenset({None, "default", "standard", "auto", "on_demand"})
"""Service tiers (in lower case) that a price without one is for; others need their own."""
_BAND_STARTS: Final = {"128k": 0, "200k": 128_000, "272k": 200_000, "above_272k": 272_000}
CONTEXT_STARTS: Final = tuple(start for start in _BAND_STARTS.values() if start)
"""Inputs of one call above which a price may begin, as rollups tell them apart."""
_DATED_MODEL: Final = re.compile(r"(?P<model>.+)-(?P<version>\d{4}-\d{2}-\d{2})")


class Use(NamedTuple):
    """What of a rollup a price is looked up by.

    `model` and `version` are of the deployment's document where it names them, else of the call.
    """

    model: str | None
    version: str | None
    sku: str | None
    region: str | None
    deployment: str | None
    service_tier: str | None
    context_band: str | None
    provider: str | None


class PriceKey(NamedTuple):
    """What a price is of; None holds for any value, `service_tier` None for standard ones."""

    model: str
    version: str | None = None
    sku: str | None = None
    region: str | None = None
    deployment: str | None = None
    service_tier: str | None = None
    context_over: int | None = None

    def matches(self, use: Use) -> bool:
        """Whether the price is for this use; a metric's rows have no band and the base price."""
        return (
            self.model == use.model
            and self.version in (None, use.version)
            and self._sku(use)
            and region_name(self.region) in (None, use.region)
            and self.deployment in (None, use.deployment)
            and self._tier(use)
            and (self.context_over or 0) <= band_start(use.context_band)
        )

    def _sku(self, use: Use) -> bool:
        """Tokens of provisioned throughput are paid by time: only a price of that SKU is theirs."""
        return self.sku == use.sku or (self.sku is None and not is_provisioned(use.sku))

    def _tier(self, use: Use) -> bool:
        tier = use.service_tier and use.service_tier.lower()
        return tier in STANDARD_TIERS if self.service_tier is None else tier == self.service_tier

    def rank(self) -> tuple[bool, int, bool, bool, bool, bool]:
        """Order prices that match: the highest is the most specific."""
        return (
            self.deployment is not None,
            self.context_over or 0,
            self.service_tier is not None,
            self.region is not None,
            self.sku is not None,
            self.version is not None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Unit prices of one key from a day on; see kinds.Unit for what each is for.

    `through_day` is the last day, None where it is open. `list_unit_prices` is what the vendor's
    list says where that differs. `revision` is the number of the import; `withdrawn` takes the
    price of the same key and day back. `list_estimate` is what genai-prices says, and
    `other_vendor` that the rate is not of the provider that answered.
    """

    id: str
    key: PriceKey
    from_day: str
    through_day: str | None = None
    currency: str
    unit_prices: Mapping[Kind, Decimal]
    list_unit_prices: Mapping[Kind, Decimal] | None = None
    source: str
    revision: int = 0
    withdrawn: bool = False
    list_estimate: bool = False
    other_vendor: bool = False


def band_start(context_band: str | None) -> int:
    """Return what the input of every call of a band is above; of an unknown one 0."""
    return _BAND_STARTS.get(context_band or "", 0)


def is_provisioned(sku: str | None) -> bool:
    """Whether a SKU is paid by time: GlobalProvisionedManaged and its kin."""
    return sku is not None and "provisioned" in sku.lower()


def region_name(region: str | None) -> str | None:
    """Write a region as Azure's prices do: `Sweden Central` is `swedencentral`."""
    return region.replace(" ", "").lower() if region else None


def model_and_version(model: str | None) -> tuple[str | None, str | None]:
    """Part a model's name from the date that it ends with: gpt-4o-2024-11-20."""
    found = _DATED_MODEL.fullmatch(model) if model else None
    return (found["model"], found["version"]) if found else (model, None)
