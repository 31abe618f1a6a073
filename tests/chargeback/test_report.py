"""The report over what money is made of in memory, closed for real."""

import gc
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from tests.chargeback.books import Books
from tests.chargeback.closed import closed_books
from tests.chargeback.closed import report_of as closed_report_of
from tests.chargeback.lines import make_line
from usage_ingest.chargeback.line import Line, total
from usage_ingest.chargeback.owner import DisplayName, NameKey
from usage_ingest.chargeback.report import DROPPED, is_complete, report
from usage_ingest.chargeback.report_query import parse_report_query

MILLION = 1_000_000
TODAY = date(2027, 1, 15)
TEAM = ("team",)
Report = dict[str, Any]


@pytest.fixture
def books() -> Books:
    """A price and two owners, one call in each of three months."""
    books = Books()
    books.price("2026-01-01", "2", unit_prices={"input": "2", "output": "8"})
    books.rule("2026-01-01", "hr", "10")
    books.rule("2026-01-01", "legal", key={"subscription": "contracts"})
    books.use("2026-10-05", input_tokens=MILLION)
    books.use("2026-11-20", input_tokens=3 * MILLION, output_tokens=MILLION)
    books.use("2026-11-21", input_tokens=MILLION, subscription_id="contracts")
    books.use("2026-12-03", input_tokens=MILLION)
    return books


async def report_of(books: Books, **params: str) -> Report:
    now = books.clock.now()
    query = parse_report_query(params, now.date(), TEAM)
    return await report(query, books.stores, now)


def amounts(groups: list[Report]) -> dict[tuple[Any, ...], dict[str, str]]:
    return {
        tuple(group["key"].values()): {
            each["currency"]: each["amount"] for each in group["charges"]
        }
        for group in groups
    }


def lines_of(charges: Report) -> list[tuple[str, str, Any, Any, str]]:
    return [
        (each["charge"], each["kind"], each["quantity"], each["unit_prices"], each["amount"])
        for each in charges["lines"]
    ]


# What it costs


async def test_each_owner_pays_what_was_used_with_what_is_added_for_them(books: Books) -> None:
    found = await report_of(books, period="2026-11", group_by="owner")

    assert amounts(found["groups"]) == {("hr",): {"EUR": "15.4"}, ("legal",): {"EUR": "2"}}
    (total_charges,) = found["totals"]["charges"]
    assert (total_charges["amount"], total_charges["cost"]) == ("17.4", "16")


async def test_a_group_tells_quantities_unit_prices_and_amounts_of_each_kind(books: Books) -> None:
    found = await report_of(books, period="2026-11", group_by="owner", owner="hr")

    ((charges,),) = (group["charges"] for group in found["groups"])
    assert lines_of(charges) == [
        ("usage", "input", 3 * MILLION, ["2"], "6.6"),
        ("usage", "output", MILLION, ["8"], "8.8"),
    ]
    assert {each["per"] for each in charges["lines"]} == {"1M Tokens"}


async def test_groups_add_up_to_the_totals_whatever_they_are_grouped_by(books: Books) -> None:
    books.use("2026-11-22", input_tokens=7, model="gpt-unknown", app_id=None)
    by = ["owner", "cost_center", "subscription,model", "day,token_kind", "tag:team,app", "region"]
    for group_by in by:
        found = await report_of(books, period="2026-11", group_by=group_by)
        charges = [each for group in found["groups"] for each in group["charges"]]
        assert total(Decimal(each["amount"]) for each in charges) == Decimal("17.4"), group_by
        unpriced = [each["quantity"] for group in found["groups"] for each in group["unpriced"]]
        assert unpriced == [7], group_by


async def test_without_groups_there_are_totals_alone(books: Books) -> None:
    found = await report_of(books, period="2026-11")

    assert found["groups"] == []
    assert found["totals"]["charges"][0]["amount"] == "17.4"


async def test_filters_choose_lines_after_they_were_rated(books: Books) -> None:
    books.use("2026-11-22", input_tokens=MILLION, subscription_id="unknown", app_id=None)

    nobody = await report_of(books, period="2026-11", owner="unallocated")
    app = await report_of(books, period="2026-11", app="-")
    only: dict[str, str] = {"token_kind": "output", "day": "2026-11-20"}
    kinds = await report_of(books, period="2026-11", **only)

    assert [each["totals"]["charges"][0]["amount"] for each in (nobody, app, kinds)] == [
        "2",
        "2",
        "8.8",
    ]


