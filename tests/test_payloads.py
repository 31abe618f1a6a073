"""The payloads of tests/data and what the product makes of them."""

from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.data.regenerate import HERE, beside, expected, payloads
from usage_ingest.events.shapes import SHAPES


def outcomes(folder: str) -> list[dict[str, Any]]:
    made = [orjson.loads(beside(path).read_bytes()) for path in payloads() if folder in path.parts]
    return [each for outcome in made for each in outcome]


@pytest.mark.parametrize("payload", payloads(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_payload_becomes_what_is_expected_of_it(payload: Path) -> None:
    """Where a change is meant: python -m tests.data.regenerate, then read the difference."""
    assert expected(payload).decode() == beside(payload).read_text()


def test_the_polls_of_a_background_response_are_one_record() -> None:
    polls = orjson.loads((HERE / "own" / "background-polls.expected.json").read_bytes())

    assert len({(each["placed"], each["record"]["id"]) for each in polls}) == 1
    assert [each["record"]["usage_state"] for each in polls] == ["none", "none"] + 2 * ["reported"]


def test_an_error_after_the_answer_is_the_same_record_without_usage() -> None:
    answered, failed, refused = orjson.loads((HERE / "own" / "on-error.expected.json").read_bytes())

    assert answered["record"]["id"] == failed["record"]["id"] != refused["record"]["id"]
    assert failed["record"]["usage_state"] == "none"


def test_every_kind_of_outcome_is_on_file() -> None:
    shapes = {str(shape.__name__).rpartition(".")[2] for shape in SHAPES}  # type: ignore[attr-defined]
    told = [each for shape in sorted(shapes) for each in outcomes(shape)]
    records = [each["record"] for each in told if "record" in each]
    letters = [
        each["dead_letter"]["reason"]
        for each in told + outcomes("refused")
        if "dead_letter" in each
    ]

    assert Counter(each["shape"] for each in records).keys() == shapes
    assert {each["usage_state"] for each in records} == {"reported", "awaiting_metrics", "none"}
    assert {each.get("api_kind") for each in records} >= {
        "chat",
        "completions",
        "embeddings",
        "responses",
        "messages",
        "images",
        "audio",
        "realtime",
        "converse",
        "generate_content",
    }
    assert set(letters) >= {"ambiguous_time", "counted_elsewhere", "truncated_json", "not_utf8"}


def test_no_planted_text_is_in_what_is_expected() -> None:
    for path in payloads():
        assert "planted" not in beside(path).read_text()
