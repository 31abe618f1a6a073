import csv
import io
import json
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chargeback.focus_lines import (
    ALL_SORTS,
    BILL,
    HR,
    PTU_ID,
    correction_line,
    idle_correction_line,
    idle_line,
    line,
    lines,
    provisioned_line,
    subject,
    unpriced_line,
)
from tests.chargeback.focus_rules import Row, problems
from tests.chargeback.lines import make_rate
from usage_ingest.chargeback.focus import Bill
from usage_ingest.chargeback.focus_columns import COLUMNS, MONEY, UNPRICED_COLUMNS
from usage_ingest.chargeback.focus_csv import FocusCsv
from usage_ingest.chargeback.kinds import Kind
from usage_ingest.chargeback.line import Line, total
from usage_ingest.chargeback.owner import NOBODY


def export(given_lines: Iterable[Line], bill: Bill = BILL) -> tuple[str, str]:
    """Return the texts of charges and of what has no price."""
    charges, unpriced = io.StringIO(newline=""), io.StringIO(newline="")
    table = FocusCsv(charges, unpriced)
    for each in given_lines:
        table.add(each, bill)
    return charges.getvalue(), unpriced.getvalue()


def rows_of(text: str) -> list[Row]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def row_of(made: Line, bill: Bill = BILL) -> Row:
    charges, unpriced = export([made], bill)
    (row,) = rows_of(charges) + rows_of(unpriced)
    return row


def test_lines_of_every_sort_keep_the_rules_of_focus() -> None:
    charges, _ = export(ALL_SORTS)

    assert problems(charges) == []
    assert len(rows_of(charges)) == len(ALL_SORTS) - 1


@given(st.lists(lines(), max_size=6))
def test_lines_of_any_kind_keep_the_rules_of_focus(made: list[Line]) -> None:
    charges, unpriced = export(made)

    assert problems(charges) == []
    assert len(rows_of(charges)) + len(rows_of(unpriced)) == len(made)


@given(st.lists(lines(), max_size=6))
def test_the_billed_costs_add_up_to_the_amounts(made: list[Line]) -> None:
    charges, _ = export(made)

    billed = total(Decimal(row["BilledCost"]) for row in rows_of(charges))
    assert billed == total(each.amount for each in made)


BREAKS: Final = {
    "not_null": (0, {"PublisherName": ""}),
    "not_null_of_usage": (0, {"SkuPriceId": "", "SkuPriceDetails": ""}),
    "paired": (0, {"RegionName": ""}),
    "details_of_price": (0, {"SkuPriceId": ""}),
    "name_of_resource": (0, {"ResourceId": "", "ResourceType": ""}),
    "number": (0, {"ListCost": "1E-7"}),
    "time": (0, {"ChargePeriodStart": "2026-11-20"}),
    "unit": (0, {"PricingUnit": "1M Tokens"}),
    "currency": (0, {"BillingCurrency": "usd"}),
    "allowed": (0, {"ChargeClass": "Refund"}),
    "key_value": (0, {"Tags": '{"team": ["benefits"]}'}),
    "custom_key": (0, {"SkuPriceDetails": '{"Model": "gpt-4o"}'}),
    "product": (0, {"ListUnitPrice": "2.51"}),
    "price_not_negative": (0, {"ListUnitPrice": "-2.50"}),
    "third_party": (0, {"ProviderName": "Microsoft"}),
    "month": (0, {"BillingPeriodEnd": "2026-11-30T00:00:00Z"}),
    "half_open": (0, {"ChargePeriodEnd": "2026-11-20T00:00:00Z"}),
    "within_billing_period": (0, {"BillingPeriodEnd": "2026-11-20T00:00:00Z"}),
    "correction_is_of_earlier": (2, {"ChargePeriodEnd": "2026-11-02T00:00:00Z"}),
    "unused_is_not_consumed": (1, {"ConsumedQuantity": "6000000"}),
    "reservation_is_resource": (1, {"CapacityReservationId": "elsewhere"}),
    "of_commitment": (1, {"CommitmentDiscountStatus": "Unused"}),
    "same_currency": (0, {"PricingCurrencyEffectiveCost": "0"}),
    "commitment": (1, {"PricingCategory": "Committed"}),
    "formula": (0, {"ChargeDescription": "=1+1"}),
    "one_parent": (0, {"ServiceName": "Foundry Models", "ServiceSubcategory": "Bots"}),
}
"""A change of a row for each rule, which breaks it."""


@pytest.mark.parametrize("rule", BREAKS)
def test_every_rule_of_the_validator_can_be_broken(rule: str) -> None:
    claude = line(model="claude-opus-4-1", rate=make_rate(price_id="price-18"))
    rows = rows_of(export([line(), idle_line(), correction_line(), claude])[0])
    number, changes = BREAKS[rule]
    rows[number] |= changes

    assert rule in {each.rule for each in problems(written(COLUMNS, rows))}


