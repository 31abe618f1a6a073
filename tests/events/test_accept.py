import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import NOON, FrozenClock, body, make_ai_hub_event, make_event, make_usage
from tests.data.regenerate import payloads
from tests.gateways import (
    make_chargeback_event,
    make_fabric_event,
    make_monitoring_event,
    make_toolkit_event,
)
from tests.sightings import any_text, json_values, parse, to_bytes
from usage_ingest import telemetry
from usage_ingest.errors import (
    Refusal,
    RefusedEventsError,
    ThrottledError,
    TooLargeError,
    UsageIngestError,
)
from usage_ingest.events import parse as parsing
from usage_ingest.events.accept import MAX_BYTES, Accept
from usage_ingest.ports import OutgoingEvent
from usage_ingest.record import UsageRecord


class FakePublisher:
    """Implements ports.EventPublisher in memory."""

    hub = "usage"

    def __init__(self, error: Exception | None = None) -> None:
        self.events: list[OutgoingEvent] = []
        self.error = error

    async def publish(self, events: Sequence[OutgoingEvent]) -> None:
        if self.error is not None:
            raise self.error
        self.events += events


def make_accept(publisher: FakePublisher | None = None) -> Accept:
    return Accept(publisher=publisher or FakePublisher(), clock=FrozenClock(), ledger_ttl_days=400)


async def accepted(content: object) -> list[OutgoingEvent]:
    publisher = FakePublisher()
    number = await make_accept(publisher).events(body(content))
    assert number == len(publisher.events)
    return publisher.events


async def refusals(content: object) -> tuple[Refusal, ...]:
    publisher = FakePublisher()
    with pytest.raises(RefusedEventsError) as refused:
        await make_accept(publisher).events(body(content))
    assert publisher.events == []
    return refused.value.refusals


@pytest.mark.parametrize(
    "event",
    [
        make_event(),
        make_ai_hub_event(),
        make_fabric_event(),
        make_toolkit_event(),
        make_monitoring_event(),
    ],
    ids=["own", "ai_hub", "fabric", "toolkit", "monitoring"],
)
async def test_an_event_of_any_shape_is_accepted_as_it_came(event: dict[str, Any]) -> None:
    (published,) = await accepted(event)

    assert published.body == body(event)


@pytest.mark.parametrize(
    "wrap", [list, lambda events: {"records": events}], ids=["array", "records"]
)
async def test_each_element_becomes_an_event_of_its_own(wrap: Any) -> None:
    events = [make_event(), make_ai_hub_event(), make_event()]

    published = await accepted(wrap(events))

    assert [each.body for each in published] == [body(each) for each in events]
    assert telemetry.counters["events_accepted"] == 3


@pytest.mark.parametrize(
    "path",
    [path for path in payloads() if path.parent.name in {"chargeback", "bodies"}],
    ids=lambda path: f"{path.parent.name}/{path.name}",
)
async def test_what_was_asked_and_answered_does_not_come_into_the_hub(path: Path) -> None:
    """These gateways post both bodies; of them everything that is read stays."""
    added = {"requestId": "a-1", "timestamp": "2026-11-20T11:59:58Z"}
    for event in chargeback_events(path):
        (published,) = await accepted(event | added)

        (here,), (there,) = parse(event | added), parse(published.body)
        assert isinstance(here, UsageRecord)
        assert here == there
        if isinstance(event["responseBody"], dict):
            assert b"planted prompt" not in published.body
            assert b"planted completion" not in published.body


def chargeback_events(path: Path) -> list[dict[str, Any]]:
    """The events on file, or one with the body on file as its answer, as JSON or as text."""
    content = path.read_bytes()
    if path.parent.name == "chargeback":
        lines = content.splitlines() if path.suffix == ".jsonl" else [content]
        return [json.loads(line) for line in lines]
    answer = json.loads(content) if path.suffix == ".json" else content.decode()
    return [make_chargeback_event(responseBody=answer)]


@pytest.mark.parametrize("content", [[], {"records": []}])
async def test_nothing_to_accept_is_no_mistake(content: object) -> None:
    assert await accepted(content) == []


async def test_every_refused_element_is_named_and_nothing_is_published() -> None:
    found = await refusals(
        [make_event(), 5, make_event(usage=make_usage(prompt_tokens=-1)), {"a": 1}]
    )

    assert [(each.index, each.reason, each.path) for each in found] == [
        (1, "not_an_object", ""),
        (2, "bad_count", "usage.prompt_tokens"),
        (3, "unknown_shape", ""),
    ]
    assert telemetry.counters["events_refused"] == 3


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "not_json"), (b'{"a', "truncated_json"), (b"\xff\xfe", "not_utf8")],
)
async def test_a_body_without_elements_is_refused_as_a_whole(content: bytes, reason: str) -> None:
    (found,) = await refusals(content)

    assert (found.index, found.reason) == (None, reason)


