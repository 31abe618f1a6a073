import csv
import io
import itertools
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from usage_ingest.completeness import hub_state
from usage_ingest.errors import InvalidQueryError
from usage_ingest.events.progress import Gap, Progress
from usage_ingest.metrics.watermark import NOTES, Note, Source, Watermark
from usage_ingest.ports import ReportStores
from usage_ingest.record import USAGE_FIELDS
from usage_ingest.rollup import COUNTERS, REQUEST_COUNTERS
from usage_ingest.streaming import NOT_COLLECTED
from usage_ingest.summary import MAX_GROUPS, columns_of, is_complete, summarise
from usage_ingest.summary_csv import to_csv
from usage_ingest.summary_query import SummaryQuery, Value

NOW = datetime(2026, 3, 14, 12, tzinfo=UTC)
START, END = date(2026, 3, 1), date(2026, 3, 14)
EVERY_DAY = [f"2026-03-{day:02}" for day in range(1, 15)]

Row = dict[str, Any]


class FakeReader:
    """Rows as given; it filters nothing and remembers what it was asked, in order."""

    def __init__(self, rows: Sequence[Row], counts: Sequence[Row], log: list[str]) -> None:
        self.rows = rows
        self.counts = counts
        self.log = log
        self.asked: list[tuple[Any, ...]] = []
        self.days: tuple[str, str] = ("", "")

    async def rollups(
        self, columns: Sequence[str], start: str, end: str, filters: Mapping[str, Sequence[Any]]
    ) -> AsyncIterator[Row]:
        self.log.append("rollups")
        self.asked.append((columns, start, end, {name: [*of] for name, of in filters.items()}))
        for row in self.rows:
            yield row

    async def dead_letter_counts(self, start: str, end: str) -> AsyncIterator[Row]:
        self.log.append("dead letters")
        self.days = (start, end)
        for row in self.counts:
            yield row

    async def check(self) -> None:
        raise AssertionError("a summary does not check the store")


class FakeProgress:
    """Partitions as given; a summary reads all of them at once and writes nothing."""

    def __init__(self, partitions: Sequence[Progress], log: list[str]) -> None:
        self.partitions = partitions
        self.log = log

    async def all(self) -> list[Progress]:
        self.log.append("progress")
        return list(self.partitions)

    async def read(
        self, namespace: str, hub: str, partition_id: str, *, fresh: bool = False
    ) -> Progress | None:
        raise AssertionError(namespace, hub, partition_id, fresh)

    async def write(self, progress: Progress) -> Progress:
        raise AssertionError(progress)

    async def archive(self, progress: Progress) -> None:
        raise AssertionError(progress)


class FakeWatermarks:
    """Marks as given; a summary reads all of them at once and writes nothing."""

    def __init__(self, marks: Sequence[Watermark], log: list[str]) -> None:
        self.marks = marks
        self.log = log

    async def delete(self, mark: Watermark) -> None:
        raise AssertionError(mark)

    async def all(self) -> list[Watermark]:
        self.log.append("watermarks")
        return list(self.marks)

    async def read(self, source: Source) -> Watermark | None:
        raise AssertionError(source)

    async def write(self, mark: Watermark) -> Watermark:
        raise AssertionError(mark)


def stores_of(
    reader: FakeReader,
    progress: FakeProgress,
    marks: Sequence[Watermark] = (),
    sources: Sequence[Source] = (),
) -> ReportStores:
    return ReportStores(
        reader=reader,
        progress=progress,
        watermarks=FakeWatermarks(marks, progress.log),
        sources=sources,
        settling_delay=timedelta(minutes=15),
    )


def query_of(*group_by: str, **overrides: Any) -> SummaryQuery:
    return SummaryQuery(**{"start": START, "end": END, "group_by": group_by, **overrides})


def rollup(day: str = "2026-03-02", /, **fields: Any) -> Row:
    return {"day": day, "usage_estimated": False, **fields}


def partition(partition_id: str = "0", **overrides: Any) -> Progress:
    given: Row = {
        "namespace": "contoso.servicebus.windows.net",
        "hub": "usage",
        "partition_id": partition_id,
        "stored_through": 100,
        "mark_time": NOW - timedelta(minutes=1),
        "last_enqueued": 100,
        "checked_at": NOW - timedelta(minutes=2),
        **overrides,
    }
    return Progress(**given)


def gap(
    first: int, last: int, after: datetime | None = None, before: datetime | None = None
) -> Gap:
    return Gap(first, last, NOW, after, before)


async def summary_of(
    query: SummaryQuery,
    *rows: Row,
    partitions: Sequence[Progress] | None = None,
    counts: Sequence[Row] = (),
    now: datetime = NOW,
    marks: Sequence[Watermark] = (),
    sources: Sequence[Source] = (),
) -> Row:
    partitions = [partition()] if partitions is None else partitions
    reader, progress = FakeReader(rows, counts, []), FakeProgress(partitions, [])
    return await summarise(query, stores_of(reader, progress, marks, sources), now)