@pytest.mark.parametrize(
    ("header", "rule"),
    [
        (COLUMNS[1:], "present"),
        ((*COLUMNS, "Owner"), "custom_prefix"),
        ((*COLUMNS, "x_owner"), "column_name"),
        (("x_Owner", *COLUMNS[:-1]), "custom_last"),
    ],
)
def test_every_rule_of_the_header_can_be_broken(header: tuple[str, ...], rule: str) -> None:
    assert rule in {each.rule for each in problems(written(header, []))}


def written(header: Iterable[str], rows: Iterable[Row]) -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(header))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def test_a_row_says_what_a_kind_of_tokens_cost() -> None:
    row = row_of(line())

    wanted = {
        "ConsumedQuantity": "1234567",
        "ConsumedUnit": "Tokens",
        "PricingQuantity": "1.234567",
        "PricingUnit": "1000000 Tokens",
        "ListUnitPrice": "2.5",
        "ListCost": "3.0864175",
        "ContractedUnitPrice": "2.25",
        "ContractedCost": "2.77777575",
        "EffectiveCost": "2.77777575",
        "BilledCost": "2.98610893125",  # with the markup of 7.5 percent
        "BillingCurrency": "USD",
        "SkuId": "gpt-4o/input",
        "SkuMeter": "gpt-4o Input",
        "SkuPriceId": "price-1@3/gpt-4o/input/2024-11-20/GlobalStandard/128k/default",
        "x_MarkupPercent": "7.5",
        "x_TokenKind": "input",
    }
    assert {name: row[name] for name in wanted} == wanted


def test_a_row_says_who_made_ran_called_and_pays() -> None:
    row = row_of(line(), replace(BILL, names={("cost_center", "4711"): "People & Culture"}))

    wanted = {
        "BillingAccountId": "contoso",
        "BillingAccountName": "Contoso Ltd.",
        "InvoiceIssuerName": "AI platform team",
        "ProviderName": "AI platform team",
        "PublisherName": "OpenAI",
        "ServiceName": "Azure OpenAI",
        "x_HostProviderName": "Microsoft",
        "SubAccountId": "4711",
        "SubAccountName": "People & Culture",
        "SubAccountType": "Cost center",
        "RegionId": "swedencentral",
        "RegionName": "Sweden Central",
        "ResourceId": "apim-contoso/aoai-sweden/gpt-4o-prod",
        "ResourceName": "gpt-4o-prod",
        "ResourceType": "Model deployment",
        "x_Owner": "hr",
        "x_Department": "People",
    }
    assert {name: row[name] for name in wanted} == wanted
    assert json.loads(row["Tags"]) == {
        "team": "benefits",
        "usage:app": "app-1",
        "usage:gateway": "apim-contoso",
        "usage:product": "ai-standard",
        "usage:source": "event_hub",
        "usage:subscription": "hr-copilot",
        "usage:tenant": "tenant-1",
    }
    assert json.loads(row["SkuPriceDetails"]) == {
        "x_ContextTier": "128k",
        "x_DeploymentType": "GlobalStandard",
        "x_ListEstimate": False,
        "x_Model": "gpt-4o",
        "x_ModelVersion": "2024-11-20",
        "x_OtherVendor": False,
        "x_PriceSource": "contract",
        "x_ServiceTier": "default",
    }


def test_periods_end_where_the_next_begin() -> None:
    row = row_of(line(subject=subject(day="2026-11-30")))

    assert (row["ChargePeriodStart"], row["ChargePeriodEnd"]) == (
        "2026-11-30T00:00:00Z",
        "2026-12-01T00:00:00Z",
    )
    assert (row["BillingPeriodStart"], row["BillingPeriodEnd"]) == (
        "2026-11-01T00:00:00Z",
        "2026-12-01T00:00:00Z",
    )


def test_a_correction_keeps_its_day_and_is_billed_where_it_is_posted() -> None:
    row = row_of(correction_line())

    wanted = {
        "ChargeClass": "Correction",
        "ChargePeriodStart": "2026-10-31T00:00:00Z",
        "ChargePeriodEnd": "2026-11-01T00:00:00Z",
        "BillingPeriodStart": "2026-11-01T00:00:00Z",
        "ConsumedQuantity": "-1",
        "BilledCost": "-0.3225",
        "ListUnitPrice": "",
        "SkuPriceId": "",
        "SkuPriceDetails": "",
        "x_CorrectedPeriod": "2026-10",
    }
    assert {name: row[name] for name in wanted} == wanted


