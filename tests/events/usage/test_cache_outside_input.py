"""Anthropic and Bedrock: APIs that may count the cache outside the input."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usage_ingest.errors import InvalidEventError
from usage_ingest.events.usage import anthropic, bedrock, has_usage_apart, read_usage
from usage_ingest.events.usage.hint import Hint
from usage_ingest.record import TokenUsage

CLAUDE = Hint("bedrock", "converse", "eu.anthropic.claude-sonnet-5-v1:0")
GPT = Hint("bedrock", "converse", "openai.gpt-5.6")
NOVA = Hint("bedrock", "converse", "amazon.nova-pro-v1:0")
counts = st.none() | st.integers(0, 5000)


def messages(**overrides: Any) -> dict[str, Any]:
    return {
        "input_tokens": 10,
        "cache_creation_input_tokens": 100,
        "cache_read_input_tokens": 1000,
        "output_tokens": 5,
    } | overrides


def converse(**overrides: Any) -> dict[str, Any]:
    return {"inputTokens": 2000, "outputTokens": 30, "cacheReadInputTokens": 1500} | overrides


def test_anthropics_input_is_the_sum_of_its_three_counts() -> None:
    usage = messages(
        cache_creation={"ephemeral_5m_input_tokens": 60, "ephemeral_1h_input_tokens": 40},
        output_tokens_details={"thinking_tokens": 3},
        server_tool_use={"web_search_requests": 2, "web_fetch_requests": 7},
    )

    assert read_usage(usage) == (
        TokenUsage(
            input_tokens=1110,
            cached_input_tokens=1000,
            cache_write_input_tokens=100,
            cache_write_5m_input_tokens=60,
            cache_write_1h_input_tokens=40,
            output_tokens=5,
            reasoning_output_tokens=3,
            searches=2,
        ),
        True,
    )


def test_a_split_of_cache_writes_below_their_total_is_kept_as_it_is() -> None:
    found, consistent = read_usage(messages(cache_creation={"ephemeral_5m_input_tokens": 60}))

    assert consistent
    assert (found.cache_write_input_tokens, found.cache_write_5m_input_tokens) == (100, 60)


def test_a_split_of_cache_writes_above_their_total_is_dropped() -> None:
    found, consistent = read_usage(messages(cache_creation={"ephemeral_1h_input_tokens": 101}))

    assert not consistent
    assert (found.input_tokens, found.cache_write_1h_input_tokens) == (1110, None)


def test_cache_writes_told_by_their_lifetimes_alone_are_input_too() -> None:
    found, _ = read_usage(
        messages(cache_creation_input_tokens=None, cache_creation={"ephemeral_5m_input_tokens": 60})
    )

    assert (found.input_tokens, found.cache_write_input_tokens) == (1070, None)


def test_without_anthropics_own_input_the_whole_is_unknown() -> None:
    """The cache alone is a part: taken for the whole it would be too little."""
    found, _ = read_usage({"cache_read_input_tokens": 1000, "output_tokens": 5})

    assert (found.input_tokens, found.cached_input_tokens) == (None, 1000)


def test_a_sum_above_what_is_plausible_is_refused() -> None:
    with pytest.raises(InvalidEventError, match="implausible_count"):
        read_usage(messages(input_tokens=60_000_000, cache_read_input_tokens=60_000_000))


def iteration(kind: str, **overrides: Any) -> dict[str, Any]:
    return {"type": kind} | messages() | overrides


def test_compacting_the_context_is_usage_of_its_own() -> None:
    """The counts of a message leave out what it took to compact the context."""
    split = {"ephemeral_5m_input_tokens": 100}
    usage = messages(
        iterations=[iteration("compaction", cache_creation=split), iteration("message")],
    )

    found, consistent = read_usage(usage)

    assert consistent
    assert found == TokenUsage(
        input_tokens=2220,
        cached_input_tokens=2000,
        cache_write_input_tokens=200,
        cache_write_5m_input_tokens=100,
        output_tokens=10,
    )
    assert not has_usage_apart(usage)


def test_compacting_does_not_stand_for_a_whole_that_was_not_told() -> None:
    found, _ = read_usage({"output_tokens": 5, "iterations": [iteration("compaction")]})

    assert (found.input_tokens, found.output_tokens) == (None, 10)


def test_advice_is_another_models_and_is_told_of() -> None:
    usage = messages(iterations=[iteration("message"), iteration("advisor_message", model="b")])

    assert has_usage_apart(usage)
    assert read_usage(usage) == read_usage(messages())


@pytest.mark.parametrize("iterations", [None, [], {}, "a", [None, 5, {}, {"type": ["compaction"]}]])
def test_iterations_that_say_nothing_change_nothing(iterations: object) -> None:
    usage = messages(iterations=iterations)

    assert read_usage(usage) == read_usage(messages())
    assert not has_usage_apart(usage)


@pytest.mark.parametrize(
    ("usage", "provider", "is_its"),
    [
        (messages(), None, True),
        ({"input_tokens": 1, "cache_creation_input_tokens": None}, None, True),
        ({"output_tokens": 1, "output_tokens_details": {"thinking_tokens": 1}}, None, True),
        ({"input_tokens": 1, "output_tokens": 1}, "Anthropic", True),
        ({"input_tokens": 1, "output_tokens": 1}, None, False),
        ({"input_tokens": 1, "output_tokens_details": {"reasoning_tokens": 1}}, None, False),
        (messages(input_tokens_details={}), "anthropic", False),
    ],
)
def test_an_object_of_anthropic_is_told_by_its_keys_or_its_provider(
    usage: dict[str, Any], provider: str | None, is_its: bool
) -> None:
    assert anthropic.matches(usage, Hint(provider=provider)) is is_its


@pytest.mark.parametrize(
    ("usage", "hint", "expected"),
    [
        pytest.param(converse(), CLAUDE, 3500, id="anthropic"),
        pytest.param(converse(), GPT, 2000, id="openai"),
        pytest.param(converse(), Hint(provider="bedrock"), 3500, id="contract"),
        pytest.param(converse(), NOVA, 3500, id="contract-of-another-model"),
        pytest.param(converse(totalTokens=3530), GPT, 3500, id="the-total-goes-before-the-model"),
        pytest.param(converse(totalTokens=2030), GPT, 2000, id="openai-with-its-total"),
        pytest.param(converse(totalTokens=2030), Hint(), 2000, id="the-total-without-a-model"),
        pytest.param(converse(inputTokens=9, totalTokens=39), Hint(), 1509, id="cache-above-input"),
        pytest.param(converse(cacheReadInputTokens=0), CLAUDE, 2000, id="no-cache"),
    ],
)
def test_converse_counts_the_cache_outside_but_for_openais_models(
    usage: dict[str, Any], hint: Hint, expected: int
) -> None:
    found, _ = read_usage(usage, hint)

    assert found.input_tokens == expected


def test_a_total_without_the_cache_flags_an_anthropic_model_of_converse() -> None:
    found, consistent = read_usage(converse(totalTokens=2030), CLAUDE)

    assert not consistent
    assert (found.input_tokens, found.total_tokens) == (3500, None)


def test_the_lifetimes_of_converse_are_read_by_their_names() -> None:
    details = [
        {"ttl": "5m", "inputTokens": 10},
        {"ttl": "5m", "inputTokens": 5},
        {"ttl": "1h", "inputTokens": 20},
        {"ttl": "2d", "inputTokens": 99},
        {"inputTokens": 99},
        "odd",
    ]

    found, _ = read_usage(converse(cacheDetails=details, cacheReadInputTokens=None), CLAUDE)

    assert (found.cache_write_5m_input_tokens, found.cache_write_1h_input_tokens) == (15, 20)
    assert found.input_tokens == 2035


@given(st.tuples(counts, counts, counts, counts, counts), st.sampled_from([CLAUDE, GPT, NOVA]))
def test_input_of_converse_never_leaves_out_the_cache(
    values: tuple[int | None, ...], hint: Hint
) -> None:
    names = ("inputTokens", "outputTokens", "totalTokens", "cacheReadInputTokens")
    usage = dict(zip((*names, "cacheWriteInputTokens"), values, strict=True))

    found = bedrock.read(usage, hint)

    cache = (values[3] or 0) + (values[4] or 0)
    assert found.get("input_tokens") in {values[0], (values[0] or 0) + cache}
    if hint is not GPT and values[0] is not None and cache > values[0]:
        assert found["input_tokens"] == values[0] + cache
