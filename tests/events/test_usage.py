from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import make_usage
from tests.sightings import json_values, outcome_of
from usage_ingest.errors import InvalidEventError
from usage_ingest.events.usage import chat, read_usage, responses
from usage_ingest.record import IMPLAUSIBLE_COUNT, TokenUsage

counts = st.integers(0, 5000)
COUNT_KEYS = (
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "input_tokens",
    "output_tokens",
    "prompt_tokens_details",
    "completion_tokens_details",
    "input_tokens_details",
    "output_tokens_details",
    "cached_tokens",
    "cache_write_tokens",
    "cache_write_tokens_details",
    "ttl_30m_tokens",
    "reasoning_tokens",
    "audio_tokens",
)
usage_like = st.recursive(
    json_values | counts,
    lambda inner: st.dictionaries(st.sampled_from(COUNT_KEYS), inner, max_size=6),
    max_leaves=10,
)


def read(usage: dict[str, Any], provider: str | None = None) -> TokenUsage:
    found, consistent = read_usage(usage, provider)
    assert consistent
    return found


def test_chat_usage_is_read_with_every_detail() -> None:
    found = read(
        {
            "prompt_tokens": 1000,
            "completion_tokens": 500,
            "total_tokens": 1500,
            "prompt_tokens_details": {
                "cached_tokens": 400,
                "cache_write_tokens": 100,
                "audio_tokens": 300,
                "image_tokens": 200,
                "text_tokens": 450,
            },
            "completion_tokens_details": {
                "reasoning_tokens": 250,
                "audio_tokens": 60,
                "text_tokens": 190,
                "accepted_prediction_tokens": 70,
                "rejected_prediction_tokens": 30,
            },
        }
    )

    assert found == TokenUsage(
        input_tokens=1000,
        cached_input_tokens=400,
        cache_write_input_tokens=100,
        audio_input_tokens=300,
        image_input_tokens=200,
        text_input_tokens=450,
        output_tokens=500,
        reasoning_output_tokens=250,
        audio_output_tokens=60,
        text_output_tokens=190,
        accepted_prediction_output_tokens=70,
        rejected_prediction_output_tokens=30,
        total_tokens=1500,
    )


def test_responses_usage_is_read_with_cache_writes_and_their_lifetimes() -> None:
    found = read(
        {
            "input_tokens": 4000,
            "input_tokens_details": {
                "cached_tokens": 1024,
                "cache_write_tokens": 2048,
                "cache_write_tokens_details": {"ttl_30m_tokens": 1500, "ttl_12h_tokens": 500},
            },
            "output_tokens": 900,
            "output_tokens_details": {"reasoning_tokens": 640},
            "total_tokens": 4900,
        }
    )

    assert found == TokenUsage(
        input_tokens=4000,
        cached_input_tokens=1024,
        cache_write_input_tokens=2048,
        cache_write_30m_input_tokens=1500,
        cache_write_12h_input_tokens=500,
        output_tokens=900,
        reasoning_output_tokens=640,
        total_tokens=4900,
    )


def test_embeddings_have_no_output_rather_than_an_output_of_zero() -> None:
    assert read({"prompt_tokens": 8, "total_tokens": 8}) == TokenUsage(
        input_tokens=8, total_tokens=8
    )


def test_a_total_alone_leaves_input_and_output_unknown() -> None:
    assert read({"total_tokens": 120}) == TokenUsage(total_tokens=120)


@pytest.mark.parametrize("details", [None, {}, [], "none", {"cached_tokens": None}])
def test_details_that_say_nothing_are_not_reported(details: object) -> None:
    found = read(make_usage(prompt_tokens_details=details))

    assert found.input_tokens == 100
    assert found.cached_input_tokens is None


def test_counts_that_come_as_text_are_stored_as_numbers() -> None:
    assert read({"prompt_tokens": "12", "completion_tokens": "3.0", "total_tokens": ""}) == (
        TokenUsage(input_tokens=12, output_tokens=3)
    )


def test_keys_that_are_not_known_are_passed_over() -> None:
    assert read(make_usage(prompt_tokens_details=None, latency_checkpoint={"ttft": 3})).reported()


