"""Gemini, realtime, images, transcription and tools: modalities, seconds and pieces."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usage_ingest.errors import InvalidEventError
from usage_ingest.events.usage import has_usage_apart, read_usage
from usage_ingest.events.usage.hint import Hint
from usage_ingest.record import TokenUsage


def read(usage: dict[str, Any], hint: Hint | None = None) -> TokenUsage:
    found, consistent = read_usage(usage, hint or Hint())
    assert consistent
    return found


def test_thoughts_of_gemini_are_output_and_what_tools_gave_is_input() -> None:
    found = read(
        {
            "promptTokenCount": 100,
            "cachedContentTokenCount": 64,
            "toolUsePromptTokenCount": 30,
            "candidatesTokenCount": 20,
            "thoughtsTokenCount": 7,
            "totalTokenCount": 157,
        }
    )

    assert found == TokenUsage(
        input_tokens=130,
        cached_input_tokens=64,
        output_tokens=27,
        reasoning_output_tokens=7,
        total_tokens=157,
    )


def test_modalities_of_gemini_are_added_up_over_prompt_and_tools() -> None:
    found = read(
        {
            "promptTokenCount": 100,
            "toolUsePromptTokenCount": 30,
            "promptTokensDetails": [
                {"modality": "TEXT", "tokenCount": 60},
                {"modality": "VIDEO", "tokenCount": 40},
            ],
            "toolUsePromptTokensDetails": [{"modality": "TEXT", "tokenCount": 30}],
            "candidatesTokenCount": 20,
            "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 20}],
        }
    )

    assert (found.input_tokens, found.text_input_tokens, found.audio_input_tokens) == (
        130,
        90,
        None,
    )
    assert found.image_output_tokens == 20


def test_live_sessions_of_gemini_name_their_answer_response() -> None:
    found = read(
        {
            "promptTokenCount": 40,
            "responseTokenCount": 12,
            "totalTokenCount": 52,
            "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 12}],
        }
    )

    assert (found.output_tokens, found.audio_output_tokens) == (12, 12)


def test_a_gemini_answer_of_thoughts_alone_has_them_as_output() -> None:
    """It left out a count of zero: the answer was cut while the model still thought."""
    found = read({"promptTokenCount": 12, "thoughtsTokenCount": 1000, "totalTokenCount": 1012})

    assert (found.output_tokens, found.reasoning_output_tokens) == (1000, 1000)


@pytest.mark.parametrize("details", [None, {}, "TEXT", [None, 5, {}, {"modality": ["TEXT"]}]])
def test_details_of_gemini_that_say_nothing_are_not_reported(details: object) -> None:
    found = read({"promptTokenCount": 12, "promptTokensDetails": details})

    assert found.reported() == {"input_tokens": 12}


def test_a_bad_count_in_a_list_is_refused_and_its_place_named() -> None:
    usage = {"promptTokensDetails": [{"modality": "TEXT", "tokenCount": -1}], "promptTokenCount": 1}

    with pytest.raises(InvalidEventError) as refused:
        read_usage(usage)

    assert refused.value.path == "usage.promptTokensDetails.tokenCount"


def test_a_realtime_response_is_read_with_its_modalities() -> None:
    found = read(
        {
            "input_tokens": 100,
            "output_tokens": 20,
            "total_tokens": 120,
            "input_token_details": {
                "text_tokens": 30,
                "audio_tokens": 60,
                "image_tokens": 10,
                "cached_tokens": 64,
                "cached_tokens_details": {"text_tokens": 4, "audio_tokens": 60},
            },
            "output_token_details": {"text_tokens": 5, "audio_tokens": 15},
        }
    )

    assert found == TokenUsage(
        input_tokens=100,
        cached_input_tokens=64,
        audio_input_tokens=60,
        image_input_tokens=10,
        text_input_tokens=30,
        output_tokens=20,
        audio_output_tokens=15,
        text_output_tokens=5,
        total_tokens=120,
    )


def test_cached_tokens_of_realtime_may_be_told_by_modality_alone() -> None:
    split = {"cached_tokens_details": {"text_tokens": 4, "audio_tokens": 60}}

    assert read({"input_tokens": 99, "input_token_details": split}).cached_input_tokens == 64
    assert read({"input_tokens": 99, "input_token_details": None}).cached_input_tokens is None


def test_a_transcription_in_tokens_has_audio_input() -> None:
    found = read(
        {
            "type": "tokens",
            "input_tokens": 14,
            "input_token_details": {"audio_tokens": 10, "text_tokens": 4},
            "output_tokens": 5,
            "total_tokens": 19,
        }
    )

    assert (found.audio_input_tokens, found.text_input_tokens, found.duration_ms) == (10, 4, None)


@pytest.mark.parametrize(
    ("seconds", "milliseconds"),
    [(12.5, 12_500), (0, 0), (3, 3_000), ("2.25", 2_250), (0.0004, 0), (100_000, 100_000_000)],
)
def test_a_transcription_by_duration_is_stored_in_milliseconds(
    seconds: object, milliseconds: int
) -> None:
    found = read({"type": "duration", "seconds": seconds})

    assert found.reported() == {"duration_ms": milliseconds}


@pytest.mark.parametrize("seconds", [None, ""])
def test_a_duration_that_is_left_out_is_not_reported(seconds: object) -> None:
    assert read({"type": "duration", "seconds": seconds}) == TokenUsage()


@pytest.mark.parametrize(
    ("seconds", "reason"),
    [
        (-0.1, "bad_count"),
        (True, "bad_count"),
        ("1:30", "bad_count"),
        ([1], "bad_count"),
        (float("nan"), "bad_count"),
        (float("inf"), "bad_count"),
        (100_000.1, "implausible_count"),
        (10**400, "implausible_count"),
    ],
)
def test_a_bad_duration_is_refused(seconds: object, reason: str) -> None:
    with pytest.raises(InvalidEventError) as refused:
        read_usage({"type": "duration", "seconds": seconds})

    assert (refused.value.reason, refused.value.path) == (reason, "usage.seconds")


@given(st.integers(0, 100_000_000))
def test_whole_milliseconds_come_through_as_they_were(milliseconds: int) -> None:
    found = read({"type": "duration", "seconds": milliseconds / 1_000})

    assert found.duration_ms == milliseconds


def test_an_images_svg_is_never_added_to_its_counts() -> None:
    usage = {
        "input_tokens": 50,
        "output_tokens": 4160,
        "output_tokens_details": {"image_tokens": 4160},
        "svg_usage": {"input_tokens": 9, "output_tokens": 900},
    }

    assert read(usage) == TokenUsage(input_tokens=50, output_tokens=4160, image_output_tokens=4160)


def test_images_are_read_alike_with_and_without_the_kind() -> None:
    usage = {
        "input_tokens": 50,
        "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
        "output_tokens": 4160,
        "total_tokens": 4210,
    }

    assert read(usage) == read(usage, Hint(api_kind="images"))


@pytest.mark.parametrize(("tokens", "apart"), [(0, False), (4210, True)])
def test_what_the_tools_of_a_response_used_is_told(tokens: int, apart: bool) -> None:
    """A tool that was not used has zeros; images are another model's."""
    tools = {"image_gen": {"total_tokens": tokens}, "web_search": {"num_requests": 3}}
    usage = {"input_tokens": 5, "output_tokens": 9, "total_tokens": 14, "tool_usage": tools}

    assert read(usage) == TokenUsage(input_tokens=5, output_tokens=9, total_tokens=14, searches=3)
    assert has_usage_apart(usage) is apart
