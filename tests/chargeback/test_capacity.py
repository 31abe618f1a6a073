"""What a day of provisioned throughput costs, and who pays how much of it."""

from calendar import monthrange
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usage_ingest.chargeback.capacity import Share, day_cost, share, weighted
from usage_ingest.chargeback.deployment import Provisioned
from usage_ingest.chargeback.line import EXACT, total

DAY = date(2026, 11, 20)


def ptu(**overrides: Any) -> Provisioned:
    told: dict[str, Any] = {"amount": Decimal(30_000), "per": "month", "currency": "USD"}
    return Provisioned(**told | overrides)


def month_of(year: int, month: int) -> list[date]:
    return [date(year, month, day) for day in range(1, monthrange(year, month)[1] + 1)]


def test_a_day_costs_24_hours_of_an_amount_by_the_hour() -> None:
    assert day_cost(ptu(amount=Decimal("1.37"), per="hour"), DAY) == Decimal("32.88")


def test_a_day_costs_a_part_of_an_amount_by_the_month() -> None:
    assert day_cost(ptu(), date(2026, 11, 1)) == 1_000
    assert day_cost(ptu(amount=Decimal(28)), date(2026, 2, 28)) == 1
    assert day_cost(ptu(amount=Decimal(29)), date(2028, 2, 29)) == 1


def test_the_last_day_of_a_month_takes_what_is_left() -> None:
    """10000 / 31 = 322.58064516129032258064516...: 30 days of it leave the rest."""
    amount = ptu(amount=Decimal(10_000))

    assert day_cost(amount, date(2026, 10, 1)) == Decimal("322.58064516129032258064")
    assert day_cost(amount, date(2026, 10, 31)) == Decimal("322.58064516129032258080")


_AMOUNTS = st.decimals(0, 10**7, places=6, allow_nan=False)
_MONTHS = st.tuples(st.integers(2024, 2028), st.integers(1, 12))


@given(_AMOUNTS, _MONTHS)
def test_the_days_of_a_month_are_its_amount(amount: Decimal, month: tuple[int, int]) -> None:
    provisioned = ptu(amount=amount)

    assert total(day_cost(provisioned, day) for day in month_of(*month)) == amount


def test_tokens_weigh_as_the_document_says() -> None:
    counters = {
        "input_tokens": 1_000,
        "cached_input_tokens": 600,
        "cache_write_input_tokens": 50,
        "audio_input_tokens": 10,
        "output_tokens": 100,
        "reasoning_output_tokens": 60,
        "unsplit_tokens": 7,
        "searches": 3,
        "images": 2,
    }

    assert weighted(counters, ptu()) == 1_107
    weights = ptu(cached_weight=Decimal("0.1"), output_weight=Decimal(4))
    assert weighted(counters, weights) == 400 + 60 + 400 + 7
    assert weighted({}, weights) == 0


def test_without_a_capacity_the_users_share_all_of_a_day() -> None:
    shared = share(ptu(), DAY, used=Decimal(4_000))

    assert shared == Share(Decimal("0.25"), Decimal(0), Decimal(0))


def test_unused_capacity_is_idle() -> None:
    """A day takes 24 x 1,000 tokens, 1,000 / 24,000 each is 0.041666...: 6,000 cost 249.99..."""
    shared = share(ptu(tokens_per_hour=1_000), DAY, used=Decimal(6_000))

    assert shared.unit_price == Decimal("0.041666666666666666666666")
    assert shared.idle_quantity == 18_000
    assert shared.idle_cost == 1_000 - Decimal("249.999999999999999999996")


def test_more_use_than_capacity_leaves_nothing_idle() -> None:
    shared = share(ptu(tokens_per_hour=1_000), DAY, used=Decimal(32_000))

    assert shared == Share(Decimal("0.03125"), Decimal(0), Decimal(0))


@pytest.mark.parametrize(("tokens_per_hour", "quantity"), [(None, 0), (1_000, 24_000)])
def test_a_day_without_any_use_is_all_idle(tokens_per_hour: int | None, quantity: int) -> None:
    shared = share(ptu(tokens_per_hour=tokens_per_hour), DAY, used=Decimal(0))

    assert shared.idle_cost == 1_000
    assert shared.idle_quantity == quantity


_USED = st.lists(st.decimals(0, 10**12, places=3, allow_nan=False), max_size=6)


@given(_AMOUNTS, _USED, st.none() | st.integers(1, 10**10))
def test_what_users_pay_and_what_is_idle_is_the_cost_of_the_day(
    amount: Decimal, used: list[Decimal], tokens_per_hour: int | None
) -> None:
    provisioned = ptu(amount=amount, tokens_per_hour=tokens_per_hour)

    shared = share(provisioned, DAY, total(used))

    paid = [EXACT.multiply(each, shared.unit_price) for each in used]
    assert total([*paid, shared.idle_cost]) == day_cost(provisioned, DAY)
    assert shared.idle_cost >= 0
    assert shared.idle_quantity >= 0
