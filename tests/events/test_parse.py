import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import NOON, body, make_ai_hub_event, make_event, make_usage
from tests.data.regenerate import payloads
from tests.gateways import (
    make_chargeback_event,
    make_fabric_event,
    make_monitoring_event,
    make_token_chargeback_event,
    make_toolkit_event,
)
from tests.sightings import (
    HASHING,
    KEYS,
    any_text,
    json_values,
    letter_of,
    make_coordinates,
    make_rules,
    parse,
    record_of,
    to_bytes,
)
from usage_ingest.errors import ConfigError
from usage_ingest.events.dead_letter import REASONS, DeadLetter, Reason, letter_id, of_record
from usage_ingest.events.parse import parse_event
from usage_ingest.events.privacy import Privacy
from usage_ingest.events.to_record import Rules, Sighting
from usage_ingest.identity import DatedValue, Identity, cosmos_partition_key
from usage_ingest.record import UsageRecord

WHOLE = orjson.dumps(make_event())
FAR_AHEAD = (NOON + timedelta(hours=24, seconds=1)).isoformat()
REAL_EVENTS: list[dict[str, Any]] = [
    make_event(),
    make_ai_hub_event(),
    make_fabric_event(),
    make_toolkit_event(),
    make_monitoring_event(),
    make_chargeback_event(),
    make_token_chargeback_event(),
]
REAL_BODIES = [path.read_bytes() for path in payloads() if path.suffix in {".json", ".txt"}]

REFUSED: dict[str, tuple[Reason, object]] = {
    "latin-1": ("not_utf8", b'{"region":"K\xf6ln"}'),
    "utf-16": ("not_utf8", '{"a":1}'.encode("utf-16")),
    "empty": ("not_json", b""),
    "form": ("not_json", b"usage=12"),
    "missing-value": ("not_json", b'{"responseBody": , "a": 1}'),
    "cut-in-a-string": ("truncated_json", WHOLE[: WHOLE.index(b"Sweden") + 3]),
    "cut-in-a-number": ("truncated_json", WHOLE[: WHOLE.index(b"812") + 2]),
    "cut-in-a-character": ("truncated_json", '{"region":"Kö'.encode()[:-1]),
    "cut-at-200-kb": ("truncated_json", orjson.dumps(make_event(region="x" * 300_000))[:204_800]),
    "text": ("not_an_object", "an event"),
    "null": ("not_an_object", None),
    "array-in-an-array": ("not_an_object", [[make_event()]]),
    "pasted-key": (
        "repeated_key",
        b'{"subscriptionId":"","requestBody":1,"responseBody":2,"deploymentId":3,"requestBody":4}',
    ),
    "65-levels": ("nested_too_deep", b'{"a":' * 64 + b"{}" + b"}" * 64),
    "200,000-levels": ("nested_too_deep", b"[" * 200_000),
    "unknown-keys": ("unknown_shape", {"Prompt": "x", "Response": "y"}),
    "azure-monitor-log": ("unknown_shape", {"records": [{"category": "GatewayLogs"}]}),
    "later-schema": ("unknown_shape", make_event(schema="usage-ingest/2")),
    "usage-of-an-unknown-api": ("unknown_usage", make_event(usage={"tokens": 3})),
    "usage-as-text": ("unknown_usage", make_event(usage="12 tokens")),
    "poll-without-creation": (
        "no_identity",
        make_event(background=True, response_id="resp_1", response_created=None),
    ),
    "time-as-words": ("impossible_time", make_event(event_time="yesterday")),
    "time-as-list": ("impossible_time", make_event(event_time=[1])),
    "time-24-h-ahead": ("impossible_time", make_event(event_time=FAR_AHEAD)),
    "poll-24-h-ahead": (
        "impossible_time",
        make_event(background=True, response_created=int(NOON.timestamp()) + 86_401),
    ),
    "culture-no-such-day": ("impossible_time", make_ai_hub_event(timestamp="31/02/2026 10:00:00")),
    "culture-ambiguous": ("ambiguous_time", make_ai_hub_event(timestamp="5/6/2026 2:45:56 PM")),
    "count-with-a-comma": ("bad_count", make_event(usage=make_usage(prompt_tokens="1,234"))),
    "count-negative": ("bad_count", make_ai_hub_event(promptTokens=-1)),
    "count-fraction": ("bad_count", make_event(usage=make_usage(total_tokens=1.5))),
    "count-nan": ("bad_count", to_bytes(make_event(usage=make_usage(total_tokens=float("nan"))))),
    "count-boolean": ("bad_count", make_event(usage=make_usage(completion_tokens=True))),
    "count-implausible": (
        "implausible_count",
        make_event(usage=make_usage(total_tokens=100_000_001)),
    ),
    "two-years-old": ("too_old", make_event(event_time="2024-11-20T12:00:00Z")),
    "epoch-0": ("too_old", make_event(event_time=0)),
    "caller-key-and-no-time": ("impossible_time", make_fabric_event(EventTime="soon")),
    "total-with-a-comma": ("bad_count", make_toolkit_event(TotalTokens="1,234")),
    "tokens-as-text": ("unknown_usage", make_monitoring_event(Tokens="12")),
    "streaming-export": ("counted_elsewhere", make_ai_hub_event(id="streaming-2f6f3a0e")),
    "10,001-elements": ("too_large", b"[" + b"1," * 10_000 + b"1]"),
}


