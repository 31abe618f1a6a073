"""`reference`: files in, lists out."""

import json
from datetime import date, timedelta
from pathlib import Path
from textwrap import dedent

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.builders import make_batch, make_event
from tests.cli.commands import Commands
from tests.conftest import Stack

PRICES = """
source: contract 2026
prices:
  - model: gpt-4o
    sku: GlobalStandard
    from_day: 2026-11-01
    currency: USD
    unit_prices: {input: 2.50, cached_input: 1.25, output: "10"}
deployments:
  - {deployment: gpt-4o-prod, model: gpt-4o, sku: GlobalStandard, from_day: 2026-11-01}
names:
  - {of: subscription, value: hr-copilot, name: HR Copilot, from_day: 2026-11-01}
"""
OWNERS = """
type,subscription,from_day,owner,cost_center,markup_percent
owner,hr-copilot,2026-11-01,Human Resources,CC-17,5
"""
TODAY = ("--day", "2026-11-20")
MONTH = ("--from", "2026-10-21", "--to", "2026-11-20")


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    return [written(tmp_path / "prices.yaml", PRICES), written(tmp_path / "owners.csv", OWNERS)]


def written(path: Path, text: str) -> str:
    path.write_text(dedent(text).lstrip(), encoding="utf-8")
    return str(path)


async def test_what_was_never_imported_is_not_taken_back(
    run: Commands, files: list[str], tmp_path: Path
) -> None:
    """Else a slip in the key or the day would leave the price as it is, and nobody would know."""
    await run.json("reference", "import", *files)
    row = "prices:\n  - {{model: gpt-4o, sku: GlobalStandard, from_day: {}, withdrawn: true}}\n"
    slip = written(tmp_path / "slip.yaml", row.format("2026-11-02"))
    right = written(tmp_path / "right.yaml", row.format("2026-11-01"))

    refused = await run("reference", "import", slip)
    done = await run.json("reference", "import", right)

    assert refused.exit_code == 1
    assert "slip.yaml:2: prices[0]: nothing of this key was imported for 2026-11-02" in (
        refused.stderr
    )
    assert done["import"]["number"] == 2
    assert (await run.json("reference", "list", *TODAY))["price"] == []


async def test_files_are_one_import_that_is_listed(run: Commands, files: list[str]) -> None:
    done = await run.json("reference", "import", *files)

    assert done["written"] is True
    assert done["import"]["number"] == 1
    assert done["import"]["source"] == "prices.yaml, owners.csv"
    assert done["import"]["counts"] == {"price": 1, "deployment": 1, "owner": 1, "name": 1}
    listed = await run.json("reference", "list", *TODAY)
    assert [len(each) for each in listed.values()] == [1, 1, 1, 1, 1]
    (price,) = listed["price"]
    assert price["unit_prices"] == {"input": "2.5", "cached_input": "1.25", "output": "10"}
    assert (price["source"], price["revision"]) == ("contract 2026", 1)
    assert listed["owner"][0]["source"] == "owners.csv"
    assert listed["owner"][0]["markup_percent"] == "5"


async def test_a_list_can_be_read_by_people(run: Commands, files: list[str]) -> None:
    await run("reference", "import", *files)

    found = await run("reference", "list", "--type", "price", "--type", "import", *TODAY)

    assert found.exit_code == 0
    assert "model gpt-4o, sku GlobalStandard" in found.stdout
    assert "currency USD, input 2.5, cached_input 1.25, output 10" in found.stdout
    assert "prices.yaml, owners.csv" in found.stdout
    assert "hr-copilot" not in found.stdout


async def test_a_list_is_of_a_day_or_of_all(
    run: Commands, files: list[str], tmp_path: Path
) -> None:
    await run("reference", "import", *files)
    later = PRICES.replace("2.50", "3").replace("from_day: 2026-11-01", "from_day: 2026-12-01")
    await run("reference", "import", written(tmp_path / "later.yaml", later))

    before = await run.json("reference", "list", "--type", "price", "--day", "2026-11-30")
    after = await run.json("reference", "list", "--type", "price", "--day", "2026-12-01")
    all_ = await run.json("reference", "list", "--type", "price", "--all")
    none = await run.json("reference", "list", "--type", "price", "--day", "2026-10-31")

    assert [each["unit_prices"]["input"] for each in before["price"]] == ["2.5"]
    assert [each["unit_prices"]["input"] for each in after["price"]] == ["3"]
    assert len(all_["price"]) == 2
    assert none == {"price": []}


async def test_the_same_files_again_write_nothing(run: Commands, files: list[str]) -> None:
    await run("reference", "import", *files)

    again = await run("reference", "import", *files)

    assert again.exit_code == 0
    assert "The same content is import 1" in again.stdout
    assert len((await run.json("reference", "list"))["import"]) == 1


async def test_files_with_problems_are_refused_whole_and_every_problem_is_named(
    run: Commands, stack: Stack, files: list[str], tmp_path: Path
) -> None:
    wrong = """
    prices:
      - model: gpt-4o
        from_day: 2026-02-30
        curency: USD
        unit_prices:
          inptu: 1
          output: -3
    """
    bad = written(tmp_path / "bad.yaml", wrong)

    refused = await run("reference", "import", *files, bad)

    assert refused.exit_code == 1
    lines = refused.stderr.removeprefix("Error: ").splitlines()
    assert lines[-1] == "4 problems: nothing was imported."
    assert [line.split(": ")[0].removeprefix(str(tmp_path)) for line in lines[:-1]] == [
        "/bad.yaml:3",
        "/bad.yaml:6",
        "/bad.yaml:7",
        "/bad.yaml:4",
    ]
    assert await stack.documents("reference") == []


