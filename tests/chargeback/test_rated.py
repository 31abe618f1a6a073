"""The reader of live lines, and what of it holds for any traffic and any price book."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.chargeback.builders import make_deployment, make_price, make_rule
from tests.chargeback.rollups import (
    Rollups,
    Row,
    added,
    lines_of,
    make_rollup,
    merged,
    quantities,
    rollup_of,
    totals,
)
from usage_ingest.chargeback.deployment import Provisioned
from usage_ingest.chargeback.kinds import Kind, unit
from usage_ingest.chargeback.line import Charge, Line, total
from usage_ingest.chargeback.owner import Payer
from usage_ingest.chargeback.price import Price, Use
from usage_ingest.chargeback.rated import Asked, rated
from usage_ingest.chargeback.reference import Reference
from usage_ingest.record import TokenUsage
from usage_ingest.rollup import REQUEST_COUNTERS
from usage_ingest.streaming import STREAMING_COLUMNS

FIRST, LAST = date(2026, 11, 1), date(2026, 11, 10)
DAYS = [(FIRST + n * timedelta(days=1)).isoformat() for n in range(10)]
_LIFETIMES = [f"cache_write_{lasts}_input_tokens" for lasts in ("5m", "30m", "1h", "12h")]
EVERYTHING = Asked(days=True, apps=True, tenants=True, tags=("team", "cost"))


async def test_a_month_without_changes_is_read_at_once_and_days_are_not_shown() -> None:
    reader = Rollups(make_rollup(day="2026-11-01", input_tokens=1), make_rollup(input_tokens=2))
    reference = Reference(prices=[make_price()])

    lines = [line async for line in rated(reader, reference, FIRST, date(2026, 11, 30), Asked())]

    assert reader.segments == [("2026-11-01", "2026-11-30")]
    assert [(line.quantity, line.subject.day) for line in lines] == [(3, None)]


async def test_a_price_that_changes_cuts_the_range() -> None:
    """1M tokens at 2.50, then 2M at 3."""
    rows = [
        make_rollup(day=day, input_tokens=1_000_000)
        for day in ("2026-11-04", "2026-11-05", "2026-11-06")
    ]
    later = make_price(from_day="2026-11-05", unit_prices={"input": "3"})
    reader = Rollups(*rows)

    reference = Reference(prices=[make_price(), later])
    lines = [line async for line in rated(reader, reference, FIRST, LAST, Asked())]

    assert reader.segments == [("2026-11-01", "2026-11-04"), ("2026-11-05", "2026-11-10")]
    assert [line.cost for line in lines] == [Decimal("2.5"), 6]


async def test_days_that_are_asked_for_are_read_one_by_one() -> None:
    reader = Rollups(*(make_rollup(day=day, input_tokens=1) for day in DAYS))

    asked = Asked(days=True)
    lines = [
        line async for line in rated(reader, Reference(prices=[make_price()]), FIRST, LAST, asked)
    ]

    assert reader.segments == [(day, day) for day in DAYS]
    assert [line.subject.day for line in lines] == DAYS


async def test_what_owners_are_told_by_is_read_where_a_rule_names_it() -> None:
    rule = make_rule(key={"tags": (("team", "benefits"),), "app": "app-1"}, from_day="2026-11-05")
    reader = Rollups(make_rollup(day="2026-11-06", input_tokens=1))

    reference = Reference(prices=[make_price()], owners=[rule])
    (line,) = [line async for line in rated(reader, reference, FIRST, LAST, Asked())]

    assert line.payer == Payer("HR")
    assert (line.subject.app_id, line.subject.tags) == ("app-1", (("team", "benefits"),))
    before, after = (set(columns) for columns in reader.columns)
    assert after - before == {"app_id", "tags.team"}


async def test_an_observer_sees_every_rollup_with_what_completeness_needs() -> None:
    seen: list[Mapping[str, Any]] = []
    row = make_rollup(streaming=True, requests=7, input_tokens=5, total_tokens=5)
    reader = Rollups(row, make_rollup(day="2026-11-19", input_tokens=0))

    reference = Reference(prices=[make_price()])
    first, last = date(2026, 11, 19), date(2026, 11, 20)
    found = rated(reader, reference, first, last, Asked(), observe=seen.append)
    lines = [line async for line in found]

    assert len(lines) == 1
    assert len(seen) == 2
    assert (seen[0]["streaming"], seen[0]["requests"], seen[0]["total_tokens"]) == (True, 7, 5)
    (columns,) = reader.columns
    assert {*STREAMING_COLUMNS, *REQUEST_COUNTERS, "usage_estimated"} <= set(columns)
    assert len(set(columns)) == len(columns)


class Listed:
    """A list whose price of any model is 1 a million, and 2 from the 5th on."""

    def __call__(self, use: Use, day: date) -> Price | None:
        price = "1" if day < date(2026, 11, 5) else "2"
        return make_price(
            use.model or "", id="listed", list_estimate=True, unit_prices={"input": price}
        )

    def changes(self, use: Use) -> list[date]:
        return [date(2026, 11, 5), date(2026, 12, 1)] if use.model else []


async def test_a_list_that_changes_within_a_span_prices_each_day_by_what_it_says_then() -> None:
    """4 days of 1M at 1 and 6 days of 1M at 2; the price book's model is one line."""
    estimated = [make_rollup(day=day, input_tokens=1_000_000, model="other") for day in DAYS]
    own = [make_rollup(day=day, input_tokens=1_000_000) for day in DAYS]
    reference = Reference(prices=[make_price()], estimate=Listed())
    reader = Rollups(*estimated, *own)

    lines = [line async for line in rated(reader, reference, FIRST, LAST, Asked())]

    assert reader.segments == [("2026-11-01", "2026-11-10")]
    assert [line.cost for line in lines] == [4, 12, 25]
    assert {line.subject.day for line in lines} == {None}


