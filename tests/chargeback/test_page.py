"""The page as a browser and a person would read it."""

import base64
import hashlib
import re
from datetime import UTC, datetime
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any

import pytest

from tests.chargeback.closed import closed_books, report_of
from tests.chargeback.lines import make_line, make_rate, make_unpriced
from usage_ingest.chargeback.kinds import Kind
from usage_ingest.chargeback.line import Charge, Line
from usage_ingest.chargeback.owner import DisplayName, NameKey, Payer
from usage_ingest.chargeback.page import to_page
from usage_ingest.chargeback.page_style import HEADERS, POLICY

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title></style></svg><b>",
    "' onmouseover='alert(1)",
    "&lt;b&gt;",
]
_VOID = {"meta", "br"}
_ALLOWED = set(
    "html head meta title style body header p h1 h2 dl dt dd ul li b i small section span table "
    "caption thead tbody tfoot tr th td figure figcaption svg desc g rect text line bdi sup footer "
    "br".split()
)


class Page(HTMLParser):
    """Elements with their attributes and texts; complains of what is not closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.rows: list[list[str]] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag in {"th", "td"}:
            self.rows[-1].append("")
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if {"th", "td"} & set(self.open):
            self.rows[-1][-1] += data

    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


async def page_of(*lines: Line, names: list[DisplayName] | None = None, **params: str) -> Page:
    books = closed_books(*lines, names=names or [])
    return Page(to_page(await report_of(books, format="html", **params)))


def euros(amount: str, **overrides: Any) -> Line:
    return make_line(amount=Decimal(amount), cost=Decimal(amount), **overrides)


# Safe


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_name_is_shown_and_never_becomes_markup(name: str) -> None:
    display = DisplayName(
        id="1", key=NameKey("owner", name), from_day="2026-01-01", name=f"{name}!", source=name
    )
    rate = make_rate(price_id=name, source=name)
    page = await page_of(
        euros("2", payer=Payer(name), model=name, rate=rate, currency=name[:3]),
        euros("1", payer=Payer("x"), model=name, currency=name[:3]),
        make_unpriced(payer=Payer(name), model=name, sku=name, region=name),
        names=[display],
        owner=f"{name},x",
    )

    assert {tag for tag, _ in page.elements} <= _ALLOWED
    assert not page.of("script")
    assert name in " ".join(page.texts)
    assert not [
        attribute
        for _, attributes in page.elements
        for attribute in attributes
        if attribute.startswith("on") or attribute in {"src", "href", "style"}
    ]


async def test_characters_that_hide_or_turn_text_are_shown_as_such() -> None:
    page = await page_of(euros("1", payer=Payer("team\u202e\x00\u200b1")))

    assert "team\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}1" in (
        page.text()
    )


async def test_nothing_is_loaded_and_the_policy_allows_its_own_style_alone() -> None:
    text = to_page(await report_of(closed_books(make_line()), format="html"))

    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in POLICY
    assert HEADERS["Content-Security-Policy"].startswith(POLICY)
    assert "default-src 'none'" in POLICY
    assert not re.search(r"url\(|@import|https?://", text)
    (policy,) = (each for each in Page(text).of("meta") if "http-equiv" in each)
    assert policy["content"] == POLICY


# Right


async def test_amounts_are_rounded_to_read_and_exact_beside() -> None:
    page = await page_of(euros("1234567.885000001"), group_by="owner")

    assert ["hr", "1,000,000", "1,234,567.89", "100.0 %"] in page.rows
    assert {"class": "n", "title": "1234567.885000001"} in page.of("td")


async def test_an_amount_that_rounds_to_nothing_is_not_shown_as_nothing() -> None:
    lines = [euros("0.0001"), euros("-0.0001", payer=Payer("less"))]

    page = await page_of(*lines, euros("0", payer=Payer("zero")), group_by="owner")

    shown = {row[0]: row[2] for row in page.rows if len(row) == 4}
    assert (shown["hr"], shown["less"], shown["zero"]) == ("<0.01", ">\N{MINUS SIGN}0.01", "0.00")


async def test_groups_have_subtotals_and_the_largest_stand_first() -> None:
    page = await page_of(
        euros("1", payer=Payer("a")),
        euros("2", payer=Payer("b"), model="m1"),
        euros("3", payer=Payer("b"), model="m2"),
    )

    body = [[each for each in row if each] for row in page.rows if "100.0 %" not in row]
    assert body[1:7] == [
        ["b", "2,000,000", "5.00", "83.3 %"],
        ["m2", "1,000,000", "3.00", "50.0 %"],
        ["m1", "1,000,000", "2.00", "33.3 %"],
        ["a", "1,000,000", "1.00", "16.7 %"],
        ["gpt-4o", "1,000,000", "1.00", "16.7 %"],
        ["Total", "3,000,000", "6.00"],
    ]


async def test_days_stand_in_their_order() -> None:
    page = await page_of(
        euros("1", subject={"day": "2026-11-02"}),
        euros("9", subject={"day": "2026-11-10"}),
        euros("5", subject={"day": "2026-11-03"}),
        group_by="day",
    )

    assert [row[0] for row in page.rows[1:4]] == ["2026-11-02", "2026-11-03", "2026-11-10"]


async def test_each_currency_has_its_own_totals_table_and_charts() -> None:
    lines = [
        euros("1", currency=currency, payer=Payer(owner))
        for currency in ("EUR", "USD")
        for owner in ("a", "b")
    ]

    page = await page_of(*lines)

    assert "2.00 EUR" in page.text()
    assert "2.00 USD" in page.text()
    assert "4.00" not in page.text()
    assert len(page.of("svg")) == 4
    labels = [each["aria-labelledby"] for each in page.of("svg")]
    assert len(set(labels)) == 4


async def test_display_names_stand_with_the_values_they_are_of() -> None:
    name = DisplayName(
        id="1", key=NameKey("owner", "hr"), from_day="2026-01-01", name="People", source="names"
    )

    page = await page_of(make_line(), names=[name], group_by="owner")

    assert page.rows[1][0] == "People hr"


async def test_the_chart_keeps_apart_what_bears_one_name() -> None:
    """A caller may be called as another one is shown, or as nobody."""
    name = DisplayName(
        id="1", key=NameKey("app", "a1"), from_day="2026-01-01", name="App One", source="names"
    )
    apps = ("a1", "App One", None, "not reported")

    page = await page_of(
        *(euros(str(n), subject={"app_id": app}) for n, app in enumerate(apps, 1)),
        names=[name],
        group_by="app",
    )

    assert (
        "not reported: 4.00 EUR; not reported: 3.00 EUR; App One: 2.00 EUR; App One: 1.00 EUR"
    ) in page.texts


async def test_what_is_not_reported_is_said() -> None:
    page = await page_of(make_line(subject={"app_id": None}), group_by="app", app="-")

    assert page.rows[1][0] == "not reported"
    assert "App not reported" in page.text()


async def test_many_groups_are_all_in_the_table_and_the_chart_says_how_many_it_leaves() -> None:
    page = await page_of(*(euros("1", payer=Payer(f"team {n:03}")) for n in range(200)))

    assert sum(row[0].startswith("team") for row in page.rows if row) == 200
    assert "189 others: 189.00 in all" in page.text()
    assert len(page.of("rect")) < 60


async def test_only_long_words_break_within() -> None:
    """Or narrow columns would break every word of the others."""
    long = "a" * 21

    page = await page_of(euros("1", payer=Payer(long)), euros("2", payer=Payer("short words only")))

    assert [each.get("class") for each in page.of("bdi")][:4] == [None, None, "long", None]
    assert long in page.text()


async def test_a_long_range_has_no_chart_by_day() -> None:
    page = await page_of(make_line(), start_date="2026-09-01", end_date="2026-11-30")

    assert "Amounts by day" not in page.text()


# How far it can be trusted


async def test_a_sure_report_says_so() -> None:
    text = (await page_of(make_line())).text()

    assert "OK November 2026 was closed on 20 November 2026, 12:00 UTC: its amounts are" in text
    assert "OK Usage is complete: nothing is known to be missing." in text
    assert "OK All usage has a price." in text
    assert "OK No amount is estimated." in text
    assert "Check" not in text


async def test_what_a_period_lacked_when_it_was_closed_is_said_in_words() -> None:
    books = closed_books(
        make_line(),
        accepted="agreed <b>with</b> finance",
        completeness={"complete": False, "incomplete_because": ["lost_gaps", "new_reason"]},
    )

    text = Page(to_page(await report_of(books, format="html"))).text()

    assert "It was closed incomplete, because: agreed <b>with</b> finance" in text
    assert "some events were passed over and are lost" in text
    assert "new_reason" in text


async def test_an_open_period_may_still_change() -> None:
    books = closed_books(make_line())
    books.price("2026-01-01", "2")
    books.use("2026-12-03", input_tokens=1_000_000)

    page = Page(
        to_page(
            await report_of(books, format="html", start_date="2026-11-15", end_date="2026-12-31")
        )
    )

    text = page.text()
    assert "November 2026 (15 November 2026 to 30 November 2026) was closed on" in text
    assert "December 2026 is open: its amounts may still change." in text
    assert "corrections that November 2026 posted: they are in the report of all of it" in text
    assert "corrections of closed periods, which the report of December 2026 shows" in text


async def test_estimates_are_told_with_their_share() -> None:
    page = await page_of(
        euros("1", subject={"usage_estimated": True}),
        euros("3", rate=make_rate(list_estimate=True), model="o3"),
    )

    text = page.text()
    assert "1.00 EUR (25.0 %) is for usage that the gateway estimated" in text
    assert "3.00 EUR (75.0 %) is by public list prices" in text
    marked = [row[1] for row in page.rows if len(row) > 1 and row[1].endswith((" e", " l"))]
    assert sorted(marked) == ["gpt-4o e", "o3 l"]


async def test_usage_without_a_price_is_in_no_amount_and_listed_with_whose_it_is() -> None:
    page = await page_of(make_unpriced(quantity=1_234, model="gpt-new", payer=Payer("legal")))

    text = page.text()
    assert "Check Some usage has no price: it is in no amount, and listed below." in text
    assert "No usage has a price yet" in text
    assert "0.00" not in text
    assert ["legal", "gpt-new", "Input", "1,234", "Tokens"] in page.rows
    assert not page.of("svg")


async def test_what_a_correction_took_back_is_not_said_to_lack_a_price() -> None:
    taken = {"charge": Charge.CORRECTION, "corrects": "2026-10", "subject": {"day": "2026-10-05"}}

    page = await page_of(
        euros("2", **taken),
        make_unpriced(quantity=-9, corrected=Charge.UNPRICED, **taken),
        make_unpriced(quantity=5, payer=Payer("legal")),
    )

    assert ["", "gpt-4o", "", "2.00", "100.0 %"] in page.rows
    assert [row[3] for row in page.rows if row[0] == "legal"] == ["5"]
    assert not any("\N{MINUS SIGN}9" in cell for row in page.rows for cell in row)


async def test_a_total_that_is_not_complete_says_so_where_it_stands() -> None:
    whole, lacking = await page_of(euros("2")), await page_of(euros("2"), make_unpriced())

    assert "Not complete" not in whole.text()
    assert "2.00 EUR Not complete: see below" in lacking.text()


async def test_of_many_models_without_a_price_some_are_named() -> None:
    models = [f"model-{n:02}" for n in range(20)]

    page = await page_of(*(make_unpriced(model=model) for model in models))

    assert "It is of model-00, model-01," in page.text()
    assert "model-10, model-11 and 8 more." in page.text()
    assert sum("model-19" in row for row in page.rows) == 2


async def test_no_usage_is_said_and_is_no_zero() -> None:
    text = (await page_of()).text()

    assert "No usage on these days." in text
    assert "0.00" not in text


async def test_corrections_and_idle_throughput_are_told_apart() -> None:
    page = await page_of(
        euros("10"),
        euros("-2.5", charge=Charge.CORRECTION, corrects="2026-10", subject={"day": "2026-10-05"}),
        euros("7", charge=Charge.IDLE, kind=Kind.PROVISIONED, quantity=Decimal("1.5")),
    )

    text = page.text()
    assert "7.00 of it paid and not used" in text
    assert "Amounts by day, without corrections" in text
    assert "\N{MINUS SIGN}2.50 of it corrections" in text
    assert "Corrections of October 2026 are among the amounts." in text
    kinds = [row[0] for row in page.rows]
    assert "Input, correction of 2026-10" in kinds
    assert "Provisioned, idle" in kinds


# Readable by all


async def test_tables_and_charts_can_be_read_by_a_screen_reader() -> None:
    page = await page_of(euros("1", payer=Payer("a")), euros("2", payer=Payer("b")))

    assert all(each.get("scope") for each in page.of("th"))
    assert all(each.get("role") == "img" for each in page.of("svg"))
    identities = {each["id"] for tag, each in page.elements if "id" in each}
    for each in page.of("svg"):
        assert set((each["aria-labelledby"] or "").split()) <= identities
    assert "b: 2.00 EUR; a: 1.00 EUR" in page.text()
    assert page.of("html") == [{"lang": "en"}]


async def test_the_moment_it_was_made_and_what_it_is_of_stand_on_top() -> None:
    text = (await page_of(make_line(), owner="hr", app="app-1,-")).text()

    moment = datetime(2027, 1, 15, tzinfo=UTC)
    assert "Chargeback statement for AI usage November 2026" in text
    assert "1 November 2026 to 30 November 2026, both included (UTC)" in text
    assert "Owner hr; App app-1 or not reported" in text
    assert f"Generated {moment.day} January {moment.year}, 00:00 UTC" in text
