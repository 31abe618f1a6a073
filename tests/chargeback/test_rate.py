"""Lines of subjects: worked examples, by hand."""

from decimal import Decimal
from typing import Any

import pytest

from tests.chargeback.builders import make_deployment, make_price, make_rule
from tests.chargeback.rollups import lines_of, make_rollup, quantities, rollup_of, totals
from usage_ingest.chargeback.charged import with_markup
from usage_ingest.chargeback.kinds import Kind
from usage_ingest.chargeback.line import Charge, Line, Rate
from usage_ingest.chargeback.owner import NOBODY, Payer
from usage_ingest.chargeback.reference import Reference
from usage_ingest.record import TokenUsage

CALL = {"input_tokens": 1_200, "cached_input_tokens": 1_024, "output_tokens": 80}


def by_kind(lines: list[Line]) -> dict[str, Line]:
    found = {line.kind.value: line for line in lines}
    assert len(found) == len(lines)
    return found


async def test_a_call_costs_what_its_parts_cost() -> None:
    """By hand, in USD per million: input 2.50, cached 1.25, output 10.

    (1,200 - 1,024) x 2.50 / 1,000,000 = 0.000440
    1,024 x 1.25 / 1,000,000           = 0.001280
    80 x 10 / 1,000,000                = 0.000800
                                         0.002520
    """
    lines = await lines_of(Reference(prices=[make_price()]), make_rollup(**CALL))

    costs = {kind: line.cost for kind, line in by_kind(lines).items()}
    assert costs == {
        "input": Decimal("0.00044"),
        "cached_input": Decimal("0.00128"),
        "output": Decimal("0.0008"),
    }
    assert totals(lines) == {"USD": (Decimal("0.00252"),) * 3}


async def test_a_line_says_how_it_came_about() -> None:
    price = make_price(
        id="price-1",
        revision=7,
        source="contract 2026",
        unit_prices={"output": "8.40"},
        list_unit_prices={Kind.OUTPUT: Decimal(10)},
        currency="EUR",
    )
    document = make_deployment(
        version="2024-11-20",
        sku="GlobalStandard",
        region="westeurope",
        publisher="OpenAI",
        resource_id="/d",
    )
    rule = make_rule(payer=Payer("HR", "CC-1", "People", Decimal("12.5")))
    reference = Reference(prices=[price], deployments=[document], owners=[rule])

    (line,) = await lines_of(reference, make_rollup(output_tokens=500_000))

    assert line == Line(
        subject=line.subject,
        payer=Payer("HR", "CC-1", "People", Decimal("12.5")),
        kind=Kind.OUTPUT,
        charge=Charge.USAGE,
        quantity=500_000,
        model="gpt-4o",
        version="2024-11-20",
        sku="GlobalStandard",
        region="westeurope",
        publisher="OpenAI",
        resource_id="/d",
        rate=Rate(
            price_id="price-1",
            source="contract 2026",
            revision=7,
            unit_price=Decimal("8.40"),
            list_unit_price=Decimal(10),
        ),
        currency="EUR",
        cost=Decimal("4.20"),
        list_cost=Decimal(5),
        amount=Decimal("4.725"),  # 4.20 x 1.125
    )


async def test_what_has_no_price_is_a_line_without_money() -> None:
    lines = await lines_of(Reference(prices=[make_price("other")]), make_rollup(**CALL))

    assert quantities(lines) == {"input": 1_200, "output": 80}
    for line in lines:
        assert line.charge is Charge.UNPRICED
        money = (line.rate, line.currency, line.cost, line.list_cost, line.amount)
        assert money == (None,) * 5
        assert line.payer == NOBODY


async def test_a_kind_that_the_price_does_not_name_has_none() -> None:
    price = make_price(unit_prices={"output": "10"})

    lines = by_kind(await lines_of(Reference(prices=[price]), make_rollup(**CALL, searches=2)))

    assert {kind: line.charge for kind, line in lines.items()} == {
        "input": Charge.UNPRICED,
        "output": Charge.USAGE,
        "searches": Charge.UNPRICED,
    }


async def test_tokens_of_which_only_the_total_is_known_have_no_price_unless_it_names_them() -> None:
    row = rollup_of(TokenUsage(total_tokens=1_000_000))

    (line,) = await lines_of(Reference(prices=[make_price()]), row)
    assert (line.kind, line.quantity, line.cost) == (Kind.UNSPLIT, 1_000_000, None)

    price = make_price(unit_prices={"input": "2.5", "unsplit": "4"})
    (line,) = await lines_of(Reference(prices=[price]), row)
    assert (line.kind, line.quantity, line.cost) == (Kind.UNSPLIT, 1_000_000, Decimal(4))


