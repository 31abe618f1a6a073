"""List estimates, compared with genai-prices call by call.

A rollup of one call is rated by the unit prices that were taken from the list; what the list's own
calculation says of that call has to be the same to the last digit. Where it may not be is named.
"""

import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from genai_prices import Usage, calc_price
from genai_prices.data import providers
from genai_prices.types import ModelPrice, PriceCalculation, TieredPrices

from tests.chargeback.builders import make_price
from tests.chargeback.rollups import lines_of, rollup_of
from usage_ingest.chargeback.estimate import ListEstimates, estimator
from usage_ingest.chargeback.kinds import Kind
from usage_ingest.chargeback.line import Charge, Line, total
from usage_ingest.chargeback.price import CONTEXT_STARTS, Use
from usage_ingest.chargeback.reference import Reference
from usage_ingest.record import TokenUsage
from usage_ingest.rollup import context_band

TODAY: Final = "2026-11-20"
DAY: Final = date(2026, 11, 20)
NOON: Final = datetime(2026, 11, 20, 12, tzinfo=UTC)
ESTIMATES: Final = ListEstimates()
USE: Final = Use("gpt-4o", "2024-11-20", None, None, None, None, "128k", "azure")
VENDORS: Final = ("azure", "openai", "anthropic", "google", "aws", "x-ai", "deepseek", "mistral")
ALMOST_200K: Final = 199_999
ROOT: Final = Path(__file__).resolve().parents[2]

USAGES: Final = {
    "plain": TokenUsage(input_tokens=1_200, output_tokens=80),
    "cached": TokenUsage(input_tokens=1_200, cached_input_tokens=1_024, output_tokens=80),
    "reasoning": TokenUsage(input_tokens=5, output_tokens=900, reasoning_output_tokens=831),
    "written": TokenUsage(
        input_tokens=9_000,
        cached_input_tokens=3_000,
        cache_write_input_tokens=2_000,
        output_tokens=10,
    ),
    "written for an hour": TokenUsage(
        input_tokens=9_000,
        cache_write_input_tokens=2_000,
        cache_write_5m_input_tokens=1_500,
        cache_write_1h_input_tokens=500,
        output_tokens=10,
    ),
    "audio": TokenUsage(
        input_tokens=700, audio_input_tokens=600, output_tokens=300, audio_output_tokens=250
    ),
    "images": TokenUsage(
        input_tokens=700, image_input_tokens=600, output_tokens=4_000, image_output_tokens=4_000
    ),
    "searches": TokenUsage(input_tokens=700, output_tokens=30, searches=3),
    "embedding": TokenUsage(input_tokens=77, total_tokens=77),
    "long, 150K": TokenUsage(input_tokens=150_000, cached_input_tokens=9_999, output_tokens=7),
    "long, 250K": TokenUsage(input_tokens=250_000, cached_input_tokens=9_999, output_tokens=7),
    "long, 300K": TokenUsage(input_tokens=300_000, cache_write_input_tokens=9_999, output_tokens=7),
    "at 128K": TokenUsage(input_tokens=128_000, output_tokens=7),
    "at 272K": TokenUsage(input_tokens=272_000, output_tokens=7),
    "above 272K": TokenUsage(input_tokens=272_001, output_tokens=7),
}
NAMES: Final = {
    "input_tokens": "input_tokens",
    "cached_input_tokens": "cache_read_tokens",
    "cache_write_input_tokens": "cache_write_tokens",
    "cache_write_5m_input_tokens": "cache_write_5m_tokens",
    "cache_write_1h_input_tokens": "cache_write_1h_tokens",
    "audio_input_tokens": "input_audio_tokens",
    "image_input_tokens": "input_image_tokens",
    "output_tokens": "output_tokens",
    "reasoning_output_tokens": "output_reasoning_tokens",
    "audio_output_tokens": "output_audio_tokens",
    "image_output_tokens": "output_image_tokens",
    "searches": "web_searches",
}
"""What genai-prices calls our counts."""