async def test_idle_throughput_is_a_charge_of_nobody_and_told_apart(books: Books) -> None:
    books.provision("2026-12-01", "310")

    found = await report_of(books, start_date="2026-12-01", end_date="2026-12-01", group_by="owner")

    (group,) = found["groups"]
    (charges,) = group["charges"]
    assert group["key"] == {"owner": "unallocated"}
    assert (charges["amount"], charges["idle"]) == ("10", "10")
    assert lines_of(charges)[0][:3] == ("idle", "provisioned", "0")


async def test_currencies_stand_beside_each_other(books: Books) -> None:
    books.price(
        "2026-01-01", "5", unit_prices={"input": "5"}, currency="USD", key={"region": "westus"}
    )
    books.use("2026-11-22", input_tokens=MILLION, region="West US")

    found = await report_of(books, period="2026-11", group_by="owner")

    assert amounts(found["groups"])["hr",] == {"EUR": "15.4", "USD": "5.5"}


async def test_display_names_are_those_of_the_last_day(books: Books) -> None:
    name: dict[str, Any] = {"key": NameKey("owner", "hr"), "source": "names"}
    names = [
        DisplayName(id="1", from_day="2026-01-01", name="Personnel", **name),
        DisplayName(id="2", from_day="2026-11-15", name="People", **name),
        DisplayName(id="3", from_day="2026-12-01", name="Humans", **name),
    ]
    books.reference.held = replace(books.reference.held, names=names)

    found = await report_of(books, period="2026-11", group_by="owner,model")

    assert [group["names"] for group in found["groups"]] == [{"owner": "People"}, {}]


async def test_the_versions_of_the_prices_are_listed(books: Books) -> None:
    books.price("2026-11-21", "4")

    found = await report_of(books, period="2026-11")

    prices = found["prices"]
    assert (prices["count"], prices["more"]) == (2, False)
    assert sorted(each["import"] for each in prices["listed"]) == [1, 4]
    assert {each["source"] for each in prices["listed"]} == {"contract"}
    assert all(each["id"] for each in prices["listed"])


# What it does not tell


async def test_what_has_no_price_is_listed_with_its_model_and_makes_it_incomplete(
    books: Books,
) -> None:
    books.use("2026-11-22", input_tokens=12, output_tokens=5, model="gpt-unknown")

    found = await report_of(books, period="2026-11", group_by="model")

    assert found["unpriced"]["count"] == 2
    assert [
        (each["model"], each["deployment"], each["kind"], each["quantity"])
        for each in found["unpriced"]["listed"]
    ] == [
        ("gpt-unknown", "gpt-4o-prod", "input", 12),
        ("gpt-unknown", "gpt-4o-prod", "output", 5),
    ]
    (group,) = (each for each in found["groups"] if each["key"]["model"] == "gpt-unknown")
    assert group["charges"] == []
    assert [(each["kind"], each["quantity"]) for each in group["unpriced"]] == [
        ("input", 12),
        ("output", 5),
    ]
    assert found["completeness"]["incomplete_because"] == ["unpriced"]
    assert not is_complete(found)


async def test_a_share_of_what_nearly_nothing_is_left_of_is_told_too() -> None:
    """A remainder of provisioned throughput beside what was charged and taken back."""
    amounts = ("1000000000000", "-1000000000000", "0." + "0" * 43 + "1")
    lines = [
        make_line(amount=Decimal(amount), subject={"usage_estimated": number == 0})
        for number, amount in enumerate(amounts)
    ]

    found = await closed_report_of(closed_books(*lines))

    (charges,) = found["totals"]["charges"]
    assert Decimal(charges["doubtful"]["estimated"]["share"]) == Decimal("1e56")


async def test_shares_of_estimates_are_told_for_each_currency(books: Books) -> None:
    books.use("2026-11-22", input_tokens=MILLION, usage_estimated=True)

    found = await report_of(books, period="2026-11")

    (charges,) = found["totals"]["charges"]
    assert charges["doubtful"]["estimated"] == {"amount": "2.2", "share": "0.1122"}
    assert charges["doubtful"]["list_estimate"] == {"amount": "0", "share": "0"}
    assert found["completeness"]["estimated"] is True
    assert found["completeness"]["priced_by_estimate"] is False