class Beginning(Listed):
    """A list that knows nothing before the 5th."""

    def __call__(self, use: Use, day: date) -> Price | None:
        return None if day < date(2026, 11, 5) else super().__call__(use, day)


@pytest.mark.parametrize("asked", [Asked(), Asked(days=True)])
async def test_a_list_that_begins_within_a_span_prices_the_days_from_then_on(asked: Asked) -> None:
    rows = [make_rollup(day=day, input_tokens=1_000_000) for day in DAYS]

    lines = await lines_of(
        Reference(estimate=Beginning()), *rows, first=DAYS[0], last=DAYS[-1], asked=asked
    )

    assert total(line.cost for line in lines) == 12
    assert quantities(line for line in lines if line.cost is None) == {"input": 4_000_000}


# Properties

_COUNTS = st.none() | st.integers(0, 5_000)
_USAGES = st.builds(
    TokenUsage,
    input_tokens=_COUNTS,
    cached_input_tokens=_COUNTS,
    cache_write_input_tokens=_COUNTS,
    cache_write_5m_input_tokens=_COUNTS,
    cache_write_1h_input_tokens=_COUNTS,
    audio_input_tokens=_COUNTS,
    image_input_tokens=_COUNTS,
    output_tokens=_COUNTS,
    reasoning_output_tokens=_COUNTS,
    audio_output_tokens=_COUNTS,
    total_tokens=_COUNTS,
    duration_ms=_COUNTS,
    images=_COUNTS,
    searches=_COUNTS,
).map(lambda usage: usage.settled()[0])
_NAMED = st.fixed_dictionaries(
    {
        "day": st.sampled_from(DAYS),
        "subscription_id": st.sampled_from(["hr-copilot", "sales", None]),
        "app_id": st.sampled_from(["app-1", "app-2", None]),
        "tenant_id": st.sampled_from(["tenant-1", None]),
        "tags": st.sampled_from([{"team": "benefits"}, {"team": "x", "cost": "1"}, None]),
        "model": st.sampled_from(["gpt-4o-2024-11-20", "gpt-4.1", "unheard-of", None]),
        "deployment": st.sampled_from(["gpt-4o-prod", "ptu", None]),
        "service_tier": st.sampled_from([None, "priority"]),
        "context_band": st.sampled_from([None, "128k", "above_272k"]),
        "spillover": st.booleans(),
    }
)
_CALLS = st.lists(st.tuples(_NAMED, _USAGES), max_size=10)
_UNIT_PRICES = st.dictionaries(
    st.sampled_from([kind.value for kind in Kind if kind is not Kind.PROVISIONED]),
    st.decimals(0, 100, places=4, allow_nan=False).map(str),
    min_size=1,
)


@st.composite
def prices(draw: st.DrawFn) -> Price:
    key = {
        "context_over": draw(st.sampled_from([None, 272_000])),
        "service_tier": draw(st.sampled_from([None, "priority"])),
    }
    return make_price(
        draw(st.sampled_from(["gpt-4o", "gpt-4.1"])),
        key=key,
        from_day=draw(st.sampled_from(DAYS)),
        unit_prices=draw(_UNIT_PRICES),
        currency=draw(st.sampled_from(["USD", "EUR"])),
    )


@st.composite
def references(draw: st.DrawFn) -> Reference:
    paid = Provisioned(amount=Decimal("1234.56"), per="month", currency="USD", tokens_per_hour=9)
    held = [make_deployment("ptu", provisioned=paid, from_day=draw(st.sampled_from(DAYS)))]
    rules = [
        make_rule("HR", payer=Payer("HR", markup_percent=Decimal("2.5"))),
        make_rule("App", key={"app": "app-1"}, from_day=draw(st.sampled_from(DAYS))),
        make_rule("Team", key={"tags": (("team", "x"),)}),
    ]
    return Reference(
        prices=draw(st.lists(prices(), max_size=5)),
        deployments=held if draw(st.booleans()) else [],
        owners=draw(st.lists(st.sampled_from(rules), unique_by=lambda rule: rule.id)),
    )


Calls = list[tuple[dict[str, Any], TokenUsage]]


def rows_of(calls: Calls) -> list[Row]:
    return [rollup_of(usage, **named) for named, usage in calls]


