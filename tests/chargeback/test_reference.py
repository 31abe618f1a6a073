"""What holds on a day, and where a range of days is cut."""

from collections.abc import Collection
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chargeback.builders import make_deployment, make_price, make_rule
from usage_ingest.chargeback.owner import NOBODY, Payer
from usage_ingest.chargeback.price import Price, Use
from usage_ingest.chargeback.reference import Reference, on_day

DAY = date(2026, 11, 20)
USE = Use("gpt-4o", "2024-11-20", None, None, "gpt-4o-prod", None, "128k", "openai")
NO_TAGS: dict[str, str] = {}


class Listed:
    """A list that knows every model, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Use, date]] = []

    def __call__(self, use: Use, day: date) -> Price | None:
        self.asked.append((use, day))
        return make_price(use.model or "", list_estimate=True)

    def changes(self, use: Use) -> Collection[date]:
        return [date(2026, 11, day) for day in (30, 25, 20, 10)] if use.model == "other" else []


def test_the_latest_price_that_has_begun_holds() -> None:
    old, new = make_price(from_day="2026-10-01"), make_price(from_day="2026-11-20")
    later = make_price(from_day="2026-11-21")

    assert on_day([later, new, old], "2026-11-20") == [new]
    assert on_day([later, new, old], "2026-11-19") == [old]
    assert on_day([later, new, old], "2026-09-30") == []


def test_a_price_that_has_ended_does_not_bring_the_one_before_back() -> None:
    old = make_price(from_day="2026-10-01")
    short = make_price(from_day="2026-11-10", through_day="2026-11-12")

    assert on_day([old, short], "2026-11-12") == [short]
    assert on_day([old, short], "2026-11-13") == []


def test_a_later_import_of_the_same_key_and_day_corrects() -> None:
    wrong, right = make_price(revision=1), make_price(revision=2)

    assert on_day([right, wrong], "2026-11-20") == [right]


def test_what_was_withdrawn_is_as_if_it_had_never_been() -> None:
    before, wrong = make_price(from_day="2026-10-01"), make_price(revision=1)
    withdrawn = make_price(revision=2, withdrawn=True)

    assert on_day([before, wrong, withdrawn], "2026-11-20") == [before]


def test_the_most_specific_price_of_the_day_is_taken() -> None:
    general = make_price(from_day="2026-11-19")
    dated = make_price(key={"version": "2024-11-20"}, from_day="2026-10-01")

    snapshot = Reference(prices=[dated, general]).on(DAY)

    assert snapshot.price(USE) == dated
    assert snapshot.price(USE._replace(version=None)) == general
    assert snapshot.price(USE._replace(model="other")) is None
    assert snapshot.price(USE._replace(model=None)) is None


def test_a_list_is_asked_only_for_what_has_no_price_and_once() -> None:
    listed = Listed()
    snapshot = Reference(prices=[make_price()], estimate=listed).on(DAY)
    other = USE._replace(model="other")

    assert not (snapshot.price(USE) or make_price(list_estimate=True)).list_estimate
    assert snapshot.price(other) is snapshot.price(other)
    assert listed.asked == [(other, DAY)]


def test_a_list_may_say_something_else_of_later_days() -> None:
    listed, last = Listed(), date(2026, 11, 29)
    snapshot = Reference(prices=[make_price()], estimate=listed).on(DAY)
    other = USE._replace(model="other")

    assert snapshot.changes(other, last) == [date(2026, 11, 25)]
    assert snapshot.changes(USE, last) == []
    assert Reference().on(DAY).changes(other, last) == []
    snapshot.price(other, date(2026, 11, 25))
    assert [day for _, day in listed.asked] == [DAY, date(2026, 11, 25)]


def test_a_deployment_is_that_of_its_backend_before_that_of_its_gateway() -> None:
    anywhere, at_gateway = make_deployment(), make_deployment(gateway="apim-contoso")
    at_backend = make_deployment(backend="aoai-1")
    snapshot = Reference(deployments=[at_backend, at_gateway, anywhere]).on(DAY)

    assert snapshot.deployment("gpt-4o-prod", "apim-contoso", "aoai-1") == at_backend
    assert snapshot.deployment("gpt-4o-prod", "apim-contoso", "aoai-2") == at_gateway
    assert snapshot.deployment("gpt-4o-prod", "apim-2", None) == anywhere
    assert snapshot.deployment("other", "apim-2", None) is None
    assert snapshot.deployment(None, "apim-2", None) is None


def test_who_pays_is_told_by_the_most_specific_rule_of_the_day() -> None:
    rules = [
        make_rule("Platform", key={"product": "ai-standard"}),
        make_rule("HR"),
        make_rule("Benefits", key={"subscription": "hr-copilot", "tags": (("team", "benefits"),)}),
        make_rule("Too late", key={"app": "app-1"}, from_day="2026-11-21"),
    ]
    snapshot = Reference(owners=rules).on(DAY)

    def payer(subscription: str, **tags: str) -> Payer:
        return snapshot.payer(subscription, "ai-standard", "app-1", None, tags)

    assert payer("hr-copilot", team="benefits") == Payer("Benefits")
    assert payer("hr-copilot", team="other") == Payer("HR")
    assert payer("sales") == Payer("Platform")
    assert snapshot.payer("sales", None, None, None, NO_TAGS) == NOBODY
    assert Payer("unallocated", None, None, Decimal(0)) == NOBODY


def test_of_rules_of_one_rank_it_is_always_the_same_that_tells_who_pays() -> None:
    rules = [
        make_rule("Benefits", key={"tags": (("team", "benefits"),)}),
        make_rule("Travel", key={"tags": (("cost", "travel"),)}),
    ]
    tags = {"team": "benefits", "cost": "travel"}

    payers = {
        Reference(owners=listed).on(DAY).payer("sales", None, None, None, tags)
        for listed in (rules, rules[::-1])
    }

    assert len(payers) == 1


def test_a_range_is_cut_where_something_begins_or_has_ended() -> None:
    reference = Reference(
        prices=[make_price(from_day="2026-11-05", through_day="2026-11-07")],
        deployments=[make_deployment(from_day="2026-10-01")],
        owners=[make_rule(from_day="2026-11-20")],
    )

    assert reference.segments(date(2026, 11, 1), date(2026, 11, 20)) == [
        (date(2026, 11, 1), date(2026, 11, 4)),
        (date(2026, 11, 5), date(2026, 11, 7)),
        (date(2026, 11, 8), date(2026, 11, 19)),
        (date(2026, 11, 20), date(2026, 11, 20)),
    ]


def test_a_range_in_which_nothing_changes_is_whole() -> None:
    first, last = date(2026, 11, 1), date(2026, 11, 30)

    assert Reference(prices=[make_price()]).segments(first, last) == [(first, last)]


_DAYS = st.integers(0, 12).map(lambda n: (date(2026, 11, 1) + n * timedelta(days=1)).isoformat())


@st.composite
def prices(draw: st.DrawFn) -> Price:
    first, last = sorted([draw(_DAYS), draw(_DAYS)])
    return make_price(
        draw(st.sampled_from(["gpt-4o", "other"])),
        from_day=first,
        through_day=draw(st.sampled_from([None, last])),
        revision=draw(st.integers(1, 3)),
        withdrawn=draw(st.booleans()),
    )


@given(st.lists(prices(), max_size=8))
def test_nothing_changes_within_a_segment(documents: list[Price]) -> None:
    first, last = date(2026, 11, 1), date(2026, 11, 14)
    reference = Reference(prices=documents)

    segments = reference.segments(first, last)

    days = []
    for start, end in segments:
        within = [start + n * timedelta(days=1) for n in range((end - start).days + 1)]
        assert all(reference.on(day).prices == reference.on(start).prices for day in within)
        days += within
    assert days == [first + n * timedelta(days=1) for n in range(14)]


@pytest.mark.parametrize("day", ["2026-11-19", "2026-11-20"])
@given(documents=st.lists(prices(), max_size=5))
def test_a_price_of_a_later_day_changes_nothing_of_an_earlier_one(
    day: str, documents: list[Price]
) -> None:
    later = make_price(from_day="2026-11-21", revision=9)

    assert on_day([*documents, later], day) == on_day(documents, day)
