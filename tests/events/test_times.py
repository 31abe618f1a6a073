from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sightings import outcome_of
from usage_ingest.errors import InvalidEventError
from usage_ingest.events.times import event_time

ENQUEUED = datetime(2026, 11, 20, 15, 4, 10, tzinfo=UTC)
CALLED = datetime(2026, 11, 20, 15, 4, 5, tzinfo=UTC)
MORNING = datetime(2026, 11, 20, 11, 4, 5, tzinfo=UTC)

moments = st.datetimes(datetime(1970, 1, 2), datetime(9990, 1, 1)).map(  # noqa: DTZ001 - made aware
    lambda naive: naive.replace(microsecond=0, tzinfo=UTC)
)


def refusal(
    value: str | float, enqueued: datetime | None = ENQUEUED, path: str = "event_time"
) -> InvalidEventError:
    with pytest.raises(InvalidEventError) as refused:
        event_time(value, enqueued, path)
    return refused.value


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        pytest.param(
            "2026-11-20T15:04:05.1234567Z", CALLED.replace(microsecond=123456), id="dotnet-o-format"
        ),
        pytest.param("2026-11-20T15:04:05Z", CALLED, id="iso"),
        pytest.param("2026-11-20T15:04:05", CALLED, id="iso-without-zone-is-utc"),
        pytest.param("2026-11-20T16:04:05+01:00", CALLED, id="iso-with-offset"),
        pytest.param("2026-11-20 15:04:05", CALLED, id="sv-SE-or-iso-with-a-space"),
        pytest.param("  2026-11-20T15:04:05Z ", CALLED, id="iso-between-spaces"),
        pytest.param("11/20/2026 3:04:05 PM", CALLED, id="en-US"),
        pytest.param("11/20/2026 3:04:05\u202fPM", CALLED, id="en-US-with-narrow-space"),
        pytest.param("11/20/2026 3:04:05\u00a0PM", CALLED, id="en-US-with-hard-space"),
        pytest.param("11/20/2026 11:04:05 AM", MORNING, id="en-US-morning"),
        pytest.param("11/20/2026 12:04:05 PM", CALLED.replace(hour=12), id="en-US-noon"),
        pytest.param("11/20/2026 12:04:05 AM", CALLED.replace(hour=0), id="en-US-midnight"),
        pytest.param("11/20/2026 3:04:05 PM +00:00", CALLED, id="en-US-with-zone"),
        pytest.param("11/20/2026 15:04:05", CALLED, id="invariant"),
        pytest.param("20/11/2026 15:04:05", CALLED, id="en-GB-or-fr-FR"),
        pytest.param("20/11/2026 3:04:05 pm", CALLED, id="en-AU"),
        pytest.param("20/11/2026 3:04:05 p. m.", CALLED, id="es-CO"),
        pytest.param("20/11/2026 15:04", CALLED.replace(second=0), id="without-seconds"),
        pytest.param("20-11-2026 15:04:05", CALLED, id="nl-NL"),
        pytest.param("20.11.2026 15:04:05", CALLED, id="de-DE"),
        pytest.param("20.11.2026, 15:04:05", CALLED, id="de-DE-with-comma"),
        pytest.param("20.11.2026 15.04.05", CALLED, id="fi-FI-dots-in-the-clock"),
        pytest.param("2026/11/20 15:04:05", CALLED, id="ja-JP"),
        pytest.param("2026/11/5 15:04:05", CALLED.replace(day=5), id="year-first-one-digit-day"),
        pytest.param("2026. 11. 20. 15:04:05", CALLED, id="hu-HU"),
        pytest.param("2026-11-20 3:04:05 p.m.", CALLED, id="en-CA"),
        pytest.param("2026-11-20 11:04:05 AM", MORNING, id="en-CA-that-looks-like-iso"),
        pytest.param(1795187045, CALLED, id="epoch-seconds"),
        pytest.param(1795187045.5, CALLED.replace(microsecond=500_000), id="epoch-with-a-fraction"),
    ],
)
def test_a_time_is_read_as_the_gateway_wrote_it(written: str | float, expected: datetime) -> None:
    assert event_time(written, ENQUEUED, "event_time") == expected


@pytest.mark.parametrize(
    "written",
    [
        pytest.param("", id="empty"),
        pytest.param("yesterday", id="words"),
        pytest.param("2026-11-20", id="a-day-without-a-time"),
        pytest.param("2026-13-01T00:00:00Z", id="month-13"),
        pytest.param("2026-11-20T15:04:05Zulu", id="iso-and-more"),
        pytest.param("0001-01-01T00:00:00+14:00", id="before-year-1-in-utc"),
        pytest.param("31/02/2026 10:00:00", id="no-such-day"),
        pytest.param("13/13/2026 10:00:00", id="no-such-month"),
        pytest.param("11/20/26 3:04:05 PM", id="two-digit-year"),
        pytest.param("11/20-2026 3:04:05 PM", id="mixed-separators"),
        pytest.param("11/20/2026 15:04:05 PM", id="hour-15-pm"),
        pytest.param("11/20/2026 0:04:05 AM", id="hour-0-am"),
        pytest.param("11/20/2026 3:04:05 PM +02:00", id="culture-with-another-zone"),
        pytest.param("20.11.2026 25:00:00", id="hour-25"),
        pytest.param("1795187045", id="epoch-as-text"),
        pytest.param(1795187045000, id="epoch-in-milliseconds"),
        pytest.param(-1, id="negative-epoch"),
        pytest.param(float("nan"), id="nan"),
        pytest.param(float("inf"), id="infinity"),
        pytest.param(10**400, id="beyond-a-float"),
    ],
)
def test_what_is_no_time_is_refused(written: str | float) -> None:
    refused = refusal(written, path="response_created")

    assert (refused.reason, refused.path) == ("impossible_time", "response_created")