@cache
def models_of(vendor: str) -> list[str]:
    """The models that a vendor's list has, and for Azure those of OpenAI and Anthropic too."""
    lists = [vendor, "openai", "anthropic"] if vendor == "azure" else [vendor]
    models = (model.id for each in providers if each.id in lists for model in each.models)
    return list(dict.fromkeys(models))


def by_their_calculation(
    usage: TokenUsage,
    vendor: str,
    model: str,
    at: datetime = NOON,
    context: Mapping[str, str] | None = None,
) -> PriceCalculation | None:
    """What the list's own calculation says; None where it does not find its own model."""
    told = {NAMES[name]: n for name, n in usage.reported().items() if name in NAMES}
    try:
        return calc_price(
            Usage(**told),
            model,
            provider_id=vendor,
            genai_request_timestamp=at,
            price_context=context,
        )
    except LookupError:
        return None


async def estimated(usage: TokenUsage, models: Sequence[str], **named: Any) -> list[Line]:
    """The lines of one call to each of the models."""
    told = {"deployment": None, "service_tier": None} | named
    told |= {"context_band": context_band(usage.input_tokens)}
    rows = [rollup_of(usage, **told, model=model) for model in models]
    return await lines_of(Reference(estimate=ESTIMATES), *rows, first=told.get("day", TODAY))


def prices_of(price: ModelPrice) -> list[Decimal | TieredPrices]:
    return [each for each in vars(price).values() if each is not None]


def exception(price: ModelPrice, usage: TokenUsage) -> str | None:
    """Why the two may differ for a call."""
    if price.requests_kcount is not None:
        return "paid by the request too: no estimate"
    starts = {
        tier.start
        for each in prices_of(price)
        if isinstance(each, TieredPrices)
        for tier in each.tiers
    }
    if starts - {*CONTEXT_STARTS, ALMOST_200K}:
        return "a long context that begins within a band: the price before it holds"
    if ALMOST_200K in starts and usage.input_tokens == ALMOST_200K + 1:
        return "a call of exactly 200,000 tokens is in the band below"
    return None


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("name", USAGES)
async def test_a_call_costs_what_genai_prices_calculates(vendor: str, name: str) -> None:
    usage, compared = USAGES[name], 0
    models = models_of(vendor)

    lines = await estimated(usage, models, provider=vendor)

    costs: dict[str | None, list[Decimal | None]] = defaultdict(list)
    for line in lines:
        costs[line.subject.model].append(line.cost)
    for model in models:
        theirs = by_their_calculation(usage, vendor, model)
        if theirs is None:
            assert set(costs[model]) == {None}, model
        elif not exception(theirs.model_price, usage):
            assert total(costs[model]) == theirs.total_price, model
            compared += theirs.total_price > 0
    assert compared >= 5


async def test_many_calls_are_not_priced_as_one_long_call() -> None:
    """300 calls of 1,000 tokens are 300,000 at 2.50, where one call of so many has 5."""
    each = TokenUsage(input_tokens=1_000, output_tokens=0)
    one = TokenUsage(input_tokens=300_000, output_tokens=0)

    many = await estimated(each, ["gpt-5.4"] * 300, provider="azure")
    (single,) = await estimated(one, ["gpt-5.4"], provider="azure")

    assert total(line.cost for line in many) == Decimal("0.75")
    assert single.cost == Decimal("1.5")
    theirs = by_their_calculation(each, "azure", "gpt-5.4")
    assert theirs
    assert theirs.total_price * 300 == Decimal("0.75")


@pytest.mark.parametrize(
    ("day", "cost"), [("2025-05-01", "50"), ("2025-06-09", "50"), ("2025-06-10", "10")]
)
async def test_a_price_is_that_of_the_day(day: str, cost: str) -> None:
    usage = TokenUsage(input_tokens=1_000_000, output_tokens=1_000_000)

    lines = await estimated(usage, ["o3"], provider="openai", day=day)

    theirs = by_their_calculation(usage, "openai", "o3", datetime.fromisoformat(f"{day}T12:00Z"))
    assert theirs
    assert total(line.cost for line in lines) == Decimal(cost) == theirs.total_price