async def completeness_of(query: SummaryQuery, *rows: Row, **given: Any) -> Row:
    completeness: Row = (await summary_of(query, *rows, **given))["completeness"]
    return completeness


# What was used


async def test_totals_add_up_what_rollups_counted() -> None:
    summary = await summary_of(
        query_of(),
        rollup(requests=3, failed_requests=1, input_tokens=100, output_tokens=7),
        rollup(requests=2, rate_limited_requests=1, input_tokens=11),
    )

    totals = summary["totals"]
    assert [totals[name] for name in REQUEST_COUNTERS] == [5, 1, 1, 0, 0]
    assert totals["input_tokens"] == 111
    assert totals["output_tokens"] == 7
    assert summary["groups"] == []


async def test_a_unit_that_nobody_reported_stays_null_and_a_reported_zero_stays_zero() -> None:
    totals = (await summary_of(query_of(), rollup(requests=1, cached_input_tokens=0)))["totals"]

    assert totals["cached_input_tokens"] == 0
    assert [name for name in USAGE_FIELDS if totals[name] is not None] == ["cached_input_tokens"]


async def test_nothing_read_is_no_requests_and_unknown_usage() -> None:
    summary = await summary_of(query_of("model"))

    assert [summary["totals"][name] for name in REQUEST_COUNTERS] == [0] * len(REQUEST_COUNTERS)
    assert {summary["totals"][name] for name in USAGE_FIELDS} == {None}
    assert set(summary["totals"]["latency"].values()) == {None}
    assert set(summary["totals"]["estimated"].values()) == {None}
    assert summary["groups"] == []


async def test_a_rollup_that_a_correction_emptied_is_left_out() -> None:
    summary = await summary_of(
        query_of("model"),
        rollup(model="gone", requests=0, input_tokens=0),
        rollup(model="bare"),
        rollup(model="kept", requests=1),
    )

    assert [group["key"] for group in summary["groups"]] == [{"model": "kept"}]
    assert summary["totals"]["input_tokens"] is None


async def test_sums_beyond_what_a_float_can_hold_stay_exact() -> None:
    large = 2**53 - 1
    rows = [rollup(requests=1, total_tokens=large)] * 3

    assert (await summary_of(query_of(), *rows))["totals"]["total_tokens"] == 3 * large


async def test_whole_numbers_that_the_store_returns_as_floats_become_integers() -> None:
    requests = (await summary_of(query_of(), rollup(requests=2.0)))["totals"]["requests"]

    assert (requests, type(requests)) == (2, int)


async def test_estimated_tokens_are_told_apart_from_what_providers_reported() -> None:
    summary = await summary_of(
        query_of(),
        rollup(requests=1, input_tokens=10, total_tokens=10),
        rollup(requests=1, input_tokens=5, output_tokens=0, usage_estimated=True),
    )

    assert summary["totals"]["input_tokens"] == 15
    assert summary["totals"]["estimated"] == {
        "input_tokens": 5,
        "output_tokens": 0,
        "total_tokens": None,
    }
    assert summary["completeness"]["estimated"] is True


async def test_latency_is_an_average_and_the_bounds_of_the_percentiles_buckets() -> None:
    summary = await summary_of(
        query_of(),
        rollup(requests=90, latency_ms_sum=9_000, latency_le_250_ms=90),
        rollup(requests=10, latency_ms_sum=20_060, latency_le_2500_ms=10),
    )

    assert summary["totals"]["latency"] == {
        "average_ms": 291,
        "p50_ms_at_most": 250,
        "p50_ms_above": None,
        "p95_ms_at_most": 2_500,
        "p95_ms_above": None,
    }


async def test_a_percentile_above_the_last_bucket_has_no_upper_bound_and_says_so() -> None:
    summary = await summary_of(
        query_of(),
        rollup(requests=2, latency_ms_sum=90_100, latency_le_250_ms=1, latency_above_60000_ms=1),
    )

    latency = summary["totals"]["latency"]
    assert (latency["p50_ms_at_most"], latency["p50_ms_above"]) == (250, None)
    assert (latency["p95_ms_at_most"], latency["p95_ms_above"]) == (None, 60_000)


# Groups


async def test_groups_are_keyed_by_public_names_and_sorted_with_null_last() -> None:
    summary = await summary_of(
        query_of("subscription", "streaming"),
        rollup(requests=1, streaming=True),
        rollup(requests=2, subscription_id="b", streaming=True),
        rollup(requests=3, subscription_id="b"),
        rollup(requests=4, subscription_id="a", streaming=False),
        rollup(requests=5, subscription_id="b", streaming=False),
    )

    assert [(*group["key"].values(), group["requests"]) for group in summary["groups"]] == [
        ("a", False, 4),
        ("b", False, 5),
        ("b", True, 2),
        ("b", None, 3),
        (None, True, 1),
    ]


