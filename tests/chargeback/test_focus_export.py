from dataclasses import replace
from datetime import date
from decimal import Decimal
from io import StringIO

import pytest

from tests.chargeback.books import Books
from tests.chargeback.builders import make_name, make_price
from tests.chargeback.focus_lines import BILLER
from tests.chargeback.focus_rules import Row, problems
from tests.chargeback.test_focus import rows_of
from usage_ingest.chargeback import focus_export
from usage_ingest.chargeback.answer import answer
from usage_ingest.chargeback.focus_csv import FocusCsv
from usage_ingest.chargeback.focus_export import FocusMonth, as_text, months, write_month
from usage_ingest.chargeback.line import total
from usage_ingest.chargeback.report_query import ReportQuery, parse_report_query
from usage_ingest.errors import InvalidQueryError


def ask(**params: str) -> ReportQuery:
    return parse_report_query({"format": "focus", **params}, date(2027, 1, 15), ("team",))


async def export(books: Books, **params: str) -> tuple[list[Row], list[Row], FocusMonth]:
    """The rows of a month's charges, those of what has no price, and what was told."""
    charges, unpriced = StringIO(newline=""), StringIO(newline="")
    (query,) = months(ask(**params))
    table = FocusCsv(charges, unpriced)
    told = await write_month(query, books.stores, BILLER, books.clock.now(), table)
    assert problems(charges.getvalue()) == []
    return rows_of(charges.getvalue()), rows_of(unpriced.getvalue()), told


def billed(rows: list[Row]) -> Decimal:
    return total(Decimal(row["BilledCost"]) for row in rows)


@pytest.fixture
def books() -> Books:
    """October and November with usage, a price, an owner and capacity by the month."""
    found = Books()
    found.price("2026-10-01", "2.50")
    found.rule("2026-10-01", "hr", "5")
    found.provision("2026-11-01", "3000")
    for day in ("2026-10-30", "2026-10-31", "2026-11-01", "2026-11-20"):
        found.use(day, input_tokens=1_000_000)
    found.use("2026-11-20", input_tokens=10, deployment="ptu")
    return found


async def test_an_open_month_has_its_usage_and_all_days_of_its_capacity(books: Books) -> None:
    rows, unpriced, told = await export(books, period="2026-11")

    assert (told.period, told.rows, told.unpriced_rows) == ("2026-11", len(rows), 0)
    assert not unpriced
    used = [row for row in rows if row["x_TokenKind"] == "input"]
    assert [row["ChargePeriodStart"][:10] for row in used] == ["2026-11-01", "2026-11-20"]
    assert {Decimal(row["BilledCost"]) for row in used} == {Decimal("2.625")}
    capacity = [row for row in rows if row["CapacityReservationId"]]
    assert total(Decimal(row["EffectiveCost"]) for row in capacity) == 3000
    assert [row["CapacityReservationStatus"] for row in capacity].count("Used") == 1
    assert {row["InvoiceId"] for row in rows} == {""}
    assert told.completeness["complete"] is True


async def test_what_is_billed_for_a_closed_month_is_its_statement(books: Books) -> None:
    """Whatever changed since: that is corrected, and billed, where it is posted."""
    assert (await books.close("2026-10")).statement
    books.use("2026-10-31", input_tokens=500_000)
    books.price("2026-10-01", "3.00")

    rows, _, told = await export(books, period="2026-10")
    ((head, _),) = books.statements.closed
    assert {row["InvoiceId"] for row in rows} == {head.id}
    assert billed(rows) == Decimal(head.totals["EUR"])
    assert told.completeness == head.completeness

    assert (await books.close("2026-11")).statement
    rows, _, _ = await export(books, period="2026-11")
    head = books.statements.closed[1][0]
    assert billed(rows) == Decimal(head.totals["EUR"])
    corrected = [row for row in rows if row["ChargeClass"]]
    assert {row["ChargePeriodStart"][:7] for row in corrected} == {"2026-10"}
    assert {row["BillingPeriodStart"] for row in rows} == {"2026-11-01T00:00:00Z"}
    # 2.5 million tokens at 3.00 instead of 2 million at 2.50, with 5 percent
    assert billed(corrected) == Decimal("2.625")


async def test_the_first_open_month_shows_the_corrections_that_it_will_post(books: Books) -> None:
    assert (await books.close("2026-10")).statement
    books.use("2026-10-31", input_tokens=500_000)

    rows, _, _ = await export(books, period="2026-11")

    (row,) = [row for row in rows if row["ChargeClass"] == "Correction"]
    assert (row["x_CorrectedPeriod"], row["ConsumedQuantity"]) == ("2026-10", "500000")
    assert row["InvoiceId"] == ""


async def test_a_part_of_a_closed_month_is_no_invoice(books: Books) -> None:
    assert (await books.close("2026-10")).statement

    days, _, _ = await export(books, start_date="2026-10-31", end_date="2026-10-31")
    only, _, _ = await export(books, period="2026-10", owner="hr")

    assert [row["ChargePeriodStart"][:10] for row in days] == ["2026-10-31"]
    assert len(only) == 2
    assert {row["InvoiceId"] for row in (*days, *only)} == {""}