def test_capacity_that_was_paid_is_used_or_unused() -> None:
    used, idle = row_of(provisioned_line()), row_of(idle_line())

    for row, status in ((used, "Used"), (idle, "Unused")):
        assert row["CapacityReservationStatus"] == status
        assert row["CapacityReservationId"] == row["ResourceId"] == PTU_ID
        assert row["SkuId"] == "gpt-4o-ptu/provisioned"
        assert row["ChargeFrequency"] == "Recurring"
    assert (used["PricingQuantity"], used["PricingUnit"]) == ("1234567", "Tokens")
    assert (idle["ConsumedQuantity"], idle["x_UnusedQuantity"]) == ("0", "6000000")
    assert (idle["PricingQuantity"], idle["PricingUnit"]) == ("1", "Days")
    assert idle["BilledCost"] == "17.000000000000000000000001"
    assert idle["x_Owner"] == "unallocated"


def test_a_correction_of_idle_capacity_is_of_no_further_day() -> None:
    row = row_of(idle_correction_line())

    assert row["CapacityReservationStatus"] == "Unused"
    assert (row["PricingQuantity"], row["PricingUnit"], row["ListUnitPrice"]) == ("", "", "")
    assert (row["ConsumedQuantity"], row["x_UnusedQuantity"]) == ("0", "-600000")
    assert row["BilledCost"] == "-1.5"


def test_length_is_told_in_seconds() -> None:
    """The specification has no smaller unit of time."""
    row = row_of(line(kind=Kind.DURATION, quantity=61_001))

    assert (row["ConsumedQuantity"], row["ConsumedUnit"]) == ("61.001", "Seconds")
    assert (row["PricingQuantity"], row["PricingUnit"]) == ("61.001", "Seconds")


def test_a_list_estimate_is_marked_and_has_no_revision() -> None:
    rate = make_rate(price_id="list:gpt-4o", revision=0, list_estimate=True, other_vendor=True)
    row = row_of(line(rate=rate))

    terms = "2024-11-20/GlobalStandard/128k/default/other_vendor"
    assert row["SkuPriceId"] == f"list:gpt-4o/gpt-4o/input/{terms}"
    tags = json.loads(row["Tags"])
    assert (tags["usage:list_estimate"], tags["usage:other_vendor"]) == (True, True)


@pytest.mark.parametrize(
    "other",
    [
        line(subject=subject(context_band="200k")),
        line(subject=subject(service_tier=None)),
        line(sku="DataZoneStandard"),
        line(version=None),
    ],
)
def test_one_price_for_many_calls_is_a_price_of_each_kind_of_them(other: Line) -> None:
    """What is told of a SKU price has to be so of all of its rows."""
    charges, _ = export([line(), other])

    assert problems(charges) == []
    assert len({row["SkuPriceId"] for row in rows_of(charges)}) == 2


def test_the_invoice_of_a_closed_period_is_its_statement() -> None:
    assert row_of(line())["InvoiceId"] == ""
    assert row_of(line(), replace(BILL, invoice_id="2026-11"))["InvoiceId"] == "2026-11"


def test_without_a_cost_center_the_product_is_the_sub_account() -> None:
    row = row_of(line(payer=NOBODY))
    assert (row["SubAccountId"], row["SubAccountType"]) == ("ai-standard", "Product")

    row = row_of(line(payer=NOBODY, subject=subject(product_id=None)))
    assert (row["SubAccountId"], row["SubAccountName"], row["SubAccountType"]) == ("", "", "")


def test_a_resource_is_never_named_by_its_own_id() -> None:
    """What is served by one name alone has an id, and no name beside it."""
    row = row_of(line(resource_id="gpt-4o-prod"))

    assert (row["ResourceId"], row["ResourceName"]) == ("gpt-4o-prod", "")


def test_the_deployment_that_answered_is_the_resource() -> None:
    spilled = subject(deployment="gpt-4o-ptu", served_deployment="gpt-4o", spillover=True)
    row = row_of(line(subject=spilled))

    assert row["ResourceName"] == "gpt-4o"
    assert json.loads(row["Tags"])["usage:spillover"] is True


def test_what_has_no_price_is_no_charge_of_nothing() -> None:
    charges, unpriced = export([unpriced_line()])

    assert rows_of(charges) == []
    (row,) = rows_of(unpriced)
    assert tuple(row) == UNPRICED_COLUMNS
    assert not MONEY & row.keys()
    assert (row["ConsumedQuantity"], row["SkuId"]) == ("1234567", "secret-model/input")
    assert row["PublisherName"] == "Microsoft"


def test_no_name_becomes_a_formula_and_negative_numbers_stay_numbers() -> None:
    payer = HR._replace(owner="=cmd()", cost_center="+1", department="@here")
    row = row_of(correction_line(payer=payer, model="-1"))

    assert (row["x_Owner"], row["SubAccountId"], row["x_Department"]) == (
        "'=cmd()",
        "'+1",
        "'@here",
    )
    assert row["SkuId"].startswith("'-1")
    assert row["BilledCost"] == "-0.3225"


def test_a_row_needs_its_day() -> None:
    with pytest.raises(ValueError, match="read lines with their days"):
        row_of(line(subject=subject(day=None)))