async def test_a_tag_is_read_from_the_stored_object_of_tags() -> None:
    summary = await summary_of(
        query_of("tag:cost.center"),
        rollup(requests=1, tags={"cost.center": "a", "team": "x"}),
        rollup(requests=1, tags={"cost.center": "a"}),
        rollup(requests=1, tags=None),
        rollup(requests=1),
        rollup(requests=1, tags={"team": "x"}),
    )

    assert [(group["key"], group["requests"]) for group in summary["groups"]] == [
        ({"tag:cost.center": "a"}, 2),
        ({"tag:cost.center": None}, 3),
    ]


async def test_more_groups_than_a_summary_holds_are_refused_by_name() -> None:
    rows = [rollup(requests=1, app_id=f"app {n}") for n in range(MAX_GROUPS)]
    again, one_more = rollup(requests=1, app_id="app 0"), rollup(requests=1, app_id="new")
    assert len((await summary_of(query_of("app"), *rows, again))["groups"]) == MAX_GROUPS

    with pytest.raises(InvalidQueryError, match="narrow") as refused:
        await summary_of(query_of("app"), *rows, one_more)

    assert refused.value.parameter == "group_by"


# What is read


async def test_the_reader_is_asked_in_stored_names_for_the_days_and_filters_of_the_query() -> None:
    filters: dict[str, tuple[Value, ...]] = {
        "app": (None, "shop"),
        "streaming": (True, None),
        "tag:team": ("a", "b"),
        "day": ("2026-03-02",),
    }
    query = query_of("subscription", "app", filters=filters)
    reader, progress = FakeReader([], [], []), FakeProgress([], [])

    summary = await summarise(query, stores_of(reader, progress), NOW)

    columns, *asked = reader.asked[0]
    assert columns == (
        *("day", "subscription_id", "source", "streaming", "product_id", "usage_estimated"),
        *("app_id", "tags.team"),
        *COUNTERS,
    )
    assert asked == [
        "2026-03-01",
        "2026-03-14",
        {
            "app_id": [None, "shop"],
            "streaming": [True, None],
            "tags.team": ["a", "b"],
            "day": ["2026-03-02"],
        },
    ]
    assert reader.days == ("2026-03-01", "2026-03-15")
    assert summary["filters"] == {name: list(values) for name, values in filters.items()}


def test_only_what_a_summary_needs_is_read() -> None:
    always = ("day", "subscription_id", "source", "streaming", "product_id", "usage_estimated")

    assert columns_of(query_of()) == (*always, *COUNTERS)
    assert columns_of(query_of("day", "tag:team")) == (*always, "tags.team", *COUNTERS)


async def test_what_a_filter_could_hide_of_streamed_requests_is_read_beside_it() -> None:
    """Metrics know no API: a filter by it leaves the requests and drops their tokens."""
    filters: dict[str, tuple[Value, ...]] = {"api_kind": ("chat",), "subscription": ("hr",)}
    reader = FakeReader([], [], [])

    await summarise(query_of(filters=filters), stores_of(reader, FakeProgress([], [])), NOW)

    assert [asked[3] for asked in reader.asked] == [
        {"api_kind": ["chat"], "subscription_id": ["hr"]},
        {"subscription_id": ["hr", None]},
    ]


async def test_without_such_a_filter_rollups_are_read_once() -> None:
    filters: dict[str, tuple[Value, ...]] = {"day": ("2026-03-02",)}
    reader = FakeReader([], [], [])

    await summarise(query_of(filters=filters), stores_of(reader, FakeProgress([], [])), NOW)

    assert len(reader.asked) == 1


async def test_progress_and_dead_letters_are_read_before_the_totals_they_vouch_for() -> None:
    """What is stored while the report runs must not look covered without being counted."""
    log: list[str] = []

    stores = stores_of(FakeReader([], [], log), FakeProgress([], log))
    await summarise(query_of(), stores, NOW)

    assert log == ["progress", "dead letters", "watermarks", "rollups"]


async def test_the_summary_says_what_was_asked_and_is_ready_for_json() -> None:
    summary = await summary_of(query_of("day"), rollup(requests=1))

    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert summary["range"] == {
        "start_date": "2026-03-01",
        "end_date": "2026-03-14",
        "time_zone": "UTC",
    }
    assert summary["generated_at"] == "2026-03-14T12:00:00.000000Z"
    assert summary["group_by"] == ["day"]
    assert summary["filters"] == {}


# What it covers


