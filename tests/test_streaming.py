from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usage_ingest.metrics.watermark import Note, Source, Watermark, Window
from usage_ingest.streaming import (
    MAX_LISTED,
    NOT_COLLECTED,
    STALE_AFTER,
    Metrics,
    Streaming,
    metrics_state,
)

ONE = "11111111-aaaa-4bbb-8ccc-000000000001"
TWO = "11111111-aaaa-4bbb-8ccc-000000000002"
OWN, HUB, ELSEWHERE = Source(ONE, "own"), Source(ONE, "ai-hub"), Source(TWO, "own")
DAY = date(2026, 11, 20)
MIDNIGHT = datetime(2026, 11, 20, tzinfo=UTC)
NEXT = MIDNIGHT + timedelta(days=1)
SETTLING = timedelta(minutes=15)
SETTLED = NEXT + SETTLING
NOW = SETTLED + timedelta(hours=6)
LONG_AGO = MIDNIGHT - timedelta(days=30)
TICK = timedelta(microseconds=1)

Row = dict[str, Any]


def mark(
    source: Source = OWN,
    through: datetime = NOW - SETTLING,
    begun: datetime = LONG_AGO,
    notes: dict[Note, tuple[str, ...]] | None = None,
    skipped: tuple[Window, ...] = (),
) -> Watermark:
    return Watermark(
        source=source,
        collected_from=begun,
        collected_through=through,
        checked_at=through + SETTLING,
        notes=notes or {},
        skipped=skipped,
    )


def metrics(*marks: Watermark, sources: tuple[Source, ...] = (OWN,)) -> Metrics:
    return Metrics(sources=sources, settling_delay=SETTLING, marks=marks)


COLLECTED = metrics(mark())
BEHIND = metrics(mark(through=NEXT))


def awaiting(requests: int, subscription: str | None = "hr", day: str = "2026-11-20") -> Row:
    return {
        "day": day,
        "subscription_id": subscription,
        "source": "event_hub",
        "streaming": True,
        "requests_awaiting_metrics": requests,
    }


def by_metrics(subscription: str | None = "hr", day: str = "2026-11-20", /, **tokens: int) -> Row:
    return {
        "day": day,
        "subscription_id": subscription,
        "source": "metrics",
        "streaming": True,
        **(tokens or {"input_tokens": 100, "output_tokens": 20}),
    }


def by_events(subscription: str | None = "hr", **overrides: Any) -> Row:
    return {
        "day": "2026-11-20",
        "subscription_id": subscription,
        "source": "event_hub",
        "streaming": True,
        "input_tokens": 7,
        **overrides,
    }


def listed(*rows: Row, seen: Metrics = COLLECTED) -> dict[str, Any]:
    streaming = Streaming()
    for row in rows:
        streaming.add(row)
    return streaming.listed(seen)


def classes(*rows: Row, seen: Metrics = COLLECTED) -> dict[str, Any]:
    """What is listed, by class; classes that list nothing are left out."""
    found = listed(*rows, seen=seen)
    assert found.pop("checked_by_request") is False
    assert all(each["count"] == len(each["listed"]) for each in found.values())
    return {name: each["listed"] for name, each in found.items() if each["listed"]}


# Whether a day is settled


@pytest.mark.parametrize(
    ("through", "settled"),
    [(SETTLED, True), (SETTLED - TICK, False), (NEXT, False), (NOW, True)],
)
def test_a_day_is_settled_once_the_mark_passed_its_end_and_the_delay(
    through: datetime, *, settled: bool
) -> None:
    assert metrics(mark(through=through)).settled(DAY) is settled


def test_without_marks_no_day_is_settled() -> None:
    assert not metrics().settled(DAY)
    assert not metrics(sources=()).settled(DAY)


@pytest.mark.parametrize(("begun", "settled"), [(MIDNIGHT, True), (MIDNIGHT + TICK, False)])
def test_a_day_before_collecting_began_is_never_settled(begun: datetime, *, settled: bool) -> None:
    assert metrics(mark(begun=begun)).settled(DAY) is settled


def test_each_source_that_had_begun_must_have_passed_the_day() -> None:
    late = mark(HUB, through=NEXT)

    assert not metrics(mark(), late, sources=(OWN, HUB)).settled(DAY)
    assert metrics(mark(), mark(HUB), sources=(OWN, HUB)).settled(DAY)


