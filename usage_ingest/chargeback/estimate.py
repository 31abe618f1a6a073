"""List estimates: what genai-prices says of a model that has no price here. Pure, works offline.

It prices single calls, and a rollup is many: so its unit prices are taken, by kind and context
band, for the day, and its calculation is never asked. They are labelled, because

- they are vendors' public lists in US dollars, for global deployments: no contract, no region;
- Azure's own list has few models: for the others it answers with the list of the vendor who made
  the model, which `other_vendor` tells. `openai` and its like mean Azure's where the call names a
  deployment; a call that names no provider is taken for Azure's;
- a service tier, or a batch SKU, is estimated only where the provider's own list tells it;
- a price that begins at an input that is not the start of a context band holds from the next band
  on; 199,999 is taken for 200,000. Prices by the hour of the day are those of 12:00 UTC;
- cached audio and images are priced as cached, pages and characters not at all, and a model that
  is also paid by the request has no estimate.

The package is imported at the first use that needs it.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal, DecimalException
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from usage_ingest.chargeback.kinds import Kind
from usage_ingest.chargeback.line import EXACT
from usage_ingest.chargeback.price import (
    STANDARD_TIERS,
    Price,
    PriceKey,
    Use,
    band_start,
    is_provisioned,
)
from usage_ingest.chargeback.reference import Estimate

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, ModelPrice, PriceVariant, Provider, TieredPrices

LIST: Final = "genai-prices"
CURRENCY: Final = "USD"

_AZURE: Final = "azure"
_AZURE_NAMES: Final = ("azure", "foundry", "microsoft", "az.ai")
_MADE_ELSEWHERE: Final = frozenset({"openai", "anthropic", "deepseek", "xai", "x-ai", "moonshotai"})
"""Vendors whose models Azure deploys."""
_OTHER_NAMES: Final = {"x_ai": "x-ai"}
_NOON: Final = time(12, tzinfo=UTC)
_EACH: Final = {
    "input_mtok": Kind.INPUT,
    "cache_read_mtok": Kind.CACHED_INPUT,
    "cache_write_mtok": Kind.CACHE_WRITE,
    "cache_write_5m_mtok": Kind.CACHE_WRITE_5M,
    "cache_write_1h_mtok": Kind.CACHE_WRITE_1H,
    "input_audio_mtok": Kind.AUDIO_INPUT,
    "input_image_mtok": Kind.IMAGE_INPUT,
    "output_mtok": Kind.OUTPUT,
    "output_reasoning_mtok": Kind.REASONING_OUTPUT,
    "output_audio_mtok": Kind.AUDIO_OUTPUT,
    "output_image_mtok": Kind.IMAGE_OUTPUT,
}
_SEARCHES: Final = ("web_searches_kcount", Decimal(1_000))
_HOURS: Final = (("audio_hours", "input_audio_hours"), Decimal(3_600))
_BATCH: Final = "batch"
_BY_REQUEST: Final = "requests_kcount"


class ListEstimates:
    """The list of the installed package, looked up by use and day."""

    def __call__(self, use: Use, day: date) -> Price | None:
        """Return the list's unit prices, or None where it does not know the model."""
        if use.model is None or is_provisioned(use.sku):
            return None
        found = self._model(use.model, use)
        if found is None:
            return None
        provider, model = found
        own = any(model is each for each in provider.models)
        listed = _listed(model, _asked(use), datetime.combine(day, _NOON), own=own)
        unit_prices = dict(_unit_prices(listed, use)) if listed else {}
        if not unit_prices:
            return None
        return Price(
            id=f"{LIST}/{self._maker(model).id}/{model.id}",
            key=PriceKey(use.model, use.version),
            from_day=day.isoformat(),
            currency=CURRENCY,
            unit_prices=unit_prices,
            source=self._source,
            list_estimate=True,
            other_vendor=not own,
        )

    def changes(self, use: Use) -> Collection[date]:
        """Return the days from which the list says something else of a use's model."""
        found = self._model(use.model, use) if use.model else None
        return set(_starts(found[1])) if found else ()

    @cached_property
    def _source(self) -> str:
        return f"{LIST}@{version(LIST)}"

    @cached_property
    def _snapshot(self) -> "DataSnapshot":
        from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 - 0.2 s, where needed

        return get_snapshot()

    def _model(self, name: str, use: Use) -> "tuple[Provider, ModelInfo] | None":
        """Find a model by its name and version, else by its name alone."""
        names = [f"{name}-{use.version}", name] if use.version else [name]
        for each in names:
            try:
                return self._snapshot.find_provider_model(each, None, _provider(use), None)
            except LookupError:
                continue
        return None

    def _maker(self, model: "ModelInfo") -> "Provider":
        """Return whose list the model stands in."""
        return next(
            provider
            for provider in self._snapshot.providers
            if any(each is model for each in provider.models)
        )


def estimator(enabled: bool) -> Estimate | None:
    """Return what fills in for models without a price, or None where that is not wanted."""
    return ListEstimates() if enabled else None


def _provider(use: Use) -> str:
    name = (use.provider or _AZURE).lower()
    if any(each in name for each in _AZURE_NAMES) or (use.deployment and name in _MADE_ELSEWHERE):
        return _AZURE
    return _OTHER_NAMES.get(name, name)


def _asked(use: Use) -> dict[str, str]:
    """Return what of the use asks for other prices than standard ones."""
    tier = use.service_tier and use.service_tier.lower()
    if tier == _BATCH or _BATCH in (use.sku or "").lower():
        return {"processing": _BATCH}
    return {"service_tier": tier} if tier and tier not in STANDARD_TIERS else {}


def _listed(
    model: "ModelInfo", asked: Mapping[str, str], moment: datetime, *, own: bool
) -> "ModelPrice | None":
    if asked and not (
        own and any(_holds(each, asked, moment) for each in model.price_variants or ())
    ):
        return None
    return model.get_prices(moment, dict(asked) or None)


def _holds(variant: "PriceVariant", asked: Mapping[str, str], moment: datetime) -> bool:
    begun = variant.constraint is None or variant.constraint.active(moment)
    return begun and variant.when == asked


def _unit_prices(listed: "ModelPrice", use: Use) -> Iterator[tuple[Kind, Decimal]]:
    told = {name: price for name, price in vars(listed).items() if price is not None}
    if _BY_REQUEST in told:
        return
    start = band_start(use.context_band)
    for name, kind in _EACH.items():
        if name in told:
            yield kind, _in_band(told[name], start)
    name, pieces = _SEARCHES
    if name in told:
        yield Kind.SEARCHES, EXACT.divide(_in_band(told[name], start), pieces)
    names, seconds = _HOURS
    for name in names:
        if name in told and (price := _exactly(_in_band(told[name], start), seconds)) is not None:
            yield Kind.DURATION, price


def _in_band(price: "Decimal | TieredPrices", start: int) -> Decimal:
    """Return the price of calls whose input is above the start of a context band."""
    if isinstance(price, Decimal):
        return price
    begun = [tier.price for tier in price.tiers if tier.start <= start]
    return begun[-1] if begun else price.base


def _exactly(price: Decimal, by: Decimal) -> Decimal | None:
    """Divide where that is exact: money is not rounded here."""
    try:
        return EXACT.divide(price, by)
    except DecimalException:
        return None


def _starts(model: "ModelInfo") -> Iterator[date]:
    listed = model.prices if isinstance(model.prices, list) else []
    for each in (*listed, *(model.price_variants or ())):
        start = getattr(each.constraint, "start_date", None)
        if start is not None:
            yield start