async def test_a_hub_that_is_stored_to_its_end_is_complete() -> None:
    summary = await summary_of(query_of(), rollup(requests=1))

    assert is_complete(summary)
    assert summary["completeness"] == {
        "sources": {
            "event_hub": {
                "partitions": [
                    {
                        "namespace": "contoso.servicebus.windows.net",
                        "hub": "usage",
                        "partition_id": "0",
                        "stored_through": 100,
                        "last_enqueued": 100,
                        "lag": 0,
                        "checked_at": "2026-03-14T11:58:00.000000Z",
                        "mark_time": "2026-03-14T11:59:00.000000Z",
                    }
                ],
                "lag": 0,
                "open_gaps": [],
                "lost_gaps": [],
                "gap_events_open": 0,
                "gap_events_lost": 0,
            },
            "metrics": {"covered": False, "text": NOT_COLLECTED, "watermarks": []},
        },
        "streaming": {
            **{
                name: {"count": 0, "listed": []}
                for name in ("awaiting", "streaming_uncovered", "without_requests", "by_both")
            },
            "checked_by_request": False,
        },
        "requests_awaiting_metrics": 0,
        "requests_without_usage": 0,
        "dead_letters": {"open": {}, "closed": {}, "dropped": {}, "total_open": 0},
        "days_without_usage": [day for day in EVERY_DAY if day != "2026-03-02"],
        "estimated": False,
        "complete": True,
        "incomplete_because": [],
    }


async def test_without_any_progress_nothing_is_known_to_be_complete() -> None:
    summary = await summary_of(query_of(), partitions=[])

    assert not is_complete(summary)
    assert summary["completeness"]["incomplete_because"] == ["progress_unknown"]
    assert summary["completeness"]["sources"]["event_hub"]["lag"] is None


async def test_events_behind_the_mark_make_the_total_incomplete() -> None:
    partitions = [partition("10", last_enqueued=103), partition("9", last_enqueued=102)]

    completeness = await completeness_of(query_of(), partitions=partitions)

    hub = completeness["sources"]["event_hub"]
    assert completeness["incomplete_because"] == ["lag"]
    assert hub["lag"] == 5
    assert [(each["partition_id"], each["lag"]) for each in hub["partitions"]] == [
        ("9", 2),
        ("10", 3),
    ]


async def test_a_partition_whose_end_was_never_looked_up_leaves_the_lag_unknown() -> None:
    unseen = partition("1", last_enqueued=None, checked_at=None)

    completeness = await completeness_of(query_of(), partitions=[partition(), unseen])

    assert completeness["incomplete_because"] == ["not_checked_lately"]
    assert completeness["sources"]["event_hub"]["lag"] is None


@pytest.mark.parametrize(("minutes", "because"), [(30, []), (31, ["not_checked_lately"])])
async def test_a_look_at_the_hub_holds_for_half_an_hour(minutes: int, because: list[str]) -> None:
    looked = partition(checked_at=NOW - timedelta(minutes=minutes))

    completeness = await completeness_of(query_of(), partitions=[looked])

    assert completeness["incomplete_because"] == because


async def test_todays_lag_does_not_make_a_month_that_is_long_stored_incomplete() -> None:
    """What waits behind the mark was enqueued after it, so after all of the range."""
    february = query_of(start=date(2026, 2, 1), end=date(2026, 2, 28))
    behind = partition(last_enqueued=500, checked_at=NOW - timedelta(hours=2))

    completeness = await completeness_of(february, partitions=[behind])

    assert completeness["incomplete_because"] == []
    assert completeness["sources"]["event_hub"]["lag"] == 400


async def test_a_partition_that_was_seen_idle_after_the_range_needs_no_later_look() -> None:
    february = query_of(start=date(2026, 2, 1), end=date(2026, 2, 28))
    idle = partition(
        mark_time=datetime(2026, 2, 3, tzinfo=UTC), checked_at=datetime(2026, 3, 3, tzinfo=UTC)
    )

    assert (await completeness_of(february, partitions=[idle]))["complete"]


async def test_gaps_are_listed_with_what_they_may_lack() -> None:
    after, before = datetime(2026, 3, 4, tzinfo=UTC), datetime(2026, 3, 5, tzinfo=UTC)
    gaps = (gap(20, 29), gap(7, 9, after=after, before=before))
    lost = (gap(1, 2),)

    completeness = await completeness_of(
        query_of(), partitions=[partition(open_gaps=gaps, lost_gaps=lost)]
    )

    hub = completeness["sources"]["event_hub"]
    assert completeness["incomplete_because"] == ["open_gaps", "lost_gaps"]
    assert (hub["gap_events_open"], hub["gap_events_lost"]) == (13, 2)
    assert [each["first"] for each in hub["open_gaps"]] == [7, 20]
    assert hub["open_gaps"][0] == {
        "namespace": "contoso.servicebus.windows.net",
        "hub": "usage",
        "partition_id": "0",
        "generation": 1,
        "first": 7,
        "last": 9,
        "events": 3,
        "after": "2026-03-04T00:00:00.000000Z",
        "before": "2026-03-05T00:00:00.000000Z",
        "noticed_at": "2026-03-14T12:00:00.000000Z",
    }
    assert hub["lost_gaps"][0]["after"] is None