def test_a_source_that_was_added_later_does_not_concern_a_day_before_it() -> None:
    added = mark(HUB, through=NEXT, begun=MIDNIGHT + timedelta(hours=9))

    assert metrics(mark(), added, sources=(OWN, HUB)).settled(DAY)
    assert not metrics(mark(), added, sources=(OWN, HUB)).settled(DAY + timedelta(days=1))


def test_a_source_that_never_ran_does_not_unsettle_what_others_collected() -> None:
    assert metrics(mark(), sources=(OWN, ELSEWHERE)).settled(DAY)


def test_a_source_that_is_no_longer_collected_may_have_covered_the_day() -> None:
    assert metrics(mark(ELSEWHERE), sources=()).settled(DAY)
    assert metrics(mark(ELSEWHERE), mark(begun=NEXT), sources=(OWN,)).settled(DAY)


def test_a_source_that_was_given_up_within_a_day_leaves_it_unsettled() -> None:
    """What it had not collected nobody will; days after it are not its own."""
    given_up = mark(ELSEWHERE, through=MIDNIGHT + timedelta(hours=9))
    seen = metrics(mark(through=NOW + timedelta(days=2)), given_up)

    assert not seen.settled(DAY)
    assert seen.settled(DAY + timedelta(days=1))
    assert not metrics(given_up, sources=()).settled(DAY)


@pytest.mark.parametrize(
    ("through", "left"),
    [
        (MIDNIGHT - TICK, False),
        (MIDNIGHT, True),
        (SETTLED - TICK, True),
        (SETTLED, False),
    ],
)
def test_a_mark_that_nobody_moves_is_told_for_the_days_that_it_stands_in(
    through: datetime, *, left: bool
) -> None:
    given_up = mark(ELSEWHERE, through=through)

    assert metrics(mark(), given_up).left(DAY, DAY) == ([given_up] if left else [])
    assert metrics(given_up, sources=(ELSEWHERE,)).left(DAY, DAY) == []


def test_a_component_is_the_same_source_however_its_id_is_written() -> None:
    configured = Source(TWO.upper(), "own")
    late = mark(ELSEWHERE, through=NEXT)

    assert not metrics(mark(), late, sources=(OWN, configured)).settled(DAY)
    assert metrics(late, sources=(configured,)).configured(late)


# Whether a source lags


@pytest.mark.parametrize(
    ("behind", "stale"),
    [(STALE_AFTER + SETTLING, False), (STALE_AFTER + SETTLING + TICK, True)],
)
def test_a_mark_that_is_not_being_moved_is_stale(behind: timedelta, *, stale: bool) -> None:
    today = NOW.date()

    assert metrics(mark(through=NOW - behind)).stale(NOW, today) == ([OWN] if stale else [])


def test_a_stale_mark_that_passed_the_days_asked_for_lacks_nothing_of_them() -> None:
    month_later = NOW + timedelta(days=30)
    stopped = metrics(mark(through=SETTLED))

    assert stopped.stale(month_later, DAY) == []
    assert stopped.stale(month_later, DAY + timedelta(days=1)) == [OWN]


def test_a_source_that_has_no_mark_is_stale() -> None:
    assert metrics(mark(), sources=(OWN, ELSEWHERE)).stale(NOW, DAY) == [ELSEWHERE]


def test_a_source_that_is_no_longer_collected_is_not_stale() -> None:
    assert metrics(mark(ELSEWHERE, through=LONG_AGO), mark()).stale(NOW, DAY) == []


# The marks, as reports show them


def test_marks_are_listed_with_their_age() -> None:
    notes: dict[Note, tuple[str, ...]] = {"metric_value_odd": ("2026-11-20",)}

    assert metrics(mark(notes=notes)).listed(NOW) == [
        {
            "target": ONE,
            "profile": "own",
            "configured": True,
            "collected_from": "2026-10-21T00:00:00.000000Z",
            "collected_through": "2026-11-21T06:00:00.000000Z",
            "checked_at": "2026-11-21T06:15:00.000000Z",
            "age_seconds": 900,
            "window_seconds": 86_400,
            "skipped": [],
            "metric_bin_shrank": [],
            "metric_value_odd": ["2026-11-20"],
            "metric_bin_too_old": [],
        }
    ]