@pytest.mark.parametrize(
    "event",
    [
        make_event(gateway_request_id=None, response_id=None),
        make_event(event_time=None),
        make_chargeback_event(responseBody={"object": "list", "usage": {"total_tokens": 8}}),
        make_toolkit_event(RequestId="NA"),
    ],
    ids=["no-id", "no-time", "embeddings", "stand-in"],
)
async def test_an_event_without_an_identity_of_its_own_is_refused(event: dict[str, Any]) -> None:
    """Its place in the hub would be its identity, and a retry has another place."""
    (found,) = await refusals(event)

    assert found.reason == "no_identity"
    assert "gateway_request_id" in found.text


@pytest.mark.parametrize(
    ("moved", "reason"),
    [(timedelta(hours=25), "impossible_time"), (timedelta(days=-400), "too_old")],
)
async def test_a_time_that_the_ledger_would_not_take_is_refused(
    moved: timedelta, reason: str
) -> None:
    (found,) = await refusals(make_event(event_time=(NOON + moved).isoformat()))

    assert found.reason == reason


async def test_a_pasted_key_is_refused_in_an_array_too() -> None:
    pasted = body(make_chargeback_event())[:-1] + b',"subscriptionId":"another"}'

    (found,) = await refusals(b"[" + body(make_event()) + b"," + pasted + b"]")

    assert (found.index, found.reason) == (1, "repeated_key")


async def test_a_body_of_the_largest_size_is_accepted_and_one_byte_more_is_not() -> None:
    event = body(make_event())

    assert len(await accepted(event + b" " * (MAX_BYTES - len(event)))) == 1
    with pytest.raises(TooLargeError, match="1,000,001 bytes"):
        await accepted(event + b" " * (MAX_BYTES + 1 - len(event)))


async def test_too_many_elements_are_too_large() -> None:
    with pytest.raises(TooLargeError, match="more than 2000 elements"):
        await accepted(b"[" + b"1," * 2_000 + b"1]")


async def test_a_defect_of_ours_does_not_refuse_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the hub it becomes a dead letter, which can be replayed once the defect is mended."""

    def fail(_: object) -> None:
        raise LookupError

    monkeypatch.setattr(parsing, "read_element", fail)

    (published,) = await accepted(make_event())

    assert published.partition_key is None


@pytest.mark.parametrize("error", [ThrottledError("busy"), TooLargeError("an event")])
async def test_what_the_publisher_raises_reaches_the_caller(error: UsageIngestError) -> None:
    with pytest.raises(type(error)):
        await make_accept(FakePublisher(error)).events(body(make_event()))

    assert telemetry.counters["events_accepted"] == 0


async def test_a_subscriptions_events_go_to_four_keys() -> None:
    published = await accepted([make_event() for _ in range(100)])

    assert {each.partition_key for each in published} == {f"hr-copilot-{n}" for n in range(4)}


async def test_an_event_that_is_sent_again_has_the_same_key() -> None:
    event = make_event()

    assert await accepted(event) == await accepted(event)


async def test_an_event_without_subscription_has_a_key_too() -> None:
    (published,) = await accepted(make_fabric_event())

    assert str(published.partition_key).startswith("--")


async def test_a_long_subscription_is_cut_in_the_key() -> None:
    """Event Hubs takes 128 characters."""
    (published,) = await accepted(make_event(subscription_id="x" * 256))

    assert len(str(published.partition_key)) == 102


async def test_many_subscriptions_at_once_share_keys() -> None:
    """A batch has one key: thousands of batches would take longer than a caller waits."""
    published = await accepted([make_event(subscription_id=f"team-{n}") for n in range(500)])

    assert len({each.partition_key for each in published}) == 16


extras = st.dictionaries(
    st.sampled_from(["records", "prompt", "schema_note"]) | any_text, json_values, max_size=3
)
real = st.builds(
    lambda make, more: make() | more,
    st.sampled_from(
        [
            make_event,
            make_ai_hub_event,
            make_toolkit_event,
            make_monitoring_event,
            make_chargeback_event,
        ]
    ),
    extras,
)


@given(st.lists(real, max_size=4))
async def test_what_is_accepted_is_read_in_the_hub_as_it_was_read_here(
    events: list[dict[str, Any]],
) -> None:
    publisher = FakePublisher()
    sent = to_bytes(events)
    try:
        await make_accept(publisher).events(sent)
    except RefusedEventsError:
        return

    here, there = parse(sent), [parse(each.body) for each in publisher.events]

    assert [len(each) for each in there] == [1] * len(events)
    for one, (other,) in zip(here, there, strict=True):
        assert isinstance(one, UsageRecord)
        assert isinstance(other, UsageRecord)
        assert (one.record_id, one.usage, one.day) == (other.record_id, other.usage, other.day)