@pytest.mark.parametrize(
    ("after", "before", "concerns"),
    [
        (None, None, True),
        (None, "2026-03-01", True),
        (None, "2026-02-28", False),
        ("2026-02-01", "2026-02-28", False),
        ("2026-02-01", "2026-04-01", True),
        ("2026-03-15", None, True),
        ("2026-03-16", None, False),
        ("2026-03-16", "2026-03-20", False),
    ],
)
async def test_a_gap_concerns_a_range_that_its_enqueued_times_may_fall_into(
    after: str | None, before: str | None, concerns: bool
) -> None:
    """The day after the range counts: a call just before midnight is enqueued just after it."""
    times = {
        name: datetime.fromisoformat(text).replace(tzinfo=UTC)
        for name, text in (("after", after), ("before", before))
        if text
    }
    gaps = (gap(5, 6, **times),)

    completeness = await completeness_of(
        query_of(), partitions=[partition(open_gaps=gaps, lost_gaps=gaps)]
    )

    hub = completeness["sources"]["event_hub"]
    assert completeness["complete"] is not concerns
    assert (len(hub["open_gaps"]), len(hub["lost_gaps"])) == (concerns, concerns)


async def test_what_an_archived_generation_lost_still_counts_but_it_is_no_live_partition() -> None:
    archived = partition(archived=True, lost_gaps=(gap(50, 59),), last_enqueued=900)
    live = partition(generation=2)

    completeness = await completeness_of(query_of(), partitions=[archived, live])

    hub = completeness["sources"]["event_hub"]
    assert completeness["incomplete_because"] == ["lost_gaps"]
    assert (hub["gap_events_lost"], hub["lost_gaps"][0]["generation"]) == (10, 1)
    assert (len(hub["partitions"]), hub["lag"]) == (1, 0)


def test_the_state_of_the_hub_lists_gaps_of_every_time() -> None:
    long_ago, far = datetime(2020, 1, 1, tzinfo=UTC), datetime(2090, 1, 1, tzinfo=UTC)
    gaps = (gap(1, 2, before=long_ago), gap(5, 5, after=far), gap(7, 7))

    hub = hub_state([partition(open_gaps=gaps, last_enqueued=104)])

    assert (hub["gap_events_open"], hub["gap_events_lost"], hub["lag"]) == (4, 0, 4)


async def test_archived_generations_alone_tell_nothing_of_the_present() -> None:
    completeness = await completeness_of(query_of(), partitions=[partition(archived=True)])

    assert completeness["incomplete_because"] == ["progress_unknown"]


async def test_dead_letters_are_added_up_by_reason_and_only_open_ones_are_missing() -> None:
    counts = [
        {"day": "2026-03-02", "type": "counts", "open_not_json": 2, "closed_not_json": 1},
        {"day": "2026-03-15", "open_not_json": 1, "open_bad_count": 4, "open_too_old": 0},
    ]

    completeness = await completeness_of(query_of(), counts=counts)

    assert completeness["incomplete_because"] == ["dead_letters"]
    assert completeness["dead_letters"] == {
        "open": {"bad_count": 4, "not_json": 3},
        "closed": {"not_json": 1},
        "dropped": {},
        "total_open": 7,
    }


async def test_dead_letters_that_were_all_closed_leave_the_total_complete() -> None:
    counts = [{"open_not_json": 0, "closed_not_json": 3}]

    assert (await completeness_of(query_of(), counts=counts))["complete"]


async def test_dropped_dead_letters_are_told_of_and_leave_the_total_complete() -> None:
    """A person gave them up: they are listed, and nobody waits for them."""
    counts = [{"open_not_json": 0, "dropped_not_json": 3}]

    completeness = await completeness_of(query_of(), counts=counts)

    assert completeness["complete"]
    assert completeness["dead_letters"]["dropped"] == {"not_json": 3}


async def test_streamed_requests_without_their_tokens_make_the_total_incomplete() -> None:
    completeness = await completeness_of(
        query_of(), rollup(requests=9, requests_awaiting_metrics=4, requests_without_usage=2)
    )

    assert completeness["incomplete_because"] == ["awaiting_metrics"]
    assert completeness["requests_awaiting_metrics"] == 4
    assert completeness["requests_without_usage"] == 2
    assert completeness["sources"]["metrics"]["covered"] is False