def test_sources_without_a_mark_and_marks_without_a_source_are_listed_too() -> None:
    found = metrics(mark(ELSEWHERE), sources=(OWN,)).listed(NOW)

    assert [(each["target"], each["configured"]) for each in found] == [(TWO, False), (ONE, True)]
    without = found[1]
    assert without["collected_through"] is without["age_seconds"] is without["checked_at"] is None
    assert found[0].keys() == without.keys()


@pytest.mark.parametrize(
    ("day", "noted"),
    [("2026-11-19", False), ("2026-11-20", True), ("2026-11-21", True), ("2026-11-22", False)],
)
def test_what_is_odd_concerns_the_days_of_its_bins(day: str, *, noted: bool) -> None:
    seen = metrics(mark(notes={"metric_bin_shrank": (day,)}))

    found = seen.notes(DAY, DAY + timedelta(days=1))

    assert found == (["metric_bin_shrank"] if noted else [])


@pytest.mark.parametrize(
    ("start", "end", "settled"),
    [
        (MIDNIGHT - TICK, MIDNIGHT, True),
        (MIDNIGHT - TICK, MIDNIGHT + TICK, False),
        (MIDNIGHT, NEXT, False),
        (NEXT + SETTLING - TICK, NEXT + SETTLING, False),
        (NEXT + SETTLING, NOW, True),
    ],
    ids=["before", "its beginning", "all of it", "its last arrivals", "after"],
)
def test_a_day_whose_arrivals_were_skipped_is_never_settled(
    start: datetime, end: datetime, *, settled: bool
) -> None:
    """Not even where another source has passed it."""
    both = metrics(mark(skipped=(Window(start, end),)), mark(ELSEWHERE))

    assert both.settled(DAY) is settled
    assert bool(both.skipped(DAY, DAY)) is not settled


def test_streamed_requests_of_a_skipped_day_are_awaited_and_not_called_uncovered() -> None:
    seen = metrics(mark(skipped=(Window(MIDNIGHT, NEXT),)))

    assert classes(awaiting(3), seen=seen) == classes(awaiting(3), seen=BEHIND)
    assert listed(awaiting(3), seen=seen)["streaming_uncovered"]["count"] == 0


def test_what_was_skipped_is_said_of_its_days() -> None:
    seen = metrics(mark(skipped=(Window(MIDNIGHT, NEXT),)))

    of_the_day = metrics_state(seen, NOW, DAY, DAY)
    later = metrics_state(seen, NOW, DAY + timedelta(days=1), DAY + timedelta(days=1))

    assert of_the_day["covered"] is False
    assert "was skipped" in of_the_day["text"]
    assert "was skipped" not in str(later["text"])


def test_each_kind_of_oddity_is_told_once_whichever_mark_has_it() -> None:
    text = ("2026-11-19", "2026-11-20")
    seen = metrics(
        mark(notes={"metric_bin_too_old": text, "metric_bin_shrank": text}),
        mark(ELSEWHERE, notes={"metric_bin_shrank": text}),
    )

    assert seen.notes(DAY, DAY) == ["metric_bin_shrank", "metric_bin_too_old"]


# Streamed requests and their tokens


def test_requests_of_a_day_that_is_not_collected_to_its_end_are_awaited() -> None:
    rows = awaiting(3), awaiting(4)

    assert classes(*rows, seen=BEHIND) == {
        "awaiting": [{"day": "2026-11-20", "subscription": "hr", "requests": 7}]
    }


def test_requests_are_awaited_where_nobody_collects() -> None:
    assert classes(awaiting(3), seen=metrics(sources=())) == {
        "awaiting": [{"day": "2026-11-20", "subscription": "hr", "requests": 3}]
    }


def test_tokens_that_are_there_already_do_not_end_the_wait() -> None:
    assert list(classes(awaiting(3), by_metrics(), seen=BEHIND)) == ["awaiting"]


def test_requests_of_a_settled_day_without_any_tokens_are_uncovered() -> None:
    """The usual cause: the diagnostic's metrics are off."""
    assert classes(awaiting(3)) == {
        "streaming_uncovered": [{"day": "2026-11-20", "subscription": "hr", "requests": 3}]
    }


def test_requests_of_a_settled_day_with_tokens_are_covered_as_far_as_anybody_can_tell() -> None:
    assert classes(awaiting(3), by_metrics(input_tokens=1)) == {}


