from collections.abc import Mapping
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from usage_ingest.chargeback.line import GROUPS
from usage_ingest.chargeback.report_query import (
    FORMATS,
    PARAMETERS,
    ReportQuery,
    parse_report_query,
)
from usage_ingest.errors import InvalidQueryError
from usage_ingest.parameters import MAX_DAYS

TODAY = date(2026, 3, 14)
TAGS = ("team", "cost.center")


def parse(**params: str) -> ReportQuery:
    return parse_report_query(params, TODAY, TAGS)


def test_without_parameters_it_is_this_month_up_to_today() -> None:
    assert parse() == parse(period="2026-03")
    assert parse() == ReportQuery(start=date(2026, 3, 1), end=TODAY, period="2026-03", tags=TAGS)


def test_a_period_that_is_over_is_all_of_its_days() -> None:
    query = parse(period="2026-02")

    assert (query.start, query.end, query.period) == (
        date(2026, 2, 1),
        date(2026, 2, 28),
        "2026-02",
    )


def test_the_current_period_ends_today() -> None:
    """What is paid by time would count days that have not been."""
    query = parse(period="2026-03")

    assert (query.start, query.end) == (date(2026, 3, 1), TODAY)


def test_days_may_be_named_instead() -> None:
    query = parse(start_date="2026-01-15", end_date="2026-02-14")

    assert (query.start, query.end, query.period) == (
        date(2026, 1, 15),
        date(2026, 2, 14),
        None,
    )
    assert parse(end_date="2026-03-14").period is None


def test_every_group_is_a_filter_too() -> None:
    for name in GROUPS:
        value = {"day": "2026-03-02", "token_kind": "output"}.get(name, "a")
        query = parse(group_by=name, **{name: value})
        assert query.group_by == (name,)
        assert query.filters == {name: (value,)}


def test_filters_take_several_values_and_a_dash_for_not_reported() -> None:
    query = parse(owner="unallocated, hr ,hr", app="-,shop", **{"tag:team": "a"})

    assert query.filters == {
        "owner": ("unallocated", "hr"),
        "app": (None, "shop"),
        "tag:team": ("a",),
    }
    assert query.names() == {"owner", "app", "tag:team"}


def test_a_page_is_grouped_by_owner_and_model_unless_asked_otherwise() -> None:
    assert parse(format="html").group_by == ("owner", "model")
    assert parse(format="html", group_by="day").group_by == ("day",)


def test_every_format_is_taken_and_json_is_the_default() -> None:
    assert [parse(format=name).format for name in FORMATS] == [*FORMATS]
    assert parse().format == "json"


def test_unpriced_usage_is_allowed_only_where_that_is_said() -> None:
    assert not parse().allow_unpriced
    assert parse(format="focus", allow_unpriced="true").allow_unpriced


def test_the_key_of_azure_functions_is_no_parameter_of_ours() -> None:
    assert parse(code="secret") == parse()


@pytest.mark.parametrize(
    ("params", "parameter", "says"),
    [
        ({"month": "2026-02"}, "month", "period, start_date, end_date, group_by, format"),
        ({"tag:colour": "red"}, "tag:colour", "tag:team, tag:cost.center"),
        ({"provider": "openai"}, "provider", "owner, cost_center"),
        ({"period": "2026-2"}, "period", "YYYY-MM"),
        ({"period": ""}, "period", "YYYY-MM"),
        ({"period": "2026-04"}, "period", "has not begun"),
        ({"period": "2026-02", "end_date": "2026-02-03"}, "period", "leave out end_date"),
        (
            {"period": "2026-02", "start_date": "2026-02-03", "end_date": "2026-02-04"},
            "period",
            "leave out start_date and end_date",
        ),
        ({"start_date": "03/2026"}, "start_date", "YYYY-MM-DD"),
        ({"end_date": "2026-03-15"}, "end_date", "today"),
        ({"start_date": "2026-03-15"}, "start_date", "later day"),
        ({"start_date": "2024-01-01"}, "start_date", "at most 400 days"),
        ({"group_by": "provider"}, "group_by", "owner, cost_center"),
        ({"group_by": "owner,owner"}, "group_by", "each name once"),
        ({"day": "2026-02-28"}, "day", "2026-03-01 to 2026-03-14"),
        ({"token_kind": "prompt"}, "token_kind", "cached_input"),
        ({"owner": "a,,b"}, "owner", "separated by commas"),
        ({"format": "xlsx"}, "format", "json, csv, focus or html"),
        ({"allow_unpriced": "yes"}, "allow_unpriced", "true or false"),
    ],
)
def test_a_bad_parameter_is_named_with_what_it_takes(
    params: dict[str, str], parameter: str, says: str
) -> None:
    with pytest.raises(InvalidQueryError) as refused:
        parse(**params)

    assert refused.value.parameter == parameter
    assert says in refused.value.text


_NAMES = st.sampled_from([*PARAMETERS, "code", "tag:team", *GROUPS]) | st.text(max_size=8)
_TEXTS = (
    st.text(max_size=20)
    | st.dates().map(str)
    | st.dates().map(lambda day: str(day)[:7])
    | st.sampled_from(["true", "day,app", "html"])
)


@settings(deadline=None)
@given(st.dictionaries(_NAMES, _TEXTS, max_size=4), st.dates(max_value=date(9998, 12, 31)))
def test_whatever_is_asked_gives_a_query_or_names_a_parameter(
    params: Mapping[str, str], today: date
) -> None:
    try:
        query = parse_report_query(params, today, TAGS)
    except InvalidQueryError as error:
        assert error.parameter in params  # noqa: PT017 - either outcome is right
    else:
        assert query.start <= query.end <= today
        assert (query.end - query.start).days < MAX_DAYS