async def test_days_without_usage_end_today_and_ignore_emptied_rollups() -> None:
    query = query_of(start=date(2026, 3, 12), end=date(2026, 3, 20))

    completeness = await completeness_of(
        query, rollup("2026-03-12", requests=0), rollup("2026-03-13", requests=1)
    )

    assert completeness["days_without_usage"] == ["2026-03-12", "2026-03-14"]


async def test_a_range_that_has_not_begun_has_no_days_without_usage() -> None:
    query = query_of(start=date(2026, 5, 1), end=date(2026, 5, 2))

    assert (await completeness_of(query))["days_without_usage"] == []


async def test_of_a_filtered_range_no_day_is_said_to_lack_usage() -> None:
    filtered = query_of(filters={"app": ("shop",)})

    assert (await completeness_of(filtered))["days_without_usage"] is None


async def test_every_reason_is_told_at_once() -> None:
    partitions = [
        partition(
            open_gaps=(gap(1, 1),), lost_gaps=(gap(2, 2),), last_enqueued=101, checked_at=None
        )
    ]

    completeness = await completeness_of(
        query_of(),
        rollup(requests=1, requests_awaiting_metrics=1),
        partitions=partitions,
        counts=[{"open_not_json": 1}],
    )

    assert completeness["incomplete_because"] == [
        "open_gaps",
        "lost_gaps",
        "dead_letters",
        "lag",
        "not_checked_lately",
        "awaiting_metrics",
    ]
    assert completeness["complete"] is False


# What it covers of streamed requests

SOURCE = Source("11111111-aaaa-4bbb-8ccc-000000000001", "own")


def mark(
    through: datetime = NOW - timedelta(minutes=15),
    notes: Mapping[Note, tuple[str, ...]] | None = None,
    source: Source = SOURCE,
) -> Watermark:
    return Watermark(
        source=source,
        collected_from=datetime(2026, 2, 1, tzinfo=UTC),
        collected_through=through,
        checked_at=NOW,
        notes=notes or {},
    )


def streamed(requests: int = 1, **fields: Any) -> Row:
    """Requests of the second of March whose tokens come by the metrics."""
    return rollup(
        subscription_id="hr",
        source="event_hub",
        streaming=True,
        requests=requests,
        requests_awaiting_metrics=requests,
        **fields,
    )


def measured(**fields: Any) -> Row:
    return rollup(
        subscription_id="hr", source="metrics", streaming=True, usage_estimated=True, **fields
    )


async def of_streaming(*rows: Row, marks: Sequence[Watermark] | None = None, **given: Any) -> Row:
    marks = [mark()] if marks is None else marks
    return await completeness_of(
        given.pop("query", query_of()), *rows, marks=marks, sources=[SOURCE], **given
    )


async def test_a_settled_day_whose_streamed_requests_have_tokens_is_complete() -> None:
    rows = streamed(3), measured(input_tokens=40, output_tokens=2)

    completeness = await of_streaming(*rows)

    assert completeness["complete"]
    assert completeness["sources"]["metrics"]["covered"]
    assert completeness["sources"]["metrics"]["text"] is None
    assert completeness["requests_awaiting_metrics"] == 3
    assert completeness["estimated"]
    assert completeness["streaming"]["checked_by_request"] is False


async def test_tokens_by_metrics_are_in_the_totals_and_their_requests_are_not() -> None:
    summary = await summary_of(query_of(), streamed(3), measured(input_tokens=40))

    assert (summary["totals"]["requests"], summary["totals"]["input_tokens"]) == (3, 40)
    assert summary["totals"]["estimated"]["input_tokens"] == 40


async def test_streamed_requests_of_a_day_that_is_not_settled_are_awaited() -> None:
    today = {"day": "2026-03-14"}

    completeness = await of_streaming(streamed(3) | today, measured(input_tokens=40) | today)

    assert completeness["incomplete_because"] == ["awaiting_metrics"]
    assert completeness["streaming"]["awaiting"] == {
        "count": 1,
        "listed": [{"day": "2026-03-14", "subscription": "hr", "requests": 3}],
    }


async def test_streamed_requests_of_a_settled_day_without_tokens_are_uncovered() -> None:
    completeness = await of_streaming(streamed(3), streamed(4))

    assert completeness["incomplete_because"] == ["streaming_uncovered"]
    assert completeness["streaming"]["streaming_uncovered"] == {
        "count": 1,
        "listed": [{"day": "2026-03-02", "subscription": "hr", "requests": 7}],
    }


async def test_tokens_by_metrics_of_requests_that_no_event_told_of_are_listed() -> None:
    """They are in the totals: nothing is missing from those."""
    completeness = await of_streaming(measured(input_tokens=40))

    assert completeness["incomplete_because"] == []
    assert completeness["streaming"]["without_requests"]["listed"] == [
        {"day": "2026-03-02", "subscription": "hr", "input_tokens": 40}
    ]


