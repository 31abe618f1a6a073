"""The key that hashes callers' keys enters placement: changing it must move nothing stored."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gateways import make_chat_body, make_fabric_event
from tests.sightings import make_rules, record_of
from usage_ingest.errors import ConfigError
from usage_ingest.events.privacy import Privacy
from usage_ingest.events.to_record import Rules
from usage_ingest.identity import (
    BEGINNING,
    DatedValue,
    Identity,
    changed,
    cosmos_partition_key,
)
from usage_ingest.record import UsageRecord

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
DAYS = 8
EVENTS = [
    make_fabric_event(
        response=make_chat_body(id=f"chatcmpl-{day}-{caller}"),
        EventTime=(START + timedelta(days=day)).isoformat(),
        AppSubscriptionKey=f"key of caller {caller}",
    )
    for day in range(DAYS)
    for caller in range(3)
]
FIRST = (DatedValue(BEGINNING, "k1"),)
SECRETS = {"k1": b"the first key", "k2": b"the second key"}


def rules_of(values: tuple[DatedValue, ...]) -> Rules:
    return make_rules(identity=Identity({"hmac_key": values}), privacy=Privacy(keys=SECRETS))


def replayed(rules: Rules, seen_at: datetime, days: int = DAYS) -> list[UsageRecord]:
    """Read the events of the first days, all of them enqueued and read at one moment."""
    return [
        record_of(event, rules=rules, enqueued_time=seen_at, now=seen_at)
        for event in EVENTS[: days * 3]
    ]


def place(record: UsageRecord, rules: Rules) -> tuple[str, str]:
    placed = cosmos_partition_key(
        record.subscription_id, record.day, record.record_id, rules.identity
    )
    return placed, record.record_id


def totals(stored: dict[tuple[str, str], UsageRecord]) -> Counter[str]:
    found: Counter[str] = Counter()
    for (placed, _), record in stored.items():
        found[placed] += record.usage.total_tokens or 0
    return found


@given(st.integers(1, DAYS - 4), st.integers(3, 6))
def test_a_changed_key_and_everything_replayed_leave_totals_unchanged(
    set_on: int, notice: int
) -> None:
    before = rules_of(FIRST)
    today = START + timedelta(days=set_on)
    from_day = today.date() + timedelta(days=notice)
    after = rules_of(changed(FIRST, "k2", from_day, today.date()))

    stored = {place(each, before): each for each in replayed(before, today, set_on + 1)}
    for rules, until in ((before, set_on + 1), (after, DAYS), (after, DAYS)):
        for each in replayed(rules, START + timedelta(days=DAYS), until):
            stored.setdefault(place(each, rules), each)

    assert len(stored) == len(EVENTS)
    assert sum(totals(stored).values()) == 120 * len(EVENTS)
    assert totals(stored) == totals(
        {place(each, after): each for each in replayed(after, START + timedelta(days=30))}
    )


def test_each_day_has_the_key_that_holds_on_it_however_late_it_is_read() -> None:
    rules = rules_of(changed(FIRST, "k2", date(2026, 11, 24), date(2026, 11, 20)))

    found = replayed(rules, START + timedelta(days=60))

    keys = [(each.subscription_id or "-").partition(":")[0] for each in found]
    assert keys == ["k1"] * 12 + ["k2"] * 12


def test_the_same_records_come_of_a_replay_across_the_change() -> None:
    before = rules_of(FIRST)
    after = rules_of(changed(FIRST, "k2", date(2026, 11, 28), date(2026, 11, 20)))
    late = START + timedelta(days=DAYS)

    assert replayed(before, late) == replayed(after, late)


def test_the_key_has_no_part_in_the_identity_of_a_record() -> None:
    first = replayed(rules_of(FIRST), START + timedelta(days=DAYS))
    other = replayed(rules_of((DatedValue(BEGINNING, "k2"),)), START + timedelta(days=DAYS))
    without = replayed(make_rules(), START + timedelta(days=DAYS))

    ids = [[each.record_id for each in found] for found in (first, other, without)]
    assert ids[0] == ids[1] == ids[2]
    assert {each.subscription_id for each in without} == {None}


def test_a_key_that_the_deployment_lost_is_no_fault_of_the_event() -> None:
    rules = make_rules(identity=Identity({"hmac_key": FIRST}), privacy=Privacy(keys={"k2": b"x"}))

    with pytest.raises(ConfigError, match="lacks the key 'k1'"):
        record_of(EVENTS[0], rules=rules, enqueued_time=START, now=START)
