"""Provisioned deployments: who used them, and what nobody did."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chargeback.builders import make_deployment, make_price, make_rule
from tests.chargeback.rollups import lines_of, make_rollup, totals
from usage_ingest.chargeback.deployment import Deployment, Provisioned
from usage_ingest.chargeback.kinds import Kind
from usage_ingest.chargeback.line import Charge, Line, total
from usage_ingest.chargeback.owner import NOBODY, Payer
from usage_ingest.chargeback.reference import Reference


def provisioned(**told: Any) -> Deployment:
    """A deployment of 30,000 a month: 1,000 a day in November."""
    amount: dict[str, Any] = {"amount": Decimal(30_000), "per": "month", "currency": "USD"}
    weights = {"cached_weight", "output_weight", "tokens_per_hour", "amount", "per", "currency"}
    amount |= {name: value for name, value in told.items() if name in weights}
    rest = {name: value for name, value in told.items() if name not in weights}
    return make_deployment(
        "ptu", provisioned=Provisioned(**amount), sku="ProvisionedManaged", **rest
    )


def use(**named: Any) -> dict[str, Any]:
    return make_rollup(**{"deployment": "ptu", "input_tokens": 0} | named)


async def lines_of_month(reference: Reference, *rows: dict[str, Any]) -> list[Line]:
    return await lines_of(reference, *rows, first="2026-11-01", last="2026-11-30")


def of(lines: list[Line], charge: Charge) -> list[Line]:
    return [line for line in lines if line.charge is charge]


async def test_users_share_a_day_by_their_tokens() -> None:
    """1,000 a day for 1,000 + 3,000 tokens: 0.25 each."""
    reference = Reference(deployments=[provisioned()], owners=[make_rule("HR")])

    lines = await lines_of(
        reference,
        use(input_tokens=900, output_tokens=100),
        use(input_tokens=3_000, subscription_id="sales"),
    )

    assert {line.payer.owner: line.cost for line in lines} == {"HR": 250, "unallocated": 750}
    for line in lines:
        assert (line.kind, line.charge) == (Kind.PROVISIONED, Charge.PROVISIONED)
        assert line.rate
        assert line.rate.unit_price == Decimal("0.25")
        assert line.list_cost == line.cost == line.amount
        assert line.subject.day == "2026-11-20"
        assert line.sku == "ProvisionedManaged"


async def test_unused_capacity_is_a_line_of_nobody() -> None:
    document = provisioned(
        id="ptu-1",
        tokens_per_hour=1_000,
        gateway="apim-contoso",
        backend="aoai-1",
        model="gpt-4o",
        version="2024-11-20",
        region="Sweden Central",
        publisher="OpenAI",
        resource_id="/ptu",
        revision=3,
    )

    lines = await lines_of(
        Reference(deployments=[document]), use(input_tokens=24, backend="aoai-1")
    )

    (idle,) = of(lines, Charge.IDLE)
    assert idle.payer == NOBODY
    assert idle.quantity == 23_976
    assert (idle.model, idle.version, idle.region) == ("gpt-4o", "2024-11-20", "swedencentral")
    assert (idle.publisher, idle.resource_id) == ("OpenAI", "/ptu")
    assert idle.rate
    assert (idle.rate.price_id, idle.rate.revision) == ("ptu-1", 3)
    told = idle.subject._asdict()
    assert {name: value for name, value in told.items() if value not in (None, False, ())} == {
        "day": "2026-11-20",
        "gateway": "apim-contoso",
        "backend": "aoai-1",
        "model": "gpt-4o",
        "deployment": "ptu",
        "region": "Sweden Central",
        "source": "reference",
    }
    assert totals(lines)["USD"][0] == 1_000


async def test_days_without_any_use_are_idle() -> None:
    lines = await lines_of_month(Reference(deployments=[provisioned()]))

    assert [line.subject.day for line in lines] == [f"2026-11-{day:02}" for day in range(1, 31)]
    told = {(line.charge, line.cost, line.quantity) for line in lines}
    assert told == {(Charge.IDLE, Decimal(1_000), Decimal(0))}
    assert {line.subject.gateway for line in lines} == {"(any)"}
    assert {line.rate and line.rate.unit_price for line in lines} == {Decimal(0)}


async def test_a_day_without_tokens_that_weigh_anything_is_idle() -> None:
    document = provisioned(cached_weight=Decimal(0))

    lines = await lines_of(
        Reference(deployments=[document]), use(input_tokens=50, cached_input_tokens=50)
    )

    assert [line.charge for line in lines] == [Charge.IDLE]


async def test_a_deployment_costs_nothing_before_it_begins_or_after_it_ends() -> None:
    document = provisioned(from_day="2026-11-10", through_day="2026-11-12")
    reference = Reference(deployments=[document])

    lines = await lines_of_month(reference, use(day="2026-11-09", input_tokens=5))

    assert [line.subject.day for line in of(lines, Charge.IDLE)] == [
        "2026-11-10",
        "2026-11-11",
        "2026-11-12",
    ]
    (before,) = of(lines, Charge.UNPRICED)
    assert before.quantity == 5


async def test_an_amount_that_changes_holds_from_its_day_on() -> None:
    """10 days of 1,000 and 20 days of 2,000."""
    old, new = provisioned(), provisioned(amount=Decimal(60_000), from_day="2026-11-11")

    lines = await lines_of_month(Reference(deployments=[old, new]))

    assert totals(lines)["USD"][0] == 50_000


async def test_calls_that_spilled_over_are_paid_as_you_go() -> None:
    standard = make_deployment("std", sku="GlobalStandard")
    price = make_price(key={"sku": "GlobalStandard"})
    reference = Reference(deployments=[provisioned(), standard], prices=[price])

    lines = await lines_of(
        reference,
        use(input_tokens=4_000),
        use(input_tokens=1_000_000, spillover=True, served_deployment="std"),
    )

    (spilled,) = of(lines, Charge.USAGE)
    assert (spilled.cost, spilled.sku) == (Decimal("2.5"), "GlobalStandard")
    assert [line.cost for line in of(lines, Charge.PROVISIONED)] == [1_000]


async def test_what_is_paid_beside_tokens_is_priced_as_ever() -> None:
    price = make_price(unit_prices={"input": "2.5", "searches": "0.01"})
    reference = Reference(deployments=[provisioned()], prices=[price])

    lines = await lines_of(reference, use(input_tokens=4_000, searches=5))

    assert {line.kind: line.cost for line in lines} == {
        Kind.SEARCHES: Decimal("0.05"),
        Kind.PROVISIONED: 1_000,
    }


async def test_a_provisioned_sku_without_an_amount_is_not_priced_by_the_token() -> None:
    document = make_deployment("ptu", sku="GlobalProvisionedManaged")

    lines = await lines_of(
        Reference(deployments=[document], prices=[make_price()]), use(input_tokens=5)
    )

    assert [line.charge for line in lines] == [Charge.UNPRICED]


async def test_deployments_of_one_name_at_two_gateways_are_two() -> None:
    first, second = provisioned(gateway="apim-1"), provisioned(gateway="apim-2")

    lines = await lines_of(
        Reference(deployments=[first, second]),
        use(input_tokens=1, gateway="apim-1"),
        use(input_tokens=3, gateway="apim-2", subscription_id="sales"),
    )

    paid = {line.subject.gateway: line.cost for line in of(lines, Charge.PROVISIONED)}
    assert set(paid) == {"apim-1", "apim-2"}
    assert totals(lines)["USD"][0] == 2_000


async def test_a_markup_is_on_what_was_used_and_not_on_what_is_idle() -> None:
    rule = make_rule(payer=Payer("HR", markup_percent=Decimal(10)))
    reference = Reference(deployments=[provisioned(tokens_per_hour=1_000)], owners=[rule])

    lines = await lines_of(reference, use(input_tokens=12_000))

    (used,), (idle,) = of(lines, Charge.PROVISIONED), of(lines, Charge.IDLE)
    assert used.cost
    assert used.amount == used.cost * Decimal("1.1")
    assert idle.amount == idle.cost


_USES = st.lists(
    st.tuples(
        st.integers(1, 30),
        st.sampled_from(["hr-copilot", "sales", None]),
        st.integers(0, 10**9),
        st.integers(0, 10**6),
    ),
    max_size=12,
)


@given(
    _USES,
    st.decimals(0, 10**7, places=4, allow_nan=False),
    st.none() | st.integers(1, 10**9),
    st.sampled_from([Decimal(1), Decimal("0.1"), Decimal("2.75")]),
)
async def test_the_lines_of_a_month_are_its_amount_to_the_last_digit(
    uses: list[tuple[int, str | None, int, int]],
    amount: Decimal,
    tokens_per_hour: int | None,
    weight: Decimal,
) -> None:
    document = provisioned(amount=amount, tokens_per_hour=tokens_per_hour, output_weight=weight)
    rows = [
        use(day=f"2026-11-{day:02}", subscription_id=who, input_tokens=a, output_tokens=b)
        for day, who, a, b in uses
    ]

    lines = await lines_of_month(Reference(deployments=[document]), *rows)

    assert total(line.cost for line in lines) == amount
    assert all(line.cost is not None and line.cost >= 0 for line in lines)


@pytest.mark.parametrize("per", ["hour", "month"])
async def test_an_amount_is_in_its_own_currency(per: Any) -> None:
    euro = provisioned(per=per, currency="EUR")

    lines = await lines_of(Reference(deployments=[euro]), use(input_tokens=5))

    assert set(totals(lines)) == {"EUR"}
