"""Our own files, YAML and CSV: read exactly, or refused with the place of every problem."""

from decimal import Decimal
from textwrap import dedent
from typing import Any

import pytest

from usage_ingest.chargeback.deployment import Deployment, DeploymentKey, Provisioned
from usage_ingest.chargeback.imports.found import Found, repeats
from usage_ingest.chargeback.imports.own import read_csv, read_yaml
from usage_ingest.chargeback.kinds import Kind
from usage_ingest.chargeback.owner import DisplayName, NameKey, OwnerKey, OwnerRule, Payer
from usage_ingest.chargeback.price import Price, PriceKey

WHOLE = """
source: contract 2026
prices:
  - model: gpt-5.4
    version: 0125
    sku: GlobalStandard
    region: Sweden Central
    deployment: gpt-5.4-prod
    service_tier: Priority
    context_over: 272000
    from_day: 2026-11-01
    through_day: 2026-12-31
    currency: EUR
    unit_prices: {input: 2.50, cached_input: 2.5e-1, output: "15", searches: 0.01}
    list_unit_prices: {input: 3}
    source: another contract
deployments:
  - deployment: ptu
    gateway: hub
    backend: aoai-1
    from_day: 2026-11-01
    model: gpt-5.4
    version: "2026-03-05"
    sku: GlobalProvisionedManaged
    region: swedencentral
    publisher: OpenAI
    resource_id: /subscriptions/5a/deployments/ptu
    provisioned:
      {amount: 100, per: hour, currency: USD, units: 50, tokens_per_hour: 9000000,
       cached_weight: 0, output_weight: 4}
owners:
  - {subscription: hr, product: ai, app: a, tenant: t, tags: {team: x, a: b}, from_day: 2026-11-01,
     owner: HR, cost_center: CC-1, department: People, markup_percent: 2.5}
  - {everything: true, from_day: 2026-11-01, owner: Platform}
names:
  - {of: "tag:team", value: x, name: Team X, from_day: 2026-11-01}
"""
ROW = "type,model,from_day,currency,unit_prices.input\n"


def yaml(text: str) -> Found:
    return read_yaml(dedent(text), "dir/prices.yaml")


def one_price(**fields: str) -> Found:
    """A file with one price; `fields` replace or add YAML values."""
    told = {"model": "m", "from_day": "2026-11-01", "currency": "USD", "unit_prices": "{input: 1}"}
    rows = [f"{name}: {value}" for name, value in (told | fields).items()]
    return read_yaml("prices:\n  - " + "\n    ".join(rows), "p.yaml")


def problems(found: Found) -> list[str]:
    assert found.nouns == [] or found.problems == []
    return [str(each) for each in found.problems]


def test_every_field_of_every_type_is_read() -> None:
    found = yaml(WHOLE)

    assert problems(found) == []
    dated: dict[str, Any] = {"id": "", "from_day": "2026-11-01", "source": "contract 2026"}
    assert [each.noun for each in found.nouns] == [
        Price(
            id="",
            key=PriceKey(
                model="gpt-5.4",
                version="0125",
                sku="GlobalStandard",
                region="swedencentral",
                deployment="gpt-5.4-prod",
                service_tier="priority",
                context_over=272_000,
            ),
            from_day="2026-11-01",
            through_day="2026-12-31",
            currency="EUR",
            unit_prices={
                Kind.INPUT: Decimal("2.5"),
                Kind.CACHED_INPUT: Decimal("0.25"),
                Kind.OUTPUT: Decimal(15),
                Kind.SEARCHES: Decimal("0.01"),
            },
            list_unit_prices={Kind.INPUT: Decimal(3)},
            source="another contract",
        ),
        Deployment(
            key=DeploymentKey("ptu", "hub", "aoai-1"),
            model="gpt-5.4",
            version="2026-03-05",
            sku="GlobalProvisionedManaged",
            region="swedencentral",
            publisher="OpenAI",
            resource_id="/subscriptions/5a/deployments/ptu",
            provisioned=Provisioned(
                amount=Decimal(100),
                per="hour",
                currency="USD",
                units=50,
                tokens_per_hour=9_000_000,
                cached_weight=Decimal(0),
                output_weight=Decimal(4),
            ),
            **dated,
        ),
        OwnerRule(
            key=OwnerKey("hr", "ai", "a", "t", (("a", "b"), ("team", "x"))),
            payer=Payer("HR", "CC-1", "People", Decimal("2.5")),
            **dated,
        ),
        OwnerRule(key=OwnerKey(), payer=Payer("Platform"), **dated),
        DisplayName(key=NameKey("tag:team", "x"), name="Team X", **dated),
    ]


