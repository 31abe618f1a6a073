import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import (
    COMPONENT,
    DIMENSIONS,
    NOON,
    make_definition,
    make_kind,
    make_metric_row,
)
from usage_ingest.document import to_document
from usage_ingest.errors import TransientError
from usage_ingest.metric_profile import Definition
from usage_ingest.metrics.fold import Kind, MetricRow, bag_of, gateway_of, records
from usage_ingest.metrics.shipped import SHIPPED
from usage_ingest.record import Flag, Source, TokenUsage, UsageRecord, UsageState
from usage_ingest.record_id import metric_record_id

OWN = make_kind()
LATER = NOON + timedelta(hours=3)


def folded(*rows: MetricRow, kind: Kind = OWN) -> list[UsageRecord]:
    return records(rows, kind, LATER)


def record_of(*rows: MetricRow, kind: Kind = OWN) -> UsageRecord:
    (record,) = folded(*rows, kind=kind)
    return record


def three(prompt: float = 100, completion: float = 20, total: float = 120) -> list[MetricRow]:
    return [
        make_metric_row(metric="Prompt Tokens", total=float(prompt)),
        make_metric_row(metric="Completion Tokens", total=float(completion)),
        make_metric_row(metric="Total Tokens", total=float(total)),
    ]


def with_bag(**changed: Any) -> MetricRow:
    return make_metric_row(properties=DIMENSIONS | {f"usage.{k}": v for k, v in changed.items()})


# One record for each bin, sender and set of dimensions


def test_the_rows_of_three_metrics_are_one_record() -> None:
    record = record_of(*three())

    assert record.usage == TokenUsage(input_tokens=100, output_tokens=20, total_tokens=120)
    assert (record.usage_state, record.usage_estimated) == (UsageState.REPORTED, True)
    assert (record.source, record.shape, record.streaming) == (Source.METRICS, "metric", True)
    assert (record.event_time, record.ingested_at, record.day) == (NOON, LATER, "2026-11-20")
    assert (record.gateway, record.region) == ("apim-contoso", "Sweden Central")
    assert record.subscription_id == "hr-copilot"
    assert (record.product_id, record.app_id) == ("ai-standard", "app-1")
    assert (record.deployment, record.request_model) == ("gpt-4o-prod", "gpt-4o")
    assert record.flags == ()
    assert record.coordinates is None


def test_a_record_says_which_rows_it_sums_up_and_when_they_were_read() -> None:
    metric = record_of(*three()).metric

    assert metric is not None
    assert (metric.component, metric.profile) == (COMPONENT.lower(), "own")
    assert (metric.bin_seconds, metric.as_of) == (3_600, NOON + timedelta(hours=2))
    assert metric.role_name == "apim-contoso.azure-api.net Sweden Central"


def test_a_metric_that_has_no_rows_is_not_reported() -> None:
    record = record_of(make_metric_row(total=0.0))

    assert record.usage.reported() == {"input_tokens": 0}


def test_rows_of_one_set_of_dimensions_are_summed_however_they_are_split() -> None:
    """Properties that Azure Monitor adds split what the service sums up."""
    added = [DIMENSIONS | {"_MS.AggregationIntervalMs": ms} for ms in ("60000", "30000")]
    rows = [
        make_metric_row(total=1.0, properties=added[0]),
        make_metric_row(total=2.0, properties=added[1]),
        make_metric_row(total=4.0),
        make_metric_row(total=8.0, properties=dict(reversed(DIMENSIONS.items()))),
    ]

    record = record_of(*rows)

    assert record.usage.reported() == {"input_tokens": 15}
    assert record.record_id == record_of(make_metric_row()).record_id


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"role_name": "apim-contoso.azure-api.net West Europe"}, id="role-name"),
        pytest.param({"component": COMPONENT + "-2"}, id="component"),
        pytest.param({"bin_start": NOON + timedelta(hours=1)}, id="bin"),
        pytest.param({"properties": DIMENSIONS | {"usage.app": "app-2"}}, id="dimension"),
        pytest.param({"properties": DIMENSIONS | {"routeName": "SWC"}}, id="key-of-no-field"),
    ],
)
def test_what_tells_rows_apart_gives_records_of_their_own(other: dict[str, Any]) -> None:
    one, two = folded(make_metric_row(total=1.0), make_metric_row(total=2.0, **other))

    assert one.record_id != two.record_id
    assert [each.usage.input_tokens for each in (one, two)] == [1, 2]