def test_the_days_on_which_a_model_changes_are_known() -> None:
    assert date(2025, 6, 10) in ESTIMATES.changes(USE._replace(model="o3", provider="openai"))
    assert ESTIMATES.changes(USE._replace(model="unheard-of")) == ()
    assert ESTIMATES.changes(USE._replace(model=None)) == ()


def test_an_estimate_says_what_it_is() -> None:
    price = ESTIMATES(USE, DAY)

    assert price
    assert price.id == "genai-prices/openai/gpt-4o"
    assert price.source == "genai-prices@0.2.3"
    assert (price.currency, price.revision, price.from_day) == ("USD", 0, "2026-11-20")
    assert price.list_estimate
    assert price.unit_prices == {
        Kind.INPUT: Decimal("2.5"),
        Kind.CACHED_INPUT: Decimal("1.25"),
        Kind.OUTPUT: Decimal(10),
        Kind.SEARCHES: Decimal("0.01"),
    }


@pytest.mark.parametrize(
    ("named", "maker", "other_vendor"),
    [
        ({"provider": "azure"}, "openai", True),
        ({"provider": "azure.ai.openai"}, "openai", True),
        ({"provider": "AI Foundry"}, "openai", True),
        ({"provider": None}, "openai", True),
        ({"provider": "openai", "deployment": "gpt-4o-prod"}, "openai", True),
        ({"provider": "openai"}, "openai", False),
        ({"provider": "azure", "model": "o3-mini", "version": None}, "azure", False),
        ({"provider": "openai", "model": "o3-mini", "version": None}, "openai", False),
        ({"provider": "anthropic", "model": "claude-sonnet-4-5"}, "anthropic", False),
        (
            {"provider": "anthropic", "model": "claude-sonnet-4-5", "deployment": "claude"},
            "anthropic",
            True,
        ),
        ({"provider": "aws.bedrock", "model": "amazon.nova-pro-v1:0"}, "aws", False),
        ({"provider": "gcp.gemini", "model": "gemini-2.5-pro"}, "google", False),
        ({"provider": "x_ai", "model": "grok-3"}, "x-ai", False),
    ],
)
def test_whose_list_is_told(named: dict[str, Any], maker: str, other_vendor: bool) -> None:
    price = ESTIMATES(USE._replace(**{"version": None} | named), DAY)

    assert price
    assert price.id.split("/")[1] == maker
    assert price.other_vendor == other_vendor


@pytest.mark.parametrize(
    "named",
    [
        {"model": None},
        {"model": "unheard-of"},
        {"provider": "contoso"},
        {"sku": "GlobalProvisionedManaged"},
        {"service_tier": "priority"},  # Azure's own list tells none
        {"service_tier": "batch"},
        {"sku": "GlobalBatch"},
        {"provider": "openai", "service_tier": "something-new"},
    ],
)
def test_what_the_list_does_not_tell_has_no_estimate(named: dict[str, Any]) -> None:
    assert ESTIMATES(USE._replace(**named), DAY) is None


def test_a_tier_has_no_estimate_before_the_day_that_the_list_tells_it_from() -> None:
    """Before it the list would answer with its standard price."""
    use = USE._replace(model="gpt-5", version=None, provider="openai", service_tier="priority")
    begins = min(ESTIMATES.changes(use))

    assert ESTIMATES(use, begins - timedelta(days=1)) is None
    assert ESTIMATES(use, begins)
    assert ESTIMATES(use._replace(service_tier=None), begins - timedelta(days=1))


