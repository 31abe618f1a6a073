"""What `reference check` finds in documents, and in what is used beside them."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from tests.chargeback.builders import make_deployment, make_name, make_price, make_rule
from usage_ingest.chargeback.check import check
from usage_ingest.chargeback.check_use import Use
from usage_ingest.chargeback.deployment import Provisioned
from usage_ingest.chargeback.kinds import Kind
from usage_ingest.chargeback.line import Charge, Line, Subject
from usage_ingest.chargeback.owner import NOBODY
from usage_ingest.chargeback.reference import Reference

FIRST, LAST = date(2026, 11, 1), date(2026, 11, 30)


def make_line(quantity: int = 1_000, /, **overrides: Any) -> Line:
    """An unpriced line of a deployment; `subject` fields and line fields are told by name."""
    subject: dict[str, Any] = dict.fromkeys(Subject._fields)
    subject |= {"day": "2026-11-20", "gateway": "hub", "tags": (), "spillover": False}
    subject |= {"deployment": "gpt-4o-prod", "usage_estimated": False, "source": "event_hub"}
    of_subject = set(Subject._fields) - {"model"}  # a line has a model of its own
    subject |= {name: overrides.pop(name) for name in [*overrides] if name in of_subject}
    told = {"kind": Kind.INPUT, "charge": Charge.UNPRICED, "model": "gpt-4o"} | overrides
    return Line(subject=Subject(**subject), payer=NOBODY, quantity=quantity, **told)


def remarks(*lines: Line, first: date = FIRST, last: date = LAST, **kept: Any) -> list[str]:
    use = Use()
    for each in lines:
        use.add(each)
    found = check(Reference(**kept), use, first, last, ("team", "env"))
    return [f"{each.code}: {each.of}: {each.text}" for each in found]


def test_a_book_that_covers_its_use_has_no_remarks() -> None:
    kept: dict[str, Any] = {
        "prices": [make_price(), make_price(from_day="2026-11-15")],
        "deployments": [make_deployment(model="gpt-4o", sku="GlobalStandard")],
        "owners": [make_rule(), make_rule("Finance", key={"subscription": "finance-bot"})],
        "names": [make_name()],
    }

    assert remarks(make_line(charge=Charge.USAGE), **kept) == []


@pytest.mark.parametrize(
    ("through", "begins", "remark"),
    [
        ("2026-11-09", "2026-11-10", None),
        ("2026-11-09", "2026-11-12", "nothing holds on 2026-11-10 to 2026-11-11"),
        ("2026-11-09", "2026-11-11", "nothing holds on 2026-11-10"),
        ("2026-11-10", "2026-11-10", "but the next begins on 2026-11-10 and holds from then on"),
        (None, "2026-11-10", None),
    ],
)
def test_holes_and_overlaps_between_documents_of_one_key_are_told(
    through: str | None, begins: str, remark: str | None
) -> None:
    pairs: dict[str, Any] = {
        "prices": [make_price(through_day=through), make_price(from_day=begins)],
        "deployments": [make_deployment(through_day=through), make_deployment(from_day=begins)],
        "owners": [make_rule(through_day=through), make_rule(from_day=begins)],
        "names": [make_name(through_day=through), make_name(from_day=begins)],
    }

    found = remarks(**pairs)

    assert len(found) == (0 if remark is None else 4)
    assert all(remark is not None and remark in each for each in found)


def test_a_hole_of_other_days_is_not_told() -> None:
    prices = [make_price(through_day="2026-11-09"), make_price(from_day="2026-11-20")]

    assert remarks(prices=prices, last=date(2026, 11, 9)) == []
    assert len(remarks(prices=prices, last=date(2026, 11, 10))) == 1
    assert remarks(prices=prices, first=date(2026, 11, 20)) == []


def test_what_was_withdrawn_or_corrected_is_not_looked_at() -> None:
    overlapping = make_price(through_day="2026-11-30", revision=1)
    following = make_price(from_day="2026-11-10", revision=1)
    corrected = make_price(through_day="2026-11-09", revision=2)

    assert remarks(prices=[overlapping, following, corrected]) == []


def test_two_rules_that_one_call_can_match_by_different_tags_are_told() -> None:
    rules = [make_rule("HR", key=tags(team="x")), make_rule("IT", key=tags(env="prod"))]

    (found,) = remarks(owners=rules)

    assert found.startswith("ambiguous_owners: owner tag team=x: of the same rank as tag env=prod")
    assert "HR's or IT's by chance" in found


def tags(**named: str) -> dict[str, Any]:
    return {"tags": tuple(sorted(named.items()))}


@pytest.mark.parametrize(
    "other",
    [
        make_rule("IT", key=tags(team="y")),
        make_rule("IT", key=tags(team="x", env="prod")),
        make_rule("IT", key={"subscription": "hr-copilot"}),
        make_rule("HR", key=tags(env="prod")),
        make_rule("IT", key=tags(env="prod"), from_day="2026-12-01"),
        make_rule("IT", key=tags(env="prod"), withdrawn=True),
    ],
    ids=["another value", "more named", "another rank", "one payer", "later", "withdrawn"],
)
def test_rules_that_do_not_contradict_are_no_remark(other: Any) -> None:
    assert remarks(owners=[make_rule("HR", key=tags(team="x")), other]) == []


def test_rules_of_one_subscription_and_another_do_not_contradict() -> None:
    one = {"subscription": "a", **tags(team="x")}
    other = {"subscription": "b", **tags(env="prod")}

    assert remarks(owners=[make_rule("HR", key=one), make_rule("IT", key=other)]) == []
    same = {"subscription": "a", **tags(env="prod")}
    assert len(remarks(owners=[make_rule("HR", key=one), make_rule("IT", key=same)])) == 1


def test_a_deployment_by_gateway_and_the_same_by_backend_is_ambiguous() -> None:
    by_gateway, by_backend = make_deployment(gateway="hub"), make_deployment(backend="aoai-1")

    (found,) = remarks(deployments=[by_gateway, by_backend])

    assert found.startswith("ambiguous_deployments: deployment gpt-4o-prod, gateway hub")
    both = make_deployment(gateway="hub", backend="aoai-1")
    assert remarks(deployments=[make_deployment(), by_gateway, both]) == []


def test_a_provisioned_sku_without_an_amount_is_told() -> None:
    amount = Provisioned(amount=Decimal(1), per="hour", currency="USD")
    sku = "GlobalProvisionedManaged"

    (found,) = remarks(deployments=[make_deployment(sku=sku)])

    assert found.startswith("no_amount: deployment gpt-4o-prod: its SKU Global")
    assert remarks(deployments=[make_deployment(sku=sku, provisioned=amount)]) == []


def test_a_deployment_of_a_model_without_any_price_is_told() -> None:
    deployment = make_deployment(model="gpt-4o-mini")

    (found,) = remarks(prices=[make_price()], deployments=[deployment])

    assert found.endswith("its model gpt-4o-mini has no price on these days")
    ended = make_price("gpt-4o-mini", from_day="2026-01-01", through_day="2026-10-31")
    assert len(remarks(prices=[ended], deployments=[deployment])) == 1


def test_a_price_for_a_deployment_that_nobody_knows_is_told() -> None:
    price = make_price(key={"deployment": "gpt-4o-prod"})

    (found,) = remarks(prices=[price])

    assert found.startswith(
        "unknown_deployment: price model gpt-4o, deployment gpt-4o-prod: no doc"
    )
    assert remarks(prices=[price], deployments=[make_deployment()]) == []
    documented: dict[str, Any] = {"prices": [price], "deployments": [make_deployment()]}
    assert remarks(make_line(charge=Charge.USAGE), **documented) == []


def test_use_without_a_price_is_told_with_its_tokens_and_days() -> None:
    lines = [
        make_line(1_000, day="2026-11-02", sku="GlobalStandard"),
        make_line(234, day="2026-11-20", sku="GlobalStandard"),
        make_line(9, kind=Kind.OUTPUT, sku="GlobalStandard"),
        make_line(5, model=None, deployment=None),
    ]

    found = remarks(*lines, deployments=[make_deployment()])

    assert found == [
        f"unpriced: {each} have no price"
        for each in (
            "model gpt-4o, sku GlobalStandard: 1,234 of kind input on 2026-11-02 to 2026-11-20",
            "model gpt-4o, sku GlobalStandard: 9 of kind output on 2026-11-20",
            "an unknown model: 5 of kind input on 2026-11-20",
        )
    ]


def test_use_after_a_price_ended_says_so() -> None:
    ended = make_price(through_day="2026-11-19")

    (found,) = remarks(make_line(), prices=[ended], deployments=[make_deployment()])

    assert found.endswith("have no price; a price of the model ended on 2026-11-19")


def test_a_deployment_in_use_that_no_document_tells_of_is_told_with_its_days() -> None:
    lines = [
        make_line(charge=Charge.USAGE, day="2026-11-02", backend="aoai-1"),
        make_line(charge=Charge.USAGE, day="2026-11-05", backend="aoai-1"),
        make_line(charge=Charge.USAGE, day="2026-11-20", backend="aoai-1"),
        make_line(charge=Charge.IDLE, deployment="idle"),
        make_line(charge=Charge.USAGE, served_deployment="standard", backend="aoai-1"),
    ]
    later = make_deployment(from_day="2026-11-10")

    found = remarks(*lines, deployments=[later])

    text = "no document tells its model and SKU on"
    assert found == [
        f"undocumented: deployment {each}"
        for each in (
            f"gpt-4o-prod, gateway hub, backend aoai-1: {text} 2026-11-02 to 2026-11-05",
            f"standard, gateway hub, backend aoai-1: {text} 2026-11-20",
        )
    ]


def test_service_tiers_are_told_where_they_need_prices_of_their_own() -> None:
    lines = [make_line(1, service_tier="default"), make_line(2), make_line(4, service_tier="Flex")]

    found = remarks(*lines, deployments=[make_deployment()])

    assert found == [
        "unpriced: model gpt-4o, service_tier flex: 4 of kind input on 2026-11-20 have no price",
        "unpriced: model gpt-4o: 3 of kind input on 2026-11-20 have no price",
    ]


def test_a_rule_by_a_tag_that_is_not_kept_is_told() -> None:
    (found,) = remarks(owners=[make_rule(key=tags(team="x", floor="3"))])

    what = "unknown_tag: owner tag floor=3, tag team=x"
    assert found == f"{what}: floor is not among ROLLUP_TAGS: no usage has it"