def test_a_component_is_the_same_however_its_id_is_written() -> None:
    record = record_of(make_metric_row(), make_metric_row(component=COMPONENT.upper()))

    assert record.usage.input_tokens == 200
    assert record.metric is not None
    assert record.metric.component == COMPONENT.lower()


def test_no_rows_are_no_records() -> None:
    assert folded() == []


ROWS = st.lists(
    st.builds(
        make_metric_row,
        metric=st.sampled_from(["Prompt Tokens", "Completion Tokens", "Total Tokens"]),
        total=st.integers(0, 1_000).map(float),
        bin_start=st.sampled_from([NOON, NOON + timedelta(hours=1)]),
        properties=st.sampled_from(
            [DIMENSIONS, DIMENSIONS | {"usage.app": "app-2"}, DIMENSIONS | {"_MS.x": "1"}]
        ),
    ),
    max_size=12,
)


@given(ROWS, st.data())
def test_the_order_of_rows_changes_no_record_and_no_token_is_lost(
    rows: list[MetricRow], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(rows))

    found, again = folded(*rows), folded(*shuffled)

    def by_id(read: list[UsageRecord]) -> dict[str, TokenUsage]:
        return {each.record_id: each.usage for each in read}

    assert by_id(found) == by_id(again)
    assert len(by_id(found)) == len(found)
    for metric, name in (("Prompt Tokens", "input_tokens"), ("Completion Tokens", "output_tokens")):
        sent = sum(each.total for each in rows if each.metric == metric)
        assert sum(getattr(each.usage, name) or 0 for each in found) == sent


# What dimensions mean


@pytest.mark.parametrize("value", ["-", "", "  ", "\x01"])
def test_an_unknown_dimension_is_none(value: str) -> None:
    record = record_of(with_bag(app=value, product=value, subscription=value))

    assert (record.app_id, record.product_id, record.subscription_id) == (None, None, None)
    assert record.deployment == "gpt-4o-prod"


def test_a_dimension_that_was_dropped_is_none() -> None:
    row = make_metric_row(properties={"usage.subscription": "hr-copilot"})

    assert record_of(row).app_id is None


@pytest.mark.parametrize("value", ["NA", "na", "N/A", "Portal-Admin", "Portal-Admin-Sub"])
def test_the_stand_ins_of_a_gateway_are_none_in_its_profile(value: str) -> None:
    kind = make_kind(Definition.model_validate(SHIPPED["ai-hub"]), "ai-hub")
    bag = {"SubscriptionId": value, "routeName": "SWC", "productName": value, "backendId": "b-0"}

    record = record_of(make_metric_row(properties=bag), kind=kind)

    assert (record.subscription_id, record.product_id, record.product_name) == (None, None, None)
    assert (record.backend, record.route) == ("b-0", "SWC")


def test_what_stands_for_nothing_elsewhere_is_a_value_of_our_own_metric() -> None:
    assert record_of(with_bag(app="NA")).app_id == "NA"


@pytest.mark.parametrize(
    ("value", "read"),
    [(7, "7"), (1.5, "1.5"), (True, "true"), (["a"], '["a"]'), ({"a": 1}, '{"a":1}')],
)
def test_a_property_that_is_no_text_is_read_as_its_json(value: Any, read: str) -> None:
    assert record_of(with_bag(app=value)).app_id == read


def test_a_property_of_null_is_not_there() -> None:
    record = record_of(with_bag(app=None))
    without = {key: value for key, value in DIMENSIONS.items() if key != "usage.app"}

    assert record.app_id is None
    assert record.record_id == record_of(make_metric_row(properties=without)).record_id