@pytest.mark.parametrize(
    ("usage", "provider", "why"),
    [
        pytest.param({"inputTokens": 3}, None, "other names", id="bedrock"),
        pytest.param({"promptTokenCount": 3}, None, "other names", id="gemini"),
        pytest.param({"tokens": 3}, None, "other names", id="unheard-of"),
        pytest.param({"type": "duration", "seconds": 2.5}, None, "no tokens", id="transcription"),
        pytest.param(
            {"input_tokens": 3, "cache_read_input_tokens": 9},
            None,
            "its input leaves out the cache",
            id="anthropic-by-its-keys",
        ),
        pytest.param(
            {"input_tokens": 3, "output_tokens": 9},
            "Anthropic",
            "its input leaves out the cache",
            id="anthropic-by-its-provider",
        ),
        pytest.param(
            {"input_tokens": 3, "input_token_details": {"cached_tokens": 1}},
            None,
            "details under other names",
            id="realtime",
        ),
    ],
)
def test_usage_of_an_unknown_api_is_refused(
    usage: dict[str, Any], provider: str | None, why: str
) -> None:
    with pytest.raises(InvalidEventError) as refused:
        read_usage(usage, provider)

    assert refused.value.reason == "unknown_usage", why


@pytest.mark.parametrize(
    ("usage", "path", "reason"),
    [
        (make_usage(prompt_tokens="1,234"), "usage.prompt_tokens", "bad_count"),
        (make_usage(completion_tokens=-1), "usage.completion_tokens", "bad_count"),
        (
            make_usage(prompt_tokens_details={"cached_tokens": 1.5}),
            "usage.prompt_tokens_details.cached_tokens",
            "bad_count",
        ),
        (
            {"input_tokens": 1, "output_tokens": IMPLAUSIBLE_COUNT + 1},
            "usage.output_tokens",
            "implausible_count",
        ),
    ],
)
def test_a_bad_count_is_refused_and_its_place_named(
    usage: dict[str, Any], path: str, reason: str
) -> None:
    with pytest.raises(InvalidEventError) as refused:
        read_usage(usage)

    assert (refused.value.reason, refused.value.path) == (reason, path)


def test_reasoning_outside_output_is_added_to_it() -> None:
    """XAI counts it apart: total = input + output + reasoning."""
    found = read(
        {
            "prompt_tokens": 32,
            "completion_tokens": 9,
            "total_tokens": 135,
            "completion_tokens_details": {"reasoning_tokens": 94},
        }
    )

    assert (found.output_tokens, found.reasoning_output_tokens) == (103, 94)


@pytest.mark.parametrize("total", [41, 134, 136, None])
def test_reasoning_is_left_where_the_total_does_not_show_that_it_stands_apart(
    total: int | None,
) -> None:
    found, _ = read_usage(
        {
            "prompt_tokens": 32,
            "completion_tokens": 9,
            "total_tokens": total,
            "completion_tokens_details": {"reasoning_tokens": 94},
        }
    )

    assert found.output_tokens == 9


def test_parts_above_their_whole_are_dropped_and_the_whole_stands() -> None:
    found, consistent = read_usage(make_usage(prompt_tokens_details={"cached_tokens": 101}))

    assert not consistent
    assert (found.input_tokens, found.cached_input_tokens) == (100, None)


def test_a_total_below_its_parts_is_dropped_and_the_parts_stand() -> None:
    found, consistent = read_usage(make_usage(total_tokens=119))

    assert not consistent
    assert (found.input_tokens, found.output_tokens, found.total_tokens) == (100, 20, None)


@given(st.dictionaries(st.sampled_from(COUNT_KEYS), usage_like, max_size=8))
def test_any_usage_object_is_read_consistently_or_refused(usage: dict[str, Any]) -> None:
    found = outcome_of(lambda: read_usage(usage)[0])

    if isinstance(found, InvalidEventError):
        assert found.reason in {"unknown_usage", "bad_count", "implausible_count"}
    else:
        assert found.settled() == (found, True)
        assert all(0 <= count <= IMPLAUSIBLE_COUNT for count in found.reported().values())


@given(st.dictionaries(st.sampled_from(COUNT_KEYS), usage_like, max_size=8))
def test_no_usage_object_is_of_two_apis(usage: dict[str, Any]) -> None:
    """Except where both sets of names are there: then the first reader is asked."""
    both = {"prompt_tokens", "completion_tokens"} & usage.keys()

    if not both:
        assert not (chat.matches(usage, None) and responses.matches(usage, None))
