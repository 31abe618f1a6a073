"""Plain usage objects come to what every other one comes to, or are refused."""

from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sightings import outcome_of
from usage_ingest.events.usage import read_usage
from usage_ingest.events.usage.plain import ChatUsage, ResponsesUsage, read_plain
from usage_ingest.record import TokenUsage

Plain = type[ChatUsage | ResponsesUsage]
WHOLES: dict[Plain, tuple[str, ...]] = {
    ChatUsage: ("prompt_tokens", "completion_tokens", "total_tokens"),
    ResponsesUsage: ("input_tokens", "output_tokens", "total_tokens"),
}
INPUT = ("cached_tokens", "cache_write_tokens", "audio_tokens", "image_tokens", "text_tokens")
OUTPUT = ("reasoning_tokens", "audio_tokens", "text_tokens")
PREDICTIONS = ("accepted_prediction_tokens", "rejected_prediction_tokens")
PARTS: dict[Plain, dict[str, tuple[str, ...]]] = {
    ChatUsage: {
        "prompt_tokens_details": INPUT,
        "completion_tokens_details": (*OUTPUT, *PREDICTIONS),
    },
    ResponsesUsage: {"input_tokens_details": INPUT, "output_tokens_details": OUTPUT},
}
small = st.integers(0, 40)
counts = st.none() | small | small | st.integers(-3, 200_000_000) | st.just(10**8)


def some(names: tuple[str, ...]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(names), counts)


@st.composite
def usages(draw: st.DrawFn, plain: Plain) -> dict[str, Any]:
    usage = draw(some(WHOLES[plain]))
    for key, names in PARTS[plain].items():
        if draw(st.booleans()):
            usage[key] = draw(st.none() | some(names))
    return usage


def plainly(usage: dict[str, Any], plain: Plain) -> TokenUsage | None:
    try:
        return read_plain(msgspec.json.decode(orjson.dumps(usage), type=plain))
    except msgspec.ValidationError:
        return None


@pytest.mark.parametrize("plain", [ChatUsage, ResponsesUsage])
@given(data=st.data())
def test_whatever_the_counts_are_they_are_read_as_ever_or_not_at_all(
    data: st.DataObject, plain: Plain
) -> None:
    usage = data.draw(usages(plain))
    found = plainly(usage, plain)

    if found is not None:
        assert outcome_of(lambda: read_usage(usage)) == (found, True)
        assert list(found.reported().items()) == list(
            TokenUsage(**found.reported()).reported().items()
        )


def every_count(plain: Plain) -> dict[str, Any]:
    """Every key that is read, with counts that fit together."""
    usage: dict[str, Any] = dict(zip(WHOLES[plain], (100, 90, 190), strict=True))
    return usage | {key: dict.fromkeys(names, 20) for key, names in PARTS[plain].items()}


@pytest.mark.parametrize("plain", [ChatUsage, ResponsesUsage])
def test_every_count_of_an_object_is_read(plain: Plain) -> None:
    usage = every_count(plain)
    found = plainly(usage, plain)

    assert found is not None
    assert (found, True) == read_usage(usage)
    assert len(found.reported()) == 3 + sum(map(len, PARTS[plain].values()))


@pytest.mark.parametrize(
    "change",
    [
        {"prompt_tokens": 39},
        {"completion_tokens": 39},
        {"prompt_tokens": 59},
        {"completion_tokens": None},
        {"total_tokens": 189},
        {"total_tokens": 210},
        {"prompt_tokens": 1.5},
        {"service_tier": "flex"},
        {"prompt_tokens_details": {"video_tokens": 1}},
    ],
    ids=str,
)
def test_counts_that_do_not_fit_are_not_read(change: dict[str, Any]) -> None:
    assert plainly(every_count(ChatUsage) | change, ChatUsage) is None


def test_an_object_of_another_api_is_not_read() -> None:
    assert plainly(every_count(ResponsesUsage), ChatUsage) is None
    assert plainly(every_count(ChatUsage), ResponsesUsage) is None
    assert plainly({"total_tokens": 5}, ChatUsage) is None