async def test_a_dry_run_needs_no_settings_and_writes_nothing(
    stack: Stack, files: list[str]
) -> None:
    found = await Commands({})("reference", "import", *files, "--dry-run", "--json")

    assert found.exit_code == 0
    told = json.loads(found.stdout)
    assert (told["written"], told["import"]) == (False, None)
    assert told["counts"] == {"price": 1, "deployment": 1, "owner": 1, "name": 1}
    assert [each["type"] for each in told["documents"]] == ["price", "deployment", "name", "owner"]
    assert await stack.documents("reference") == []


async def test_one_key_and_day_that_stands_twice_is_refused(
    run: Commands, files: list[str], tmp_path: Path
) -> None:
    """No order of files says which of them holds."""
    twice = written(tmp_path / "twice.yaml", PRICES.replace("2.50", "3"))

    refused = await run("reference", "import", files[0], twice)

    assert refused.exit_code == 1
    assert f"{files[0]}:3: prices[0] already" in refused.stderr


async def test_without_files_the_command_is_wrong(run: Commands) -> None:
    assert (await run("reference", "import")).exit_code == 2
    assert (await run("reference", "import", "--fetch")).exit_code == 2
    assert (await run("reference", "import", "--from-day", "0001-01-01", "--fetch")).exit_code == 2
    assert (await run("reference", "list", "--all", "--day", "2026-11-01")).exit_code == 2


METERS = """
meters:
  - {meter_id: in, model: gpt-4o, sku: GlobalStandard, kind: input}
"""


async def test_prices_are_fetched_and_put_together_by_the_meter_map(
    run: Commands, tmp_path: Path
) -> None:
    meters = written(tmp_path / "meters.yaml", METERS)
    item = {
        "meterId": "in",
        "meterName": "Inp",
        "armRegionName": "swedencentral",
        "retailPrice": 0.0025,
        "currencyCode": "USD",
        "unitOfMeasure": "1K",
        "effectiveStartDate": "2024-11-01T00:00:00Z",
        "type": "Consumption",
    }
    other = {**item, "meterId": "new", "meterName": "gpt-6 Inp"}
    app = web.Application()

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"Items": [item, other], "NextPageLink": None})

    app.router.add_get("/", answer)

    async with TestServer(app, host="127.0.0.1") as server:
        fetched = (
            "--fetch",
            "--service",
            "Foundry Models",
            "--endpoint",
            str(server.make_url("/")),
        )
        done = await run.json("reference", "import", *fetched, "--meter-map", meters)

    assert done["import"]["source"] == "Azure Retail Prices API"
    assert done["notes"] == ["1 passed over, not in the meter map: gpt-6 Inp"]
    (price,) = (await run.json("reference", "list", "--type", "price", *TODAY))["price"]
    assert price["unit_prices"] == {"input": "2.5"}
    assert price["from_day"] == "2024-11-01"


async def test_a_check_of_a_book_that_covers_its_use_ends_with_zero(
    run: Commands, stack: Stack, files: list[str]
) -> None:
    await stack.app.ingest.batch(make_batch(make_event(response_model="gpt-4o-2024-11-20")))
    await run("reference", "import", *files)

    found = await run("reference", "check", *MONTH)

    assert found.exit_code == 0, found.output
    assert found.stdout == "2026-10-21 to 2026-11-20: nothing is wrong.\n"


async def test_a_check_is_of_the_last_month_where_no_days_are_named(run: Commands) -> None:
    told = await run.json("reference", "check")

    assert date.fromisoformat(told["to"]) - date.fromisoformat(told["from"]) == timedelta(days=30)


async def test_a_check_finds_use_without_price_and_holes_and_ends_with_one(
    run: Commands, stack: Stack, files: list[str], tmp_path: Path
) -> None:
    event = make_event(response_model="gpt-6", deployment="gpt-6-prod")
    await stack.app.ingest.batch(make_batch(event))
    ended = PRICES.replace(
        "from_day: 2026-11-01\n", "from_day: 2026-09-01\n    through_day: 2026-10-25\n"
    )
    await run(
        "reference", "import", *files, written(tmp_path / "ended.yaml", ended.split("deploy")[0])
    )

    found = await run("reference", "check", *MONTH, "--json")

    assert found.exit_code == 1
    told = json.loads(found.stdout)
    assert (told["from"], told["to"]) == ("2026-10-21", "2026-11-20")
    assert [(each["code"], each["of"]) for each in told["remarks"]] == [
        ("gap", "price model gpt-4o, sku GlobalStandard"),
        ("unpriced", "model gpt-6, region swedencentral"),
        ("unpriced", "model gpt-6, region swedencentral"),
        ("undocumented", "deployment gpt-6-prod, gateway apim-contoso"),
    ]
    text = await run("reference", "check", "--from", "2026-11-20", "--to", "2026-11-20")
    assert text.exit_code == 1
    assert "3 remarks." in text.stdout
    before = await run("reference", "check", "--from", "2026-11-01", "--to", "2026-11-19")
    assert before.exit_code == 0, before.output


async def test_a_check_of_days_in_the_wrong_order_or_of_too_many_is_refused(run: Commands) -> None:
    for first in ("2026-11-21", "2025-01-01"):
        found = await run("reference", "check", "--from", first, "--to", "2026-11-20")
        assert found.exit_code == 1
        assert "--from: is " in found.stderr
