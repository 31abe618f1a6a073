from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tests.chargeback.lines import make_line, make_rate, make_unpriced
from usage_ingest.chargeback.kinds import Kind
from usage_ingest.chargeback.line import Charge, Line
from usage_ingest.chargeback.sums import (
    MAX_UNIT_PRICES,
    Doubt,
    Part,
    Sum,
    Sums,
    added,
    doubts,
    whole,
)

_AMOUNTS = st.decimals(-1_000, 1_000, places=30, allow_nan=False, allow_infinity=False)


@st.composite
def _lines(draw: st.DrawFn) -> Line:
    if draw(st.integers(0, 4)) == 0:
        return make_unpriced(quantity=draw(st.integers(0, 10**9)))
    amount = draw(_AMOUNTS)
    return make_line(
        subject={"usage_estimated": draw(st.booleans())},
        kind=draw(st.sampled_from([Kind.INPUT, Kind.OUTPUT])),
        charge=draw(st.sampled_from([Charge.USAGE, Charge.IDLE])),
        currency=draw(st.sampled_from(["EUR", "USD"])),
        quantity=draw(st.integers(0, 10**9)),
        amount=amount,
        cost=amount,
        list_cost=amount,
        rate=make_rate(unit_price=draw(st.sampled_from([Decimal(1), Decimal(2)]))),
    )


def sums_of(lines: list[Line]) -> Sums:
    sums = Sums()
    for line in lines:
        sums.add(line)
    return sums


@given(st.lists(_lines()), st.data())
def test_lines_add_up_to_the_same_however_they_are_cut_and_ordered(
    lines: list[Line], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(lines))
    cut = data.draw(st.integers(0, len(lines)))

    merged = sums_of(shuffled[:cut])
    merged.merge(sums_of(shuffled[cut:]))

    assert merged == sums_of(lines)


def test_currencies_are_never_added_together() -> None:
    sums = sums_of([make_line(), make_line(currency="USD"), make_line()])

    amounts = {currency: whole(parts.values()).amount for currency, parts in sums.money.items()}
    assert amounts == {"EUR": Decimal("5.5"), "USD": Decimal("2.75")}


def test_what_has_no_price_is_counted_and_is_no_amount() -> None:
    sums = sums_of([make_unpriced(quantity=3), make_unpriced(quantity=4)])

    assert sums.money == {}
    assert sums.unpriced == {Part(Kind.INPUT, Charge.UNPRICED, None): 7}


def test_a_correction_stands_beside_what_it_is_like_and_not_in_it() -> None:
    correction = make_line(charge=Charge.CORRECTION, corrects="2026-10", amount=Decimal(-1))

    sums = sums_of([make_line(), correction])

    assert {part.corrects: each.amount for part, each in sums.money["EUR"].items()} == {
        None: Decimal("2.75"),
        "2026-10": Decimal(-1),
    }


def test_amounts_are_exact_beyond_what_a_float_or_28_digits_hold() -> None:
    tiny = Decimal("0.000000000000000000000000000001")

    sums = sums_of([make_line(amount=Decimal(10**15)), make_line(amount=tiny)])

    assert whole(sums.money["EUR"].values()).amount == Decimal(f"{10**15}.{0:029}1")


def test_whole_quantities_stay_integers_and_weighted_ones_are_exact() -> None:
    assert type(added(1, 2)) is int
    assert added(10**30, Decimal("0.25")) == Decimal(f"{10**30}.25")


def test_every_reason_to_doubt_an_amount_is_told() -> None:
    sure = make_line()
    unsure = make_line(
        subject={"usage_estimated": True},
        rate=make_rate(list_estimate=True, other_vendor=True, base_band=True),
        parts_overlap=True,
    )

    assert doubts(sure) == []
    assert doubts(unsure) == list(Doubt)
    assert whole(sums_of([sure, unsure]).money["EUR"].values()).doubtful == dict.fromkeys(
        Doubt, Decimal("2.75")
    )


def test_of_many_unit_prices_some_are_kept_and_that_there_are_more() -> None:
    found = Sum()
    for n in range(MAX_UNIT_PRICES):
        found.add(make_line(rate=make_rate(unit_price=Decimal(n))))
    assert not found.more_unit_prices

    found.add(make_line(rate=make_rate(unit_price=Decimal(-1))))

    assert len(found.unit_prices) == MAX_UNIT_PRICES
    assert found.more_unit_prices
