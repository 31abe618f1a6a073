from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import make_usage
from tests.data.regenerate import payloads
from tests.sightings import json_values, outcome_of
from usage_ingest.errors import InvalidEventError
from usage_ingest.events.usage import READERS, chat, read_usage, responses, service_tier
from usage_ingest.events.usage.hint import Hint
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
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "cache_creation",
    "ephemeral_5m_input_tokens",
    "input_token_details",
    "cached_tokens_details",
    "type",
    "seconds",
    "svg_usage",
    "inputTokens",
    "outputTokens",
    "totalTokens",
    "cacheReadInputTokens",
    "cacheDetails",
    "promptTokenCount",
    "candidatesTokenCount",
    "thoughtsTokenCount",
    "totalTokenCount",
    "promptTokensDetails",
)
details = st.lists(
    st.fixed_dictionaries(
        {
            "modality": st.sampled_from(["TEXT", "AUDIO", "VIDEO", None, []]),
            "tokenCount": counts | json_values,
            "ttl": st.sampled_from(["5m", "1h", "2d", None, []]),
            "inputTokens": counts | json_values,
        }
    ),
    max_size=3,
)
usage_like = st.recursive(
    json_values | counts | details | st.sampled_from(["tokens", "duration"]),
    lambda inner: st.dictionaries(st.sampled_from(COUNT_KEYS), inner, max_size=6),
    max_leaves=10,
)


def read(usage: dict[str, Any]) -> TokenUsage:
    found, consistent = read_usage(usage)
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
        pytest.param({"tokens": 3}, None, "other names", id="unheard-of"),
        pytest.param({"seconds": 2.5}, None, "a running total", id="live-session"),
        pytest.param({"type": "pages", "pages": 3}, None, "other units", id="unheard-of-type"),
        pytest.param(
            {"input_tokens": 3, "input_tokens_details": {}, "cache_read_input_tokens": 9},
            None,
            "its input may or may not leave out the cache",
            id="anthropic-or-responses",
        ),
        pytest.param(
            {"input_tokens": 3, "input_tokens_details": {"cached_tokens": 1}},
            "Anthropic",
            "its input may or may not leave out the cache",
            id="responses-of-anthropic",
        ),
    ],
)
def test_usage_of_an_unknown_api_is_refused(
    usage: dict[str, Any], provider: str | None, why: str
) -> None:
    with pytest.raises(InvalidEventError) as refused:
        read_usage(usage, Hint(provider=provider))

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


hints = st.builds(
    Hint,
    provider=st.sampled_from([None, "anthropic", "bedrock", "openai"]),
    api_kind=st.sampled_from([None, "images", "chat"]),
    model=st.sampled_from([None, "openai.gpt-5.6", "eu.anthropic.claude-sonnet-5"]),
)


@given(st.dictionaries(st.sampled_from(COUNT_KEYS), usage_like, max_size=8), hints)
def test_any_usage_object_is_read_consistently_or_refused(
    usage: dict[str, Any], hint: Hint
) -> None:
    found = outcome_of(lambda: read_usage(usage, hint)[0])

    if isinstance(found, InvalidEventError):
        assert found.reason in {"unknown_usage", "bad_count", "implausible_count"}
    else:
        assert found.settled() == (found, True)
        assert all(0 <= count <= IMPLAUSIBLE_COUNT for count in found.reported().values())


@given(st.dictionaries(st.sampled_from(COUNT_KEYS), usage_like, max_size=8), hints)
def test_no_usage_object_is_of_chat_and_responses(usage: dict[str, Any], hint: Hint) -> None:
    """Except where both sets of names are there: then the first reader is asked."""
    both = {"prompt_tokens", "completion_tokens"} & usage.keys()

    if not both:
        assert not (chat.matches(usage, hint) and responses.matches(usage, hint))


def usage_files() -> list[Path]:
    return [path for path in payloads() if path.parent.name == "usage"]


@pytest.mark.parametrize("path", usage_files(), ids=lambda path: path.stem)
def test_every_usage_object_on_file_is_of_one_api(path: Path) -> None:
    """But for images, whose names are those of responses: the order and the hint decide."""
    given_ = orjson.loads(path.read_bytes())
    hint = Hint(given_.get("provider"), given_.get("api_kind"), given_.get("model"))

    found = [each for each in READERS if each.matches(given_["usage"], hint)]

    names = [str(each.__name__).rpartition(".")[2] for each in found]  # type: ignore[attr-defined]
    assert len(names) <= 1 or names in (["images", "responses"], ["transcription", "realtime"])


def test_every_api_has_a_usage_object_on_file() -> None:
    used = set()
    for path in usage_files():
        given_ = orjson.loads(path.read_bytes())
        hint = Hint(given_.get("provider"), given_.get("api_kind"), given_.get("model"))
        reader = next((each for each in READERS if each.matches(given_["usage"], hint)), None)
        used.add(reader)

    assert used >= set(READERS)


@pytest.mark.parametrize(
    ("usage", "tier"),
    [
        ({"service_tier": "priority"}, "priority"),
        ({"serviceTier": "flex", "trafficType": "ON_DEMAND"}, "flex"),
        ({"trafficType": "PROVISIONED_THROUGHPUT"}, "PROVISIONED_THROUGHPUT"),
        ({"service_tier": None}, None),
        ({"service_tier": {"a": 1}}, None),
        ({}, None),
    ],
)
def test_the_service_tier_is_taken_from_usage_that_names_it(
    usage: dict[str, Any], tier: str | None
) -> None:
    assert service_tier(usage) == tier
