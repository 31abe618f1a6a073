"""Files of others: ai-hub's prices, listed deployments, answers of the Retail Prices API."""

import json
from decimal import Decimal
from textwrap import dedent
from typing import Any

import pytest

from usage_ingest.chargeback.deployment import Deployment, DeploymentKey, Provisioned
from usage_ingest.chargeback.imports.formats import NO_METER_MAP, read_files
from usage_ingest.chargeback.imports.found import Found
from usage_ingest.chargeback.imports.meter_map import Meter, read_meter_map
from usage_ingest.chargeback.imports.options import NO_DAY, Options
from usage_ingest.chargeback.kinds import Kind
from usage_ingest.chargeback.price import Price, PriceKey
from usage_ingest.errors import InvalidReferenceError
from usage_ingest.plain import plain

DAY = "2026-11-01"


def read(content: object, named: str | None = None, **options: Any) -> Found:
    text = content if isinstance(content, str) else json.dumps(content)
    return read_files([("f.json", text)], named, Options(**({"from_day": DAY} | options)))


def prices(found: Found) -> dict[tuple[PriceKey, str], dict[str, str]]:
    """What each price says, by key and day."""
    told = {}
    for each in found.nouns:
        assert isinstance(each.noun, Price)
        texts = {kind.value: plain(price) for kind, price in each.noun.unit_prices.items()}
        told[each.noun.key, each.noun.from_day] = texts
    return told


# ai-hub


def make_model(**overrides: Any) -> dict[str, Any]:
    """An element of model-pricing.json, with every name that ai-hub gives it."""
    return {
        "id": "1",
        "model": "gpt-4o",
        "deploymentName": "chat",
        "isActive": True,
        "CostPerInputUnit": 0.005,
        "CostPerOutputUnit": 0.015,
        "CostUnit": 1000,
        "BaseCost": 0,
        "Currency": "USD",
        "CalculationMethod": "tokens",
        "region": "ALL",
    } | overrides


def test_ai_hub_prices_become_prices_for_a_million_tokens() -> None:
    found = read([make_model(), make_model(model="gpt-4.1-2025-04-14", CostUnit=1_000_000)])

    assert (found.problems, found.notes) == ([], [])
    assert prices(found) == {
        (PriceKey("gpt-4o"), DAY): {"input": "5", "output": "15"},
        (PriceKey("gpt-4.1", "2025-04-14"), DAY): {"input": "0.005", "output": "0.015"},
    }
    assert {each.noun.source for each in found.nouns} == {"ai-hub model-pricing"}


def test_ai_hub_prices_of_one_model_differ_by_region_or_deployment() -> None:
    found = read(
        [
            make_model(region="Sweden Central"),
            make_model(deploymentName="a"),
            make_model(deploymentName="b", CostPerInputUnit=1e-05),
        ]
    )

    assert prices(found) == {
        (PriceKey("gpt-4o", region="swedencentral"), DAY): {"input": "5", "output": "15"},
        (PriceKey("gpt-4o", deployment="a"), DAY): {"input": "5", "output": "15"},
        (PriceKey("gpt-4o", deployment="b"), DAY): {"input": "0.01", "output": "15"},
    }


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        ({"isActive": False}, "is not active"),
        ({"CalculationMethod": "percentage"}, "is charged by percentage, not by tokens"),
        ({"BaseCost": 600}, "has a BaseCost of 600, which no token causes"),
    ],
)
def test_ai_hub_models_that_tokens_do_not_pay_are_passed_over_and_told(
    overrides: dict[str, Any], text: str
) -> None:
    found = read([make_model(), make_model(**overrides)])

    assert len(found.nouns) == 1
    assert found.notes == [f"f.json: [1] gpt-4o: {text}; passed over"]


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        ({"CostUnit": 0}, "CostUnit: input should be greater"),
        ({"CostUnit": 3}, "gives no exact price"),
        ({"CostPerInputUnit": -1}, "CostPerInputUnit: takes a decimal of 0 or more"),
        ({"CostPerInputUnit": None}, "CostPerInputUnit: takes a decimal of 0 or more"),
        ({"Currency": "dollars"}, "Currency: takes the three capital letters"),
        ({"model": ""}, "model: takes a text"),
    ],
)
def test_ai_hub_models_that_are_wrong_are_refused(overrides: dict[str, Any], text: str) -> None:
    found = read([make_model(**{"CostPerInputUnit": 0.01} | overrides)])

    assert str(found.problems[0]).startswith("f.json: [0]")
    assert text in str(found.problems[0])
    assert found.nouns == []


