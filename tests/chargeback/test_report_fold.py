from decimal import Decimal

import pytest

from tests.chargeback.lines import make_line, make_rate, make_unpriced
from usage_ingest.chargeback.kinds import Kind
from usage_ingest.chargeback.line import Charge
from usage_ingest.chargeback.owner import Payer
from usage_ingest.chargeback.report_fold import MAX_GROUPS, MAX_LISTED, ReportFold, Unpriced
from usage_ingest.chargeback.sums import Sums, whole
from usage_ingest.errors import InvalidQueryError


def test_lines_are_folded_by_the_names_that_are_asked_for() -> None:
    fold = ReportFold(("owner", "tag:team", "app"))
    fold.add(make_line())
    fold.add(make_line(subject={"app_id": None}))
    fold.add(make_line(payer=Payer("legal"), subject={"tags": ()}))
    fold.add(make_line(kind=Kind.OUTPUT))

    amounts = {key: whole(sums.money["EUR"].values()).amount for key, sums in fold.groups.items()}
    assert amounts == {
        ("hr", "benefits", "app-1"): Decimal("5.5"),
        ("hr", "benefits", None): Decimal("2.75"),
        ("legal", None, "app-1"): Decimal("2.75"),
    }
    assert whole(fold.totals().money["EUR"].values()).amount == Decimal(11)


def test_more_groups_than_a_report_holds_are_refused_by_name() -> None:
    fold, line = ReportFold(("app",)), make_line()
    for n in range(MAX_GROUPS):
        fold.groups[(f"app {n}",)] = Sums()
    fold.add(make_line(subject={"app_id": "app 0"}))

    with pytest.raises(InvalidQueryError, match="narrow") as refused:
        fold.add(line)

    assert refused.value.parameter == "group_by"


def test_the_missing_price_is_told_by_what_it_would_be_looked_up_with() -> None:
    fold = ReportFold(())
    of = {"served_deployment": "spill", "service_tier": "priority"}
    fold.add(make_unpriced(quantity=3, subject=of))
    fold.add(make_unpriced(quantity=4, subject=of))

    missing = Unpriced(
        "gpt-4o", "2024-11-20", "GlobalStandard", "swedencentral", "spill", "priority", Kind.INPUT
    )
    assert fold.without_price() == {missing: 7}


def test_usage_that_a_correction_gave_a_price_lacks_none() -> None:
    fold = ReportFold(())
    fold.add(make_unpriced(quantity=3))
    taken = {"charge": Charge.CORRECTION, "corrected": Charge.UNPRICED, "corrects": "2026-11"}
    fold.add(make_unpriced(quantity=-3, **taken))

    assert fold.without_price() == {}
    assert fold.corrected == {"2026-11"}


@pytest.mark.parametrize("day", ["2026-10-20", "2026-11-19"])
def test_what_is_taken_back_of_one_day_leaves_what_another_lacks(day: str) -> None:
    fold = ReportFold(())
    taken = {"charge": Charge.CORRECTION, "corrected": Charge.UNPRICED, "corrects": day[:7]}
    fold.add(make_unpriced(quantity=5))
    fold.add(make_unpriced(quantity=-9, subject={"day": day}, **taken))

    assert list(fold.without_price().values()) == [5]


@pytest.mark.parametrize("day", ["2026-11-20", None])
def test_what_a_correction_takes_back_hides_no_other_month_that_lacks_a_price(
    day: str | None,
) -> None:
    fold = ReportFold(())
    fold.add(make_unpriced(quantity=3, subject={"day": day}))
    taken = {"charge": Charge.CORRECTION, "corrected": Charge.UNPRICED, "corrects": "2026-10"}
    fold.add(make_unpriced(quantity=-5, subject={"day": "2026-10-20"}, **taken))

    assert list(fold.without_price().values()) == [3]


def test_lists_beside_the_groups_are_bounded_and_say_when_there_is_more() -> None:
    fold = ReportFold(())
    for n in range(MAX_LISTED):
        fold.add(make_line(rate=make_rate(price_id=f"price {n}")))
        fold.add(make_unpriced(model=f"model {n}"))
    assert not fold.more_prices
    assert not fold.more_unpriced

    fold.add(make_line(rate=make_rate(price_id="one more")))
    fold.add(make_unpriced(model="one more"))

    assert (len(fold.prices), len(fold.unpriced)) == (MAX_LISTED, MAX_LISTED)
    assert fold.more_prices
    assert fold.more_unpriced


def test_amounts_of_days_are_without_corrections_of_other_days() -> None:
    fold = ReportFold(())
    fold.add(make_line())
    fold.add(make_line(currency="USD"))
    fold.add(make_line(subject={"day": "2026-10-03"}, charge=Charge.CORRECTION, corrects="2026-10"))

    assert fold.days == {
        ("EUR", "2026-11-20"): Decimal("2.75"),
        ("USD", "2026-11-20"): Decimal("2.75"),
    }
