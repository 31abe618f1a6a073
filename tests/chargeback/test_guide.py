"""docs/chargeback.md against the code: its example, and the columns that it explains."""

import re
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Final

from tests.chargeback.focus_lines import BILL
from tests.chargeback.focus_rules import problems
from tests.chargeback.rollups import DAY, lines_of, make_rollup
from tests.chargeback.test_focus import export, rows_of
from usage_ingest.chargeback.deployment import Deployment
from usage_ingest.chargeback.focus_columns import COLUMNS
from usage_ingest.chargeback.imports.own import read_yaml
from usage_ingest.chargeback.kinds import Kind, unit
from usage_ingest.chargeback.line import Charge, Line, total
from usage_ingest.chargeback.owner import OwnerRule
from usage_ingest.chargeback.price import Price
from usage_ingest.chargeback.rated import Asked
from usage_ingest.chargeback.reference import Reference
from usage_ingest.plain import plain

GUIDE: Final = Path(__file__).resolve().parent.parent.parent / "docs/chargeback.md"
TEXT: Final = GUIDE.read_text(encoding="utf-8")


def imported() -> Reference:
    """What the file of the example says."""
    (file,) = re.findall(r"<!-- worked example -->\n```yaml\n(.*?)```", TEXT, re.DOTALL)
    found = read_yaml(file, "november.yaml")
    assert found.problems == []
    nouns = [each.noun for each in found.nouns]
    return Reference(
        prices=[each for each in nouns if isinstance(each, Price)],
        deployments=[each for each in nouns if isinstance(each, Deployment)],
        owners=[each for each in nouns if isinstance(each, OwnerRule)],
    )


async def rated_lines() -> list[Line]:
    """The lines of the usage that the example tells of."""
    ptu = {"deployment": "gpt-4o-ptu"}
    rollups = [
        make_rollup(**counters("input", "cached_input", "output", "reasoning_output")),
        make_rollup(**ptu, **tokens(400_000, 100_000, 50_000)),
        make_rollup(**ptu, **tokens(100_000, 0, 25_000), subscription_id="search-lab"),
    ]
    return await lines_of(imported(), *rollups, asked=Asked(days=True))


def counters(*names: str) -> dict[str, int]:
    """The counters that the example's first table shows."""
    shown = dict(re.findall(r"^\| `(\w+)` \| ([\d,]+) \|$", TEXT, re.MULTILINE))
    return {f"{each}_tokens": int(shown[f"{each}_tokens"].replace(",", "")) for each in names}


def tokens(given: int, cached: int, answered: int) -> dict[str, int]:
    return {"input_tokens": given, "cached_input_tokens": cached, "output_tokens": answered}


def paid(lines: Iterable[Line], *charges: Charge) -> list[Line]:
    return [line for line in lines if line.charge in charges]


def money(amounts: Iterable[Decimal | None]) -> str:
    return plain(total(amounts))


async def test_the_example_of_the_guide_is_what_the_code_computes() -> None:
    lines = paid(await rated_lines(), Charge.USAGE)

    assert [line.kind for line in lines] == [Kind.CACHED_INPUT, Kind.INPUT, Kind.OUTPUT]
    for line in lines:
        assert line.rate is not None
        price, quantity = line.rate.unit_price, Decimal(line.quantity)
        product = f"{plain(quantity.scaleb(-unit(line.kind).power))} x {price}"
        cost, list_cost, amount = (money([n]) for n in (line.cost, line.list_cost, line.amount))
        row = f"`{line.kind}` | {line.quantity:,} | {price} | {product} = {cost}"
        assert f"| {row} | {list_cost} | {amount} |" in TEXT
    sums = [money(getattr(line, of) for line in lines) for of in ("cost", "list_cost", "amount")]
    assert f"| sum | | | {' | '.join(sums)} |" in TEXT
    assert f"`hr` is charged {sums[-1]} USD" in TEXT
    assert {line.payer.owner for line in lines} == {"hr"}


async def test_the_provisioned_deployment_of_the_guide_is_shared_to_the_last_digit() -> None:
    lines = paid(await rated_lines(), Charge.PROVISIONED, Charge.IDLE)

    assert len(lines) == 3
    for line in lines:
        who = "idle" if line.charge is Charge.IDLE else f"`{line.subject.subscription_id}`"
        ends = f"= {int(line.quantity):,} | {money([line.cost])} | {money([line.amount])} |"
        row = rf"^\| {re.escape(who)} \|.* {re.escape(ends)}$"
        assert re.search(row, TEXT, re.MULTILINE), (who, ends)
    assert total(line.cost for line in lines) == 240
    assert len({line.rate.unit_price for line in lines if line.rate}) == 1


async def test_the_example_of_the_guide_keeps_the_rules_of_focus() -> None:
    lines = await rated_lines()
    charges, unpriced = export(lines)

    assert problems(charges) == []
    rows = rows_of(charges)
    assert len(rows) == len(lines) == 6
    assert rows_of(unpriced) == []
    assert total(Decimal(row["BilledCost"]) for row in rows) == total(line.amount for line in lines)
    assert {row["ChargePeriodStart"] for row in rows} == {f"{DAY}T00:00:00Z"}
    assert {row["BillingPeriodStart"][:7] for row in rows} == {BILL.period}


def test_the_guide_explains_every_column_of_focus() -> None:
    section = TEXT.partition("## FOCUS")[2].partition("\n## ")[0]

    assert set(COLUMNS) <= set(re.findall(r"`(\w+)`", section))


def test_the_guide_lists_every_kind_that_is_priced() -> None:
    section = TEXT.partition("## What is priced")[2].partition("\n## ")[0]

    assert set(Kind) <= set(re.findall(r"`(\w+)`", section))
