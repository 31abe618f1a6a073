import hashlib
from datetime import UTC, date, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import NOON
from usage_ingest.errors import ConfigError
from usage_ingest.events.progress import Gap, Progress, Tail
from usage_ingest.identity import DatedValue, Identity
from usage_ingest.metrics.watermark import NOTES, Source, Watermark, Window
from usage_ingest.state_document import (
    identity_document,
    identity_of,
    progress_document,
    progress_id,
    progress_of,
    watermark_document,
    watermark_id,
    watermark_of,
)

NAMESPACE = "contoso.servicebus.windows.net"
GOLDEN_WATERMARK = "88854adcba38fb8fef6fb105bd4739dc"
moments = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 30)).map(  # noqa: DTZ001 - made aware
    lambda naive: naive.replace(tzinfo=UTC)
)
numbers = st.integers(-1, 2**53)
gaps = st.lists(
    st.builds(Gap, numbers, numbers, moments, st.none() | moments, st.none() | moments), max_size=3
).map(tuple)
progresses = st.builds(
    Progress,
    namespace=st.text(max_size=8),
    hub=st.text(max_size=8),
    partition_id=st.sampled_from(["0", "31", "-"]),
    generation=st.integers(1, 9),
    archived=st.booleans(),
    stored_through=numbers,
    mark_time=moments,
    open_gaps=gaps,
    lost_gaps=gaps,
    last_enqueued=st.none() | numbers,
    last_enqueued_time=st.none() | moments,
    tail=st.none() | st.builds(Tail, numbers, numbers, moments, moments),
    checked_at=st.none() | moments,
    etag=st.none() | st.text(max_size=8),
)


def make_progress(**overrides: Any) -> Progress:
    fields: dict[str, Any] = {
        "namespace": NAMESPACE,
        "hub": "usage",
        "partition_id": "3",
        "stored_through": 4711,
        "mark_time": NOON,
    }
    return Progress(**fields | overrides)


@given(progresses)
def test_progress_is_itself_again_after_being_stored_as_json(progress: Progress) -> None:
    stored = orjson.loads(orjson.dumps(progress_document(progress)))
    if progress.etag is not None:
        stored["_etag"] = progress.etag

    assert progress_of(stored) == progress


def test_the_progress_of_a_partition_that_never_held_an_event_can_be_read_back() -> None:
    """Event Hubs says that its last event was enqueued in the year 1."""
    progress = make_progress(
        stored_through=-1,
        last_enqueued=-1,
        last_enqueued_time=datetime(1, 1, 1, tzinfo=UTC),
    )

    assert progress_of(progress_document(progress)) == progress


def test_a_progress_document_is_flat_and_leaves_out_what_is_not_known() -> None:
    progress = make_progress(open_gaps=(Gap(7, 9, NOON, after=NOON),), etag="not stored")

    assert progress_document(progress) == {
        "id": progress_id(NAMESPACE, "usage", "3"),
        "type": "progress",
        "namespace": NAMESPACE,
        "hub": "usage",
        "partition_id": "3",
        "generation": 1,
        "archived": False,
        "stored_through": 4711,
        "mark_time": "2026-11-20T12:00:00.000000Z",
        "open_gaps": [
            {
                "first": 7,
                "last": 9,
                "noticed_at": "2026-11-20T12:00:00.000000Z",
                "after": "2026-11-20T12:00:00.000000Z",
            }
        ],
        "lost_gaps": [],
    }


def test_golden_ids_of_progress_and_identity() -> None:
    assert progress_id(NAMESPACE, "usage", "3") == "3f64cfc04eea554db35485dc32fc5816"
    assert progress_id(NAMESPACE, "usage", "3", 1) == "f1e803fffad5a383f11c7d3eaa1617d0"
    assert identity_document("hmac_key", [])["id"] == "e13ac9986f866c70a330030586acfacb"


def test_an_archived_generation_has_a_document_beside_the_current_one() -> None:
    current = progress_document(make_progress(generation=2))
    archived = [
        progress_document(make_progress(generation=number, archived=True)) for number in (1, 2)
    ]

    assert len({current["id"], *(each["id"] for each in archived)}) == 3
    assert current["id"] == progress_document(make_progress(generation=3))["id"]


def test_identity_is_itself_again_after_being_stored_as_json() -> None:
    values = {
        "hmac_key": (DatedValue("0001-01-01", "k1"), DatedValue("2026-12-01", "k2")),
        "shards/hr-copilot": (DatedValue("2026-12-01", "4"),),
    }
    documents = [identity_document(name, dated) for name, dated in values.items()]

    assert identity_of(orjson.loads(orjson.dumps(documents))) == Identity(values)


def test_a_number_written_by_hand_is_read_as_the_text_that_it_stands_for() -> None:
    document = identity_document("shards/hr-copilot", [DatedValue("2026-12-01", "4")])
    document["values"][0]["value"] = 4

    assert identity_of([document]).shards("hr-copilot", "2026-12-01") == 4