def identity_of(parsed: UsageRecord | DeadLetter) -> str:
    return parsed.record_id if isinstance(parsed, UsageRecord) else parsed.letter_id


def fail(_element: object, _seen: Sighting, _rules: Rules) -> UsageRecord:
    raise LookupError("this text quotes the event")


@pytest.mark.parametrize(("reason", "event"), REFUSED.values(), ids=REFUSED)
def test_an_event_that_cannot_be_parsed_is_a_dead_letter(reason: Reason, event: object) -> None:
    letter = letter_of(event)

    assert letter.reason == reason
    assert letter.coordinates == make_coordinates()
    assert letter.raw is None


def test_an_event_that_nothing_tells_from_others_has_no_identity() -> None:
    event = make_event(gateway_request_id=None, response_id=None)

    assert letter_of(event, sequence_number=None).reason == "no_identity"


def test_a_defect_of_ours_is_a_dead_letter_and_the_others_go_on() -> None:
    bad, good = make_event(), make_event()

    def read(element: object, seen: Sighting, _rules: Rules) -> UsageRecord:
        return fail(element, seen, _rules) if element == bad else record_of(element)

    seen = Sighting(make_coordinates(), 0, body([bad, good]), NOON)
    first, second = parse_event(seen, make_rules(), read)

    assert isinstance(first, DeadLetter)
    assert (first.reason, first.text) == ("internal_error", "LookupError")
    assert "quotes" not in str(first)
    assert isinstance(second, UsageRecord)


def test_a_defect_while_a_body_is_taken_apart_is_a_dead_letter() -> None:
    """A host that hands over text instead of bytes, say."""
    seen = Sighting(make_coordinates(), 0, "{}", NOON)  # type: ignore[arg-type]

    (letter,) = parse_event(seen, make_rules())

    assert isinstance(letter, DeadLetter)
    assert letter.reason == "internal_error"


def test_every_reason_that_parsing_can_give_is_tested_here() -> None:
    elsewhere = {"conflicting_duplicate"}  # the store finds it
    by_name = {"no_identity", "internal_error"}

    covered = {reason for reason, _ in REFUSED.values()} | by_name

    assert covered == set(REASONS) - elsewhere
    assert set(REASONS) == set(get_args(Reason))


def test_a_missing_key_of_the_deployment_is_raised_and_no_event_blamed() -> None:
    rules = make_rules(identity=HASHING, privacy=Privacy())

    with pytest.raises(ConfigError):
        parse(make_event(end_user_id="user-1"), rules=rules)
    with pytest.raises(ConfigError):
        parse({"Prompt": "x"}, rules=rules)


def test_the_good_elements_of_an_array_are_records() -> None:
    parsed = parse([make_event(), "text", make_ai_hub_event(), {}, make_event(usage=None)])

    kinds = [each.reason if isinstance(each, DeadLetter) else each.shape for each in parsed]
    assert kinds == ["own", "not_an_object", "ai_hub", "unknown_shape", "own"]
    assert [each.element for each in parsed] == [0, 1, 2, 3, 4]