async def test_it_is_complete_when_nothing_is_known_to_be_missing(books: Books) -> None:
    found = await report_of(books, period="2026-11")

    assert is_complete(found)
    completeness = found["completeness"]
    assert completeness["unpriced"] == {"count": 0}
    assert completeness["sources"]["event_hub"]["lag"] == 0
    assert completeness["dropped_by_gateways"] == {"seen": False, "text": DROPPED}


async def test_completeness_is_of_all_usage_whatever_is_filtered(books: Books) -> None:
    books.use("2026-11-22", requests_awaiting_metrics=4, streaming=True)

    found = await report_of(books, period="2026-11", owner="legal")

    assert found["completeness"]["requests_awaiting_metrics"] == 4
    assert found["completeness"]["incomplete_because"] == ["awaiting_metrics"]


async def test_events_that_wait_are_told_as_a_summary_tells_them(books: Books) -> None:
    books.partition.lag = 3

    found = await report_of(books, start_date="2027-01-01", end_date="2027-01-15")

    assert found["completeness"]["incomplete_because"] == ["lag"]


# Periods


async def test_a_closed_period_gives_its_frozen_numbers(books: Books) -> None:
    await books.close("2026-10")
    await books.close("2026-11", None)
    before = await report_of(books, period="2026-11", group_by="owner,model,day,app,tag:team")

    books.use("2026-11-20", input_tokens=9 * MILLION)
    books.price("2026-11-01", "50")
    after = await report_of(books, period="2026-11", group_by="owner,model,day,app,tag:team")

    assert after["groups"] == before["groups"]
    assert after["totals"]["charges"][0]["amount"] == "17.4"
    (period,) = after["periods"]
    assert (period["state"], period["accepted"], period["complete"]) == ("closed", None, True)


async def test_corrections_of_closed_periods_are_in_the_report_of_the_first_open_one(
    books: Books,
) -> None:
    await books.close("2026-10")
    await books.close("2026-11")
    books.use("2026-10-05", input_tokens=MILLION, output_tokens=MILLION)

    december = await report_of(books, period="2026-12", group_by="owner")
    january = await report_of(books, period="2027-01")

    (charges,) = december["totals"]["charges"]
    assert (charges["amount"], charges["corrections"]) == ("13.2", "11")
    assert december["corrections"] == {"of": ["2026-10"], "not_posted_yet": True, "left_out": []}
    assert [(each["charge"], each["corrects"], each["quantity"]) for each in charges["lines"]] == [
        ("usage", None, MILLION),
        ("correction", "2026-10", MILLION),
        ("correction", "2026-10", MILLION),
    ]
    assert january["totals"]["charges"] == []
    (left_out,) = january["corrections"]["left_out"]
    assert (left_out["posted_in"], left_out["state"]) == ("2026-12", "pending")


async def test_a_range_of_days_says_that_corrections_are_not_in_it(books: Books) -> None:
    await books.close("2026-11")
    books.use("2026-11-05", input_tokens=MILLION)

    found = await report_of(books, start_date="2026-12-01", end_date="2026-12-31")

    assert found["totals"]["charges"][0]["corrections"] == "0"
    assert "ask for period=2026-12" in found["corrections"]["left_out"][0]["text"]


async def test_what_a_closed_period_posted_stays_in_its_report(books: Books) -> None:
    await books.close("2026-10")
    books.use("2026-10-05", input_tokens=MILLION)
    await books.close("2026-11")

    whole = await report_of(books, period="2026-11")
    same = await report_of(books, start_date="2026-11-01", end_date="2026-11-30")
    part = await report_of(books, start_date="2026-11-01", end_date="2026-11-20")

    assert whole["totals"]["charges"][0]["corrections"] == "2.2"
    assert whole["corrections"]["of"] == ["2026-10"]
    assert same["totals"] == whole["totals"]
    assert part["totals"]["charges"][0]["amount"] == "15.4"
    assert [(each["posted_in"], each["state"]) for each in part["corrections"]["left_out"]] == [
        ("2026-11", "posted"),
        ("2026-12", "pending"),
    ]


async def test_a_range_over_closed_and_open_periods_says_which_is_which(books: Books) -> None:
    await books.close("2026-11", "the rest is agreed")
    books.use("2026-11-20", input_tokens=MILLION)

    found = await report_of(books, start_date="2026-10-01", end_date="2026-12-10")

    assert found["totals"]["charges"][0]["amount"] == "21.8"
    assert [(each["period"], each["state"], each["whole"]) for each in found["periods"]] == [
        ("2026-10", "open", True),
        ("2026-11", "closed", True),
        ("2026-12", "open", False),
    ]
    assert found["periods"][1]["closed_at"].startswith("2027-01-15")
    assert found["periods"][2]["end_date"] == "2026-12-10"


