from typing import Any

import orjson
import pytest

from tests.builders import DIMENSIONS, make_definition
from usage_ingest.errors import ConfigError
from usage_ingest.identity import BEGINNING, DatedValue, Identity
from usage_ingest.metric_profile import (
    OFF,
    UNKNOWN,
    Definition,
    covering_profile,
    definition_of,
    parsed,
    wrong_definitions,
)
from usage_ingest.metrics.shipped import SHIPPED, shipped

OWN: dict[str, Any] = dict(SHIPPED["own"])
DAY = "2026-11-20"


def text_of(**overrides: Any) -> str:
    """A definition as JSON; an override of None takes a key away."""
    given = {name: value for name, value in (OWN | overrides).items() if value is not None}
    return orjson.dumps(given).decode()


def refusal(**overrides: Any) -> str:
    with pytest.raises(ConfigError) as raised:
        parsed("ours", text_of(**overrides))
    return str(raised.value)


def covering(**covered: list[str]) -> Definition:
    return make_definition(covers="all", covered=covered)


# What a definition must be


def test_the_definition_of_our_own_metric_is_read() -> None:
    definition = parsed("own", text_of())

    assert definition == make_definition()
    assert definition.metrics == {
        "Prompt Tokens": "input_tokens",
        "Completion Tokens": "output_tokens",
        "Total Tokens": "total_tokens",
    }
    assert definition.must_have == ("usage.subscription",)
    assert definition.covers == "streaming"


def test_every_problem_of_a_definition_is_named_at_once() -> None:
    text = refusal(
        metrics={"Prompt Tokens": "requests"},
        must_have=[],
        fields={"session_id": "usage.session", "app_id": 7},
        covers="some",
        colour="red",
    )

    assert text.startswith("metric profile 'ours': ")
    for where in (
        "metrics.Prompt Tokens: ",
        "must_have: ",
        "fields.session_id",
        "fields.app_id: ",
        "covers: ",
        "colour: ",
    ):
        assert where in text, where


@pytest.mark.parametrize("missing", ["metrics", "must_have", "fields"])
def test_a_definition_says_what_a_row_is(missing: str) -> None:
    assert f"{missing}: Field required" in refusal(**{missing: None})


@pytest.mark.parametrize(
    "name",
    ['a"b', "a\\b", "a\nb", "a\x7fb", "a\x85b", "", "k" * 257],
    ids=["quote", "backslash", "line", "delete", "next-line", "empty", "too-long"],
)
@pytest.mark.parametrize("where", ["metrics", "must_have", "must_not_have", "fields"])
def test_a_name_that_a_query_could_not_hold_is_refused(where: str, name: str) -> None:
    """Names are put into KQL as they are."""
    value: dict[str, Any] = {
        "metrics": {name: "input_tokens"},
        "must_have": [name],
        "must_not_have": [name],
        "fields": {"app_id": name},
    }

    assert "takes 1 to 256 characters without quotes, backslashes and controls" in refusal(
        **{where: value[where]}
    )


def test_a_key_may_hold_dots_spaces_and_letters_of_any_script() -> None:
    keys = ["usage.subscription", "Backend ID", "täm 你", "it's", "k" * 256]

    assert parsed("ours", text_of(must_have=keys)).must_have == tuple(keys)


def test_two_metrics_cannot_stand_for_the_same_tokens() -> None:
    """Their sums would be added up."""
    twice = {"Prompt Tokens": "input_tokens", "Input Tokens": "input_tokens"}

    assert "metrics: two names stand for the same tokens" in refusal(metrics=twice)


def test_a_key_cannot_be_there_and_not_there() -> None:
    assert "must_not_have: a key is in must_have too" in refusal(
        must_not_have=["usage.subscription"]
    )


@pytest.mark.parametrize(
    "covered", [None, {}, {"product_id": []}, {"product_id": [], "subscription_id": []}]
)
def test_a_profile_that_covers_all_lists_what_it_covers(covered: dict[str, Any] | None) -> None:
    text = refusal(covers="all", covered=covered)

    assert "covered: a profile that covers all lists the products or subscriptions" in text


def test_a_profile_of_streaming_lists_nothing_that_it_covers() -> None:
    assert "covered: only a profile that covers all" in refusal(covered={"product_id": ["a"]})


def test_what_is_covered_is_told_by_product_or_subscription_alone() -> None:
    assert "covered.api_id" in refusal(covers="all", covered={"api_id": ["a"]})


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "null"])
def test_what_is_no_definition_at_all_names_the_profile(text: str) -> None:
    with pytest.raises(ConfigError, match="metric profile 'ours': "):
        parsed("ours", text)


# Which rows are of a profile