@pytest.mark.parametrize("tokens", [{"input_tokens": 0}, {"total_tokens": 0, "output_tokens": 0}])
def test_tokens_of_zero_cover_nothing(tokens: dict[str, int]) -> None:
    assert list(classes(awaiting(3), by_metrics(**tokens))) == ["streaming_uncovered"]


def test_each_subscription_and_day_is_judged_by_itself() -> None:
    found = classes(
        awaiting(1, "b"),
        awaiting(2, None),
        awaiting(3, "a"),
        awaiting(4, "a", "2026-11-19"),
        awaiting(5, "covered"),
        by_metrics("covered"),
        by_metrics("a", "2026-11-18"),
    )

    assert [
        (each["day"], each["subscription"], each["requests"])
        for each in found["streaming_uncovered"]
    ] == [
        ("2026-11-19", "a", 4),
        ("2026-11-20", "a", 3),
        ("2026-11-20", "b", 1),
        ("2026-11-20", None, 2),
    ]
    assert [each["day"] for each in found["without_requests"]] == ["2026-11-18"]


def test_tokens_of_requests_that_no_event_told_of_are_listed_with_their_sums() -> None:
    rows = by_metrics(input_tokens=100, total_tokens=100), by_metrics(input_tokens=1)

    assert classes(*rows) == {
        "without_requests": [
            {
                "day": "2026-11-20",
                "subscription": "hr",
                "input_tokens": 101,
                "total_tokens": 100,
            }
        ]
    }


def test_tokens_without_requests_are_told_before_the_day_is_settled_too() -> None:
    assert list(classes(by_metrics(), seen=BEHIND)) == ["without_requests"]


def test_streamed_requests_whose_events_told_tokens_beside_metrics_may_count_twice() -> None:
    found = classes(by_events(), by_metrics(), awaiting(2))

    assert found == {"by_both": [{"day": "2026-11-20", "subscription": "hr"}]}


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(by_events(streaming=False), id="not-streamed"),
        pytest.param(by_events(streaming=None), id="nobody-knows-whether-streamed"),
        pytest.param(by_events(input_tokens=0), id="zero"),
        pytest.param(by_events(input_tokens=None), id="none"),
        pytest.param(by_events("finance"), id="of-another-subscription"),
        pytest.param(by_events(input_tokens=None, images=3), id="other-units"),
        pytest.param(
            by_events(streaming=False, requests_awaiting_metrics=1), id="not-streamed-but-awaiting"
        ),
    ],
)
def test_other_calls_beside_metrics_count_once(other: Row) -> None:
    assert classes(other, by_metrics(), awaiting(2)) == {}


def test_a_covered_product_has_requests_that_await_and_tokens_by_metrics() -> None:
    """Nobody knows which of its calls were streamed."""
    request = awaiting(2) | {"streaming": False}
    tokens = by_metrics() | {"streaming": None}

    assert classes(request, tokens) == {}
    assert list(classes(request)) == ["streaming_uncovered"]


@pytest.mark.parametrize(
    "row",
    [
        pytest.param({"day": "2026-11-20", "source": "event_hub", "requests": 3}, id="plain"),
        pytest.param(by_events(streaming=False), id="tokens-of-calls-that-were-not-streamed"),
        pytest.param(by_events(), id="tokens-of-streamed-calls-alone"),
        pytest.param(awaiting(0), id="emptied-by-a-correction"),
        pytest.param(by_metrics(input_tokens=0), id="metrics-of-zero"),
    ],
)
def test_what_lacks_nothing_is_not_listed(row: Row) -> None:
    assert classes(row) == {}


# Metrics that name no subscription: citadel's tell the product alone


def of_product(row: Row, product: str | None) -> Row:
    return row | {"product_id": product}


def test_requests_are_covered_by_metrics_of_their_products_that_name_no_subscription() -> None:
    requests = of_product(awaiting(3), "retail"), of_product(awaiting(2, "b"), "retail")

    assert classes(*requests, of_product(by_metrics(None), "retail")) == {}


@pytest.mark.parametrize(
    "tokens",
    [
        pytest.param(of_product(by_metrics(None), "banking"), id="another-product"),
        pytest.param(of_product(by_metrics(None, "2026-11-19"), "retail"), id="another-day"),
        pytest.param(of_product(by_metrics("b"), "retail"), id="another-subscription"),
        pytest.param(of_product(by_metrics(None, input_tokens=0), "retail"), id="zero"),
    ],
)
def test_other_metrics_cover_no_request_of_a_product(tokens: Row) -> None:
    found = classes(of_product(awaiting(3), "retail"), tokens)

    assert [each["subscription"] for each in found["streaming_uncovered"]] == ["hr"]