@pytest.mark.parametrize("properties", ["", "{", "[]", '"text"', "null"])
def test_properties_that_are_no_object_are_an_answer_to_be_asked_for_again(properties: str) -> None:
    with pytest.raises(TransientError, match="properties that are no JSON"):
        folded(make_metric_row(properties=properties))


def test_the_bag_holds_what_the_sender_set_as_texts() -> None:
    row = make_metric_row(properties={"b": "2", "_MS.a": "x", "_MSa": "y", "a": 1, "c": None})

    assert bag_of(row) == {"b": "2", "_MSa": "y", "a": "1"}


@pytest.mark.parametrize(
    ("role_name", "gateway", "region"),
    [
        ("apim-contoso.azure-api.net Sweden Central", "apim-contoso", "Sweden Central"),
        ("apim-contoso.azure-api.us USGov Virginia", "apim-contoso", "USGov Virginia"),
        ("apim-contoso.azure-api.cn China North 3", "apim-contoso", "China North 3"),
        ("apim-contoso.azure-api.net", "apim-contoso", None),
        ("apim-contoso", "apim-contoso", None),
        ("gw.contoso.example West Europe", "gw.contoso.example", "West Europe"),
        ("  apim-contoso   West Europe ", "apim-contoso", "West Europe"),
        ("", None, None),
        ("   ", None, None),
        (".azure-api.net", None, None),
    ],
)
def test_the_gateway_and_its_region_are_read_from_the_role_name(
    role_name: str, gateway: str | None, region: str | None
) -> None:
    assert gateway_of(role_name) == (gateway, region)


def test_without_a_role_name_the_component_stands_for_the_gateway() -> None:
    assert record_of(make_metric_row(role_name="")).gateway == "apim-insights"
    assert record_of(make_metric_row(role_name="", component="")).gateway == "unknown"


def test_a_dimension_may_tell_the_region_and_goes_before_the_role_name() -> None:
    toolkit = Definition.model_validate(
        {**SHIPPED["toolkit"], "covered": {"subscription_id": ["sub-1"]}}
    )
    bag = {"Subscription ID": "sub-1", "Operation ID": "o", "Gateway ID": "g"}

    told, silent = folded(
        make_metric_row(properties=bag | {"Location": "North Europe"}),
        make_metric_row(properties=bag),
        kind=make_kind(toolkit, "toolkit"),
    )

    assert (told.region, silent.region) == ("North Europe", "Sweden Central")
    assert (told.gateway_id, told.operation_id, told.subscription_id) == ("g", "o", "sub-1")


def test_a_dimension_that_no_field_names_is_not_kept() -> None:
    """Whatever else a sender puts there tells records apart and is stored nowhere."""
    address = "203.0.113.77"

    one, two = folded(
        make_metric_row(properties=DIMENSIONS | {"Client IP": address}),
        make_metric_row(properties=DIMENSIONS | {"Client IP": "203.0.113.78"}),
    )

    assert one.record_id != two.record_id
    assert address not in str(to_document(one, "partition", "rollup", 400))


def test_a_dimension_that_is_ignored_tells_no_records_apart() -> None:
    """Each caller's address would be a record of its own."""
    kind = make_kind(make_definition(ignored=["Client IP"]))
    rows = [
        make_metric_row(properties=DIMENSIONS | {"Client IP": f"203.0.113.{n}"}) for n in range(3)
    ]

    record = record_of(*rows, make_metric_row(), kind=kind)

    assert record.usage.input_tokens == 400
    assert record.record_id == record_of(make_metric_row()).record_id


@pytest.mark.parametrize(
    "value",
    ['"\\ud800"', '["\\ud800"]', "1" + "0" * 30, '{"a":' * 50 + "1" + "}" * 50],
    ids=["lone-surrogate", "lone-surrogate-within", "number-beyond-64-bits", "deep"],
)
def test_a_value_that_is_json_of_any_kind_stops_no_reading(value: str) -> None:
    """A row that cannot be read would stop its source at every run."""
    row = make_metric_row(properties=f'{{"usage.subscription":"hr","usage.app":{value}}}')

    record = record_of(row)

    assert record.subscription_id == "hr"
    orjson.dumps(to_document(record, "partition", "rollup", 400))


