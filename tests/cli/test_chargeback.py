"""`python -m usage_ingest chargeback`, end to end against the stand-ins."""

import csv
import json
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest

from local.cosmos import Fault
from tests.builders import make_event, make_usage
from tests.chargeback.focus_rules import problems
from tests.cli.commands import Commands
from tests.conftest import Stack
from tests.totals.ledgers import DAY, ingest, make_events

DAYS: Final = ("--from", "2026-11-19", "--to", DAY)
OWN_PRICES: Final = {"LIST_ESTIMATES": "off"}  # no test holds to what a public list says today
BOOK: Final = """
prices:
  - model: gpt-4o
    from_day: 2026-11-01
    currency: EUR
    unit_prices: {input: "2", cached_input: "1", output: "8"}
owners:
  - subscription: hr-copilot
    from_day: 2026-11-01
    owner: hr
    cost_center: "4711"
    markup_percent: "10"
"""


@pytest.fixture
async def priced(stack: Stack, run: Commands, tmp_path: Path) -> Commands:
    """Twelve calls of two subscriptions, whose model has a price; one of them has an owner."""
    await ingest(stack.app, make_events())
    book = tmp_path / "book.yaml"
    book.write_text(BOOK)
    imported = await run("reference", "import", str(book))
    assert imported.exit_code == 0, imported.output
    return run


async def report(run: Commands, *arguments: str) -> str:
    result = await run("chargeback", "report", *arguments, **OWN_PRICES)
    assert result.exit_code == 0, result.output
    return result.stdout


def focus_files(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.glob("focus*"))


async def test_a_report_is_what_http_answers(priced: Commands) -> None:
    found = json.loads(await report(priced, *DAYS, "--group-by", "owner", "--group-by", "model"))

    assert found["group_by"] == ["owner", "model"]
    owners = {each["key"]["owner"]: each for each in found["groups"]}
    assert set(owners) == {"hr", "unallocated"}
    (charges,) = owners["hr"]["charges"]
    # 630 - 384 tokens of input at 2, 384 cached ones at 1, 120 of output at 8; with 10 percent.
    assert charges["currency"] == "EUR"
    assert Decimal(charges["amount"]) == Decimal("0.0020196")


async def test_only_what_is_asked_for_is_in_a_report(priced: Commands) -> None:
    text = await report(
        priced, *DAYS, "--format", "csv", "--group-by", "owner", "--only", "owner=hr"
    )

    rows = list(csv.DictReader(text.removeprefix("\ufeff").splitlines()))
    assert {row["owner"] for row in rows} == {"hr"}


@pytest.mark.parametrize(
    ("form", "begins"), [("json", "{"), ("csv", "\ufeffcharge"), ("html", "<!doctype html>")]
)
async def test_each_format_of_a_report_goes_to_a_file(
    priced: Commands, tmp_path: Path, form: str, begins: str
) -> None:
    place = tmp_path / "reports" / f"november.{form}"

    told = await report(priced, *DAYS, "--format", form, "--out", str(place))

    assert told == f"{place} is written\n"
    assert place.read_text(encoding="utf-8").startswith(begins)
    assert list(place.parent.iterdir()) == [place]


async def test_focus_files_hold_what_the_report_adds_up(priced: Commands, tmp_path: Path) -> None:
    place = tmp_path / "focus.csv"
    named = {"BILLING_ACCOUNT_ID": "contoso", "INVOICE_ISSUER_NAME": "AI platform team"}

    told = await priced(
        *("chargeback", "report", *DAYS, "--format", "focus", "--out", str(place)),
        **OWN_PRICES,
        **named,
    )
    found = json.loads(await report(priced, *DAYS))

    assert told.exit_code == 0, told.output
    text = place.read_text(encoding="utf-8")
    assert problems(text) == []
    rows = list(csv.DictReader(text.splitlines()))
    (charges,) = found["totals"]["charges"]
    assert sum(Decimal(row["BilledCost"]) for row in rows) == Decimal(charges["amount"])
    assert {(row["BillingAccountId"], row["InvoiceIssuerName"]) for row in rows} == {
        ("contoso", "AI platform team")
    }
    assert told.stdout.splitlines()[0] == f"2026-11  {len(rows):>12,} rows  {place}"
    assert not (tmp_path / "focus.unpriced.csv").exists()


