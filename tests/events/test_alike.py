"""The short way gives what the general way gives, or leaves the event to it."""

import json
from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import NOON, make_event, make_usage
from tests.data.regenerate import payloads
from tests.events.test_covered_by_metrics import covering
from tests.sightings import (
    HASHING,
    KEYS,
    any_text,
    json_values,
    make_coordinates,
    make_rules,
    outcome_of,
    to_bytes,
)
from usage_ingest.errors import ConfigError
from usage_ingest.events import alike
from usage_ingest.events.alike import record_alike
from usage_ingest.events.envelope import elements
from usage_ingest.events.parse import Parsed, parse_elements, parse_event
from usage_ingest.events.privacy import Privacy
from usage_ingest.events.shapes import own
from usage_ingest.events.to_record import Rules, Sighting
from usage_ingest.identity import DatedValue, Identity
from usage_ingest.record import Flag, UsageRecord, UsageState

PLAIN = make_rules()
HASHED = make_rules(identity=HASHING, privacy=Privacy(keys=KEYS))
COVERED = covering(product_id=["ai-standard"])
RESPONSES = {
    "input_tokens": 100,
    "input_tokens_details": {"cached_tokens": 64},
    "output_tokens": 20,
    "output_tokens_details": {"reasoning_tokens": 8},
    "total_tokens": 120,
}
EMBEDDINGS = {"prompt_tokens": 100, "total_tokens": 100}
STREAMED: dict[str, Any] = {"usage": None, "streaming": True}


def sighting(body: bytes, **coordinates: Any) -> Sighting:
    return Sighting(make_coordinates(**coordinates), 0, body, NOON)


def generally(seen: Sighting, rules: Rules) -> list[Parsed] | ConfigError:
    try:
        found = outcome_of(lambda: elements(seen.body))
        return parse_elements(found, seen, rules) if isinstance(found, list) else []
    except ConfigError as error:
        return error


def short(seen: Sighting, rules: Rules) -> UsageRecord | ConfigError | None:
    try:
        return record_alike(seen, rules)
    except ConfigError as error:
        return error


def agrees(seen: Sighting, rules: Rules) -> bool:
    """Assert that the short way does not differ; return whether it read the event."""
    found = short(seen, rules)
    if found is None:
        return False
    expected = generally(seen, rules)
    if isinstance(found, ConfigError):
        assert str(found) == str(expected)
    else:
        assert expected == [found]
        assert found.usage.reported() == type(found.usage)(**found.usage.reported()).reported()
    return True


def is_read(event: Mapping[str, Any], rules: Rules = PLAIN, **coordinates: Any) -> bool:
    return agrees(sighting(orjson.dumps(event), **coordinates), rules)


@pytest.mark.parametrize(
    "overrides",
    [
        pytest.param({}, id="chat"),
        pytest.param({"usage": RESPONSES, "api_kind": "responses"}, id="responses"),
        pytest.param({"usage": EMBEDDINGS, "api_kind": "embeddings"}, id="embeddings"),
        pytest.param(STREAMED, id="streamed"),
        pytest.param({"usage": None, "status": 429, "latency_ms": None}, id="refused"),
        pytest.param({"tags": None, "response_id": None}, id="without-tags"),
        pytest.param({"region": " Köln\x07 ", "session_id": "s\x00", "end_user_id": "u"}, id="odd"),
        pytest.param({"event_time": "2026-11-20 11:59:58"}, id="another-time"),
        pytest.param({"usage": make_usage(prompt_tokens_details=None)}, id="no-details"),
    ],
)
def test_ordinary_events_are_read_the_short_way(overrides: dict[str, Any]) -> None:
    for rules in (PLAIN, HASHED):
        assert is_read(make_event(**overrides), rules)
        assert is_read(make_event(**overrides), rules, hub="another")


