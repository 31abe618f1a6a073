from datetime import UTC, datetime
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import NOON
from usage_ingest.events.progress import Gap, Progress, Tail
from usage_ingest.identity import DatedValue, Identity
from usage_ingest.state_document import (
    identity_document,
    identity_of,
    progress_document,
    progress_id,
    progress_of,
)

NAMESPACE = "contoso.servicebus.windows.net"
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