async def test_a_period_that_was_closed_incomplete_stays_so(books: Books) -> None:
    books.use("2026-11-22", requests_awaiting_metrics=4, streaming=True)
    await books.close("2026-11", "agreed with finance")

    found = await report_of(books, period="2026-11")

    assert found["completeness"]["incomplete_because"] == ["awaiting_metrics"]
    assert found["periods"][0]["accepted"] == "agreed with finance"
    assert "sources" not in found["completeness"]


async def test_days_of_closed_periods_are_not_days_without_usage(books: Books) -> None:
    await books.close("2026-11")

    found = await report_of(books, start_date="2026-10-30", end_date="2026-12-03")

    assert found["completeness"]["days_without_usage"] == [
        "2026-10-30",
        "2026-10-31",
        "2026-12-01",
        "2026-12-02",
    ]


# What is asked


async def test_the_report_says_what_was_asked_and_is_ready_for_json(books: Books) -> None:
    found = await report_of(books, period="2026-11", group_by="owner", model="gpt-4o,-")

    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["range"] == {
        "start_date": "2026-11-01",
        "end_date": "2026-11-30",
        "time_zone": "UTC",
    }
    assert (found["period"], found["group_by"]) == ("2026-11", ["owner"])
    assert found["filters"] == {"model": ["gpt-4o", None]}
    assert found["generated_at"].startswith(str(TODAY))


async def test_an_unpriced_closed_month_that_gets_a_price_lacks_it_no_more(books: Books) -> None:
    books.use("2026-10-07", input_tokens=MILLION, model="gpt-new")
    await books.close("2026-10")
    price = replace(
        books.reference.held.prices[0],
        key=books.reference.held.prices[0].key._replace(model="gpt-new"),
        revision=99,
    )
    held = books.reference.held
    books.reference.held = replace(held, prices=[*held.prices, price])

    october = await report_of(books, period="2026-10")
    november = await report_of(books, period="2026-11")

    assert october["unpriced"]["count"] == 1
    assert november["unpriced"]["count"] == 0
    assert november["totals"]["charges"][0]["corrections"] == "2.2"
    assert [each["quantity"] for each in november["totals"]["unpriced"]] == [-MILLION]


async def test_the_sources_are_read_before_the_lines(books: Books) -> None:
    """What is stored while the report runs must not look covered without being counted."""
    log: list[str] = []
    read_rollups, read_progress = books.rows.rollups, books.partition.all

    def rollups(*args: Any) -> Any:
        log.append("rollups")
        return read_rollups(*args)

    async def progress() -> Any:
        log.append("progress")
        return await read_progress()

    stores = replace(
        books.stores.reports,
        reader=_With(books.rows, rollups=rollups),
        progress=_With(books.partition, all=progress),
    )
    query = parse_report_query({"period": "2026-11"}, TODAY, TEAM)
    await report(query, replace(books.stores, reports=stores), datetime(2027, 1, 15, tzinfo=UTC))

    assert log[0] == "progress"
    assert set(log[1:]) == {"rollups"}


async def test_lines_are_folded_as_they_come_and_not_kept(books: Books) -> None:
    """A month of a large deployment has more lines than memory should hold."""
    most = 0

    async def many(_statement: object) -> AsyncIterator[Line]:
        nonlocal most
        for n in range(2_000):
            yield make_line(subject={"app_id": f"app {n % 7}"})
            if n % 500 == 0:
                most = max(most, sum(isinstance(each, Line) for each in gc.get_objects()))

    await books.close("2026-11")
    stores = replace(books.stores, statements=_With(books.statements, lines=many))
    query = parse_report_query({"period": "2026-11", "group_by": "app"}, TODAY, TEAM)

    found = await report(query, stores, datetime(2027, 1, 15, tzinfo=UTC))

    assert [len(group["charges"]) for group in found["groups"]] == [1] * 7
    assert 0 < most < 100


class _With:
    """Another's methods, but for some."""

    def __init__(self, other: Any, **methods: Any) -> None:
        self._other, self._methods = other, methods

    def __getattr__(self, name: str) -> Any:
        return self._methods.get(name) or getattr(self._other, name)