# Sums that are no counts


@pytest.mark.parametrize(
    "odd",
    [float("nan"), float("inf"), float("-inf"), -1.0, 0.5, 99.999, 1.1e12],
    ids=["nan", "infinity", "minus-infinity", "negative", "half", "fraction", "implausible"],
)
def test_a_sum_that_is_no_count_is_left_out_and_flagged(odd: float) -> None:
    record = record_of(
        make_metric_row(total=odd), make_metric_row(metric="Completion Tokens", total=20.0)
    )

    assert record.usage.reported() == {"output_tokens": 20}
    assert record.flags == (Flag.ODD_VALUE,)


def test_one_odd_row_makes_its_sum_unknown() -> None:
    """Adding up the others would be a number that nobody measured."""
    odd = make_metric_row(total=float("nan"), properties=DIMENSIONS | {"_MS.x": "1"})

    record = record_of(make_metric_row(total=5.0), odd, make_metric_row(total=5.0))

    assert record.usage.reported() == {}
    assert record.flags == (Flag.ODD_VALUE,)


@pytest.mark.parametrize("parts", [(0.5, 0.5), (0.1,) * 10, (1.0, -0.0)])
def test_fractions_that_add_up_to_a_whole_are_one(parts: tuple[float, ...]) -> None:
    record = record_of(*(make_metric_row(total=each) for each in parts))

    assert record.usage.reported() == {"input_tokens": 1}
    assert record.flags == ()


def test_a_day_of_a_busy_gateway_is_no_implausible_count() -> None:
    """The bound is for one call; a bin sums up many."""
    assert record_of(make_metric_row(total=5e11)).usage.input_tokens == 500_000_000_000


def test_a_total_below_its_parts_stays_as_it_was_summed_and_is_flagged() -> None:
    """Rows of one request arrive apart: it may only be half arrived."""
    record = record_of(*three(total=119))

    assert record.usage == TokenUsage(input_tokens=100, output_tokens=20, total_tokens=119)
    assert record.flags == (Flag.INCONSISTENT_USAGE,)


def test_a_sum_that_is_odd_and_one_that_does_not_fit_are_both_flagged() -> None:
    record = record_of(*three(prompt=0.5, total=19))

    assert record.usage.reported() == {"output_tokens": 20, "total_tokens": 19}
    assert set(record.flags) == {Flag.ODD_VALUE, Flag.INCONSISTENT_USAGE}


# A profile that covers all takes what it lists


def covering(**covered: list[str]) -> Kind:
    return make_kind(make_definition(covers="all", covered=covered), "ours")


def test_rows_of_products_that_the_profile_does_not_count_are_left_out() -> None:
    rows = [with_bag(product=product) for product in ("retail", "banking", "-")]

    found = folded(*rows, kind=covering(product_id=["retail"]))

    assert [each.product_id for each in found] == ["retail"]


def test_rows_without_a_product_are_listed_by_a_dash() -> None:
    rows = [with_bag(product=product) for product in ("retail", "-")]

    found = folded(*rows, kind=covering(product_id=["-"]))

    assert [each.product_id for each in found] == [None]


def test_what_one_profile_covers_is_left_out_of_another() -> None:
    """Whatever both read of a call, its tokens count once."""
    covers = make_definition(covers="all", covered={"product_id": ["retail"]})
    rows = [with_bag(product=product) for product in ("retail", "banking")]

    own = folded(*rows, kind=make_kind(citadel=covers))
    citadel = folded(*rows, kind=make_kind(covers, "citadel", own=make_definition()))

    assert [each.product_id for each in own] == ["banking"]
    assert [each.product_id for each in citadel] == ["retail"]


def test_what_two_profiles_cover_counts_by_the_first_by_name() -> None:
    covers = make_definition(covers="all", covered={"product_id": ["retail"]})
    row = with_bag(product="retail")

    assert len(folded(row, kind=make_kind(covers, "a", b=covers))) == 1
    assert folded(row, kind=make_kind(covers, "b", a=covers)) == []


