import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import make_event
from tests.sightings import outcome_of
from usage_ingest.errors import InvalidEventError
from usage_ingest.events.envelope import MAX_DEPTH, MAX_ELEMENTS, elements

plain_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
plain_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | plain_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(plain_text, inner, max_size=3),
    max_leaves=10,
)


def reason_of(body: bytes) -> str:
    with pytest.raises(InvalidEventError) as refused:
        elements(body)
    return refused.value.reason


def nested_body(levels: int) -> bytes:
    return b'{"a":' * (levels - 1) + b"{}" + b"}" * (levels - 1)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b'{"a":1}', [{"a": 1}], id="one-object"),
        pytest.param(b' \r\n{"a":1}\r\n', [{"a": 1}], id="between-white-space"),
        pytest.param(b'\xef\xbb\xbf{"a":1}', [{"a": 1}], id="byte-order-mark"),
        pytest.param(b'[{"a":1},{"b":2}]', [{"a": 1}, {"b": 2}], id="array"),
        pytest.param(b'{"records":[{"a":1},{"b":2}]}', [{"a": 1}, {"b": 2}], id="azure-monitor"),
        pytest.param(
            b'{"schema":"x","records":[1]}',
            [{"schema": "x", "records": [1]}],
            id="an-event-with-a-key-named-records",
        ),
        pytest.param(b'{"records":{"a":1}}', [{"records": {"a": 1}}], id="records-that-are-none"),
        pytest.param(b"[]", [], id="empty-array"),
        pytest.param(b'"text"', ["text"], id="text"),
        pytest.param(b"null", [None], id="null"),
        pytest.param(b'{"a":"\\ud800"}', [{"a": "\ud800"}], id="lone-surrogate"),
        pytest.param(b'{"a":1,"a":2}', [{"a": 2}], id="repeated-key"),
    ],
)
def test_a_body_is_taken_apart(body: bytes, expected: list[Any]) -> None:
    assert elements(body) == expected


def test_numbers_that_json_does_not_know_are_read_so_that_their_element_is_refused_alone() -> None:
    one, other = elements(b'[{"a":NaN},{"a":1}]')

    assert one["a"] != one["a"]  # NaN differs from itself
    assert other == {"a": 1}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(b"", "not_json", id="empty"),
        pytest.param(b"usage=12&model=gpt", "not_json", id="form"),
        pytest.param(b"<html></html>", "not_json", id="html"),
        pytest.param(b'{"a":1}}', "not_json", id="one-bracket-too-many"),
        pytest.param(b'{"a":[1}', "not_json", id="wrong-bracket"),
        pytest.param(b'{"responseBody": , "a": "b"}', "not_json", id="missing-value"),
        pytest.param(b'{"a":1}{"a":2}', "not_json", id="two-objects"),
        pytest.param(b'"half a text', "not_json", id="text-without-an-end"),
        pytest.param(b'{"a":' + b"1" * 5000 + b"}", "not_json", id="a-number-of-5000-digits"),
        pytest.param(b'{"a":"K\xf6ln"}', "not_utf8", id="latin-1"),
        pytest.param('{"a":1}'.encode("utf-16"), "not_utf8", id="utf-16"),
        pytest.param(b'{"a":"\xed\xa0\x80"}', "not_utf8", id="encoded-surrogate"),
        pytest.param(b"\xe4", "not_utf8", id="one-latin-1-letter"),
        pytest.param(b'{"a', "truncated_json", id="cut-in-a-key"),
        pytest.param(b'{"a":"bc', "truncated_json", id="cut-in-a-string"),
        pytest.param(b'{"a":"b\\', "truncated_json", id="cut-in-an-escape"),
        pytest.param(b'{"a":"b\\"}', "truncated_json", id="cut-after-an-escaped-quote"),
        pytest.param(b'{"a":"\\u00', "truncated_json", id="cut-in-a-unicode-escape"),
        pytest.param(b'{"a":12', "truncated_json", id="cut-in-a-number"),
        pytest.param(b'{"a":tr', "truncated_json", id="cut-in-a-literal"),
        pytest.param('{"a":"ö'.encode()[:-1], "truncated_json", id="cut-in-2-bytes"),
        pytest.param('{"a":"東'.encode()[:-1], "truncated_json", id="cut-in-3-bytes"),
        pytest.param('{"a":"😀'.encode()[:-3], "truncated_json", id="cut-in-4-bytes"),
        pytest.param(b'[{"a":1},', "truncated_json", id="cut-between-elements"),
        pytest.param(b'{"records":[{"a":1}', "truncated_json", id="cut-records"),
    ],
)
def test_a_body_without_elements_says_what_is_wrong(body: bytes, reason: str) -> None:
    assert reason_of(body) == reason


def test_an_event_cut_at_200_kilobytes_is_truncated() -> None:
    """The policy cuts what is longer; usage stands at the end of the body and is lost."""
    whole = orjson.dumps(make_event(region="ö" * 150_000))

    assert reason_of(whole[:204_800]) == "truncated_json"
    assert reason_of(whole[:204_801]) == "truncated_json"


@given(st.dictionaries(plain_text, plain_json, min_size=1, max_size=4), st.data())
def test_every_strict_beginning_of_an_object_is_truncated(
    element: dict[str, Any], data: st.DataObject
) -> None:
    whole = json.dumps(element, ensure_ascii=data.draw(st.booleans())).encode()
    at = data.draw(st.integers(1, len(whole) - 1))

    assert reason_of(whole[:at]) == "truncated_json"


@given(st.lists(plain_json, max_size=6))
def test_every_array_and_every_records_envelope_yields_its_elements(values: list[Any]) -> None:
    assert elements(orjson.dumps(values)) == values
    assert elements(orjson.dumps({"records": values})) == values


def test_64_levels_are_read_and_65_are_refused() -> None:
    assert len(elements(nested_body(MAX_DEPTH))) == 1
    assert reason_of(nested_body(MAX_DEPTH + 1)) == "nested_too_deep"


@pytest.mark.parametrize("opener", [b"[", b'{"a":'], ids=["arrays", "objects"])
def test_a_body_that_only_opens_is_refused_before_it_is_parsed(opener: bytes) -> None:
    assert reason_of(opener * 100_000) == "nested_too_deep"


def test_brackets_inside_strings_are_no_levels() -> None:
    body = orjson.dumps({"a": "[{" * 500, "b": '\\"[[' * 100})

    assert len(elements(body)) == 1


def test_many_elements_side_by_side_are_no_levels() -> None:
    assert len(elements(orjson.dumps([{"a": [1]}] * 500))) == 500


def test_10_000_elements_are_read_and_one_more_is_too_large() -> None:
    assert len(elements(b"[" + b"1," * (MAX_ELEMENTS - 1) + b"1]")) == MAX_ELEMENTS
    assert reason_of(b"[" + b"1," * MAX_ELEMENTS + b"1]") == "too_large"
    assert reason_of(b'{"records":[' + b"1," * MAX_ELEMENTS + b"1]}") == "too_large"


@given(st.binary(max_size=200))
def test_any_bytes_are_taken_apart_or_refused(body: bytes) -> None:
    found = outcome_of(lambda: elements(body))

    assert isinstance(found, list) or found.reason in {"not_utf8", "not_json", "truncated_json"}