async def test_what_has_no_price_is_in_the_other_file(books: Books) -> None:
    books.use("2026-11-02", model="new-model", input_tokens=7, app_id="app-9")

    rows, (row,), told = await export(books, period="2026-11")

    assert told.unpriced_rows == 1
    assert "new-model" not in {row["SkuId"].partition("/")[0] for row in rows}
    assert (row["SkuId"], row["ConsumedQuantity"]) == ("new-model/input", "7")
    assert '"usage:app":"app-9"' in row["Tags"]


async def test_what_got_a_price_after_its_month_was_closed_is_taken_back(books: Books) -> None:
    """It is written, so that quantities add up, and is no failure: it has a price by now."""
    books.use("2026-10-30", model="new-model", input_tokens=7)
    assert (await books.close("2026-10")).statement
    priced = make_price("new-model", from_day="2026-10-01", revision=9, currency="EUR")
    held = books.reference.held
    books.reference.held = replace(held, prices=[*held.prices, priced])

    rows, (taken_back,), told = await export(books, period="2026-11")

    assert (taken_back["ConsumedQuantity"], taken_back["ChargeClass"]) == ("-7", "Correction")
    assert (told.unpriced_rows, told.without_price) == (1, 0)
    (corrected,) = [row for row in rows if row["ChargeClass"]]
    assert (corrected["ConsumedQuantity"], corrected["SkuId"]) == ("7", "new-model/input")


async def test_sub_accounts_have_the_names_of_that_month(books: Books) -> None:
    held = books.reference.held
    shown = make_name("Standard", of="product", value="ai-standard")
    later = make_name("Gold", of="product", value="ai-standard", from_day="2026-12-01")
    books.reference.held = replace(held, names=[shown, later])

    rows, _, _ = await export(books, period="2026-11")

    names = {row["SubAccountName"] for row in rows if row["SubAccountId"] == "ai-standard"}
    assert names == {"Standard"}


def test_a_range_is_cut_by_months() -> None:
    cut = months(ask(start_date="2026-10-30", end_date="2026-12-02", owner="hr"))

    assert [(each.start.isoformat(), each.end.isoformat()) for each in cut] == [
        ("2026-10-30", "2026-10-31"),
        ("2026-11-01", "2026-11-30"),
        ("2026-12-01", "2026-12-02"),
    ]
    assert {each.filters["owner"] for each in cut} == {("hr",)}


async def test_rows_are_written_while_days_are_read(books: Books) -> None:
    """No more than a day is held: when a later day is asked for, the earlier one is written."""
    segments = books.rows.segments
    seen: list[int] = []

    class Noting(StringIO):
        def write(self, text: str) -> int:
            seen.append(len(segments))
            return super().write(text)

    (query,) = months(ask(period="2026-11"))
    table = FocusCsv(Noting(), StringIO())
    told: list[tuple[str, int]] = []
    await write_month(
        query, books.stores, BILLER, books.clock.now(), table, lambda *at: told.append(at)
    )

    assert sorted(set(seen)) == list(range(31))  # the header, then each day after it was read
    assert told[0][0] == "2026-11-01"
    assert [rows for _, rows in told] == list(range(1, table.rows + 1))


async def test_an_answer_holds_all_months_below_one_header(books: Books) -> None:
    books.use("2026-11-02", model="new-model", input_tokens=7)
    days = ask(start_date="2026-10-01", end_date="2026-11-30")

    found = await as_text(days, books.stores, BILLER, books.clock.now())

    assert problems(found.text) == []
    starts = [row["BillingPeriodStart"][:7] for row in rows_of(found.text)]
    assert set(starts) == {"2026-10", "2026-11"}
    assert starts == sorted(starts)
    assert (found.without_price, found.complete) == (1, True)


async def test_an_answer_over_http_says_in_headers_what_rows_cannot(books: Books) -> None:
    query = ask(period="2026-11")

    found = await answer(query, books.stores, BILLER, books.clock.now())
    books.use("2026-11-02", model="new-model", input_tokens=7)
    lacking = await answer(query, books.stores, BILLER, books.clock.now())
    allowed = replace(query, allow_unpriced=True)
    accepted = await answer(allowed, books.stores, BILLER, books.clock.now())

    assert found.body == lacking.body
    assert found.mimetype == "text/csv"
    assert found.headers == {
        "X-Usage-Complete": "true",
        "X-Usage-Unpriced": "0",
        "Content-Disposition": 'attachment; filename="chargeback-2026-11-focus.csv"',
    }
    assert lacking.headers["X-Usage-Complete"] == "false"
    assert accepted.headers["X-Usage-Complete"] == "true"
    assert lacking.headers["X-Usage-Unpriced"] == accepted.headers["X-Usage-Unpriced"] == "1"


async def test_an_answer_does_not_grow_without_end(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(focus_export, "MAX_ROWS", 3)

    with pytest.raises(InvalidQueryError, match="format: focus gives more than 3 rows"):
        await as_text(ask(period="2026-11"), books.stores, BILLER, books.clock.now())