def test_csv_says_the_same_by_dotted_columns() -> None:
    text = (
        "\ufefftype,source,model,from_day,currency,unit_prices.input,unit_prices.output,deployment,"
        "provisioned.amount,provisioned.per,provisioned.currency,subscription,tags.team,owner\n"
        'price,s,"a, b",2026-11-01,USD,2.50,10,,,,,,,\n'
        "\n"
        ",,,,,,,,,,,,,\n"
        "deployment,s,,2026-11-01,,,,ptu,5,month,USD,,,\n"
        "owner,s,,2026-11-01,,,,,,,,hr,x,HR\n"
    )
    same = """
    source: s
    prices:
      - {model: "a, b", from_day: 2026-11-01, currency: USD, unit_prices: {input: 2.5, output: 10}}
    deployments:
      - deployment: ptu
        from_day: 2026-11-01
        provisioned: {amount: 5, per: month, currency: USD}
    owners:
      - {subscription: hr, tags: {team: x}, from_day: 2026-11-01, owner: HR}
    """

    found = read_csv(text, "all.csv")

    assert problems(found) == []
    assert [each.noun for each in found.nouns] == [each.noun for each in yaml(same).nouns]
    assert [each.place.line for each in found.nouns] == [2, 5, 6]


def test_prices_are_taken_for_other_units_where_that_is_exact() -> None:
    found = one_price(
        per="1K", duration_per="hour", unit_prices="{input: 0.00015, duration: 0.36, images: 2}"
    )

    (placed,) = found.nouns
    assert isinstance(placed.noun, Price)
    assert placed.noun.unit_prices == {
        Kind.INPUT: Decimal("0.15"),
        Kind.DURATION: Decimal("0.0001"),
        Kind.IMAGES: Decimal(2),
    }
    (refusal,) = problems(one_price(duration_per="minute", unit_prices="{duration: 0.01}"))
    assert "0.01 for 60 gives no exact price for 1 Second" in refusal


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2.50", "2.5"),
        ('"2.50"', "2.5"),
        ("1e-7", "0.0000001"),
        ("0", "0"),
        ("3", "3"),
        ("010", "10"),
    ],
)
def test_a_number_is_what_its_digits_say(written: str, read: str) -> None:
    """No float on the way: 0.1 has exactly one decimal."""
    (placed,) = one_price(unit_prices=f"{{input: {written}}}").nouns

    assert isinstance(placed.noun, Price)
    assert placed.noun.unit_prices == {Kind.INPUT: Decimal(read)}


@pytest.mark.parametrize(
    "written",
    [
        "-1",
        ".nan",
        "NaN",
        ".inf",
        "1e99",
        "1e-19",
        "0x10",
        "1_000",
        "1:30",
        '"1,5"',
        '"\\u0661"',
        "",
        "true",
        "[]",
    ],
)
def test_what_is_no_amount_is_refused(written: str) -> None:
    (problem,) = problems(one_price(unit_prices=f"{{input: {written or chr(34) * 2}}}"))

    assert problem.startswith("p.yaml:5: prices[0].unit_prices.input: ")


