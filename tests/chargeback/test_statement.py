from decimal import Decimal

from tests.chargeback.lines import make_line, make_unpriced
from tests.chargeback.statements import each_of
from usage_ingest.chargeback.kinds import Kind
from usage_ingest.chargeback.line import Charge, Line
from usage_ingest.chargeback.statement import Tally, chunk_of, cut


async def test_corrections_stand_in_chunks_of_their_own() -> None:
    usage, correction = make_line(), make_line(charge=Charge.CORRECTION, corrects="2026-10")

    found = [each async for each in cut(each_of([usage] * 5 + [correction] * 2), 3)]

    assert [len(each) for each in found] == [3, 2, 2]
    assert [chunk_of(each).corrections for each in found] == [False, False, True]


async def test_no_lines_are_no_chunks() -> None:
    assert [each async for each in cut(each_of([]))] == []


def test_amounts_are_added_up_by_currency_and_what_has_no_price_is_only_counted() -> None:
    tally = Tally()
    for line in (
        make_line(amount=Decimal("0.1")),
        make_line(amount=Decimal("0.20000000000000000000000000000000000000001"), kind=Kind.OUTPUT),
        make_line(amount=Decimal("-3.00"), currency="USD"),
        make_unpriced(),
    ):
        tally.add(line)

    assert tally.lines == 4
    assert tally.totals() == {"EUR": "0.30000000000000000000000000000000000000001", "USD": "-3"}


def test_a_chunk_tells_the_days_that_are_in_it() -> None:
    lines: list[Line] = [make_line(subject={"day": day}) for day in ("2026-11-03", "2026-11-02")]

    chunk = chunk_of(lines)

    assert (chunk.lines, chunk.first_day, chunk.last_day) == (2, "2026-11-02", "2026-11-03")