async def test_a_source_that_was_given_up_within_the_range_makes_it_incomplete() -> None:
    gone = mark(datetime(2026, 3, 5, 9, tzinfo=UTC), source=Source(SOURCE.target, "gone"))

    assert (await of_streaming(marks=[mark(), gone]))["incomplete_because"] == [
        "metrics_source_left"
    ]
    later = query_of(start=date(2026, 3, 6), end=date(2026, 3, 14))
    assert (await of_streaming(query=later, marks=[mark(), gone]))["complete"]


async def test_streamed_requests_that_may_count_by_both_channels_are_told() -> None:
    told = rollup(subscription_id="hr", source="event_hub", streaming=True, requests=1)

    completeness = await of_streaming(
        streamed(3), measured(input_tokens=40), told | {"output_tokens": 5}
    )

    assert completeness["incomplete_because"] == ["streaming_by_both"]
    assert completeness["streaming"]["by_both"]["count"] == 1


async def test_a_mark_that_does_not_move_makes_the_range_incomplete() -> None:
    completeness = await of_streaming(marks=[mark(NOW - timedelta(hours=2))])

    assert completeness["incomplete_because"] == ["metrics_lag"]
    assert not completeness["sources"]["metrics"]["covered"]


async def test_a_source_that_was_never_collected_makes_the_range_incomplete() -> None:
    completeness = await of_streaming(marks=[])

    assert completeness["incomplete_because"] == ["metrics_lag"]
    assert completeness["sources"]["metrics"]["watermarks"][0]["collected_through"] is None


async def test_a_mark_that_stopped_after_the_range_leaves_it_complete() -> None:
    february = query_of(start=date(2026, 2, 1), end=date(2026, 2, 28))
    stopped = mark(datetime(2026, 3, 1, 1, tzinfo=UTC))

    assert (await of_streaming(query=february, marks=[stopped]))["complete"]
    assert (await of_streaming(marks=[stopped]))["incomplete_because"] == ["metrics_lag"]


@pytest.mark.parametrize("note", NOTES)
@pytest.mark.parametrize(("day", "concerns"), [("02-28", False), ("03-01", True), ("03-14", True)])
async def test_what_is_odd_of_a_bin_makes_the_range_of_its_day_incomplete(
    note: Note, day: str, *, concerns: bool
) -> None:
    noted = mark(notes={note: (f"2026-{day}",)})

    completeness = await of_streaming(marks=[noted])

    assert completeness["incomplete_because"] == ([note] if concerns else [])
    assert completeness["sources"]["metrics"]["watermarks"][0][note] == [f"2026-{day}"]


async def test_every_reason_of_streaming_is_told_at_once() -> None:
    day = {"day": "2026-03-14"}
    gone = Source(SOURCE.target, "gone")

    completeness = await of_streaming(
        streamed() | day,
        streamed() | {"subscription_id": "finance"},
        measured(input_tokens=1),
        rollup(subscription_id="hr", source="event_hub", streaming=True, input_tokens=1),
        marks=[
            mark(datetime(2026, 3, 14, tzinfo=UTC) + timedelta(minutes=15)),
            mark(
                datetime(2026, 3, 5, 9, tzinfo=UTC),
                source=gone,
                notes=dict.fromkeys(reversed(NOTES), ("2026-03-02",)),
            ),
        ],
    )

    assert completeness["incomplete_because"] == [
        "metrics_lag",
        "awaiting_metrics",
        "streaming_uncovered",
        "metrics_source_left",
        "streaming_by_both",
        *NOTES,
    ]


# CSV


