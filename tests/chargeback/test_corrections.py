from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.chargeback.books import sums
from tests.chargeback.lines import make_line, make_rate, make_unpriced
from usage_ingest.chargeback.corrections import corrections
from usage_ingest.chargeback.kinds import Kind
from usage_ingest.chargeback.line import Charge, Line
from usage_ingest.chargeback.owner import NOBODY, Payer

HR, LEGAL = Payer("hr"), Payer("legal")


def told(line: Line) -> dict[str, Any]:
    """What of a correction is not as in an ordinary line."""
    names = ("charge", "corrects", "quantity", "currency", "cost", "list_cost", "amount")
    return {name: getattr(line, name) for name in names}


def test_what_is_the_same_is_left_out() -> None:
    lines = [make_line(), make_unpriced(kind=Kind.SEARCHES)]

    assert corrections("2026-11", lines, lines) == []


def test_more_usage_is_a_correction_of_the_difference() -> None:
    later = make_line(
        quantity=1_500_000,
        cost=Decimal("3.75"),
        list_cost=Decimal("4.125"),
        amount=Decimal("4.125"),
    )

    (line,) = corrections("2026-11", [later], [make_line()])

    assert told(line) == {
        "charge": Charge.CORRECTION,
        "corrects": "2026-11",
        "quantity": 500_000,
        "currency": "EUR",
        "cost": Decimal("1.25"),
        "list_cost": Decimal("1.375"),
        "amount": Decimal("1.3750"),
    }
    assert line.corrected is Charge.USAGE
    assert line.subject == later.subject


def test_another_price_is_a_difference_of_money_without_quantity() -> None:
    rate = make_rate(unit_price=Decimal(3), revision=2)
    dearer = make_line(rate=rate, cost=Decimal(3), list_cost=Decimal(3), amount=Decimal("3.30"))

    (line,) = corrections("2026-11", [dearer], [make_line()])

    assert (line.quantity, line.cost, line.amount) == (0, Decimal("0.5"), Decimal("0.55"))
    assert line.rate == rate


def test_another_owner_is_taken_back_from_one_and_charged_to_the_other() -> None:
    now, before = make_line(payer=LEGAL), make_line(payer=HR)

    plus, minus = corrections("2026-11", [now], [before])

    assert (plus.payer, plus.quantity, plus.amount) == (LEGAL, 1_000_000, Decimal("2.75"))
    assert (minus.payer, minus.quantity, minus.amount) == (HR, -1_000_000, Decimal("-2.75"))


def test_what_got_a_price_is_taken_back_from_what_has_none() -> None:
    priced, unpriced = corrections("2026-11", [make_line()], [make_unpriced()])

    assert (priced.corrected, priced.currency, priced.amount) == (
        Charge.USAGE,
        "EUR",
        Decimal("2.75"),
    )
    assert (unpriced.corrected, unpriced.currency, unpriced.amount) == (
        Charge.UNPRICED,
        None,
        None,
    )
    assert (priced.quantity, unpriced.quantity) == (1_000_000, -1_000_000)


def test_currencies_are_never_set_off_against_each_other() -> None:
    euros, dollars = make_line(), make_line(currency="USD")

    found = corrections("2026-11", [dollars], [euros])

    assert {(each.currency, each.amount) for each in found} == {
        ("USD", Decimal("2.75")),
        ("EUR", Decimal("-2.75")),
    }


def test_shares_of_a_provisioned_deployment_move_from_what_was_idle() -> None:
    def share(charge: Charge, amount: str, **rest: Any) -> Line:
        money = dict.fromkeys(("cost", "list_cost", "amount"), Decimal(amount))
        return make_line(kind=Kind.PROVISIONED, charge=charge, **money, **rest)

    before = [share(Charge.IDLE, "10", payer=NOBODY, quantity=Decimal(0))]
    now = [
        share(Charge.PROVISIONED, "4", quantity=Decimal(4)),
        share(Charge.IDLE, "6", payer=NOBODY, quantity=Decimal(0)),
    ]

    used, idle = corrections("2026-11", now, before)

    assert (used.corrected, used.quantity, used.amount) == (
        Charge.PROVISIONED,
        Decimal(4),
        Decimal(4),
    )
    assert (idle.corrected, idle.quantity, idle.amount) == (
        Charge.IDLE,
        Decimal(0),
        Decimal(-4),
    )


def test_what_was_posted_already_is_not_posted_again() -> None:
    now, before = [make_line(amount=Decimal(9))], [make_line()]
    posted = corrections("2026-11", now, before)

    assert corrections("2026-11", now, [*before, *posted]) == []
    back = corrections("2026-11", before, [*before, *posted])
    assert [each.amount for each in back] == [Decimal("-6.25")]


def test_a_difference_keeps_every_digit() -> None:
    now = make_line(amount=Decimal("1000000000000000000000000.00000000000000000000000001"))

    (line,) = corrections("2026-11", [now], [make_line(amount=Decimal("0.1"))])

    assert str(line.amount) == "999999999999999999999999.90000000000000000000000001"


def test_a_quantity_keeps_every_digit_too() -> None:
    """Weighted tokens have fractions."""
    long = Decimal("1000000000000000000000000000000.000000000001")

    (line,) = corrections("2026-11", [], [make_line(quantity=long)])

    assert line.quantity == long.copy_negate()


amounts = st.decimals(-1_000, 1_000, places=6)
some_lines = st.lists(
    st.builds(
        lambda payer, kind, currency, amount, quantity: make_line(
            payer=payer,
            kind=kind,
            currency=currency,
            quantity=quantity,
            **dict.fromkeys(("cost", "list_cost", "amount"), amount),
        ),
        st.sampled_from([HR, LEGAL]),
        st.sampled_from([Kind.INPUT, Kind.OUTPUT]),
        st.sampled_from(["EUR", "USD"]),
        amounts,
        st.integers(-9, 9) | st.decimals(-9, 9, places=2),
    ),
    max_size=6,
)


@given(some_lines, some_lines, some_lines)
def test_a_period_and_its_corrections_are_what_it_is_now(
    closed: list[Line], later: list[Line], now: list[Line]
) -> None:
    posted = corrections("2026-11", later, closed)
    pending = corrections("2026-11", now, [*closed, *posted])

    assert sums([*closed, *posted, *pending]) == sums(now)