@pytest.mark.parametrize(
    "overrides",
    [
        pytest.param({"carbon_grams": 3}, id="unknown-key"),
        pytest.param({"gateway_request_id": None}, id="no-request-id"),
        pytest.param({"gateway_request_id": "\x00"}, id="request-id-of-controls"),
        pytest.param({"gateway": None}, id="no-gateway"),
        pytest.param({"gateway": "\x01"}, id="gateway-of-controls"),
        pytest.param({"event_time": None, "response_created": 1_795_000_000}, id="no-time"),
        pytest.param({"event_time": "5/6/2026 1:00:00 PM"}, id="culture-time"),
        pytest.param({"event_time": "2026-11-23T00:00:00Z"}, id="future"),
        pytest.param({"event_time": "2020-11-23T00:00:00Z"}, id="too-old"),
        pytest.param({"method": "get"}, id="read-back"),
        pytest.param({"background": True, "response_created": 1_795_000_000}, id="poll"),
        pytest.param({"api_kind": "realtime"}, id="realtime"),
        pytest.param({"status": 99}, id="odd-status"),
        pytest.param({"latency_ms": -1}, id="odd-latency"),
        pytest.param({"latency_ms": "812"}, id="number-as-text"),
        pytest.param({"region": 5}, id="text-as-number"),
        pytest.param({"tags": {"team": 5}}, id="tag-as-number"),
        pytest.param({"usage": {}}, id="empty-usage"),
        pytest.param({"usage": make_usage(prompt_tokens=-1)}, id="negative"),
        pytest.param({"usage": make_usage(prompt_tokens=200_000_000)}, id="implausible"),
        pytest.param({"usage": make_usage(service_tier="flex")}, id="tier-in-usage"),
        pytest.param({"usage": make_usage(total_tokens=119)}, id="total-below-parts"),
        pytest.param(
            {"usage": make_usage(prompt_tokens_details={"cached_tokens": 101})}, id="part-above"
        ),
        pytest.param(
            {
                "usage": make_usage(
                    total_tokens=125, completion_tokens_details={"reasoning_tokens": 5}
                )
            },
            id="reasoning-apart",
        ),
        pytest.param({"usage": RESPONSES, "provider": "anthropic"}, id="anthropic"),
        pytest.param({"usage": RESPONSES, "api_kind": "images"}, id="images"),
        pytest.param({"usage": RESPONSES | {"prompt_tokens": 1}}, id="two-apis"),
        pytest.param({"app_hint": "x" * 4_096}, id="long"),
    ],
)
def test_anything_else_is_left_to_the_general_way(overrides: dict[str, Any]) -> None:
    assert not is_read(make_event(**overrides))


def test_what_is_no_event_of_ours_is_left_to_the_general_way() -> None:
    event = orjson.dumps(make_event())

    for body in (b"", b"[" + event + b"]", event[:-1], event + b"}", b"\xef\xbb\xbf" + event):
        assert record_alike(sighting(body), PLAIN) is None


def test_tokens_that_count_by_metrics_are_left_to_the_general_way() -> None:
    assert not is_read(make_event(), COVERED)
    assert is_read(make_event(product_id="another"), COVERED)
    assert is_read(make_event(**STREAMED), COVERED)


def test_a_key_that_is_missing_is_told() -> None:
    rules = make_rules(identity=HASHING)
    event = make_event(end_user_id="someone")

    with pytest.raises(ConfigError, match="lacks the key 'k1'"):
        parse_event(sighting(orjson.dumps(event)), rules)
    assert is_read(event, rules)


def test_events_that_are_alike_are_read_once_in_the_general_way() -> None:
    alike._kind.cache_clear()
    for _ in range(20):
        assert is_read(make_event(session_id="s", end_user_id="u", latency_ms=7))
    assert is_read(make_event(status=201))

    assert alike._kind.cache_info().misses == 2


def test_every_key_of_an_event_is_known_here() -> None:
    event = make_event(usage=None)
    every = event | dict.fromkeys(own.KEYS - event.keys())

    assert is_read(every)
    assert not is_read({**every, "one_more": None})


def test_an_event_that_is_alike_keeps_nothing_of_the_one_before() -> None:
    first = record_alike(sighting(orjson.dumps(make_event(session_id="s"))), PLAIN)
    event = make_event(**STREAMED)
    second = record_alike(sighting(orjson.dumps(event), sequence_number=7), PLAIN)

    assert first is not None
    assert second is not None
    assert first.record_id != second.record_id
    assert (first.session_id, second.session_id) == ("s", None)
    assert second.response_id == event["response_id"]
    assert second.usage_state is UsageState.AWAITING_METRICS
    assert second.coordinates == make_coordinates(sequence_number=7)
    assert Flag.ODD_VALUE not in second.flags


def test_the_payloads_of_our_own_gateways_come_to_the_same() -> None:
    read = 0
    for path in payloads():
        whole = path.read_bytes()
        for line in [whole, *whole.splitlines()]:
            try:
                body = orjson.dumps(orjson.loads(line))
            except orjson.JSONDecodeError:
                body = line
            read += agrees(sighting(body), PLAIN)
            read += agrees(sighting(body), HASHED)

    assert read > 10  # the others are arrays, polls, other APIs and odd ones