# az cognitiveservices account deployment list


def make_listed(name: str = "gpt-4o-prod", /, **sku: Any) -> dict[str, Any]:
    """A deployment as Azure lists it."""
    account = "/subscriptions/5a/resourceGroups/rg/providers/Microsoft.CognitiveServices/accounts/a"
    return {
        "etag": '"aaaa"',
        "id": f"{account}/deployments/{name}",
        "name": name,
        "properties": {
            "callRateLimit": None,
            "capabilities": {"chatCompletion": "true"},
            "currentCapacity": 80,
            "dynamicThrottlingEnabled": None,
            "model": {
                "callRateLimit": None,
                "format": "OpenAI",
                "name": "gpt-4o",
                "source": None,
                "version": "2024-11-20",
            },
            "provisioningState": "Succeeded",
            "raiPolicyName": "Microsoft.DefaultV2",
            "rateLimits": [{"count": 80, "key": "request", "renewalPeriod": 10}],
            "versionUpgradeOption": "OnceNewDefaultVersionAvailable",
        },
        "resourceGroup": "rg",
        "sku": {"capacity": 80, "family": None, "name": "GlobalStandard", "size": None} | sku,
        "systemData": {"createdAt": "2025-07-31T16:45:32.622404+00:00"},
        "type": "Microsoft.CognitiveServices/accounts/deployments",
    }


@pytest.mark.parametrize("wrapped", [False, True])
def test_listed_deployments_tell_model_sku_and_resource(wrapped: bool) -> None:
    rows = [make_listed()]

    found = read(
        {"value": rows} if wrapped else rows,
        gateway="hub",
        backend="aoai-1",
        region="swedencentral",
    )

    (placed,) = found.nouns
    assert placed.noun == Deployment(
        id="",
        key=DeploymentKey("gpt-4o-prod", "hub", "aoai-1"),
        from_day=DAY,
        model="gpt-4o",
        version="2024-11-20",
        sku="GlobalStandard",
        region="swedencentral",
        publisher="OpenAI",
        resource_id=rows[0]["id"],
        source="az cognitiveservices",
    )
    assert found.notes == []


def test_a_listed_provisioned_deployment_costs_its_units_times_the_amount() -> None:
    rows = [make_listed("ptu", name="GlobalProvisionedManaged", capacity=50), make_listed()]

    found = read(rows, amount=Decimal("0.9"), per="hour", currency="EUR")

    ptu, standard = (each.noun for each in found.nouns)
    assert isinstance(ptu, Deployment)
    assert isinstance(standard, Deployment)
    assert ptu.provisioned == Provisioned(
        amount=Decimal("45.0"), per="hour", currency="EUR", units=50
    )
    assert standard.provisioned is None


def test_a_listed_provisioned_deployment_without_amount_is_told() -> None:
    found = read([make_listed("ptu", name="ProvisionedManaged", capacity=50)])

    assert len(found.nouns) == 1
    (note,) = found.notes
    assert note.startswith("f.json: [0] ptu: is provisioned and has no amount: give --amount")


def test_a_listed_deployment_without_model_is_refused() -> None:
    row = make_listed()
    del row["properties"]["model"]

    found = read([make_listed("other"), row])

    assert [str(each) for each in found.problems] == ["f.json: [1].properties.model: is missing"]