def test_of_a_profile_that_covers_all_nobody_knows_what_was_streamed() -> None:
    assert record_of(
        make_metric_row(), kind=covering(subscription_id=["hr-copilot"])
    ).streaming is (None)


# Identity never changes

GOLDEN = "bb7513ab7a199536a4ef0262be75d336"
GOLDEN_WITHOUT_DIMENSIONS = "7469ccf87cf9d31b30e701e65507a677"


def hashed(*parts: object) -> str:
    """The frozen form: each part with its length, so that where one ends is part of it."""
    text = "".join(f"{len(str(part))}:{part};" for part in parts)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def test_golden_id_of_a_record() -> None:
    spelled = (
        "6:metric;"
        "89:/subscriptions/5a/resourcegroups/rg/providers/microsoft.insights/components/"
        "apim-insights;"
        "10:1795176000;"
        "4:3600;"
        "41:apim-contoso.azure-api.net Sweden Central;"
        "9:usage.app;5:app-1;"
        "16:usage.deployment;11:gpt-4o-prod;"
        "11:usage.model;6:gpt-4o;"
        "13:usage.product;11:ai-standard;"
        "18:usage.subscription;10:hr-copilot;"
    )

    found = record_of(*three()).record_id

    assert found == hashlib.sha256(spelled.encode()).hexdigest()[:32]
    assert found == GOLDEN


def test_golden_id_without_dimensions_and_sender() -> None:
    found = metric_record_id("", datetime(2026, 11, 20, tzinfo=UTC), 86_400, "", {})

    assert found == hashed("metric", "", 1_795_132_800, 86_400, "")
    assert found == GOLDEN_WITHOUT_DIMENSIONS


def test_where_a_dimension_ends_is_part_of_the_id() -> None:
    one = metric_record_id("c", NOON, 60, "r", {"a": "bc", "d": "e"})

    assert one != metric_record_id("c", NOON, 60, "r", {"ab": "c", "d": "e"})
    assert one != metric_record_id("c", NOON, 60, "r", {"a": "b", "cd": "e"})
    assert one == metric_record_id("c", NOON, 60, "r", {"d": "e", "a": "bc"})


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(make_kind(profile="renamed"), id="name-of-the-profile"),
        pytest.param(make_kind(make_definition(fields={})), id="fields"),
        pytest.param(
            make_kind(make_definition(unknown_values=["hr-copilot"])), id="unknown-values"
        ),
        pytest.param(
            make_kind(make_definition(metrics={"Prompt Tokens": "cached_input_tokens"})),
            id="metrics",
        ),
        pytest.param(covering(subscription_id=["hr-copilot"]), id="covers-all"),
    ],
)
def test_no_setting_enters_an_id(kind: Kind) -> None:
    """What is read again under another definition is found and replaced, not counted beside."""
    changed = record_of(make_metric_row(as_of=NOON + timedelta(days=9)), kind=kind)

    assert changed.record_id == GOLDEN


def test_the_length_of_the_bin_enters_an_id() -> None:
    """It is dated: days before a change keep the bins that they had."""
    minute = make_kind(bin_seconds=60)

    assert record_of(make_metric_row(), kind=minute).record_id != GOLDEN


BAGS = st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=4)


@given(BAGS, BAGS)
def test_two_sets_of_dimensions_share_an_id_exactly_when_they_are_equal(
    one: dict[str, str], other: dict[str, str]
) -> None:
    ids = [metric_record_id("c", NOON, 60, "r", bag) for bag in (one, other)]

    assert (ids[0] == ids[1]) is (one == other)


@given(BAGS)
def test_keys_that_azure_monitor_adds_enter_no_id(bag: dict[str, str]) -> None:
    added = bag | {"_MS.AggregationIntervalMs": "60000"}
    kept = {key: value for key, value in bag.items() if not key.startswith("_MS.")}

    assert bag_of(make_metric_row(properties=json.dumps(added))) == kept