marks = st.builds(
    Watermark,
    source=st.builds(Source, st.text(max_size=8), st.text(max_size=8)),
    collected_from=moments,
    collected_through=moments,
    checked_at=moments,
    window_seconds=st.integers(60, 86_400),
    notes=st.dictionaries(
        st.sampled_from(NOTES), st.lists(st.dates().map(date.isoformat), max_size=3).map(tuple)
    ),
    skipped=st.lists(st.builds(Window, moments, moments), max_size=3).map(tuple),
    etag=st.none() | st.text(max_size=8),
)


def make_mark(**overrides: Any) -> Watermark:
    fields: dict[str, Any] = {
        "source": Source("11111111-aaaa-4bbb-8ccc-000000000001", "own"),
        "collected_from": NOON,
        "collected_through": NOON,
        "checked_at": NOON,
    }
    return Watermark(**fields | overrides)


@given(marks)
def test_a_watermark_is_itself_again_after_being_stored_as_json(mark: Watermark) -> None:
    stored = orjson.loads(orjson.dumps(watermark_document(mark)))
    if mark.etag is not None:
        stored["_etag"] = mark.etag

    assert watermark_of(stored) == mark


def test_a_watermark_document_is_flat_and_names_its_source() -> None:
    mark = make_mark(notes={"metric_value_odd": ("2026-11-20",)}, etag="not stored")

    assert watermark_document(mark) == {
        "id": watermark_id(mark.source),
        "type": "watermark",
        "target": "11111111-aaaa-4bbb-8ccc-000000000001",
        "profile": "own",
        "collected_from": "2026-11-20T12:00:00.000000Z",
        "collected_through": "2026-11-20T12:00:00.000000Z",
        "checked_at": "2026-11-20T12:00:00.000000Z",
        "window_seconds": 86_400,
        "metric_value_odd": ["2026-11-20"],
    }


@pytest.mark.parametrize("name", ["collected_from", "collected_through", "checked_at"])
@pytest.mark.parametrize("text", ["yesterday", "", "2026-11-20T12:00:00", "2026-11-20"])
def test_a_time_that_somebody_spoilt_names_the_mark_and_what_it_takes(name: str, text: str) -> None:
    document = watermark_document(make_mark()) | {name: text}

    with pytest.raises(
        ConfigError, match=f"{name} is '{text}'; takes a UTC time as 2026"
    ) as raised:
        watermark_of(document)

    assert "11111111-aaaa-4bbb-8ccc-000000000001 and own" in str(raised.value)


def test_a_time_that_somebody_wrote_with_a_zone_is_read_as_utc() -> None:
    document = watermark_document(make_mark()) | {"checked_at": "2026-11-20T14:00:00+02:00"}

    assert watermark_of(document).checked_at == NOON
    assert watermark_document(watermark_of(document))["checked_at"].startswith("2026-11-20T12:00")


@pytest.mark.parametrize("day", ["2026-12-1", "20261201", "2026-W49-2", "soon", "", None])
def test_a_day_that_is_written_otherwise_is_refused(day: object) -> None:
    """Days are compared as texts."""
    document = {"name": "bin_size", "values": [{"from_day": day, "value": "1h"}]}

    with pytest.raises(ConfigError, match=r"identity 'bin_size': from_day is .*takes a UTC day"):
        identity_of([document])


def test_golden_id_of_a_watermark() -> None:
    """A mark that is not found again begins anew, a day back."""
    spelled = "9:watermark;36:11111111-aaaa-4bbb-8ccc-000000000001;3:own;"

    found = watermark_id(make_mark().source)

    assert found == hashlib.sha256(spelled.encode()).hexdigest()[:32]
    assert found == GOLDEN_WATERMARK


def test_a_target_has_one_mark_for_each_profile_however_it_is_written() -> None:
    ids = {
        watermark_id(Source(target, profile))
        for target in ("/subscriptions/A/x", "/SUBSCRIPTIONS/a/X")
        for profile in ("own", "ai-hub")
    }

    assert len(ids) == 2


DEFINITION = '{"covers":"all","covered":{"product_id":["a"]},"metrics":{}}'


def test_a_definition_is_stored_as_an_object_and_read_as_the_same_definition() -> None:
    document = identity_document("metric_profile/own", [DatedValue("2026-12-01", DEFINITION)])

    (read,) = identity_of(orjson.loads(orjson.dumps([document]))).values["metric_profile/own"]

    assert document["values"][0]["value"] == orjson.loads(DEFINITION)
    assert read.from_day == "2026-12-01"
    assert orjson.loads(read.value) == orjson.loads(DEFINITION)


def test_a_definition_reads_the_same_however_its_keys_were_ordered_in_the_store() -> None:
    """What was parsed once is kept by its text."""
    one, other = (
        {"name": "metric_profile/own", "values": [{"from_day": "2026-12-01", "value": value}]}
        for value in ({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"d": 3, "c": 2}, "a": 1})
    )

    assert identity_of([one]) == identity_of([other])


def test_a_definition_that_somebody_stored_as_text_is_read_all_the_same() -> None:
    document = {
        "name": "metric_profile/own",
        "values": [{"from_day": "2026-12-01", "value": DEFINITION}],
    }

    identity = identity_of([document])

    assert identity.value("metric_profile/own", "2026-12-01") == DEFINITION