@pytest.mark.parametrize("content", [[make_model()], [make_listed()]])
def test_formats_without_days_need_one(content: object) -> None:
    found = read(content, from_day=None)

    assert [str(each) for each in found.problems] == [f"f.json: {NO_DAY}"]


# The Retail Prices API

INPUT, OUTPUT, CACHED = "11111111-0000-4000-8000-00000000000a", "out", "cached"
METERS = (
    Meter(meter_id=INPUT, model="gpt-4o", sku="GlobalStandard", kind=Kind.INPUT),
    Meter(meter_id=OUTPUT, model="gpt-4o", sku="GlobalStandard", kind=Kind.OUTPUT),
    Meter(
        meter_name="gpt 4o cached Inp glbl Tokens",
        model="gpt-4o",
        sku="GlobalStandard",
        kind=Kind.CACHED_INPUT,
    ),
)
KEY = PriceKey("gpt-4o", sku="GlobalStandard")


def make_item(meter_id: str = INPUT, **overrides: Any) -> dict[str, Any]:
    """An item with every field of the API."""
    return {
        "currencyCode": "USD",
        "tierMinimumUnits": 0.0,
        "retailPrice": 0.0025,
        "unitPrice": 0.0025,
        "armRegionName": "swedencentral",
        "location": "SE Central",
        "effectiveStartDate": "2024-11-01T00:00:00Z",
        "meterId": meter_id,
        "meterName": f"meter {meter_id}",
        "productId": "DZH318Z0BM9F",
        "skuId": "DZH318Z0BM9F/00A1",
        "productName": "Azure OpenAI",
        "skuName": "gpt 4o 1120 Inp glbl",
        "serviceName": "Foundry Models",
        "serviceId": "DZH313Z7MMC8",
        "serviceFamily": "AI + Machine Learning",
        "unitOfMeasure": "1K",
        "type": "Consumption",
        "isPrimaryMeterRegion": True,
        "armSkuName": "",
    } | overrides


def page(*items: dict[str, Any], following: str | None = None) -> dict[str, Any]:
    return {
        "BillingCurrency": "USD",
        "CustomerEntityId": "Default",
        "CustomerEntityType": "Retail",
        "Items": list(items),
        "NextPageLink": following,
        "Count": len(items),
    }


def retail(*pages: object, meters: tuple[Meter, ...] = METERS) -> Found:
    return read(pages[0] if len(pages) == 1 else list(pages), meters=meters)


def test_meters_of_one_key_are_one_price_whatever_their_units() -> None:
    found = retail(
        page(
            make_item(),
            make_item(OUTPUT, retailPrice=10.0, unitOfMeasure="1M"),
            make_item("x", meterName="gpt 4o cached Inp glbl Tokens", retailPrice=1.25e-3),
        )
    )

    assert (found.problems, found.notes) == ([], [])
    assert prices(found) == {
        (KEY, "2024-11-01"): {"input": "2.5", "output": "10", "cached_input": "1.25"}
    }
    (placed,) = found.nouns
    assert isinstance(placed.noun, Price)
    assert (placed.noun.currency, placed.noun.source) == ("USD", "Azure Retail Prices API")


def test_meters_that_begin_later_join_those_that_hold_already() -> None:
    """The latest document of a key holds alone: what it does not name would have no price."""
    found = retail(
        page(
            make_item(),
            make_item(OUTPUT, retailPrice=0.01, effectiveStartDate="2025-02-01T00:00:00Z"),
            make_item(retailPrice=0.002, effectiveStartDate="2025-03-01T00:00:00Z"),
        )
    )

    assert prices(found) == {
        (KEY, "2024-11-01"): {"input": "2.5"},
        (KEY, "2025-02-01"): {"input": "2.5", "output": "10"},
        (KEY, "2025-03-01"): {"input": "2", "output": "10"},
    }