@pytest.mark.parametrize(
    ("fields", "line", "text"),
    [
        ({"from_day": "2026-02-30"}, 3, "from_day: takes a UTC day as 2026-11-20"),
        ({"from_day": "2026-11-01T00:00:00Z"}, 3, "from_day: takes a UTC day"),
        ({"from_day": "9999-12-31"}, 3, "from_day: takes a UTC day"),
        ({"currency": "usd"}, 4, "currency: takes the three capital letters"),
        ({"currency": "EURO"}, 4, "currency: takes the three capital letters"),
        ({"unit_prices": "{inptu: 1}"}, 5, "unit_prices.inptu: input should be 'input'"),
        ({"unit_prices": "{provisioned: 1}"}, 5, "unit_prices.provisioned: is paid by a deploy"),
        ({"unit_prices": "{}"}, 2, "prices[0]: currency and unit_prices are needed"),
        ({"through_day": "2026-10-31"}, 2, "prices[0]: through_day is before from_day"),
        ({"context_over": "1000"}, 6, "context_over: takes one of 128000, 200000, 272000"),
        ({"service_tier": "Standard"}, 6, "service_tier: leave standard out"),
        ({"colour": "red"}, 6, "colour: is unknown; takes from_day"),
        ({"model": '""'}, 2, "model: takes a text that is not empty"),
        ({"model": f'"{"x" * 600}"'}, 2, "model: takes at most 512"),
        ({"model": '"a\\u0007b"'}, 2, "model: takes at most 512 printable"),
    ],
)
def test_a_wrong_field_is_told_with_its_line(fields: dict[str, str], line: int, text: str) -> None:
    (problem,) = problems(one_price(**fields))

    assert problem.startswith(f"p.yaml:{line}: prices[0]")
    assert text in problem


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ("{from_day: 2026-11-01, owner: HR}", "or say everything: true"),
        ("{everything: true, app: a, from_day: 2026-11-01, owner: HR}", "or say everything: true"),
        ("{app: a, from_day: 2026-11-01}", "owner is needed"),
        ("{app: a, from_day: 2026-11-01, owner: unallocated}", "is what no rule matches"),
        ("{app: a, from_day: 2026-11-01, owner: HR, markup_percent: -5}", "takes a decimal of 0"),
        ("{app: a, from_day: 2026-11-01, owner: HR, markup_percent: 10001}", "is above 10000"),
        ("{app: a, owner: HR}", "from_day: is missing"),
        ("HR", "takes an object"),
    ],
)
def test_a_rule_that_is_not_clear_is_refused(row: str, text: str) -> None:
    (problem,) = problems(yaml(f"owners:\n  - {row}\n"))

    assert problem.startswith("dir/prices.yaml:2: owners[0]")
    assert text in problem