@pytest.mark.parametrize(
    ("tier", "context"),
    [
        ("priority", {"service_tier": "priority"}),
        ("Flex", {"service_tier": "flex"}),
        ("batch", {"processing": "batch"}),
        ("default", {"service_tier": "default"}),
    ],
)
async def test_a_tier_of_the_vendors_own_list_is_estimated(
    tier: str, context: dict[str, str]
) -> None:
    usage, model = TokenUsage(input_tokens=900, cached_input_tokens=300, output_tokens=50), "gpt-5"

    lines = await estimated(usage, [model], provider="openai", service_tier=tier)

    theirs = by_their_calculation(usage, "openai", model, context=context)
    assert theirs
    assert total(line.cost for line in lines) == theirs.total_price > 0


def test_a_version_that_the_list_knows_goes_before_the_model() -> None:
    old = ESTIMATES(USE._replace(version="2024-05-13"), DAY)
    unknown = ESTIMATES(USE._replace(version="2031-01-01"), DAY)

    assert old
    assert old.unit_prices[Kind.INPUT] == 5
    assert unknown
    assert unknown.id == "genai-prices/openai/gpt-4o"


@pytest.mark.parametrize(
    ("band", "price"), [(None, "2.5"), ("128k", "2.5"), ("272k", "2.5"), ("above_272k", "5")]
)
def test_a_long_context_has_its_price_from_its_band_on(band: str | None, price: str) -> None:
    found = ESTIMATES(USE._replace(model="gpt-5.4", version=None, context_band=band), DAY)

    assert found
    assert found.unit_prices[Kind.INPUT] == Decimal(price)


def test_one_model_is_the_only_exception_to_the_comparison() -> None:
    """Its long context begins at 100,000: calls up to 128,000 are estimated by its base price."""
    found = {
        model
        for vendor in VENDORS
        for model in models_of(vendor)
        if (theirs := by_their_calculation(USAGES["long, 250K"], vendor, model)) is not None
        and exception(theirs.model_price, USAGES["long, 250K"])
    }

    assert found == {"claude-haiku-5-5", "global.anthropic.claude-haiku-5-5"}


async def test_speech_by_the_hour_is_estimated_where_a_second_has_an_exact_price() -> None:
    """0.36 an hour is 0.0001 a second; 0.111 an hour cannot be written as a decimal."""
    vendor = next(each for each in providers if each.id == "groq")
    hours = {model.id: model.get_prices(NOON).audio_hours for model in vendor.models}
    assert any(hours.values())

    for model, price in hours.items():
        if isinstance(price, Decimal):
            lines = await estimated(TokenUsage(duration_ms=7_200_000), [model], provider="groq")
            exact = price * 10**12 % 3_600 == 0
            assert [line.charge for line in lines] == [Charge.USAGE if exact else Charge.UNPRICED]
            assert lines[0].cost == (2 * price if exact else None)


def test_estimates_are_switched_off_as_asked() -> None:
    assert estimator(enabled=False) is None
    assert isinstance(estimator(enabled=True), ListEstimates)


def test_the_package_is_imported_when_an_estimate_is_needed_and_not_before() -> None:
    program = (
        "import sys; from datetime import date;"
        "from usage_ingest.chargeback import rated, estimate;"
        "made = estimate.estimator(enabled=True);"
        "assert not [each for each in sys.modules if each.startswith('genai_prices')]"
    )

    done = subprocess.run([sys.executable, "-c", program], check=False, cwd=ROOT)  # noqa: S603

    assert done.returncode == 0


async def test_a_price_of_ones_own_goes_before_an_estimate() -> None:
    own = make_price("gpt-5", unit_prices={"input": "1"})
    reference = Reference(prices=[own], estimate=ESTIMATES)
    usage = TokenUsage(input_tokens=1_000_000, output_tokens=1_000_000)

    lines = await lines_of(reference, rollup_of(usage, model="gpt-5"))

    assert {line.kind: line.cost for line in lines} == {Kind.INPUT: 1, Kind.OUTPUT: None}
