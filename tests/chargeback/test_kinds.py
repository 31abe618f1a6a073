"""What is priced: wholes and their parts."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sightings import make_record, token_usages
from usage_ingest.chargeback.kinds import RATED_COUNTERS, Kind, split, unit
from usage_ingest.record import USAGE_FIELDS, TokenUsage
from usage_ingest.rollup import COUNTERS, increments

APART = st.frozensets(st.sampled_from(list(Kind)))
COUNTS = st.dictionaries(st.sampled_from(RATED_COUNTERS), st.integers(0, 10**15))
TOKENS = frozenset(kind for kind in Kind if unit(kind).counted == "Tokens")
NO_PARTS: frozenset[Kind] = frozenset()


def counters_of(usage: TokenUsage) -> dict[str, int]:
    """What a rollup of one call holds: of a usage as it is stored."""
    return increments(make_record(usage=usage.settled()[0]))


def test_every_unit_of_a_record_has_a_price_or_is_included_in_one_that_has() -> None:
    included = {
        "text_input_tokens",
        "text_output_tokens",
        "accepted_prediction_output_tokens",
        "rejected_prediction_output_tokens",
        "total_tokens",  # its wholes, and what it has beyond them: unsplit_tokens
    }

    assert set(USAGE_FIELDS) - set(RATED_COUNTERS) == included
    assert set(RATED_COUNTERS) <= set(COUNTERS)
    assert len(set(RATED_COUNTERS)) == len(RATED_COUNTERS)


@given(COUNTS, COUNTS, APART)
def test_the_parts_of_a_sum_are_the_sums_of_the_parts(
    first: dict[str, int], second: dict[str, int], apart: frozenset[Kind]
) -> None:
    both = {name: first.get(name, 0) + second.get(name, 0) for name in {*first, *second}}

    merged = Counter(split(first, apart))
    merged.update(split(second, apart))
    assert split(both, apart) == {kind: count for kind, count in merged.items() if count}


@given(token_usages, APART)
def test_no_token_is_lost_or_priced_twice_whatever_has_a_price(
    usage: TokenUsage, apart: frozenset[Kind]
) -> None:
    counters = counters_of(usage)

    found = sum(count for kind, count in split(counters, apart).items() if kind in TOKENS)
    assert found == sum(
        split(counters, NO_PARTS)[kind] for kind in split(counters, NO_PARTS) if kind in TOKENS
    )
    settled = usage.settled()[0]
    wholes = (settled.input_tokens or 0) + (settled.output_tokens or 0)
    assert found >= max(wholes, settled.total_tokens or 0)


@given(token_usages, APART)
def test_a_whole_is_less_than_nothing_only_where_parts_overlap(
    usage: TokenUsage, apart: frozenset[Kind]
) -> None:
    for kind, count in split(counters_of(usage), apart).items():
        if count < 0:
            cache = {Kind.CACHED_INPUT, Kind.CACHE_WRITE} | {
                each for each in Kind if each.startswith("cache_write_")
            }
            modal = {Kind.AUDIO_INPUT, Kind.IMAGE_INPUT}
            spoken = {Kind.AUDIO_OUTPUT, Kind.IMAGE_OUTPUT}
            overlapping = (
                (cache & apart and modal & apart)
                if kind is Kind.INPUT
                else (Kind.REASONING_OUTPUT in apart and spoken & apart)
            )
            assert kind in {Kind.INPUT, Kind.OUTPUT}
            assert overlapping


@pytest.mark.parametrize(
    ("usage", "apart", "expected"),
    [
        (
            TokenUsage(input_tokens=1_200, cached_input_tokens=1_024, output_tokens=80),
            {"cached_input"},
            {"input": 176, "cached_input": 1_024, "output": 80},
        ),
        (
            TokenUsage(input_tokens=1_200, cached_input_tokens=1_024, output_tokens=80),
            set(),
            {"input": 1_200, "output": 80},
        ),
        (
            TokenUsage(input_tokens=100, cached_input_tokens=0, output_tokens=0),
            {"cached_input"},
            {"input": 100},
        ),
        (TokenUsage(), {"input"}, {}),
        (TokenUsage(output_tokens=90, reasoning_output_tokens=64), set(), {"output": 90}),
        (
            TokenUsage(output_tokens=90, reasoning_output_tokens=64),
            {"reasoning_output"},
            {"output": 26, "reasoning_output": 64},
        ),
        (
            TokenUsage(
                input_tokens=100,
                cache_write_input_tokens=60,
                cache_write_5m_input_tokens=40,
                cache_write_1h_input_tokens=15,
            ),
            {"cache_write", "cache_write_1h"},
            {"input": 40, "cache_write": 45, "cache_write_1h": 15},
        ),
        (
            TokenUsage(
                input_tokens=100,
                cache_write_input_tokens=60,
                cache_write_5m_input_tokens=40,
                cache_write_1h_input_tokens=15,
            ),
            {"cache_write_1h"},
            {"input": 85, "cache_write_1h": 15},
        ),
        (
            TokenUsage(input_tokens=100, cache_write_1h_input_tokens=15),
            {"cache_write"},
            {"input": 85, "cache_write": 15},
        ),
        (TokenUsage(cached_input_tokens=60), {"cached_input"}, {"cached_input": 60}),
        (TokenUsage(cached_input_tokens=60), set(), {"input": 60}),
        (
            TokenUsage(input_tokens=100, cached_input_tokens=80, audio_input_tokens=50),
            {"cached_input", "audio_input"},
            {"input": -30, "cached_input": 80, "audio_input": 50},
        ),
        (
            TokenUsage(input_tokens=100, text_input_tokens=70, image_input_tokens=30),
            {"image_input"},
            {"input": 70, "image_input": 30},
        ),
        (
            TokenUsage(
                output_tokens=50,
                accepted_prediction_output_tokens=20,
                rejected_prediction_output_tokens=10,
            ),
            set(),
            {"output": 50},
        ),
        (TokenUsage(total_tokens=500), set(), {"unsplit": 500}),
        (
            TokenUsage(input_tokens=100, output_tokens=20, total_tokens=150),
            set(),
            {"input": 100, "output": 20, "unsplit": 30},
        ),
        (TokenUsage(images=2), set(), {"images": 2}),
        (TokenUsage(images=2, input_tokens=50), set(), {"input": 50}),
        (TokenUsage(images=2, input_tokens=50), {"images"}, {"input": 50, "images": 2}),
        (TokenUsage(duration_ms=1_500), {"duration"}, {"duration": 1_500}),
        (TokenUsage(duration_ms=1_500, input_tokens=9), {"input"}, {"input": 9}),
        (TokenUsage(searches=3, input_tokens=9), {"input"}, {"input": 9, "searches": 3}),
    ],
)
def test_a_whole_is_split_by_what_has_a_price(
    usage: TokenUsage, apart: set[str], expected: dict[str, int]
) -> None:
    found = split(counters_of(usage), {Kind(each) for each in apart})

    assert {kind.value: count for kind, count in found.items()} == expected


def test_images_of_a_call_without_tokens_are_not_lost_among_calls_that_have_some() -> None:
    by_tokens = counters_of(TokenUsage(images=1, input_tokens=50))
    by_images = counters_of(TokenUsage(images=2))

    both = Counter(by_tokens) + Counter(by_images)
    assert split(both, {Kind.INPUT}) == {Kind.INPUT: 50, Kind.IMAGES: 2}
    assert split(both, {Kind.INPUT, Kind.IMAGES}) == {Kind.INPUT: 50, Kind.IMAGES: 3}


def test_units_say_what_is_counted_and_what_a_price_is_for() -> None:
    assert unit(Kind.CACHED_INPUT) == ("Tokens", "1M Tokens", 6)
    assert unit(Kind.UNSPLIT) == ("Tokens", "1M Tokens", 6)
    assert unit(Kind.DURATION) == ("Milliseconds", "1 Second", 3)
    assert unit(Kind.SEARCHES) == ("Searches", "1 Search", 0)
    assert unit(Kind.PROVISIONED) == ("Tokens", "1 Token", 0)
