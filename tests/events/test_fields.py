from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sightings import any_text, json_values
from usage_ingest.errors import InvalidEventError
from usage_ingest.events.fields import flag, nested, raw_id, tags, text, token_count, whole, within


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("gpt-4o", "gpt-4o", id="text"),
        pytest.param("  gpt-4o\r\n", "gpt-4o", id="surrounded"),
        pytest.param("a\x00b\x1bc\x7fd\x85e", "abcde", id="control-characters"),
        pytest.param("a\ud800b", "ab", id="lone-surrogate"),
        pytest.param("Köln 東京", "Köln 東京", id="not-ascii"),
        pytest.param("x" * 300, "x" * 256, id="cut"),
        pytest.param("\n" * 256 + "x" * 256, "x" * 256, id="cut-after-cleaning"),
        pytest.param(17, "17", id="number"),
        pytest.param(10**3000, "1" + "0" * 255, id="long-number-is-cut"),
        pytest.param("", None, id="empty"),
        pytest.param(" \t ", None, id="blank"),
        pytest.param(None, None, id="null"),
        pytest.param(True, None, id="boolean"),
        pytest.param(1.5, None, id="fraction"),
        pytest.param(["a"], None, id="list"),
        pytest.param({"a": "b"}, None, id="object"),
    ],
)
def test_a_name_is_clean_text_or_none(value: object, expected: str | None) -> None:
    assert text(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(" chatcmpl-1 ", " chatcmpl-1 ", id="as-it-was-sent"),
        pytest.param("x" * 300, "x" * 300, id="not-cut"),
        pytest.param(17, "17", id="number"),
        pytest.param("", None, id="empty"),
        pytest.param("  ", None, id="blank"),
        pytest.param(True, None, id="boolean"),
        pytest.param(1.0, None, id="float"),
        pytest.param({}, None, id="object"),
    ],
)
def test_an_id_is_raw_or_none(value: object, expected: str | None) -> None:
    """A blank id would make one record of all the calls that have it."""
    assert raw_id(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(None, None, id="null-is-not-reported"),
        pytest.param("", None, id="empty-is-not-reported"),
        pytest.param(0, 0, id="zero-is-reported-as-zero"),
        pytest.param("0", 0, id="zero-as-text"),
        pytest.param(12, 12, id="number"),
        pytest.param(12.0, 12, id="whole-float"),
        pytest.param("12", 12, id="text"),
        pytest.param(" 12 ", 12, id="text-between-spaces"),
        pytest.param("12.0", 12, id="float-as-text"),
        pytest.param(100_000_000, 100_000_000, id="largest"),
    ],
)
def test_a_count_keeps_zero_and_not_reported_apart(value: object, expected: int | None) -> None:
    assert token_count(value, "usage.prompt_tokens") == expected


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        pytest.param(-1, "bad_count", id="negative"),
        pytest.param("-1", "bad_count", id="negative-text"),
        pytest.param(1.5, "bad_count", id="fraction"),
        pytest.param("1.5", "bad_count", id="fraction-as-text"),
        pytest.param("1,234", "bad_count", id="thousands-separator"),
        pytest.param("1e3", "bad_count", id="exponent"),
        pytest.param("twelve", "bad_count", id="word"),
        pytest.param(" ", "bad_count", id="blank"),
        pytest.param(True, "bad_count", id="boolean"),
        pytest.param(float("nan"), "bad_count", id="nan"),
        pytest.param(float("inf"), "bad_count", id="infinity"),
        pytest.param([12], "bad_count", id="list"),
        pytest.param({"value": 12}, "bad_count", id="object"),
        pytest.param(100_000_001, "implausible_count", id="too-many"),
        pytest.param("100000001", "implausible_count", id="too-many-as-text"),
        pytest.param(1e300, "implausible_count", id="huge-float"),
    ],
)
def test_what_is_no_count_is_refused_without_quoting_it(value: object, reason: str) -> None:
    with pytest.raises(InvalidEventError) as refused:
        token_count(value, "usage.prompt_tokens")

    assert (refused.value.reason, refused.value.path) == (reason, "usage.prompt_tokens")
    assert "twelve" not in str(refused.value)


@given(json_values)
def test_any_value_is_a_count_or_refused(value: object) -> None:
    try:
        count = token_count(value, "usage.prompt_tokens")
    except InvalidEventError:
        return
    assert count is None or (type(count) is int and 0 <= count <= 100_000_000)


@given(st.integers(0, 10**18))
def test_a_whole_number_is_the_same_as_number_and_text(number: int) -> None:
    assert whole(number) == whole(str(number)) == whole(f"{number}.0") == number


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, None), (-1, None), (0, 0), (2**62 - 1, 2**62 - 1), (2**62, None)],
)
def test_a_number_outside_its_range_is_none_whatever_the_range(
    value: int | None, expected: int | None
) -> None:
    """Python looks for None by walking the range: this one would take years."""
    assert within(value, range(2**62)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, True),
        (False, False),
        ("true", True),
        (" False ", False),
        ("yes", None),
        ("", None),
        (1, None),
        (0, None),
        (None, None),
    ],
)
def test_a_flag_is_a_boolean_or_its_text(value: object, expected: bool | None) -> None:
    assert flag(value) is expected


def test_tags_have_lower_case_names_and_clean_values() -> None:
    read = tags({"Team": " benefits\n", "cost centre!": 4711, "empty": "", "odd": ["x"], "": "x"})

    assert read == {"team": "benefits", "costcentre": "4711"}


def test_tags_are_eight_at_most_and_cut() -> None:
    read = tags({f"tag-{number}" + "x" * 80: "v" * 80 for number in range(12)})

    assert len(read) == 8
    assert {len(each) for pair in read.items() for each in pair} == {64}


def test_of_two_tags_that_differ_in_case_the_same_one_is_always_kept() -> None:
    assert tags({"team": "a", "Team": "b"}) == tags({"Team": "b", "team": "a"}) == {"team": "b"}


@pytest.mark.parametrize("value", [None, "team=benefits", ["team"], 5])
def test_tags_that_are_no_object_are_none(value: object) -> None:
    assert tags(value) == {}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": {"b": {"c": 1}}}, {"c": 1}),
        ({"a": {"b": None}}, {}),
        ({"a": None}, {}),
        ({"a": [{"b": 1}]}, {}),
        ({"a": "b"}, {}),
        ({}, {}),
    ],
)
def test_an_inner_object_that_is_not_there_is_empty(
    value: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert nested(value, "a", "b") == expected


@given(any_text | st.integers())
def test_a_name_can_be_stored_and_is_read_the_same_again(value: str | int) -> None:
    read = text(value)

    assert read is None or (read.encode() and len(read) <= 256 and text(read) == read)