async def test_each_month_has_a_file_of_its_own(priced: Commands, tmp_path: Path) -> None:
    place = tmp_path / "focus.csv"
    content = await priced.json(
        *("chargeback", "report", "--from", "2026-10-31", "--to", DAY),
        *("--format", "focus", "--out", str(place)),
        **OWN_PRICES,
    )

    assert [(each["period"], Path(each["out"]).name) for each in content] == [
        ("2026-10", "focus-2026-10.csv"),
        ("2026-11", "focus-2026-11.csv"),
    ]
    assert content[0]["rows"] == 0
    assert focus_files(tmp_path) == ["focus-2026-10.csv", "focus-2026-11.csv"]
    assert content[1]["completeness"]["days_without_usage"]


async def test_usage_without_a_price_ends_with_1_unless_it_is_allowed(
    stack: Stack, priced: Commands, tmp_path: Path
) -> None:
    event = make_event(response_model="secret-model", request_model=None, usage=make_usage())
    await ingest(stack.app, [event], first=100)
    place = tmp_path / "focus.csv"
    command = ("chargeback", "report", *DAYS)
    focus = ("--format", "focus", "--out", str(place))

    refused = await priced(*command, *focus, **OWN_PRICES)
    allowed = await priced(*command, *focus, "--allow-unpriced", **OWN_PRICES)
    plain = await priced(*command, **OWN_PRICES)

    assert (refused.exit_code, allowed.exit_code, plain.exit_code) == (1, 0, 1)
    beside = tmp_path / "focus.unpriced.csv"
    assert f"2 rows  {beside}: without a price" in refused.stdout
    with beside.open(encoding="utf-8", newline="") as file:
        assert {row["SkuId"] for row in csv.DictReader(file)} == {
            "secret-model/input",
            "secret-model/output",
        }


async def test_a_public_list_fills_in_what_has_no_price_unless_it_is_turned_off(
    stack: Stack, run: Commands
) -> None:
    await ingest(stack.app, make_events())
    command = ("chargeback", "report", *DAYS)

    filled_in = await run(*command)
    left_out = await run(*command, LIST_ESTIMATES="off")

    assert (filled_in.exit_code, left_out.exit_code) == (0, 1)
    (charges,) = json.loads(filled_in.stdout)["totals"]["charges"]
    assert charges["currency"] == "USD"
    assert charges["doubtful"]["list_estimate"]["amount"] == charges["amount"]
    assert json.loads(left_out.stdout)["totals"]["charges"] == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--format", "focus"), "takes --out FILE"),
        (("--period", "2026-13"), "--period: takes a month"),
        (
            ("--period", "2026-11", "--from", DAY),
            "--period: names the days already; leave out --from",
        ),
        (("--from", "2990-01-01"), "--from: "),
        (("--group-by", "colour"), "--group-by: 'colour' is not a group"),
        (("--only", "owner"), "--only owner: takes NAME=VALUE"),
        (("--only", "owner=a", "--only", "owner=b"), "--only owner=b: takes NAME=VALUE"),
        (("--only", "colour=red"), "--only colour: is not a parameter"),
    ],
)
async def test_what_cannot_be_asked_is_named(
    run: Commands, arguments: tuple[str, ...], says: str
) -> None:
    result = await run("chargeback", "report", *arguments)

    assert (result.exit_code, result.stdout) == (2, "")
    assert says in result.stderr


async def test_a_store_that_refuses_leaves_the_file_that_was_there(
    stack: Stack, priced: Commands, tmp_path: Path
) -> None:
    place = tmp_path / "focus.csv"
    command = ("chargeback", "report", *DAYS, "--format", "focus", "--out", str(place))
    assert (await priced(*command, **OWN_PRICES)).exit_code == 0
    before = place.read_bytes()
    stack.cosmos.faults.add(Fault(operation="query", count=None, status=403))

    result = await priced(*command, **OWN_PRICES)

    assert (result.exit_code, result.stdout) == (1, "")
    assert "Data Contributor" in result.stderr
    assert place.read_bytes() == before


async def test_long_work_says_how_far_it_is(
    priced: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("usage_ingest.cli.watch.TELL_SECONDS", 0.0)
    place = tmp_path / "focus.csv"

    result = await priced(
        *("chargeback", "report", *DAYS, "--format", "focus", "--out", str(place)), **OWN_PRICES
    )

    assert f"{DAY}: 1 rows" in result.stderr
