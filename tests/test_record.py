import pytest
from hypothesis import given

from tests.builders import NOON
from tests.sightings import make_record, token_usages
from usage_ingest.record import NO_USAGE, USAGE_FIELDS, Repeat, TokenUsage, repeat

MINUTE = TokenUsage(input_tokens=100, output_tokens=20)

GROUPS = (
    ("input_tokens", ("cached_input_tokens", "cache_write_input_tokens")),
    ("input_tokens", ("audio_input_tokens", "image_input_tokens", "text_input_tokens")),
    ("output_tokens", ("reasoning_output_tokens",)),
    ("output_tokens", ("audio_output_tokens", "image_output_tokens", "text_output_tokens")),
    (
        "output_tokens",
        ("accepted_prediction_output_tokens", "rejected_prediction_output_tokens"),
    ),
    ("total_tokens", ("input_tokens", "output_tokens")),
)
LIFETIMES = tuple(name for name in USAGE_FIELDS if name.startswith("cache_write_") and "m" in name)


def test_zero_is_reported_and_none_is_not() -> None:
    usage = TokenUsage(input_tokens=12, output_tokens=0)

    assert usage.reported() == {"input_tokens": 12, "output_tokens": 0}
    assert usage.payload_hash() != TokenUsage(input_tokens=12).payload_hash()
    assert TokenUsage(input_tokens=0).payload_hash() != NO_USAGE.payload_hash()


def test_golden_payload_hashes() -> None:
    """Stored beside every document: a repeat is judged by them."""
    usage = TokenUsage(input_tokens=100, output_tokens=20, total_tokens=120)

    assert usage.payload_hash() == "36d65276fd2cd7fc7ed84e41550fa79f"
    assert NO_USAGE.payload_hash() == "b3ae745e8ab1987cb3c644c04849e979"


@given(token_usages, token_usages)
def test_two_usages_share_a_hash_exactly_when_they_are_equal(
    one: TokenUsage, other: TokenUsage
) -> None:
    assert (one.payload_hash() == other.payload_hash()) == (one == other)
    assert one.payload_hash() == TokenUsage(**one.reported()).payload_hash()


@pytest.mark.parametrize(
    ("given_usage", "dropped"),
    [
        pytest.param({"input_tokens": 10, "cached_input_tokens": 10}, (), id="all-cached"),
        pytest.param(
            {"input_tokens": 10, "cached_input_tokens": 11}, ("cached_input_tokens",), id="cached"
        ),
        pytest.param(
            {"input_tokens": 10, "cached_input_tokens": 6, "cache_write_input_tokens": 5},
            ("cached_input_tokens", "cache_write_input_tokens"),
            id="cached-and-written-together",
        ),
        pytest.param(
            {
                "input_tokens": 10,
                "cache_write_input_tokens": 11,
                "cache_write_1h_input_tokens": 4,
            },
            ("cache_write_input_tokens", "cache_write_1h_input_tokens"),
            id="lifetimes-fall-with-their-whole",
        ),
        pytest.param(
            {
                "input_tokens": 10,
                "cache_write_input_tokens": 5,
                "cache_write_30m_input_tokens": 3,
                "cache_write_12h_input_tokens": 3,
            },
            ("cache_write_30m_input_tokens", "cache_write_12h_input_tokens"),
            id="lifetimes-above-what-was-written",
        ),
        pytest.param(
            {"input_tokens": 10, "cached_input_tokens": 6, "cache_write_5m_input_tokens": 5},
            ("cached_input_tokens", "cache_write_5m_input_tokens"),
            id="lifetimes-alone-above-the-input",
        ),
        pytest.param(
            {"output_tokens": 10, "reasoning_output_tokens": 10, "audio_output_tokens": 10},
            (),
            id="groups-may-overlap",
        ),
        pytest.param(
            {"output_tokens": 10, "text_output_tokens": 6, "audio_output_tokens": 6},
            ("text_output_tokens", "audio_output_tokens"),
            id="modalities",
        ),
        pytest.param(
            {"input_tokens": 10, "output_tokens": 5, "total_tokens": 14},
            ("total_tokens",),
            id="total-below-its-parts",
        ),
        pytest.param(
            {"input_tokens": 10, "output_tokens": 5, "total_tokens": 20}, (), id="total-above"
        ),
        pytest.param({"cached_input_tokens": 10}, (), id="part-of-an-unknown-whole"),
        pytest.param({"total_tokens": 120}, (), id="total-alone"),
    ],
)
def test_settling_keeps_wholes_and_drops_impossible_parts(
    given_usage: dict[str, int], dropped: tuple[str, ...]
) -> None:
    settled, consistent = TokenUsage(**given_usage).settled()

    assert settled.reported() == {
        name: count for name, count in given_usage.items() if name not in dropped
    }
    assert consistent is (not dropped)


@given(token_usages)
def test_parts_never_exceed_wholes_once_settled(usage: TokenUsage) -> None:
    settled, consistent = usage.settled()

    left = settled.reported()
    written = left.get("cache_write_input_tokens")
    lifetimes = sum(left.get(name, 0) for name in LIFETIMES)
    for whole, names in GROUPS:
        if whole in left:
            assert sum(left.get(name, 0) for name in names) <= left[whole]
    if written is not None:
        assert lifetimes <= written
    if "input_tokens" in left:
        assert left.get("cached_input_tokens", 0) + lifetimes <= left["input_tokens"]
    assert consistent is (settled == usage)
    assert settled.settled() == (settled, True)
    assert (settled.input_tokens, settled.output_tokens) == (
        usage.input_tokens,
        usage.output_tokens,
    )


@pytest.mark.parametrize(
    ("first", "later", "expected"),
    [
        pytest.param(MINUTE, MINUTE, Repeat.REPEATED, id="equal"),
        pytest.param(NO_USAGE, NO_USAGE, Repeat.REPEATED, id="both-without"),
        pytest.param(MINUTE, NO_USAGE, Repeat.REPEATED, id="the-later-has-none"),
        pytest.param(NO_USAGE, MINUTE, Repeat.COMPLETES, id="the-first-has-none"),
        pytest.param(MINUTE, TokenUsage(input_tokens=100), Repeat.CONFLICTS, id="both-differ"),
        pytest.param(
            TokenUsage(input_tokens=0), MINUTE, Repeat.CONFLICTS, id="zero-is-a-usage-too"
        ),
    ],
)
def test_a_repeat_is_judged_by_its_usage(
    first: TokenUsage, later: TokenUsage, expected: Repeat
) -> None:
    assert repeat(first.payload_hash(), later.payload_hash()) is expected


def test_a_record_counts_on_its_utc_day_under_the_model_that_answered() -> None:
    record = make_record(request_model="gpt-4o", response_model=None)

    assert (record.day, record.model) == ("2026-11-20", "gpt-4o")
    assert make_record(request_model="gpt-4o", response_model="gpt-4o-2024").model == "gpt-4o-2024"
    assert make_record(event_time=NOON.replace(hour=23, minute=59)).day == "2026-11-20"