def test_an_empty_array_is_nothing() -> None:
    assert parse([]) == []
    assert parse({"records": []}) == []


def test_a_dead_letter_keeps_the_form_and_nobodys_text() -> None:
    event = {"model": "gpt-4o", "AppSubscriptionKey": "planted-key", "Request": "planted prompt"}

    letter = letter_of(event, rules=make_rules(identity=HASHING, privacy=Privacy(keys=KEYS)))

    assert letter.skeleton["model"] == "gpt-4o"
    assert set(letter.skeleton["Request"]) == {"~length", "~hmac"}
    assert "planted" not in str(letter)
    assert letter.size == len(body(event))
    assert not letter.whole


def test_a_body_is_kept_only_where_the_deployment_asks_for_it() -> None:
    letter = letter_of(b'{"cut": "K\xc3', rules=make_rules(keep_raw=True))

    assert letter.raw == '{"cut": "K\ufffd'
    assert letter.skeleton is None


def test_a_whole_skeleton_can_be_parsed_again() -> None:
    event = make_ai_hub_event(timestamp="5/6/2026 2:45:56 PM")
    for name in ("RequestIp", "sessionId", "endUserId"):
        del event[name]

    letter = letter_of(event)

    assert letter.whole
    assert letter.skeleton == event


def test_a_redelivered_dead_letter_has_the_same_id_and_its_neighbours_have_others() -> None:
    events = ["a", "b"]

    first, second = parse(events), parse(events, now=NOON + timedelta(days=2))
    moved = parse(events, sequence_number=4712)

    ids = [identity_of(each) for each in first + moved]
    assert [identity_of(each) for each in second] == ids[:2]
    assert len(set(ids)) == 4


def test_a_dead_letter_without_coordinates_is_known_by_its_body() -> None:
    letter = letter_of(b"no json", sequence_number=None, partition_id=None)

    again = letter_of(b"no json", sequence_number=None, enqueued_time=None)
    other = letter_of(b"not json", sequence_number=None, partition_id=None)

    assert letter.letter_id == again.letter_id != other.letter_id


def test_a_record_that_cannot_be_stored_is_a_dead_letter_with_its_usage() -> None:
    record = record_of([make_event()])

    letter = of_record(record, "conflicting_duplicate")

    assert letter.letter_id == letter_id(make_coordinates(), 0, b"")
    assert letter.skeleton == {"record_id": record.record_id, "usage": record.usage.reported()}


def test_records_that_cannot_be_stored_are_told_apart_without_coordinates() -> None:
    nowhere: dict[str, Any] = {"sequence_number": None, "partition_id": None}

    one = of_record(record_of(make_event(), **nowhere), "conflicting_duplicate")
    other = of_record(record_of(make_event(), **nowhere), "conflicting_duplicate")

    assert one.letter_id != other.letter_id


def test_a_record_that_came_by_no_hub_has_no_dead_letter() -> None:
    with pytest.raises(ValueError, match="came by no hub"):
        of_record(replace(record_of(make_event()), coordinates=None), "too_large")


# Properties


@given(st.binary(max_size=300))
def test_any_bytes_are_parsed(received: bytes) -> None:
    assert parse(received)


@given(json_values, st.integers(0, 400))
def test_any_json_is_parsed_whole_or_cut(value: object, at: int) -> None:
    whole = to_bytes(value)

    assert isinstance(parse(whole), list)
    assert isinstance(parse(whole[:at]), list)


mutations = st.dictionaries(
    st.sampled_from(sorted({key for event in REAL_EVENTS for key in event})) | any_text,
    json_values,
    max_size=4,
)