async def rated_lines(
    reference: Reference, rows: Sequence[Row], asked: Asked | None = None
) -> list[Line]:
    return await lines_of(reference, *rows, first=DAYS[0], last=DAYS[-1], asked=asked)


def summed(rows: Sequence[Row]) -> list[Row]:
    """Merge the rollups of one key into one, as ingestion into one slot does."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        key = {name: value for name, value in row.items() if type(value) is not int}
        groups.setdefault(repr(sorted(key.items(), key=repr)), []).append(row)
    return [added(group) for group in groups.values()]


@settings(deadline=None, max_examples=40)
@given(_CALLS, references(), st.data())
async def test_how_rollups_are_split_ordered_or_merged_changes_no_line(
    calls: Calls, reference: Reference, data: st.DataObject
) -> None:
    rows = rows_of(calls)

    lines = merged(await rated_lines(reference, rows))

    assert merged(await rated_lines(reference, summed(rows))) == lines
    assert merged(await rated_lines(reference, data.draw(st.permutations(rows)))) == lines


@settings(deadline=None, max_examples=40)
@given(_CALLS, references())
async def test_the_sum_of_the_lines_of_each_call_is_the_charge_of_the_sum(
    calls: Calls, reference: Reference
) -> None:
    """Without provisioned deployments, whose users pay by what others used."""
    reference = Reference(prices=reference.prices, owners=reference.owners)
    rows = rows_of(calls)

    alone = [line for row in rows for line in await rated_lines(reference, [row])]

    assert totals(alone) == totals(await rated_lines(reference, rows))
    assert merged(alone) == merged(await rated_lines(reference, rows))


@settings(deadline=None, max_examples=40)
@given(_CALLS, references())
async def test_asking_for_more_changes_no_total(calls: Calls, reference: Reference) -> None:
    rows = rows_of(calls)

    plain, detailed = (
        await rated_lines(reference, rows),
        await rated_lines(reference, rows, EVERYTHING),
    )

    assert totals(detailed) == totals(plain)
    assert {line.subject.day for line in detailed} <= set(DAYS)


@settings(deadline=None, max_examples=40)
@given(_CALLS, references(), prices())
async def test_a_price_of_a_later_day_changes_no_line_of_an_earlier_one(
    calls: Calls, reference: Reference, price: Price
) -> None:
    rows = rows_of(calls)
    appended = Reference(
        prices=[*reference.prices, price],
        deployments=reference.deployments,
        owners=reference.owners,
    )

    before = await rated_lines(reference, rows, EVERYTHING)
    after = await rated_lines(appended, rows, EVERYTHING)

    def earlier(lines: list[Line]) -> list[Line]:
        return [line for line in lines if (line.subject.day or "") < price.from_day]

    assert earlier(after) == earlier(before)


def written_to_cache(usage: TokenUsage) -> int:
    """Count what was written, which may be told by its lifetimes alone."""
    if usage.cache_write_input_tokens is not None:
        return usage.cache_write_input_tokens
    return sum(usage.reported().get(name, 0) for name in _LIFETIMES)


@settings(deadline=None, max_examples=40)
@given(_CALLS, references())
async def test_every_token_is_in_one_line_with_a_price_or_without(
    calls: Calls, reference: Reference
) -> None:
    """Those of provisioned deployments are in lines that weigh them: here all weigh 1."""
    expected = Counter({"tokens": 0, "searches": 0})
    for _, usage in calls:
        parts_in = [
            (usage.cached_input_tokens or 0) + written_to_cache(usage),
            (usage.audio_input_tokens or 0) + (usage.image_input_tokens or 0),
        ]
        parts_out = [usage.reasoning_output_tokens or 0, usage.audio_output_tokens or 0]
        tokens_in = max(parts_in) if usage.input_tokens is None else usage.input_tokens
        tokens_out = max(parts_out) if usage.output_tokens is None else usage.output_tokens
        expected["tokens"] += max(tokens_in + tokens_out, usage.total_tokens or 0)
        expected["searches"] += usage.searches or 0

    lines = await rated_lines(reference, rows_of(calls))

    found = Counter({"tokens": 0, "searches": 0})
    for line in lines:
        if line.charge is not Charge.IDLE:
            found[unit(line.kind).counted.lower()] += int(line.quantity)
    assert found["tokens"] == expected["tokens"]
    assert found["searches"] == expected["searches"]


@settings(deadline=None, max_examples=40)
@given(_CALLS, references())
async def test_money_is_exact_and_its_currency_is_that_of_the_price(
    calls: Calls, reference: Reference
) -> None:
    currencies = {price.id: price.currency for price in reference.prices}

    for line in await rated_lines(reference, rows_of(calls)):
        money = (line.rate, line.currency, line.cost, line.list_cost, line.amount)
        assert all(each is None for each in money) == (line.charge is Charge.UNPRICED)
        if line.charge is Charge.USAGE:
            assert line.rate
            assert line.currency == currencies[line.rate.price_id]
            assert line.cost is not None
            power = 10 ** unit(line.kind).power
            assert line.cost * power == line.quantity * line.rate.unit_price
            assert line.amount == line.cost * (1 + line.payer.markup_percent / 100)
