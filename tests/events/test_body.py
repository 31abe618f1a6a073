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


def event(kind: str, **fields: Any) -> str:
    return f"event: {kind}\ndata: " + json.dumps({"type": kind} | fields)


STARTED = event(
    "message_start",
    message={
        "id": "msg_1",
        "type": "message",
        "model": "claude-sonnet-5",
        "usage": {"input_tokens": 25, "cache_read_input_tokens": 9, "output_tokens": 1},
    },
)


def test_later_counts_of_an_anthropic_stream_replace_earlier_ones() -> None:
    """They are running totals: added up, every stream would be billed more than once."""
    written = stream(
        STARTED,
        event("content_block_delta", delta={"text": "a"}),
        event("message_delta", delta={}, usage={"output_tokens": 9}),
        event("message_delta", delta={}, usage={"output_tokens": 15, "input_tokens": None}),
        event("message_stop"),
    )

    assert read_body(written) == Body(
        id="msg_1",
        model="claude-sonnet-5",
        object="message",
        usage={"input_tokens": 25, "cache_read_input_tokens": 9, "output_tokens": 15},
        streamed=True,
    )


def test_the_first_counts_of_an_anthropic_stream_alone_are_no_usage() -> None:
    """Its output is a placeholder until the last event."""
    found = read_body(stream(STARTED, event("content_block_delta", delta={"text": "a"})))

    assert (found.id, found.usage) == ("msg_1", None)


def test_an_anthropic_stream_without_its_first_event_has_its_later_counts() -> None:
    found = read_body(event("message_delta", delta={}, usage={"output_tokens": 9}))

    assert found.usage == {"output_tokens": 9}


def gemini(count: int) -> dict[str, Any]:
    return {
        "candidates": [],
        "usageMetadata": {"promptTokenCount": 8, "candidatesTokenCount": count},
        "modelVersion": "gemini-3-pro-001",
        "responseId": "mAqf",
    }


def test_a_gemini_stream_has_its_usage_in_the_last_chunk() -> None:
    chunks = [gemini(4), gemini(20), {"candidates": []}]
    expected = Body(
        id="mAqf",
        model="gemini-3-pro-001",
        usage={"promptTokenCount": 8, "candidatesTokenCount": 20},
        streamed=True,
    )

    assert read_body(stream(*(f"data: {json.dumps(each)}" for each in chunks))) == expected
    assert read_body(json.dumps(chunks)) == expected


def test_a_gemini_stream_that_was_cut_has_no_usage() -> None:
    """What its earlier chunks say is less than what is billed."""
    written = stream("data: " + json.dumps(gemini(4))) + 'data: {"candidates": [{"con'

    found = read_body(written)

    assert (found.usage, found.cut) == (None, True)
    assert read_body(json.dumps([gemini(4)])[:-5]) == Body(cut=True)


def test_a_converse_stream_has_its_usage_in_its_metadata() -> None:
    usage = {"inputTokens": 6, "outputTokens": 3}
    written = stream(
        'data: {"messageStop": {}}', "data: " + json.dumps({"metadata": {"usage": usage}})
    )

    assert read_body(written) == Body(usage=usage, streamed=True)


def test_metadata_that_callers_fill_is_no_usage() -> None:
    written = json.dumps({"id": "resp_1", "metadata": {"usage": {"inputTokens": 6}}})

    assert read_body(written) == Body(id="resp_1")


def test_images_are_counted_and_other_lists_are_not() -> None:
    assert read_body('{"data": [{"b64_json": "a"}, {"url": "b"}, 5]}') == Body(images=2)
    assert read_body('{"object": "list", "data": [{"embedding": [1]}]}') == Body(object="list")
    assert read_body('{"data": []}') == Body()


def test_the_images_of_a_stream_are_its_completed_ones() -> None:
    usage = {"input_tokens": 5, "output_tokens": 9}
    written = stream(
        event("image_generation.partial_image", b64_json="a"),
        event("image_generation.completed", b64_json="a", usage=usage),
    )

    assert read_body(written) == Body(usage=usage, images=1, streamed=True)


def test_a_second_models_usage_beside_the_first_is_told_of_and_not_taken() -> None:
    found = read_body('{"usage": {"input_tokens": 5}, "svg_usage": {"input_tokens": 9}}')

    assert (found.usage, found.usage_apart) == ({"input_tokens": 5}, True)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        pytest.param("", Body(), id="empty"),
        pytest.param("   \r\n", Body(), id="blank"),
        pytest.param("<html><body>502</body></html>", Body(), id="html"),
        pytest.param('["a"]', Body(), id="array"),
        pytest.param('"text"', Body(), id="text"),
        pytest.param('[{"usage": {"total_tokens": 3}}]', Body(), id="array-of-somebody-else"),
        pytest.param('[{"a"', Body(cut=True), id="array-cut"),
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


beginnings = ("", "data: ", "data: {", "event: a\ndata: ", '{"usage": ', "[", '[{"usageMetadata": ')


@given(any_text, st.sampled_from(beginnings))
def test_any_text_is_read(written: str, before: str) -> None:
    assert isinstance(read_body(before + written), Body)


@pytest.mark.parametrize("streamed", [False, True])
def test_what_a_responses_tools_used_is_put_inside_its_usage(streamed: bool) -> None:
    usage, tools = {"input_tokens": 5}, {"web_search": {"num_requests": 2}}
    event = response("response.completed", usage, tool_usage=tools)

    found = read_body(event if streamed else event.partition("data: ")[2])

    assert found.usage == {"input_tokens": 5, "tool_usage": tools}


def test_what_tools_used_is_no_usage_where_the_model_reported_none() -> None:
    tools = {"web_search": {"num_requests": 2}}

    assert read_body(response("response.failed", None, tool_usage=tools)).usage is None
