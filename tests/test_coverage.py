from typing import Any

import pytest

from usage_ingest.coverage import Seen
from usage_ingest.record import Source


def make_rollup(**overrides: Any) -> dict[str, Any]:
    return {
        "day": "2026-11-20",
        "subscription_id": "hr-copilot",
        "source": Source.EVENT_HUB.value,
        "usage_estimated": False,
        "requests": 1,
    } | overrides


def seen(*rollups: dict[str, Any]) -> Seen:
    found = Seen()
    for each in rollups:
        found.add(each)
    return found


def test_requests_that_lack_something_are_added_up() -> None:
    found = seen(
        make_rollup(requests_awaiting_metrics=2, requests_without_usage=1),
        make_rollup(requests_awaiting_metrics=3),
    ).counted()

    assert (found.requests_awaiting_metrics, found.requests_without_usage) == (5, 1)
    assert found.streaming.days["2026-11-20", "hr-copilot"].awaiting == 5


def test_a_rollup_that_counts_nothing_is_no_usage_of_its_day() -> None:
    assert seen(make_rollup(requests=0, input_tokens=0)).counted().days == set()
    assert seen(make_rollup()).counted().days == {"2026-11-20"}


@pytest.mark.parametrize(
    ("rollup", "estimated"),
    [
        ({"usage_estimated": True, "input_tokens": 0}, True),
        ({"usage_estimated": True, "total_tokens": 5}, True),
        ({"usage_estimated": True}, False),
        ({"input_tokens": 5}, False),
    ],
)
def test_a_total_is_estimated_where_tokens_of_it_are(
    rollup: dict[str, Any], estimated: bool
) -> None:
    assert seen(make_rollup(**rollup), make_rollup()).counted().estimated is estimated
