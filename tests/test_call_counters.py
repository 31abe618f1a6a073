"""What of single calls is kept, because sums would not tell it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sightings import make_record, token_usages
from usage_ingest.call_counters import CALL_COUNTERS, call_counters
from usage_ingest.record import TokenUsage
from usage_ingest.rollup import increments

PLAIN = {"input_tokens": 100, "output_tokens": 20}


@pytest.mark.parametrize(
    ("reported", "expected"),
    [
        (PLAIN, {}),
        (PLAIN | {"total_tokens": 120}, {}),
        (PLAIN | {"total_tokens": 150}, {"unsplit_tokens": 30}),
        ({"total_tokens": 150}, {"unsplit_tokens": 150}),
        ({"input_tokens": 100, "total_tokens": 100}, {}),
        ({"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}, {}),
        ({}, {}),
        ({"cached_input_tokens": 60}, {"input_tokens_of_parts": 60}),
        (
            {"cached_input_tokens": 60, "total_tokens": 100},
            {"unsplit_tokens": 40, "input_tokens_of_parts": 60},
        ),
        (
            {"cached_input_tokens": 60, "audio_input_tokens": 70, "text_input_tokens": 5},
            {"input_tokens_of_parts": 75},
        ),
        (
            {"input_tokens": 5, "reasoning_output_tokens": 9, "audio_output_tokens": 4},
            {"output_tokens_of_parts": 9},
        ),
        (
            PLAIN | {"cache_write_5m_input_tokens": 10, "cache_write_1h_input_tokens": 5},
            {"cache_write_tokens_of_parts": 15},
        ),
        (
            {"cache_write_5m_input_tokens": 10, "output_tokens": 5},
            {"input_tokens_of_parts": 10, "cache_write_tokens_of_parts": 10},
        ),
        (PLAIN | {"cache_write_input_tokens": 15, "cache_write_1h_input_tokens": 5}, {}),
        ({"images": 2}, {"images_without_tokens": 2}),
        ({"images": 2, "input_tokens": 0, "output_tokens": 0}, {"images_without_tokens": 2}),
        ({"duration_ms": 1_500}, {"duration_ms_without_tokens": 1_500}),
        (PLAIN | {"images": 2, "duration_ms": 1_500}, {}),
        ({"images": 2, "total_tokens": 9}, {"unsplit_tokens": 9}),
    ],
)
def test_what_only_the_call_tells_is_counted(
    reported: dict[str, int], expected: dict[str, int]
) -> None:
    assert call_counters(reported) == expected


@given(token_usages)
def test_a_call_has_at_least_as_many_tokens_as_any_of_what_it_tells(usage: TokenUsage) -> None:
    """Of a usage as it is stored: parts above their wholes were taken away."""
    settled, _ = usage.settled()
    counters = dict.fromkeys(CALL_COUNTERS, 0) | increments(make_record(usage=settled))

    tokens_in = counters.get("input_tokens", 0) + counters["input_tokens_of_parts"]
    tokens_out = counters.get("output_tokens", 0) + counters["output_tokens_of_parts"]
    written = counters.get("cache_write_input_tokens", 0) + counters["cache_write_tokens_of_parts"]
    assert tokens_in >= counters.get("cached_input_tokens", 0) + written
    assert tokens_in >= counters.get("audio_input_tokens", 0) + counters.get(
        "image_input_tokens", 0
    )
    assert tokens_out >= counters.get("reasoning_output_tokens", 0)
    total = tokens_in + tokens_out + counters["unsplit_tokens"]
    assert total >= counters.get("total_tokens", 0)


@given(st.builds(TokenUsage, input_tokens=st.integers(1, 9), output_tokens=st.integers(0, 9)))
def test_a_call_that_tells_its_wholes_adds_nothing_else(usage: TokenUsage) -> None:
    assert not call_counters(usage.reported())