numbers = (
    st.integers(-2, 130)
    | st.sampled_from([10**8, 10**8 + 1, 2**31, 2**63, 10**30, -1])
    | st.floats()
    | st.sampled_from(["12", "", "1.0", None, True, 1.0, 20.0])
)
likely_counts = st.integers(0, 130) | st.integers(0, 130) | numbers
details = st.dictionaries(
    st.sampled_from(
        "cached_tokens cache_write_tokens audio_tokens image_tokens text_tokens reasoning_tokens "
        "accepted_prediction_tokens rejected_prediction_tokens thinking_tokens other".split()
    ),
    likely_counts | json_values,
    max_size=4,
)
usages = st.dictionaries(
    st.sampled_from(
        "prompt_tokens completion_tokens input_tokens output_tokens total_tokens seconds".split()
    ),
    likely_counts,
    max_size=4,
).flatmap(
    lambda wholes: st.dictionaries(
        st.sampled_from(
            "prompt_tokens_details completion_tokens_details input_tokens_details "
            "output_tokens_details input_token_details service_tier type tool_usage "
            "cache_read_input_tokens svg_usage".split()
        ),
        details | likely_counts | json_values,
        max_size=3,
    ).map(lambda inner: {**wholes, **inner})
)
texts = any_text | st.sampled_from(["", " ", "GET", "post", "realtime", "images", "anthropic", "é"])
times = st.sampled_from(
    [
        "2026-11-20T11:59:58.1234567Z",
        "2026-11-20T11:59:58+02:00",
        "2026-11-20T11:59:58 ",
        "2026-W47-5T15:04:05.1234567Z",
        "20261120T115958Z",
        "2026-11-20",
        "5/6/2026 1:00:00 PM",
        "2026-11-20, 1:00:00 PM",
        "2027-01-01T00:00:00Z",
        "2024-01-01T00:00:00Z",
        1_795_000_000,
    ]
)
changes = st.dictionaries(
    st.sampled_from(sorted(own.KEYS - {"schema", "usage", "tags", "event_time"})) | any_text,
    texts | numbers | json_values,
    max_size=3,
)
events = st.builds(
    lambda changed, usage, tags, time, gone: {
        key: value
        for key, value in (make_event() | changed | usage | tags | time).items()
        if key not in gone
    },
    changes,
    st.just({}) | usages.map(lambda each: {"usage": each}) | st.just({"usage": None}),
    st.just({})
    | st.dictionaries(any_text, texts | json_values, max_size=3).map(lambda each: {"tags": each}),
    st.just({}) | times.map(lambda each: {"event_time": each}),
    st.sets(st.sampled_from(sorted(make_event().keys() - {"schema"})), max_size=2),
)
all_rules = st.sampled_from(
    [
        PLAIN,
        HASHED,
        COVERED,
        make_rules(privacy=Privacy("keep")),
        make_rules(identity=Identity({"hmac_key": (DatedValue("2026-11-20", "k9"),)})),
        make_rules(
            identity=Identity({"metric_profile/x": (DatedValue("0001-01-01", "no definition"),)})
        ),
    ]
)
places = st.sampled_from([{}, {"hub": "another"}, {"enqueued_time": None}, {"partition_id": None}])


def compact(event: object) -> bytes:
    """Write an event as the policies do; lax as `to_bytes` in all else."""
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode(
        "utf-8", "surrogatepass"
    )


@settings(max_examples=1_500, deadline=None)
@given(events, all_rules, places)
def test_whatever_an_event_holds_both_ways_agree(
    event: dict[str, Any], rules: Rules, place: dict[str, Any]
) -> None:
    for body in (compact(event), to_bytes(event).replace(b'{"schema": ', b'{"schema":', 1)):
        agrees(sighting(body, **place), rules)


def changed_at(body: bytes, at: int, old: int, new: bytes) -> bytes:
    at %= len(body)
    return body[:at] + new + body[at + old :]


ESCAPES = [b"\\", b"\\u0041", b"\\ud800", b'\\"', b"\x00", b"\xc3", b"\xed\xa0\x80", b"\n", b" "]
NUMBERS = [b"0", b"-", b".0", b"e1", b"E2", b"00", b"-0"]
MARKS = [b'"', b",", b"{", b"}", b"[", b":", b"null", b"true"]
REPEATS = [b'"status":201,', b'"usage":null,', b'"usage":{"a":{}},', b'"tags":{"a":"b"},']
FOREIGN = [b'"requestBody":1,', b'"records":[],', b'"subscriptionId":"",', b'"schema":"other",']
pieces = st.binary(max_size=2) | st.sampled_from([*ESCAPES, *NUMBERS, *MARKS, *REPEATS, *FOREIGN])


@settings(max_examples=1_500, deadline=None)
@given(
    st.lists(st.tuples(st.integers(27, 10_000), st.integers(0, 2), pieces), min_size=1, max_size=3),
    st.sampled_from([{}, {"usage": RESPONSES}, STREAMED]),
    all_rules,
)
def test_whatever_the_bytes_are_both_ways_agree(
    edits: list[tuple[int, int, bytes]], overrides: dict[str, Any], rules: Rules
) -> None:
    body = compact(make_event(**overrides))
    for at, old, new in edits:
        body = changed_at(body, at, old, new)

    agrees(sighting(body), rules)