def test_a_row_is_of_a_profile_by_its_name_and_its_keys() -> None:
    definition = make_definition(must_have=["a", "b"], must_not_have=["c"])

    assert definition.matches("Prompt Tokens", {"a": "1", "b": "2", "d": "4"})
    assert not definition.matches("prompt tokens", {"a": "1", "b": "2"})
    assert not definition.matches("AI Throttling", {"a": "1", "b": "2"})
    assert not definition.matches("Prompt Tokens", {"a": "1"})
    assert not definition.matches("Prompt Tokens", {"a": "1", "b": "2", "c": "3"})


def test_a_key_with_an_empty_value_is_there_and_one_of_null_is_not() -> None:
    definition = make_definition(must_have=["a"], must_not_have=["c"])

    assert definition.matches("Prompt Tokens", {"a": "", "c": None})
    assert not definition.matches("Prompt Tokens", {"a": None})
    assert not definition.matches("Prompt Tokens", {"a": "1", "c": ""})


@pytest.mark.parametrize(
    ("profile", "bag"),
    [
        ("own", DIMENSIONS),
        (
            "ai-hub",
            dict.fromkeys(
                (
                    "SubscriptionId",
                    "productName",
                    "routeName",
                    "routeLocation",
                    "deploymentName",
                    "backendId",
                ),
                "x",
            ),
        ),
        (
            "citadel",
            dict.fromkeys(
                (
                    "productName",
                    "deploymentName",
                    "Backend ID",
                    "appId",
                    "customDimension1",
                    "customDimension2",
                ),
                "x",
            ),
        ),
        (
            "toolkit",
            dict.fromkeys(
                (
                    "API ID",
                    "Operation ID",
                    "Product ID",
                    "Subscription ID",
                    "Location",
                    "Gateway ID",
                    "Client IP",
                ),
                "x",
            ),
        ),
    ],
)
def test_the_rows_of_each_gateway_are_of_its_shipped_profile_alone(
    profile: str, bag: dict[str, str]
) -> None:
    """The dimensions are those that the gateways' policies emit."""
    lists: dict[str, Any] = {"covered": {"product_id": ["x"]}}
    found = [
        name
        for name, definition in SHIPPED.items()
        if Definition.model_validate(
            {**definition, **(lists if definition.get("covers") == "all" else {})}
        ).matches("Prompt Tokens", bag)
    ]

    assert found == [profile]


@pytest.mark.parametrize("profile", ["own", "ai-hub"])
def test_what_ships_whole_needs_nothing_more(profile: str) -> None:
    assert shipped(profile).covers == "streaming"


@pytest.mark.parametrize("profile", ["citadel", "toolkit"])
def test_what_covers_all_has_to_be_completed_first(profile: str) -> None:
    with pytest.raises(ConfigError, match=f"{profile} needs an identity document named metric_pro"):
        shipped(profile)


def test_a_profile_that_nobody_defined_is_named_with_those_that_ship() -> None:
    with pytest.raises(ConfigError, match="ours is none of own, ai-hub, citadel, toolkit"):
        shipped("ours")


# Whose tokens count by it


def test_a_profile_of_streaming_covers_no_call_whole() -> None:
    assert not make_definition().covers_call({})
    assert not make_definition().covers_call({"product_id": "anything"})


@pytest.mark.parametrize(
    ("fields", "taken"),
    [
        ({"product_id": "ai-retail"}, True),
        ({"product_name": "AI Retail"}, True),
        ({"product_id": "7", "product_name": "AI Retail"}, True),
        ({"product_id": "AI-RETAIL"}, False),
        ({"product_id": "other", "product_name": "Other"}, False),
        ({"subscription_id": "ai-retail"}, False),
        ({}, False),
    ],
)
def test_a_product_is_listed_by_its_id_or_by_its_name(
    fields: dict[str, str], *, taken: bool
) -> None:
    """An event may tell both, a metric one of them."""
    assert covering(product_id=["ai-retail", "AI Retail"]).covers_call(fields) is taken


@pytest.mark.parametrize(
    ("fields", "taken"),
    [
        ({}, True),
        ({"product_id": None, "product_name": ""}, True),
        ({"product_id": "7"}, False),
        ({"product_name": "Other"}, False),
    ],
)
def test_calls_without_a_product_are_listed_by_a_dash(
    fields: dict[str, str], *, taken: bool
) -> None:
    assert UNKNOWN == "-"
    assert covering(product_id=[UNKNOWN]).covers_call(fields) is taken


def test_a_call_is_taken_by_any_of_what_is_listed() -> None:
    definition = covering(product_id=["retail"], subscription_id=["hr", UNKNOWN])

    assert definition.covers_call({"product_id": "retail", "subscription_id": "other"})
    assert definition.covers_call({"product_id": "other", "subscription_id": "hr"})
    assert definition.covers_call({"product_id": "other"})
    assert not definition.covers_call({"product_id": "other", "subscription_id": "other"})