@pytest.mark.parametrize(
    ("counters", "unit_prices", "cost"),
    [
        ({"duration_ms": 90_500}, {"duration": "0.0001"}, "0.00905"),  # 90.5 s
        ({"images": 3}, {"images": "0.04"}, "0.12"),
        ({"searches": 7}, {"searches": "0.01"}, "0.07"),
        (
            {"input_tokens": 1_000, "audio_input_tokens": 400, "output_tokens": 0},
            {"input": "2.5", "audio_input": "40", "output": "10"},
            "0.0175",  # 600 x 2.5 + 400 x 40 = 17,500 / 1M
        ),
        (
            {
                "input_tokens": 10_000,
                "cached_input_tokens": 3_000,
                "cache_write_input_tokens": 2_000,
                "cache_write_5m_input_tokens": 1_500,
                "cache_write_1h_input_tokens": 500,
                "output_tokens": 100,
            },
            {
                "input": "3",
                "cached_input": "0.3",
                "cache_write": "3.75",
                "cache_write_1h": "6",
                "output": "15",
            },
            # 5,000 x 3 + 3,000 x 0.3 + 1,500 x 3.75 + 500 x 6 + 100 x 15 = 26,025 / 1M
            "0.026025",
        ),
        (
            {"input_tokens": 10, "output_tokens": 1_000, "reasoning_output_tokens": 900},
            {"input": "1", "output": "8"},
            "0.00801",  # reasoning stays in output: 10 x 1 + 1,000 x 8
        ),
        (
            {"input_tokens": 10, "output_tokens": 1_000, "reasoning_output_tokens": 900},
            {"input": "1", "output": "8", "reasoning_output": "4"},
            "0.00441",  # 10 x 1 + 100 x 8 + 900 x 4
        ),
        (
            {"input_tokens": 100, "cached_input_tokens": 80, "audio_input_tokens": 50},
            {"input": "4", "cached_input": "0.4", "audio_input": "32"},
            "0.001512",  # the parts overlap: -30 x 4 + 80 x 0.4 + 50 x 32
        ),
    ],
)
async def test_examples_by_hand(
    counters: dict[str, int], unit_prices: dict[str, str], cost: str
) -> None:
    reference = Reference(prices=[make_price(unit_prices=unit_prices)])

    lines = await lines_of(reference, rollup_of(TokenUsage(**counters)))

    assert totals(lines) == {"USD": (Decimal(cost),) * 3}
    assert all(line.charge is Charge.USAGE for line in lines)
    assert {line.kind for line in lines if line.parts_overlap} == {
        line.kind for line in lines if line.quantity < 0
    }


async def test_long_context_calls_have_their_own_price() -> None:
    """1M tokens of calls above 272,000 at 5, and 1M of others at 2.50."""
    long = make_price(key={"context_over": 272_000}, unit_prices={"input": "5"})
    reference = Reference(prices=[make_price(), long])

    lines = await lines_of(
        reference,
        make_rollup(input_tokens=1_000_000, context_band="above_272k"),
        make_rollup(input_tokens=1_000_000, context_band="272k"),
    )

    assert {line.subject.context_band: line.cost for line in lines} == {
        "above_272k": 5,
        "272k": Decimal("2.5"),
    }


async def test_tokens_by_metrics_have_the_base_price_and_say_so() -> None:
    long = make_price(key={"context_over": 128_000}, unit_prices={"input": "5"})
    row = {"source": "metrics", "context_band": None, "usage_estimated": True, "requests": None}

    lines = await lines_of(
        Reference(prices=[make_price(), long]),
        make_rollup(input_tokens=1_000_000, searches=1, **row),
        make_rollup(output_tokens=1_000_000),
    )

    metric, searches, event = lines
    assert metric.cost == Decimal("2.5")
    assert metric.rate
    assert metric.rate.base_band
    assert metric.subject.usage_estimated
    assert searches.charge is Charge.UNPRICED
    assert event.rate
    assert not event.rate.base_band


async def test_a_band_says_nothing_of_what_is_not_tokens() -> None:
    price = make_price(unit_prices={"images": "0.04"})

    (line,) = await lines_of(Reference(prices=[price]), make_rollup(images=1, context_band=None))

    assert line.rate
    assert not line.rate.base_band


async def test_a_tier_that_has_no_price_is_not_priced_as_the_standard_one() -> None:
    priority = make_price(key={"service_tier": "priority"}, unit_prices={"input": "4.25"})
    reference = Reference(prices=[make_price(), priority])
    tiers = ["Priority", "flex", None]

    rows = [make_rollup(input_tokens=1_000_000, service_tier=tier) for tier in tiers]
    lines = await lines_of(reference, *rows)

    assert [line.cost for line in lines] == [Decimal("4.25"), None, Decimal("2.5")]


async def test_currencies_stay_apart() -> None:
    euro = make_price("gpt-4.1", currency="EUR", unit_prices={"input": "2"})
    reference = Reference(prices=[make_price(), euro])

    lines = await lines_of(
        reference,
        make_rollup(input_tokens=1_000_000),
        make_rollup(input_tokens=1_000_000, model="gpt-4.1"),
    )

    assert totals(lines) == {"USD": (Decimal("2.5"),) * 3, "EUR": (Decimal(2),) * 3}


@pytest.mark.parametrize("counters", [{}, {"input_tokens": 0, "output_tokens": 0}, {"requests": 5}])
async def test_calls_without_any_usage_make_no_line(counters: dict[str, Any]) -> None:
    assert await lines_of(Reference(prices=[make_price()]), make_rollup(**counters)) == []


@pytest.mark.parametrize(
    ("percent", "amount"),
    [("0", "4.20"), ("10", "4.62"), ("12.5", "4.725"), ("-5", "3.99"), ("0.001", "4.200042")],
)
def test_a_markup_is_added_exactly(percent: str, amount: str) -> None:
    assert with_markup(Decimal("4.20"), Decimal(percent)) == Decimal(amount)