@pytest.mark.parametrize(
    ("enqueued", "expected"),
    [
        pytest.param(
            datetime(2026, 11, 12, 9, tzinfo=UTC),
            datetime(2026, 11, 12, 8, tzinfo=UTC),
            id="november-12",
        ),
        pytest.param(
            datetime(2026, 12, 11, 9, tzinfo=UTC),
            datetime(2026, 12, 11, 8, tzinfo=UTC),
            id="december-11",
        ),
        pytest.param(
            datetime(2026, 11, 14, 8, tzinfo=UTC),
            datetime(2026, 11, 12, 8, tzinfo=UTC),
            id="just-within-48-hours",
        ),
    ],
)
def test_an_ambiguous_day_is_the_one_near_the_enqueued_time(
    enqueued: datetime, expected: datetime
) -> None:
    assert event_time("11/12/2026 8:00:00 AM", enqueued, "event_time") == expected


@pytest.mark.parametrize(
    "enqueued",
    [
        pytest.param(datetime(2026, 11, 14, 8, 0, 1, tzinfo=UTC), id="just-over-48-hours"),
        pytest.param(ENQUEUED, id="between-the-two"),
        pytest.param(None, id="not-known"),
    ],
)
def test_an_ambiguous_day_near_neither_is_refused(enqueued: datetime | None) -> None:
    assert refusal("11/12/2026 8:00:00 AM", enqueued).reason == "ambiguous_time"


def test_a_day_that_reads_the_same_both_ways_is_not_ambiguous() -> None:
    assert event_time("10/10/2026 8:00:00 AM", None, "event_time").date().isoformat() == (
        "2026-10-10"
    )


def test_a_day_with_dots_is_day_first_and_never_ambiguous() -> None:
    read = event_time("05.11.2026 08:00:00", ENQUEUED, "event_time")

    assert read == datetime(2026, 11, 5, 8, tzinfo=UTC)


def test_a_time_24_hours_ahead_is_read_and_one_second_more_is_impossible() -> None:
    ahead = ENQUEUED + timedelta(hours=24)

    assert event_time(ahead.isoformat(), ENQUEUED, "event_time") == ahead
    assert refusal((ahead + timedelta(seconds=1)).isoformat()).reason == "impossible_time"


def test_an_ambiguous_day_is_not_taken_for_one_more_than_24_hours_ahead() -> None:
    enqueued = datetime(2026, 11, 10, 20, tzinfo=UTC)

    assert refusal("11/12/2026 8:00:00 AM", enqueued).reason == "impossible_time"


def test_without_an_enqueued_time_nothing_is_too_far_ahead() -> None:
    assert event_time("2126-11-20T15:04:05Z", None, "event_time").year == 2126


@given(moments, st.sampled_from([0, 1, -5, 14]))
def test_every_moment_in_iso_reads_back(moment: datetime, hours: int) -> None:
    written = (moment + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%S").zfill(19)
    written += f"{'-' if hours < 0 else '+'}{abs(hours):02}:00"

    assert event_time(written, moment, "event_time") == moment


@given(moments, st.sampled_from(["{m}/{d}/{y:04}", "{d}/{m}/{y:04}", "{d}.{m}.{y:04}"]))
def test_every_moment_in_a_culture_reads_back_when_it_was_enqueued_at_once(
    moment: datetime, day: str
) -> None:
    hour = moment.hour % 12 or 12
    clock = f"{hour}:{moment.minute:02}:{moment.second:02} {'AM' if moment.hour < 12 else 'PM'}"
    written = f"{day.format(d=moment.day, m=moment.month, y=moment.year)} {clock}"

    assert event_time(written, moment, "event_time") == moment


@given(
    st.text(max_size=40)
    | st.from_regex(
        r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4} \d{1,2}:\d\d(:\d\d)?( [AP]M)?", fullmatch=True
    )
    | st.from_regex(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)?", fullmatch=True)
    | st.floats()
    | st.integers(),
    st.none() | moments,
)
def test_any_value_is_an_aware_utc_time_or_refused(
    value: str | float, enqueued: datetime | None
) -> None:
    read = outcome_of(lambda: event_time(value, enqueued, "event_time"))

    if isinstance(read, InvalidEventError):
        assert read.reason in {"impossible_time", "ambiguous_time"}
    else:
        assert read.utcoffset() == timedelta(0)
        assert enqueued is None or read <= enqueued + timedelta(hours=24)
