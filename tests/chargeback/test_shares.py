from decimal import Decimal

from tests.chargeback.lines import make_line, make_unpriced
from usage_ingest.chargeback.line import Charge
from usage_ingest.chargeback.owner import NOBODY, Payer
from usage_ingest.chargeback.shares import Shares


def test_owners_are_charged_by_currency_and_corrections_apart() -> None:
    shares = Shares()
    hr = Payer("hr", "CC-1", "People")
    for line in (
        make_line(payer=hr, amount=Decimal(1)),
        make_line(payer=hr, amount=Decimal(2)),
        make_line(payer=hr, amount=Decimal(4), currency="USD"),
        make_line(payer=hr, amount=Decimal(-8), charge=Charge.CORRECTION, corrects="2026-10"),
        make_unpriced(payer=NOBODY),
    ):
        shares.add(line)

    told = [
        (charged.owner, charged.cost_center, charged.corrects, tally.lines, tally.totals())
        for charged, tally in shares.ordered()
    ]
    assert told == [
        ("hr", "CC-1", None, 2, {"EUR": "3"}),
        ("hr", "CC-1", "2026-10", 1, {"EUR": "-8"}),
        ("hr", "CC-1", None, 1, {"USD": "4"}),
        ("unallocated", None, None, 1, {}),
    ]
