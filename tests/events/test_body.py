import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sightings import any_text
from usage_ingest.events.body import Body, read_body

USAGE = {"prompt_tokens": 19, "completion_tokens": 2, "total_tokens": 21}


def chunk(**fields: Any) -> str:
    return "data: " + json.dumps({"id": "chatcmpl-1", "model": "gpt-4o", "created": 9} | fields)


def stream(*events: str, end: str = "\n") -> str:
    return "".join(each.replace("\n", end) + end + end for each in events)


def response(kind: str, usage: dict[str, int] | None, **fields: Any) -> str:
    inner = {"id": "resp_1", "object": "response", "created_at": 9, "usage": usage} | fields
    return f"event: {kind}\ndata: " + json.dumps({"type": kind, "response": inner})


def test_a_json_body_says_its_names_and_usage() -> None:
    written = json.dumps(
        {"id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-4o", "usage": USAGE}
    )

    assert read_body(written) == Body(
        id="chatcmpl-1", object="chat.completion", model="gpt-4o", usage=USAGE
    )


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
def test_a_chat_stream_has_its_usage_in_the_last_chunk(end: str) -> None:
    written = stream(
        chunk(choices=[{"delta": {"content": "a"}}], usage=None),
        chunk(choices=[], usage=USAGE),
        "data: [DONE]",
        end=end,
    )

    assert read_body(written) == Body(
        id="chatcmpl-1", model="gpt-4o", created=9, usage=USAGE, streamed=True
    )


def test_a_stream_without_a_last_blank_line_is_read_to_its_end() -> None:
    assert read_body(chunk(usage=USAGE)).usage == USAGE


def test_a_byte_order_mark_hides_neither_a_stream_nor_an_object() -> None:
    assert read_body("\ufeff" + chunk(usage=USAGE)).usage == USAGE
    assert read_body("\ufeff" + json.dumps({"usage": USAGE})).usage == USAGE


def test_the_empty_names_of_azures_first_chunk_say_nothing() -> None:
    """It carries the prompt's filter results, an empty id and model, and is created at 0."""
    first = chunk(id="", model="", created=0, choices=[], prompt_filter_results=[])

    found = read_body(stream(first, chunk(usage=USAGE)))

    assert (found.id, found.model, found.created) == ("chatcmpl-1", "gpt-4o", 9)


def test_comments_and_other_fields_of_a_stream_are_passed_over() -> None:
    written = ": keep-alive\n\nid: 7\nretry: 100\nevent: x\n" + chunk(usage=USAGE) + "\n\n"

    assert read_body(written).usage == USAGE


def test_the_data_lines_of_one_event_belong_together() -> None:
    written = 'data: {"id": "chatcmpl-1",\ndata: "usage": {"total_tokens": 3}}\n\n'

    assert read_body(written).usage == {"total_tokens": 3}


@pytest.mark.parametrize("end", ["completed", "incomplete", "failed"])
def test_a_responses_stream_has_its_usage_in_its_last_event(end: str) -> None:
    written = stream(
        response("response.created", None, service_tier="auto", background=False),
        'event: response.output_text.delta\ndata: {"type": "x", "item_id": "msg_1", "delta": "a"}',
        response(f"response.{end}", USAGE, service_tier="default", background=False),
        end="\r\n",
    )

    assert read_body(written) == Body(
        id="resp_1",
        object="response",
        created=9,
        service_tier="default",
        background=False,
        usage=USAGE,
        streamed=True,
    )


def test_a_lone_event_of_a_responses_stream_is_unwrapped() -> None:
    """Some gateways send the last event's data only."""
    event = {"type": "response.completed", "response": {"id": "resp_1", "usage": USAGE}}

    assert read_body(json.dumps(event)) == Body(id="resp_1", usage=USAGE)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        pytest.param("", Body(), id="empty"),
        pytest.param("   \r\n", Body(), id="blank"),
        pytest.param("<html><body>502</body></html>", Body(), id="html"),
        pytest.param('["a"]', Body(), id="array"),
        pytest.param('"text"', Body(), id="text"),
        pytest.param('{"error": {"code": "429"}}', Body(), id="error"),
        pytest.param('{"id": "a", "usage": null}', Body(id="a"), id="null-usage"),
        pytest.param('{"id": "a", "usage": {}}', Body(id="a"), id="empty-usage"),
        pytest.param('{"id": "a", "usage": "12"}', Body(id="a"), id="usage-as-text"),
        pytest.param('{"id": "a", "usage": {"total_', Body(cut=True), id="cut"),
        pytest.param("data: [DONE]\n\n", Body(streamed=True), id="end-alone"),
        pytest.param("data: [DONE] \n\n", Body(streamed=True), id="end-and-a-space"),
        pytest.param("data: {", Body(streamed=True, cut=True), id="stream-cut-at-once"),
        pytest.param('{"a": "\ud800"}', Body(cut=True), id="lone-surrogate"),
    ],
)
def test_a_body_without_usage_has_none(written: str, expected: Body) -> None:
    assert read_body(written) == expected


def test_a_stream_cut_inside_its_last_chunk_has_no_usage() -> None:
    written = stream(chunk(usage=None)) + chunk(usage=USAGE)[:-5]

    found = read_body(written)

    assert (found.id, found.usage, found.cut) == ("chatcmpl-1", None, True)


@given(st.integers(0, 400))
def test_a_stream_cut_anywhere_has_its_usage_or_none(at: int) -> None:
    written = stream(chunk(usage=None), chunk(usage=USAGE), "data: [DONE]", end="\r\n")

    assert read_body(written[:at]).usage in (None, USAGE)


@given(any_text, st.sampled_from(["", "data: ", "data: {", "event: a\ndata: ", '{"usage": ']))
def test_any_text_is_read(written: str, before: str) -> None:
    assert isinstance(read_body(before + written), Body)