@given(
    st.sampled_from(REAL_EVENTS),
    mutations,
    mutations,
    st.fixed_dictionaries(
        {
            "partition_id": st.sampled_from([None, "3"]),
            "sequence_number": st.sampled_from([None, 0, 2**62]),
            "enqueued_time": st.sampled_from([None, NOON, datetime(1, 1, 2, tzinfo=UTC)]),
        }
    ),
)
def test_any_change_of_a_real_event_is_parsed(
    event: dict[str, Any],
    top: dict[str, Any],
    usage: dict[str, Any],
    place: dict[str, Any],
) -> None:
    rules = make_rules(
        identity=HASHING,
        privacy=Privacy(end_user_id="hash", client_ip="truncate", keys=KEYS),
        keep_raw=True,
    )
    changed = event | {"usage": make_usage() | usage} | top

    (parsed,) = parse(to_bytes(changed), rules=rules, **place)

    if isinstance(parsed, DeadLetter):
        assert parsed.reason in REASONS
        assert parsed.reason != "internal_error"
    else:
        assert parsed.usage.settled() == (parsed.usage, True)


@settings(max_examples=60)
@given(st.sampled_from(REAL_BODIES), st.data())
def test_any_damage_to_a_real_body_is_parsed(whole: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(whole)))
    damage = data.draw(st.binary(max_size=4))
    left_out = data.draw(st.integers(0, 8))

    for parsed in parse(whole[:at] + damage + whole[at + left_out :]):
        assert isinstance(parsed, UsageRecord) or parsed.reason != "internal_error"


@given(st.lists(json_values | st.sampled_from(REAL_EVENTS), max_size=8), st.booleans())
def test_n_elements_in_are_n_out(elements: list[Any], wrapped: bool) -> None:
    parsed = parse(to_bytes({"records": elements} if wrapped else elements))

    assert [each.element for each in parsed] == list(range(len(elements)))


own_ids = st.fixed_dictionaries(
    {
        "gateway_request_id": st.none() | any_text,
        "response_id": st.none() | any_text,
        "gateway": st.none() | any_text,
        "subscription_id": st.none() | any_text,
        "event_time": st.none()
        | st.sampled_from(["2026-11-20T11:59:58Z", "11/20/2026 11:59:58 AM", 1795175990]),
        "response_created": st.none() | st.just(1795175990),
        "background": st.none() | st.booleans(),
    }
)


@given(own_ids)
def test_the_same_event_twice_has_the_same_id(ids: dict[str, Any]) -> None:
    event = to_bytes(make_event(**ids))

    (first,), (again,) = parse(event), parse(event, now=NOON + timedelta(days=1))

    assert identity_of(first) == identity_of(again)


@given(
    own_ids,
    st.timedeltas(timedelta(hours=-20), timedelta(days=30)),
    st.none() | st.integers(0, 2**62),
    st.sampled_from([None, "0", "31"]),
)
def test_where_an_event_with_an_id_of_its_own_stands_moves_nothing(
    ids: dict[str, Any], later: timedelta, sequence_number: int | None, partition_id: str | None
) -> None:
    """Sent again, to another partition and days later, it is the same record in the same place."""
    event = to_bytes(make_event(**ids))
    (first,) = parse(event)
    (again,) = parse(
        event,
        enqueued_time=NOON + later,
        sequence_number=sequence_number,
        partition_id=partition_id,
    )

    if isinstance(first, DeadLetter) or "redelivery_only" in first.flags:
        return
    assert isinstance(again, UsageRecord)
    assert placed(first) == placed(again)
    assert first.event_time == again.event_time


def placed(record: UsageRecord) -> tuple[str, str]:
    """Return a record's id and logical partition, its subscription spread over eight shards."""
    subscription, eight = record.subscription_id, (DatedValue("0001-01-01", "8"),)
    identity = Identity({f"shards/{subscription or '-'}": eight})
    return record.record_id, cosmos_partition_key(
        subscription, record.day, record.record_id, identity
    )


@pytest.mark.parametrize(
    "make",
    [
        make_event,
        make_ai_hub_event,
        make_fabric_event,
        make_toolkit_event,
        make_monitoring_event,
    ],
)
def test_no_element_is_touched_by_being_parsed(make: Callable[..., dict[str, Any]]) -> None:
    event = make()
    before = json.dumps(event)

    parse(event)

    assert json.dumps(event) == before


def test_no_payload_on_file_is_an_internal_error() -> None:
    for path in Path(__file__).parents[1].glob("data/*/*.expected.json"):
        assert "internal_error" not in path.read_text()