def test_every_product_that_a_subscription_awaits_has_to_be_there() -> None:
    rows = of_product(awaiting(3), "retail"), of_product(awaiting(2), "banking")

    found = classes(*rows, of_product(by_metrics(None), "retail"))

    assert [each["requests"] for each in found["streaming_uncovered"]] == [5]


def test_metrics_of_products_that_no_request_awaits_are_without_requests() -> None:
    tokens = of_product(by_metrics(None), "retail")

    assert list(classes(tokens)) == ["without_requests"]
    assert list(classes(of_product(awaiting(1), "retail"), tokens)) == []


def test_only_the_subscriptions_that_are_wanted_are_listed() -> None:
    streaming = Streaming(wanted=["hr"])
    for row in (awaiting(1), awaiting(2, "other"), by_metrics("third")):
        streaming.add(row)

    found = streaming.listed(COLLECTED)

    uncovered = found["streaming_uncovered"]
    assert [each["subscription"] for each in uncovered["listed"]] == ["hr"]
    assert (uncovered["count"], found["without_requests"]["count"]) == (1, 0)


def test_long_lists_are_cut_and_their_counts_are_whole() -> None:
    rows = [awaiting(1, f"s{n:05}") for n in range(MAX_LISTED + 1)]

    found = listed(*rows)["streaming_uncovered"]

    assert MAX_LISTED == 1_000
    assert (found["count"], len(found["listed"])) == (1_001, 1_000)
    assert found["listed"][-1]["subscription"] == "s00999"


SUBSCRIPTIONS = st.sampled_from(["a", "b", None])
ROWS = st.lists(
    st.one_of(
        st.builds(awaiting, st.integers(0, 3), SUBSCRIPTIONS),
        st.builds(lambda who, n: by_metrics(who, input_tokens=n), SUBSCRIPTIONS, st.integers(0, 3)),
        st.builds(by_events, SUBSCRIPTIONS),
    ),
    max_size=8,
)


@given(ROWS, st.sampled_from([COLLECTED, BEHIND]), st.data())
def test_the_order_of_rollups_changes_nothing(
    rows: list[Row], seen: Metrics, data: st.DataObject
) -> None:
    assert listed(*data.draw(st.permutations(rows)), seen=seen) == listed(*rows, seen=seen)


@given(ROWS)
def test_a_request_is_never_awaited_and_uncovered_at_once(rows: list[Row]) -> None:
    sent = sum(row.get("requests_awaiting_metrics", 0) for row in rows)

    before, after = (classes(*rows, seen=seen) for seen in (BEHIND, COLLECTED))

    assert "streaming_uncovered" not in before
    assert "awaiting" not in after
    assert sum(each["requests"] for each in before.get("awaiting", ())) == sent


# What a range has of the metrics


def test_a_range_is_covered_once_its_days_are_settled_and_the_marks_move() -> None:
    last = DAY + timedelta(days=1)

    found = metrics_state(COLLECTED, NOW, DAY, last)

    assert (found["covered"], found["text"]) == (True, None)
    assert [each["profile"] for each in found["watermarks"]] == ["own"]
    assert not metrics_state(BEHIND, NOW, DAY, last)["covered"]


def test_today_need_not_be_settled_for_a_range_that_ends_in_it() -> None:
    assert metrics_state(COLLECTED, NOW, DAY, NOW.date() + timedelta(days=7))["covered"]


def test_a_range_from_before_collecting_began_is_not_covered() -> None:
    before = LONG_AGO.date() - timedelta(days=1)

    assert not metrics_state(COLLECTED, NOW, before, DAY)["covered"]
    assert metrics_state(COLLECTED, NOW, LONG_AGO.date(), DAY)["covered"]


def test_without_sources_nothing_is_collected_and_it_is_said() -> None:
    found = metrics_state(metrics(mark(), sources=()), NOW, DAY, DAY)

    assert (found["covered"], found["text"]) == (False, NOT_COLLECTED)
    assert [each["configured"] for each in found["watermarks"]] == [False]