def test_a_name_is_of_a_group_of_reports() -> None:
    row = "names:\n  - {of: team, value: x, name: X, from_day: 2026-11-01}\n"

    assert "of takes one of owner, " in problems(yaml(row))[0]
    assert problems(yaml(row.replace("team", '"tag:team"'))) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("prices: [", "p.yaml:"),
        ("prices:\n  - a: b: c\n", "p.yaml:2: is no YAML"),
        ("prices: []\nprices: []\n", "p.yaml:2: has the key 'prices' twice"),
        ("a: &x [1]\nprices: *x\n", "p.yaml:2: has an alias (*name)"),
        ("? [a]\n: b\n", "p.yaml:1: has a key that is no text"),
        ("a\n---\nb\n", "p.yaml:"),
        ("[" * 50 + "]" * 50, "p.yaml:1: is nested too deeply"),
        ("just text", "p.yaml:1: takes an object with any of prices"),
        ("", "p.yaml:1: takes an object with any of prices"),
        ("source: s\npreis: []\n", "p.yaml:2: preis: is unknown; takes source, prices"),
        ("prices: {model: m}\n", "p.yaml:1: prices: takes a list"),
        ("source: [a]\n", "p.yaml:1: source: takes a text"),
        ("source: ' '\n", "p.yaml:1: source: takes a text"),
        ("prices: {}\n", "p.yaml:1: prices: takes a list"),
        ("!!python/object:os.system {}\n", "p.yaml:1: has a tag (!name)"),
    ],
)
def test_a_file_that_is_none_of_ours_is_told_where(text: str, problem: str) -> None:
    found = read_yaml(text, "p.yaml")

    assert str(found.problems[0]).startswith(problem)
    assert found.nouns == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "p.csv:1: is empty"),
        ("model,from_day\n", "p.csv:1: the column type is missing"),
        ("type,model,model\n", "p.csv:1: columns stand twice: model"),
        (ROW + "prise,m,2026-11-01,USD,1\n", "p.csv:2: type: takes one of price, deployment"),
        (ROW + "price,m,2026-11-01,USD,1,extra\n", "p.csv:2: has 6 cells for 5 columns"),
        (ROW + 'price,"m,2026-11-01,USD,1\n', "p.csv:"),
        (ROW + "price,m,2026-11-01,USD,x\n", "p.csv:2: unit_prices.input: takes a decimal"),
        (ROW + "price,m,2026-11-01\n", "p.csv:2: currency and unit_prices are needed"),
    ],
)
def test_a_csv_with_problems_is_told_where(text: str, problem: str) -> None:
    found = read_csv(text, "p.csv")

    assert str(found.problems[0]).startswith(problem)
    assert found.nouns == []


def test_a_price_is_taken_back_by_its_key_and_day_alone() -> None:
    found = yaml("prices:\n  - {model: m, from_day: 2026-11-01, withdrawn: true}\n")

    (placed,) = found.nouns
    assert isinstance(placed.noun, Price)
    assert (placed.noun.withdrawn, placed.noun.unit_prices) == (True, {})


@pytest.mark.parametrize("tier", ["Standard", "default", "auto"])
def test_a_price_of_a_standard_tier_is_refused_as_it_would_miss_the_others(tier: str) -> None:
    """Calls that tell another standard tier, or none, would have a list estimate or no price."""
    found = yaml(
        f"prices:\n  - {{model: m, service_tier: {tier}, from_day: 2026-11-01, currency: USD, "
        "unit_prices: {input: 1}}\n"
    )

    assert found.nouns == []
    (problem,) = found.problems
    assert f"service_tier: leave {tier.lower()} out" in str(problem)


@pytest.mark.parametrize("amount", ["10000000000", "123456789012.123456789012345678", "1e12"])
def test_large_amounts_keep_every_digit(amount: str) -> None:
    """A month of provisioned throughput in a small currency."""
    paid = f"{{amount: {amount}, per: month, currency: IDR}}"

    found = yaml(
        f"deployments:\n  - {{deployment: ptu, from_day: 2026-11-01, provisioned: {paid}}}\n"
    )

    assert found.problems == []
    (placed,) = found.nouns
    assert isinstance(placed.noun, Deployment)
    assert placed.noun.provisioned
    assert placed.noun.provisioned.amount == Decimal(amount)


def test_what_stands_twice_is_told_with_both_places() -> None:
    row = "{model: m, from_day: 2026-11-01, currency: USD, unit_prices: {input: 1}}"
    other = row.replace("2026-11-01", "2026-11-02")

    found = yaml(f"prices:\n  - {row}\n  - {other}\n  - {row}\n")

    (twice,) = repeats(found.nouns)
    assert str(twice).startswith(
        "dir/prices.yaml:4: prices[2]: the same key and from_day stand at "
    )
    assert "dir/prices.yaml:2: prices[0]" in str(twice)


def test_a_key_that_cannot_be_printed_is_written_out() -> None:
    """It would write on the terminal of whoever imports somebody else's file."""
    (problem,) = problems(yaml('"\\e[2Jx\\u202e": []\n'))

    assert "\\x1b[2Jx\\u202e: is unknown" in problem
