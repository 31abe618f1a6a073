"""Golden ids: stored documents are found by them, so none of these values may ever change."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import NOON, make_event
from tests.gateways import make_chargeback_event, make_chat_body, make_token_chargeback_event
from tests.sightings import HASHING, KEYS, any_text, make_coordinates, make_rules, record_of
from usage_ingest.events.dead_letter import letter_id
from usage_ingest.events.privacy import Privacy
from usage_ingest.identity import DatedValue, Identity
from usage_ingest.record import Flag
from usage_ingest.record_id import (
    Coordinates,
    RawIdentity,
    coordinates_id,
    digest,
    milliseconds,
    record_id,
)

BODY = b"{}"
REQUEST = "0f8b6a2e-52f3-4a3b-9d0e-6f2f4c1d9a10"
GOLDEN_REQUEST = "fccb3aa24b26eb33acbc83e86ad6827c"
GOLDEN_ITEM = "c3e52438cc4696ff7ae0c8fba7c3999a"
GOLDEN_BACKGROUND = "6e7f061079d17462225ab0d3a4e557fe"
GOLDEN_RESPONSE = "de4594e39e88a8828878d3cb2f6784ba"
GOLDEN_HUB = "41139b0ebc82ed828eefd23d69b9ddff"
GOLDEN_HUB_ELEMENT_1 = "8bd85529ab3c4b8b56b63ff01f353c39"
GOLDEN_NO_PARTITION = "8d82de8a120a2b42902909e66aa84dd3"


def make_identity(**overrides: Any) -> RawIdentity:
    fields: dict[str, Any] = {
        "gateway": "apim-contoso",
        "gateway_request_id": REQUEST,
        "response_id": "chatcmpl-Bx1",
        "event_time": "2026-11-20T15:04:05.1234567Z",
    }
    return RawIdentity(**fields | overrides)


def id_of(
    raw: RawIdentity, hub: Coordinates | None = None, element: int = 0, body: bytes = BODY
) -> str | None:
    return record_id(raw, hub or make_coordinates(), element, body)


def id_by_event(event: dict[str, Any], **how: Any) -> str:
    return record_of(event, **how).record_id


@pytest.mark.parametrize(
    ("overrides", "golden"),
    [
        pytest.param({}, GOLDEN_REQUEST, id="gateway-request-id"),
        pytest.param({"item": "resp_2"}, GOLDEN_ITEM, id="item-of-a-gateway-request"),
        pytest.param({"background": True}, GOLDEN_BACKGROUND, id="background-response"),
        pytest.param({"gateway_request_id": None}, GOLDEN_RESPONSE, id="response-id-and-time"),
        pytest.param(
            {"gateway_request_id": None, "response_id": None}, GOLDEN_HUB, id="hub-coordinates"
        ),
    ],
)
def test_golden_id(overrides: dict[str, Any], golden: str) -> None:
    assert id_of(make_identity(**overrides)) == golden


def test_golden_id_of_a_later_element() -> None:
    raw = make_identity(gateway_request_id=None, response_id=None)

    assert id_of(raw, element=1) == GOLDEN_HUB_ELEMENT_1


def test_golden_id_without_a_partition_id() -> None:
    raw = make_identity(gateway_request_id=None, response_id=None)
    hub = make_coordinates(partition_id=None)

    assert id_of(raw, hub) == GOLDEN_NO_PARTITION
    assert id_of(raw, hub, body=b"{ }") != GOLDEN_NO_PARTITION


def test_the_golden_ids_are_hashes_that_anybody_can_make() -> None:
    """Each part with its length before it: 32 hex digits of SHA-256."""
    written = {
        f"5:event;12:apim-contoso;36:{REQUEST};-;": GOLDEN_REQUEST,
        f"5:event;12:apim-contoso;36:{REQUEST};6:resp_2;": GOLDEN_ITEM,
        "5:event;12:apim-contoso;10:background;12:chatcmpl-Bx1;": GOLDEN_BACKGROUND,
        "8:response;12:apim-contoso;12:chatcmpl-Bx1;28:2026-11-20T15:04:05.1234567Z;": (
            GOLDEN_RESPONSE
        ),
        "3:hub;5:usage;1:3;4:4711;13:1795176000000;1:0;": GOLDEN_HUB,
        "3:hub;5:usage;1:3;4:4711;13:1795176000000;1:1;": GOLDEN_HUB_ELEMENT_1,
        f"3:hub;5:usage;4:4711;13:1795176000000;64:{hashlib.sha256(BODY).hexdigest()};1:0;": (
            GOLDEN_NO_PARTITION
        ),
    }

    assert {
        hashlib.sha256(text.encode()).hexdigest()[:32]: golden for text, golden in written.items()
    } == {golden: golden for golden in written.values()}


def test_golden_ids_of_dead_letters() -> None:
    without_number = make_coordinates(sequence_number=None)

    assert letter_id(make_coordinates(), 0, BODY) == "c3837e036c08a1008cdbda51682d4477"
    assert letter_id(make_coordinates(partition_id=None), 0, BODY) == (
        "3d394fb3b66de1293a1a0cd1b62ed81a"
    )
    assert letter_id(without_number, 0, BODY) == "f4a7442688a76645b891717d10e067f5"


@pytest.mark.parametrize(
    "overrides",
    [
        {"response_id": None},
        {"response_id": "chatcmpl-other"},
        {"event_time": "2026-11-20T15:04:06Z"},
        {"event_time": None},
        {"background": True, "response_id": None},
    ],
    ids=["no-response-id", "other-response-id", "other-time", "no-time", "background-without-id"],
)
def test_a_gateway_request_id_is_enough(overrides: dict[str, Any]) -> None:
    assert id_of(make_identity(**overrides)) == GOLDEN_REQUEST


def test_a_background_response_goes_before_the_gateway_request() -> None:
    """Each poll is a gateway request of its own."""
    poll = make_identity(background=True, gateway_request_id="other", event_time="other")

    assert id_of(poll) == GOLDEN_BACKGROUND


def test_a_response_id_alone_is_no_identity() -> None:
    assert id_of(make_identity(gateway_request_id=None, event_time=None)) == GOLDEN_HUB


@pytest.mark.parametrize(
    "overrides",
    [{}, {"background": True}, {"gateway_request_id": None}],
    ids=["gateway-request-id", "background", "response-id"],
)
def test_where_the_day_comes_from_the_hub_so_does_the_identity(overrides: dict[str, Any]) -> None:
    """Sent again on the next day it would count there: under one id it could not be placed."""
    assert id_of(make_identity(**overrides, dated=False)) == GOLDEN_HUB


@pytest.mark.parametrize(
    "gone", [{"sequence_number": None}, {"enqueued_time": None}], ids=["number", "time"]
)
def test_without_ids_and_coordinates_there_is_no_identity(gone: dict[str, None]) -> None:
    raw = make_identity(gateway_request_id=None, response_id=None)

    assert id_of(raw, make_coordinates(**gone)) is None


def test_the_gateway_is_part_of_every_id_of_the_events_own() -> None:
    for overrides in ({}, {"background": True}, {"gateway_request_id": None}):
        mine = id_of(make_identity(**overrides))
        other = id_of(make_identity(**overrides, gateway="apim-fabrikam"))

        assert mine != other


def test_an_id_of_the_events_own_does_not_know_where_the_event_stands() -> None:
    moved = Coordinates(
        namespace="other", hub="other", partition_id=None, sequence_number=None, enqueued_time=None
    )

    assert id_of(make_identity(), moved, element=7, body=b"other") == GOLDEN_REQUEST
    assert id_of(make_identity(background=True), moved, element=7) == GOLDEN_BACKGROUND
    assert id_of(make_identity(gateway_request_id=None), moved, element=7) == GOLDEN_RESPONSE


@pytest.mark.parametrize(
    "overrides",
    [
        {"hub": "other"},
        {"partition_id": "4"},
        {"sequence_number": 4712},
        {"enqueued_time": NOON + timedelta(milliseconds=1)},
    ],
    ids=["hub", "partition", "number", "time"],
)
def test_every_coordinate_tells_events_apart(overrides: dict[str, Any]) -> None:
    assert coordinates_id("hub", make_coordinates(**overrides), 0, BODY) != GOLDEN_HUB


def test_the_namespace_and_parts_of_a_millisecond_tell_nothing_apart() -> None:
    """A namespace may be reached by an alias; a re-read may say the time more precisely."""
    moved = make_coordinates(namespace="alias", enqueued_time=NOON + timedelta(microseconds=999))

    assert coordinates_id("hub", moved, 0, BODY) == GOLDEN_HUB


def test_golden_ids_of_whole_events() -> None:
    event = make_event(
        gateway_request_id=REQUEST,
        response_id="chatcmpl-Bx1",
        event_time="2026-11-20T11:04:05.1234567Z",
        response_created=1795175990,
    )

    assert id_by_event(event) == GOLDEN_REQUEST
    assert id_by_event(event | {"background": True}) == GOLDEN_BACKGROUND
    assert id_by_event(event | {"gateway_request_id": None, "response_id": None}) == GOLDEN_HUB
    assert id_by_event(event | {"event_time": None, "response_created": None}) == GOLDEN_HUB
    assert id_by_event(event | {"api_kind": "realtime", "response_id": "resp_2"}) == GOLDEN_ITEM


def test_golden_ids_of_chargeback_events() -> None:
    """The hub stands for the gateway; the creation time is the number that the body has."""
    body = make_chat_body(id="chatcmpl-Bx1", created=1795175990)

    assert id_by_event(make_chargeback_event(responseBody=body)) == (
        "b03fd81eb5957dc5c0301b69f59c05d9"
    )
    assert id_by_event(make_token_chargeback_event(responseBody=json.dumps(body))) == (
        "b03fd81eb5957dc5c0301b69f59c05d9"
    )
    added = {"requestId": REQUEST, "timestamp": "2026-11-20T11:04:05.1234567Z"}
    assert id_by_event(make_chargeback_event(responseBody=body, **added)) == (
        "585a566035ad0eb425dc4e062d0dfbf4"
    )


def test_an_event_dated_by_its_enqueued_time_is_known_by_its_coordinates_whatever_it_carries() -> (
    None
):
    record = record_of(make_event(event_time=None))
    again = record_of(make_event(event_time=None), enqueued_time=NOON + timedelta(days=1))

    assert record.record_id == GOLDEN_HUB != again.record_id
    assert set(record.flags) == {Flag.REDELIVERY_ONLY, Flag.TIME_FROM_ENQUEUED}


@pytest.mark.parametrize(
    "overrides",
    [{}, {"gateway_request_id": None}, {"background": True, "response_created": 1795175990}],
    ids=["gateway-request-id", "response-id", "background"],
)
@pytest.mark.parametrize(
    "how",
    [
        {"sequence_number": 1},
        {"sequence_number": None},
        {"partition_id": "9"},
        {"partition_id": None},
        {"enqueued_time": NOON + timedelta(days=3)},
        {"enqueued_time": None},
        {"namespace": "other", "hub": "other"},
        {"now": NOON + timedelta(days=9)},
        {"rules": make_rules(ledger_ttl_days=3000)},
        {"rules": make_rules(keep_raw=True)},
        {"rules": make_rules(privacy=Privacy(end_user_id="keep", client_ip="truncate"))},
        {"rules": make_rules(identity=HASHING, privacy=Privacy(keys=KEYS))},
        {"rules": make_rules(identity=Identity({"shards/-": (DatedValue("2026-01-01", "9"),)}))},
    ],
    ids="-".join,
)
def test_no_setting_and_no_place_in_the_hub_changes_an_id_of_the_events_own(
    overrides: dict[str, Any], how: dict[str, Any]
) -> None:
    event = make_event(end_user_id="user-1", **overrides)

    assert id_by_event(event, **how) == id_by_event(event)


def test_what_a_call_used_is_no_part_of_its_id() -> None:
    """A later event completes or contradicts an earlier one: under another id it would add up."""
    event = make_event()

    assert id_by_event(event | {"usage": None, "status": 500, "tags": {}}) == id_by_event(event)


parts = st.lists(st.none() | any_text | st.integers(), max_size=4)


@given(parts, parts)
def test_two_lists_of_values_share_a_hash_only_when_they_read_alike(
    one: list[Any], other: list[Any]
) -> None:
    def read(values: list[Any]) -> list[str | None]:
        return [None if value is None else str(value) for value in values]

    assert (digest("event", *one) == digest("event", *other)) == (read(one) == read(other))


def test_where_one_value_ends_is_part_of_the_hash() -> None:
    different = [("ab", "c"), ("a", "bc"), ("abc",), ("ab", "c", None), ("ab", "c", ""), ("-", "")]

    assert len({digest("event", *each) for each in different}) == len(different)


@given(st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)))  # noqa: DTZ001 - made aware
def test_milliseconds_are_whole_and_never_rounded_up(naive: datetime) -> None:
    moment = naive.replace(tzinfo=UTC)

    found = milliseconds(moment)

    back = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=found)
    assert timedelta(0) <= moment - back < timedelta(milliseconds=1)
