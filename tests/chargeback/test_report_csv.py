import csv
import io
from decimal import Decimal

import pytest

from tests.chargeback.closed import closed_books, report_of
from tests.chargeback.lines import make_line, make_rate, make_unpriced
from usage_ingest.chargeback.kinds import Kind
from usage_ingest.chargeback.line import Charge, Line
from usage_ingest.chargeback.owner import Payer
from usage_ingest.chargeback.report_csv import COLUMNS, MARK, to_csv


async def csv_of(*lines: Line, group_by: str = "owner") -> str:
    """The report of a closed November with these lines."""
    params = {"group_by": group_by} if group_by else {}
    return to_csv(await report_of(closed_books(*lines), **params))


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.removeprefix(MARK), newline="")))


async def test_there_is_a_row_for_each_group_currency_and_kind() -> None:
    rows = rows_of(
        await csv_of(
            make_line(),
            make_line(kind=Kind.OUTPUT),
            make_line(currency="USD"),
            make_line(payer=Payer("legal")),
        )
    )

    assert [(row["owner"], row["currency"], row["kind"]) for row in rows] == [
        ("hr", "EUR", "input"),
        ("hr", "EUR", "output"),
        ("hr", "USD", "input"),
        ("legal", "EUR", "input"),
    ]


async def test_the_columns_are_always_the_same() -> None:
    header = (await csv_of(group_by="owner,day,tag:team")).removeprefix(MARK)

    assert header == (
        "owner,day,tag:team,owner_name,tag:team_name,charge,corrects,kind,unit,quantity,currency,"
        "per,unit_price,unit_prices,cost,list_cost,amount,amount_estimated,amount_list_estimate,"
        "amount_other_vendor,amount_base_band,amount_parts_overlap\r\n"
    )


async def test_amounts_are_exact_and_never_written_with_an_exponent() -> None:
    tiny = Decimal("0.00000000123")

    (row,) = rows_of(await csv_of(make_line(amount=tiny, rate=make_rate(unit_price=tiny))))

    assert (row["amount"], row["unit_price"]) == ("0.00000000123", "0.00000000123")
    assert (row["quantity"], row["unit"], row["per"]) == ("1000000", "Tokens", "1M Tokens")


async def test_what_has_no_price_has_empty_amounts_and_no_zero() -> None:
    (row,) = rows_of(await csv_of(make_unpriced(quantity=7)))

    assert (row["charge"], row["quantity"]) == ("unpriced", "7")
    money = ("currency", "unit_price", "unit_prices", "cost", "list_cost", "amount")
    assert [row[name] for name in money] == [""] * len(money)


async def test_a_price_stands_in_a_row_only_where_there_is_one() -> None:
    rates = [make_rate(unit_price=Decimal(price)) for price in (2, 3)]

    (row,) = rows_of(await csv_of(*(make_line(rate=rate) for rate in rates)))

    assert (row["unit_price"], row["unit_prices"]) == ("", "2")


async def test_a_correction_is_a_row_of_its_own_and_may_be_below_zero() -> None:
    less = make_line(
        charge=Charge.CORRECTION,
        corrects="2026-10",
        amount=Decimal("-1.5"),
        subject={"day": "2026-10-05"},
    )

    rows = rows_of(await csv_of(make_line(), less))

    assert [(row["charge"], row["corrects"], row["amount"]) for row in rows] == [
        ("usage", "", "2.75"),
        ("correction", "2026-10", "-1.5"),
    ]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
async def test_a_name_is_never_computed_by_a_spreadsheet(start: str) -> None:
    name = f'{start}HYPERLINK("http://example.test")'

    (row,) = rows_of(await csv_of(make_line(payer=Payer(name))))

    assert row["owner"] == f"'{name}"


async def test_without_groups_the_rows_are_of_the_totals() -> None:
    (row,) = rows_of(await csv_of(make_line(), make_line(), group_by=""))

    assert row.keys() == set(COLUMNS)
    assert row["amount"] == "5.5"


async def test_excel_is_told_that_it_is_utf_8() -> None:
    text = await csv_of(make_line(payer=Payer("Verkäufe")))

    assert text.encode().startswith(b"\xef\xbb\xbfowner,")
    assert rows_of(text)[0]["owner"] == "Verkäufe"