def test_pages_come_as_a_list_one_after_the_other_or_in_files_of_their_own() -> None:
    first = page(make_item(), following="https://prices.azure.com/api/retail/prices?$skip=1")
    second = page(make_item(OUTPUT, retailPrice=0.01))
    both = {(KEY, "2024-11-01"): {"input": "2.5", "output": "10"}}

    in_files = read_files(
        [("1.json", json.dumps(first)), ("2.json", json.dumps(second))],
        None,
        Options(meters=METERS),
    )
    assert prices(retail(first, second)) == both
    assert prices(read(f"{json.dumps(first)}\n{json.dumps(second)}", meters=METERS)) == both
    assert prices(retail([*first["Items"], *second["Items"]])) == both
    assert prices(in_files) == both
    assert not any("no page is the last" in note for note in in_files.notes)


def test_pages_without_the_last_are_told() -> None:
    found = retail(
        page(make_item(), following="https://prices.azure.com/api/retail/prices?$skip=1")
    )

    assert found.notes[-1].startswith("no page is the last: each has a NextPageLink")


def test_what_is_not_taken_is_told_with_its_number() -> None:
    found = retail(
        page(
            make_item(),
            make_item(retailPrice=0.002, type="DevTestConsumption"),
            make_item(retailPrice=100, type="Reservation", reservationTerm="1 Year"),
            make_item(retailPrice=0.001, tierMinimumUnits=1000.0),
            make_item("new", meterName="gpt 6 Inp glbl Tokens"),
            make_item("new", meterName="gpt 6 Inp glbl Tokens", armRegionName="eastus"),
            make_item(retailPrice=0.001, effectiveEndDate="2025-01-01T00:00:00Z"),
        )
    )

    assert prices(found) == {(KEY, "2024-11-01"): {"input": "2.5"}}
    assert found.notes == [
        f"1 passed over, for a volume above 1000.0: meter {INPUT}",
        "2 passed over, not in the meter map: gpt 6 Inp glbl Tokens",
        "1 passed over, of type DevTestConsumption",
        "1 passed over, of type Reservation",
        f"1 passed over, with an end date, import it from YAML: meter {INPUT}",
        "no item is of out, which the meter map names",
        "no item is of gpt 4o cached Inp glbl Tokens, which the meter map names",
    ]


def test_a_meter_that_costs_the_same_in_every_region_is_one_price() -> None:
    found = retail(page(make_item(), make_item(armRegionName="eastus")))

    assert prices(found) == {(KEY, "2024-11-01"): {"input": "2.5"}}


def test_regions_with_prices_of_their_own_must_be_named() -> None:
    named = Meter(meter_name="m", model="gpt-4o", kind=Kind.INPUT)
    items = page(
        make_item("a", meterName="m"),
        make_item("b", meterName="m", armRegionName="eastus", retailPrice=0.003),
    )

    (problem,) = retail(items, meters=(named,)).problems
    assert str(problem) == (
        "f.json: Items[1]: input of gpt-4o is 3 USD here and 2.5 USD at f.json: Items[0]: name the "
        "region, or the meter by its id, in the meter map"
    )
    apart = tuple(
        named.model_copy(update={"region": region}) for region in ("swedencentral", "eastus")
    )
    assert prices(retail(items, meters=apart)) == {
        (PriceKey("gpt-4o", region="swedencentral"), "2024-11-01"): {"input": "2.5"},
        (PriceKey("gpt-4o", region="eastus"), "2024-11-01"): {"input": "3"},
    }


def test_two_currencies_do_not_make_one_price() -> None:
    later = {"effectiveStartDate": "2025-02-01T00:00:00Z", "currencyCode": "EUR"}

    found = retail(page(make_item(), make_item(OUTPUT, **later)))

    assert "is 2.5 EUR here and 2.5 USD at" in str(found.problems[0])
    assert found.nouns == []