# On which days


def dated(profile: str, *values: tuple[str, str]) -> dict[str, tuple[DatedValue, ...]]:
    return {f"metric_profile/{profile}": tuple(DatedValue(day, text) for day, text in values)}


def test_a_definition_holds_from_its_day_on() -> None:
    other = text_of(must_have=["usage.team"])
    identity = Identity(dated("own", ("2026-11-20", text_of()), ("2026-12-01", other)))

    assert definition_of("own", identity, "2026-11-19") is None
    assert definition_of("own", identity, "2026-11-20") == make_definition()
    assert definition_of("own", identity, "2026-11-30") == make_definition()
    assert definition_of("own", identity, "2026-12-01") == make_definition(must_have=["usage.team"])
    assert definition_of("ai-hub", identity, "2026-12-01") is None


def covers_text(*products: str) -> str:
    return text_of(covers="all", covered={"product_id": products})


@pytest.mark.parametrize(
    ("day", "product", "covered"),
    [
        ("2026-11-19", "retail", False),
        ("2026-11-20", "retail", True),
        ("2026-11-20", "banking", False),
        ("2026-12-01", "banking", True),
        ("2026-12-01", "retail", False),
    ],
)
def test_whether_a_call_is_covered_is_asked_of_the_definition_of_its_day(
    day: str, product: str, *, covered: bool
) -> None:
    values = ("2026-11-20", covers_text("retail")), ("2026-12-01", covers_text("banking"))

    found = covering_profile(Identity(dated("citadel", *values)), day, {"product_id": product})

    assert found == ("citadel" if covered else None)


def test_a_call_is_covered_by_the_profile_that_lists_it() -> None:
    identity = Identity(
        dated("citadel", (BEGINNING, covers_text("retail", "both")))
        | dated("toolkit", (BEGINNING, covers_text("banking", "both")))
        | dated("own", (BEGINNING, text_of()))
    )

    def by(product: str) -> str | None:
        return covering_profile(identity, DAY, {"product_id": product})

    assert (by("retail"), by("banking"), by("other")) == ("citadel", "toolkit", None)
    assert by("both") == "citadel"


def test_a_profile_of_streaming_covers_no_call() -> None:
    """Calls that are not streamed go on counting by their events."""
    assert covering_profile(Identity(dated("own", (BEGINNING, text_of()))), DAY, {}) is None
    assert covering_profile(Identity(), DAY, {}) is None


def test_a_stored_definition_that_is_none_stops_what_it_would_decide() -> None:
    """Guessing would count a day's tokens twice, or not at all."""
    identity = Identity(dated("citadel", (BEGINNING, text_of(covers="all"))))

    with pytest.raises(ConfigError, match=r"metric profile 'citadel': .*covered"):
        covering_profile(identity, DAY, {})


def test_a_profile_ends_on_the_day_that_it_is_off_from() -> None:
    identity = Identity(dated("citadel", (BEGINNING, covers_text("retail")), ("2026-11-20", OFF)))
    fields = {"product_id": "retail"}

    assert OFF == "off"
    assert definition_of("citadel", identity, "2026-11-20") is None
    assert covering_profile(identity, "2026-11-19", fields) == "citadel"
    assert covering_profile(identity, "2026-11-20", fields) is None


# What is wrong with them, before their day comes


def test_definitions_of_any_day_that_cannot_be_read_are_all_told() -> None:
    identity = Identity(
        dated("citadel", (BEGINNING, covers_text("retail")), ("2026-12-01", "{}"))
        | dated("toolkit", ("2026-11-01", OFF), ("2026-12-02", text_of(covers="all")))
    )

    found = wrong_definitions(identity, {"citadel"}, DAY)

    assert len(found) == 2
    assert found[0].startswith("metric profile 'citadel': ")
    assert found[0].endswith("(from 2026-12-01 on)")
    assert found[1].endswith("(from 2026-12-02 on)")


def test_a_covering_profile_that_nobody_collects_is_told_on_its_day() -> None:
    identity = Identity(dated("citadel", ("2026-11-20", covers_text("retail"))))

    (found,) = wrong_definitions(identity, {"own"}, "2026-11-20")

    assert "add citadel to METRICS_PROFILES and its workspace to METRICS_TARGETS" in found
    assert wrong_definitions(identity, {"own"}, "2026-11-19") == []
    assert wrong_definitions(identity, {"citadel"}, "2026-11-20") == []


def test_a_profile_of_streaming_that_nobody_collects_is_nothing_wrong() -> None:
    assert wrong_definitions(Identity(dated("own", (BEGINNING, text_of()))), set(), DAY) == []
