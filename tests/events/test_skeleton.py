import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import make_ai_hub_event, make_event
from tests.sightings import any_text, json_values
from usage_ingest.events.skeleton import KEY_LIMIT, MAX_NODES, skeleton

PLANTED = "Xq7-planted-secret"
FORBIDDEN_KEYS = (
    "messages",
    "prompt",
    "Prompt",
    "input",
    "content",
    "choices",
    "Request",
    "Response",
    "requestBody",
    "responseBody",
    "AppSubscriptionKey",
    "api-key",
    "Ocp-Apim-Subscription-Key",
    "Authorization",
    "authorization",
    "RequestIp",
    "endUserId",
    "end_user_id",
    "sessionId",
    "session_id",
    "user_id",
    "subscription_name",
    "tags",
    "url",
    "accessToken",
    "tokens",
)


def unkeyed(_: str) -> None:
    return None


def keyed(value: str) -> str:
    return f"k1:{len(value)}"


secrets = st.sampled_from(
    [
        PLANTED,
        f"please keep {PLANTED} to yourself",
        json.dumps({"messages": [{"content": PLANTED}]}),
        f"Bearer {PLANTED}",
    ]
)
hidden = st.recursive(
    secrets | json_values,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=6,
)


@given(
    st.sampled_from([make_event(), make_ai_hub_event(), {}]),
    st.dictionaries(st.sampled_from(FORBIDDEN_KEYS), hidden, min_size=1),
)
def test_a_planted_secret_is_never_kept(event: dict[str, Any], planted: dict[str, Any]) -> None:
    kept, _ = skeleton(event | planted, unkeyed)

    assert PLANTED not in orjson.dumps(kept).decode()


@given(hidden, st.sampled_from(["model", "id", "usage", "status", "total_tokens"]))
def test_a_secret_below_the_top_is_never_kept_whatever_its_key(value: Any, key: str) -> None:
    """The list of names holds at the top only: deeper down the same key may be a caller's."""
    for element in ({"messages": [{key: value}]}, [{key: [value]}], {key: [value]}):
        kept, _ = skeleton(element, unkeyed)

        assert PLANTED not in orjson.dumps(kept).decode()


@pytest.mark.parametrize("key", ["prompt", "AppSubscriptionKey", "pin", "accessToken", "phone"])
def test_a_secret_of_digits_is_not_taken_for_a_count(key: str) -> None:
    kept, whole = skeleton({key: "4111111111111111", "nested": {key: "0815"}}, unkeyed)

    assert kept == {key: {"~length": 16}, "nested": {key: {"~length": 4}}}
    assert not whole


def test_names_and_times_at_the_top_are_kept() -> None:
    element = {
        "id": "chatcmpl-1",
        "timestamp": "11/20/2026 3:04:05 PM",
        "productName": "AI Retail (EU)",
        "model": "gpt-4o-2024-11-20",
        "status": "200",
    }

    assert skeleton(element, unkeyed) == (element, True)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("a" * 129, id="too-long"),
        pytest.param('{"prompt":"x"}', id="json"),
        pytest.param("two\nlines", id="lines"),
        pytest.param("\ud800", id="lone-surrogate"),
        pytest.param("what is this?", id="sentence"),
    ],
)
def test_a_listed_name_that_does_not_look_like_one_is_withheld(value: str) -> None:
    kept, whole = skeleton({"model": value}, unkeyed)

    assert kept == {"model": {"~length": len(value)}}
    assert not whole


def test_counts_that_come_as_text_are_kept_so_that_they_can_be_parsed_again() -> None:
    element = {
        "promptTokens": "318",
        "usage": {"total_tokens": "12.0", "input_tokens_details": {"cached_tokens": "-1"}},
    }

    assert skeleton(element, unkeyed) == (element, True)


def test_what_is_withheld_has_its_length_and_its_keyed_hash() -> None:
    assert skeleton({"prompt": "hello"}, unkeyed)[0] == {"prompt": {"~length": 5}}
    assert skeleton({"prompt": "hello"}, keyed)[0] == {"prompt": {"~length": 5, "~hmac": "k1:5"}}


def test_types_and_numbers_are_kept() -> None:
    element: dict[str, Any] = {
        "a": None,
        "b": True,
        "c": 0,
        "d": -1.5,
        "e": [],
        "f": {},
        "g": "",
        "h": [[1], {}],
    }

    assert skeleton(element, unkeyed) == (element, True)


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (2**53, 2**53),
        (2**53 + 1, {"~digits": 16}),
        (-(10**400), {"~digits": 402}),
        (float("nan"), {"~number": "nan"}),
        (float("-inf"), {"~number": "-inf"}),
    ],
)
def test_numbers_that_the_store_cannot_hold_are_told_of(number: float, expected: object) -> None:
    assert skeleton({"a": number}, unkeyed)[0] == {"a": expected}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ([1212, 318], {"~items": 2}),
        ([{"role": "user"}], {"~items": 1}),
        ({"my address": 5}, {"~items": 1}),
        (1212, {"~": "left out"}),
        (None, None),
        (True, True),
    ],
)
@pytest.mark.parametrize("key", ["Prompt", "messages", "Response", "choices", "input"])
def test_of_prompts_and_completions_the_size_is_kept_and_nothing_more(
    key: str, content: object, expected: object
) -> None:
    """A prompt may come as numbers, and the keys in it may be its caller's."""
    assert skeleton({key: content, "nested": {key: content}}, unkeyed)[0] == {
        key: expected,
        "nested": {key: expected},
    }


def test_keys_are_cut_and_cleaned() -> None:
    kept, whole = skeleton({"k" * 100: 1, "a\x00\ud800b": 2}, unkeyed)

    assert kept == {"k" * KEY_LIMIT: 1, "ab": 2}
    assert not whole


def test_a_large_element_is_left_out_past_its_limits() -> None:
    deep: Any = "x"
    for _ in range(12):
        deep = {"a": deep}
    wide = {f"key-{number}": number for number in range(5 * MAX_NODES)}

    kept_deep, deep_is_whole = skeleton(deep, unkeyed)
    kept_wide, wide_is_whole = skeleton({"b": [wide, wide], "c": wide}, unkeyed)

    assert "left out" in str(kept_deep)
    assert len(str(kept_wide)) < 100 * MAX_NODES
    assert not deep_is_whole
    assert not wide_is_whole


@given(json_values)
def test_any_element_has_a_skeleton_that_can_be_stored(element: Any) -> None:
    kept, whole = skeleton(element, keyed)

    assert orjson.loads(orjson.dumps(kept)) == kept
    assert not whole or kept == element