def cells_of(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


async def test_csv_has_one_row_per_group_and_empty_cells_for_null() -> None:
    summary = await summary_of(
        query_of("app", "streaming"),
        rollup(requests=2, app_id="shop", streaming=True, input_tokens=0, output_tokens=5),
        rollup(requests=1, latency_ms_sum=40, latency_le_250_ms=1),
    )

    text = to_csv(summary)

    header, *rows = cells_of(text)
    assert header == ["app", "streaming", *REQUEST_COUNTERS, *USAGE_FIELDS, "latency_average_ms"]
    first, second = (dict(zip(header, row, strict=True)) for row in rows)
    assert [first[name] for name in ("app", "streaming", "requests")] == ["shop", "true", "2"]
    assert [first[name] for name in ("input_tokens", "output_tokens", "images")] == ["0", "5", ""]
    assert [second[name] for name in ("app", "streaming", "failed_requests")] == ["", "", "0"]
    assert [each["latency_average_ms"] for each in (first, second)] == ["", "40"]
    assert text.endswith("\r\n")


async def test_csv_without_groups_is_one_row_of_totals() -> None:
    header, *rows = cells_of(to_csv(await summary_of(query_of(), rollup(requests=3))))

    assert header == [*REQUEST_COUNTERS, *USAGE_FIELDS, "latency_average_ms"]
    assert [row[0] for row in rows] == ["3"]


async def test_csv_of_no_groups_found_is_the_header_alone() -> None:
    assert len(cells_of(to_csv(await summary_of(query_of("app"))))) == 1


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
async def test_csv_shows_what_a_spreadsheet_would_compute(start: str) -> None:
    """An app names itself: its name must not run as a formula on the reader's machine."""
    name = f'{start}HYPERLINK("http://example.test")'

    text = to_csv(await summary_of(query_of("app"), rollup(requests=1, app_id=name)))

    assert cells_of(text)[1][0] == f"'{name}"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (" =1+1", "' =1+1"),
        ("\u00a0\u200b@SUM(1)", "'\u00a0\u200b@SUM(1)"),
        ("\N{FULLWIDTH EQUALS SIGN}1+1", "'\N{FULLWIDTH EQUALS SIGN}1+1"),
        ("\N{FULLWIDTH COMMERCIAL AT}A1", "'\N{FULLWIDTH COMMERCIAL AT}A1"),
        ("a;=1+1;b; -2", "a;'=1+1;b;' -2"),
        ("a\n=1", "a\n'=1"),
        ("plain-name; a=b", "plain-name; a=b"),
        ("a - b", "a - b"),
    ],
)
async def test_csv_shows_what_some_spreadsheets_would_compute(name: str, shown: str) -> None:
    """They pass over blanks, read wide signs as narrow ones, and part cells at semicolons."""
    text = to_csv(await summary_of(query_of("app"), rollup(requests=1, app_id=name)))

    assert cells_of(text)[1][0] == shown


async def test_csv_quotes_commas_quotes_and_line_breaks() -> None:
    name = 'Shop, "new"\r\nline'

    text = to_csv(await summary_of(query_of("app"), rollup(requests=1, app_id=name)))

    assert cells_of(text)[1][0] == name


# Properties

_COUNTS = st.dictionaries(
    st.sampled_from([name for name in COUNTERS if name != "requests"]),
    st.integers(0, 100_000_000),
    max_size=6,
)
_CALLS = st.builds(
    lambda key, counts: (key, {"requests": 1, **counts}),
    st.fixed_dictionaries(
        {"day": st.sampled_from(EVERY_DAY), "usage_estimated": st.booleans()},
        optional={
            "app_id": st.sampled_from(["a", "b", "(other)"]),
            "streaming": st.booleans(),
            "tags": st.sampled_from([{"team": "x"}, {"team": "y"}]),
        },
    ),
    _COUNTS,
)
_GROUPS = st.lists(
    st.sampled_from(["day", "app", "streaming", "tag:team"]), unique=True, max_size=4
)


def rollups_of(calls: Sequence[tuple[Row, dict[str, int]]], slots: Sequence[int]) -> list[Row]:
    """Count calls as the store does: one rollup per key and slot, absent where unreported."""
    counted: dict[str, Row] = {}
    for (key, counts), slot in zip(calls, itertools.cycle(slots), strict=False):
        row = counted.setdefault(f"{sorted(key.items())} {slot}", dict(key))
        for name, value in counts.items():
            row[name] = row.get(name, 0) + value
    return list(counted.values())


@settings(deadline=None)
@given(st.lists(_CALLS, max_size=12), _GROUPS, st.data())
async def test_how_rollups_are_split_and_in_what_order_they_are_read_changes_nothing(
    calls: list[tuple[Row, dict[str, int]]], groups: list[str], data: st.DataObject
) -> None:
    slots = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=12))
    one_slot, many = rollups_of(calls, [0]), rollups_of(calls, slots)
    query = query_of(*groups)

    whole = await summary_of(query, *one_slot)
    split = await summary_of(query, *data.draw(st.permutations(many)))

    assert json.dumps(split) == json.dumps(whole)


@settings(deadline=None)
@given(st.lists(_CALLS, max_size=12), _GROUPS.filter(bool))
async def test_the_sum_of_the_groups_is_the_totals(
    calls: list[tuple[Row, dict[str, int]]], groups: list[str]
) -> None:
    rows = rollups_of(calls, [0, 1])

    grouped = await summary_of(query_of(*groups), *rows)

    for name in (*REQUEST_COUNTERS, *USAGE_FIELDS):
        reported = [group[name] for group in grouped["groups"] if group[name] is not None]
        none = 0 if name in REQUEST_COUNTERS else None
        assert grouped["totals"][name] == (sum(reported) if reported else none)
    assert grouped["totals"] == (await summary_of(query_of(), *rows))["totals"]