def test_hours_of_audio_are_taken_where_seconds_are_exact() -> None:
    meter = Meter(meter_id=INPUT, model="whisper", kind=Kind.DURATION)

    found = retail(page(make_item(retailPrice=0.36, unitOfMeasure="1 Hour")), meters=(meter,))
    inexact = retail(page(make_item(retailPrice=0.1, unitOfMeasure="1 Hour")), meters=(meter,))

    assert prices(found) == {(PriceKey("whisper"), "2024-11-01"): {"duration": "0.0001"}}
    assert "0.1 for 3,600 gives no exact price for 1 Second" in str(inexact.problems[0])


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        ({"unitOfMeasure": "1 Hour"}, "'1 Hour' is no unit of input"),
        ({"retailPrice": -1}, "retailPrice: takes a decimal of 0 or more"),
        ({"effectiveStartDate": "0001-01-01T00:00:00Z"}, "takes a UTC day as"),
        ({"effectiveStartDate": "soon"}, "effectiveStartDate: input should be a valid datetime"),
        ({"currencyCode": None}, "currencyCode: takes a text"),
    ],
)
def test_items_that_are_wrong_are_refused(overrides: dict[str, Any], text: str) -> None:
    found = retail(page(make_item(OUTPUT), make_item(**overrides)))

    assert str(found.problems[0]).startswith("f.json: Items[1]")
    assert text in str(found.problems[0])
    assert found.nouns == []


def test_a_page_that_is_an_error_is_refused() -> None:
    found = retail(page(make_item()), {"Error": {"Code": "BadRequest"}})

    assert str(found.problems[0]) == "f.json: [1].meterId: is missing"


def test_prices_of_meters_need_a_map() -> None:
    found = read(page(make_item()))

    assert [str(each) for each in found.problems] == [f"f.json: {NO_METER_MAP}"]


@pytest.mark.parametrize(
    ("text", "named", "problem"),
    [
        ("{", "retail", "f.json: is no JSON: "),
        ("", "ai-hub", "f.json: is no JSON: is empty"),
        ('[{"a": NaN}]', "ai-hub", "f.json: is no JSON: NaN is no number"),
        ("{}", "ai-hub", "f.json: takes one list"),
        ("[] []", "az-deployments", "f.json: takes one list"),
    ],
)
def test_what_is_no_json_is_refused(text: str, named: str, problem: str) -> None:
    found = read(text, named, meters=METERS)

    assert str(found.problems[0]).startswith(problem)


# The meter map

MAP = """
meters:
  - meter_id: 11111111-0000-4000-8000-00000000000A
    model: gpt-4o
    version: "2024-11-20"
    sku: Standard
    region: Sweden Central
    service_tier: Priority
    context_over: 200000
    kind: input
"""


def test_a_meter_map_is_read_and_ids_are_met_in_any_case() -> None:
    (meter,) = read_meter_map(dedent(MAP), "map.yaml")

    key = PriceKey("gpt-4o", "2024-11-20", "Standard", "swedencentral", None, "priority", 200_000)
    assert meter.key() == key
    assert prices(retail(page(make_item()), meters=(meter,))) == {
        (key, "2024-11-01"): {"input": "2.5"}
    }


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("meters: [", "map.yaml:"),
        ("meters: []", "map.yaml:1: takes an object with a list meters"),
        ("meter: [a]", "map.yaml:1: takes an object with a list meters"),
        (MAP.replace("kind: input", "kind: tokens"), "map.yaml:10: meters[0].kind: "),
        (MAP.replace("model: gpt-4o", "modell: gpt-4o"), "map.yaml:3: meters[0].model: is missing"),
        (
            MAP.replace("model: ", "meter_name: x\n    model: "),
            "map.yaml:3: meters[0]: takes either",
        ),
    ],
)
def test_a_meter_map_that_is_wrong_is_refused(text: str, problem: str) -> None:
    with pytest.raises(InvalidReferenceError) as refusal:
        read_meter_map(text, "map.yaml")

    assert refusal.value.problems[0].startswith(problem)
