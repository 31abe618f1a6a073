"""What reports read of lines."""

from decimal import Decimal, Inexact

import pytest

from tests.chargeback.builders import make_price, make_rule
from tests.chargeback.rollups import lines_of, make_rollup
from usage_ingest.chargeback.line import EXACT, GROUPS, Line, takes, total, value_of
from usage_ingest.chargeback.owner import Payer
from usage_ingest.chargeback.rated import Asked
from usage_ingest.chargeback.reference import Reference

RULE = make_rule(payer=Payer("HR", "CC-1", "People"))
ALL = Asked(days=True, apps=True, tenants=True, tags=("team",))


async def a_line() -> Line:
    reference = Reference(prices=[make_price()], owners=[RULE])
    (line,) = await lines_of(reference, make_rollup(input_tokens=5), asked=ALL)
    return line


async def test_a_line_has_a_value_in_every_group() -> None:
    line = await a_line()

    assert {name: value_of(line, name) for name in (*GROUPS, "tag:team", "tag:cost")} == {
        "owner": "HR",
        "cost_center": "CC-1",
        "department": "People",
        "subscription": "hr-copilot",
        "product": "ai-standard",
        "app": "app-1",
        "tenant": None,
        "deployment": "gpt-4o-prod",
        "day": "2026-11-20",
        "model": "gpt-4o",
        "region": "swedencentral",
        "token_kind": "input",
        "tag:team": "benefits",
        "tag:cost": None,
    }


async def test_a_line_is_chosen_by_every_filter() -> None:
    line = await a_line()

    assert takes({"owner": ["HR"], "tenant": [None, "t"]}, line)
    assert not takes({"owner": ["HR"], "model": ["gpt-4.1"]}, line)
    assert takes({}, line)


def test_money_is_added_exactly_and_what_is_none_is_not_money() -> None:
    amounts = [Decimal("0.1"), None, Decimal("1E-40"), Decimal(10) ** 20]

    assert total(amounts) == EXACT.create_decimal(
        "100000000000000000000." + "1".ljust(39, "0") + "1"
    )
    assert total([]) == 0


def test_what_cannot_be_written_exactly_is_refused() -> None:
    with pytest.raises(Inexact):
        EXACT.divide(Decimal(1), Decimal(3))
