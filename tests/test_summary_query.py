from collections.abc import Mapping
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from usage_ingest.errors import InvalidQueryError
from usage_ingest.parameters import MAX_DAYS
from usage_ingest.rollup import KEY_FIELDS
from usage_ingest.summary_query import (
    STORED_FIELDS,
    SummaryQuery,
    parse_query,
    stored_field,
)

TODAY = date(2026, 3, 14)
TAGS = ("team", "cost.center")


def parse(params: Mapping[str, str], today: date = TODAY) -> SummaryQuery:
    return parse_query(params, today, TAGS)


def test_a_query_without_parameters_is_this_month_up_to_today() -> None:
    assert parse({}) == SummaryQuery(start=date(2026, 3, 1), end=TODAY)


def test_a_start_alone_reaches_to_today() -> None:
    query = parse({"start_date": "2025-12-24"})

    assert (query.start, query.end) == (date(2025, 12, 24), TODAY)


def test_an_end_alone_starts_on_the_first_day_of_its_own_month() -> None:
    query = parse({"end_date": "2025-11-30"})

    assert (query.start, query.end) == (date(2025, 11, 1), date(2025, 11, 30))


def test_a_range_of_one_day_and_one_of_the_most_days_are_taken() -> None:
    one = parse({"start_date": "2026-02-01", "end_date": "2026-02-01"})
    most = parse({"start_date": "2025-01-01", "end_date": "2026-02-04"})

    assert one.start == one.end
    assert (most.end - most.start).days + 1 == MAX_DAYS


def test_groups_keep_the_order_they_were_asked_in() -> None:
    assert parse({"group_by": "tag:team, day,model"}).group_by == ("tag:team", "day", "model")


def test_every_group_is_a_filter_and_a_stored_field_of_a_rollup() -> None:
    for name, stored in STORED_FIELDS.items():
        assert parse({"group_by": name}).group_by == (name,)
        assert stored in KEY_FIELDS


def test_public_names_stand_for_stored_fields() -> None:
    names = ("subscription", "api_kind", "tag:team", "tag:cost.center")

    assert [stored_field(name) for name in names] == [
        "subscription_id",
        "api_kind",
        "tags.team",
        "tags.cost.center",
    ]


def test_filters_take_any_of_several_values_and_a_dash_for_not_reported() -> None:
    query = parse({"app": "-,shop , shop", "tag:team": "a,b", "model": "gpt-5"})

    assert query.filters == {
        "app": (None, "shop"),
        "tag:team": ("a", "b"),
        "model": ("gpt-5",),
    }


def test_streaming_is_filtered_by_true_false_and_not_reported() -> None:
    assert parse({"streaming": "true,false,-"}).filters == {"streaming": (True, False, None)}


def test_days_and_sources_are_filters_too() -> None:
    query = parse({"day": "2026-03-02,2026-03-04", "source": "metrics"})

    assert query.filters == {"day": ("2026-03-02", "2026-03-04"), "source": ("metrics",)}


def test_the_key_of_azure_functions_is_no_parameter_of_ours() -> None:
    assert parse({"code": "secret"}) == parse({})


def test_csv_is_a_format_and_json_the_default() -> None:
    assert parse({}).format == "json"
    assert parse({"format": "json"}).format == "json"
    assert parse({"format": "csv"}).format == "csv"


@pytest.mark.parametrize(
    ("params", "parameter", "says"),
    [
        ({"from": "2026-03-01"}, "from", "start_date, end_date, group_by, format, day"),
        ({"tag:colour": "red"}, "tag:colour", "tag:team, tag:cost.center"),
        ({"subscription_id": "a"}, "subscription_id", "subscription"),
        ({"start_date": ""}, "start_date", "YYYY-MM-DD"),
        ({"start_date": "01/03/2026"}, "start_date", "YYYY-MM-DD"),
        ({"start_date": "20260301"}, "start_date", "YYYY-MM-DD"),
        ({"start_date": "2026-W10-1"}, "start_date", "YYYY-MM-DD"),
        ({"start_date": "2026-02-30"}, "start_date", "YYYY-MM-DD"),
        ({"end_date": "2026-03-01T00:00:00Z"}, "end_date", "YYYY-MM-DD"),
        ({"end_date": "9999-12-31"}, "end_date", "YYYY-MM-DD"),
        ({"start_date": "2026-03-15"}, "start_date", "start_date or a later day"),
        ({"start_date": "2026-03-02", "end_date": "2026-03-01"}, "end_date", "later day"),
        ({"start_date": "2024-01-01"}, "start_date", "at most 400 days"),
        ({"start_date": "2025-01-01", "end_date": "2026-02-05"}, "end_date", "at most 400"),
        ({"group_by": ""}, "group_by", "separated by commas"),
        ({"group_by": "day,,model"}, "group_by", "separated by commas"),
        ({"group_by": "day,model,day"}, "group_by", "each name once"),
        ({"group_by": "user"}, "group_by", "day, subscription, product"),
        ({"group_by": "tag:colour"}, "group_by", "tag:team"),
        ({"group_by": "team"}, "group_by", "tag:team"),
        ({"app": ""}, "app", "separated by commas"),
        ({"app": "a,"}, "app", "separated by commas"),
        ({"streaming": "yes"}, "streaming", "true, false, -"),
        ({"streaming": "True"}, "streaming", "true, false, -"),
        ({"day": "yesterday"}, "day", "YYYY-MM-DD"),
        ({"day": "-"}, "day", "YYYY-MM-DD"),
        ({"day": "2026-02-28"}, "day", "2026-03-01 to 2026-03-14"),
        ({"source": "hub"}, "source", "event_hub, metrics"),
        ({"source": "-"}, "source", "event_hub, metrics"),
        ({"format": "xml"}, "format", "json or csv"),
        ({"format": ""}, "format", "json or csv"),
    ],
)
def test_a_bad_parameter_is_named_with_what_it_takes(
    params: Mapping[str, str], parameter: str, says: str
) -> None:
    with pytest.raises(InvalidQueryError) as refused:
        parse(params)

    assert refused.value.parameter == parameter
    assert says in refused.value.text


_PARAMETERS = st.sampled_from(
    ["start_date", "end_date", "group_by", "format", "code", "tag:team", *STORED_FIELDS]
)
_TEXTS = st.text(max_size=20) | st.dates().map(str) | st.sampled_from(["true,-", "day,app"])


@settings(deadline=None)
@given(st.dictionaries(_PARAMETERS | st.text(max_size=8), _TEXTS, max_size=4), st.dates())
def test_whatever_is_asked_gives_a_query_or_names_a_parameter(
    params: Mapping[str, str], today: date
) -> None:
    try:
        query = parse(params, min(today, date(9998, 12, 31)))
    except InvalidQueryError as error:
        assert error.parameter in params  # noqa: PT017 - either outcome is right
    else:
        assert query.start <= query.end
