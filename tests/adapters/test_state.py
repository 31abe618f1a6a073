"""The keys that identifiers are hashed with, from the settings to what is stored."""

import pytest

from tests.builders import FakeHub, make_batch, make_event
from tests.conftest import Stack
from usage_ingest.errors import ConfigError


async def test_end_users_are_hashed_with_the_key_of_the_day(stack: Stack) -> None:
    hashing = stack.start(reader=FakeHub(), PRIVACY_HMAC_KEYS="k1=secret-one,k2=secret-two")

    await hashing.ingest.batch(make_batch(make_event(end_user_id="anna@contoso.example")))

    (document,) = await stack.documents("usage", type="usage")
    assert document["end_user_id"].startswith("k1:")
    assert "anna" not in str(document)


async def test_a_missing_key_is_a_deployment_error_and_no_dead_letter(stack: Stack) -> None:
    """Dropping the hash would give the same person two names: the events wait instead."""
    first = stack.start(reader=FakeHub(), PRIVACY_HMAC_KEYS="k1=secret-one")
    await first.ingest.batch(make_batch(make_event(end_user_id="anna")))
    rotated = stack.start(reader=FakeHub(), PRIVACY_HMAC_KEYS="k2=secret-two")

    with pytest.raises(ConfigError, match="lacks the key 'k1'"):
        await rotated.ingest.batch(make_batch(make_event(end_user_id="anna"), first=1))


async def test_a_key_that_comes_after_the_first_events_holds_from_three_days_on(
    stack: Stack,
) -> None:
    """What was stored without a key stays where it is when it is replayed."""
    event = make_event(end_user_id="anna", event_time="2026-11-20T10:00:00Z")
    await stack.start(reader=FakeHub()).ingest.batch(make_batch(event))
    keyed = stack.start(reader=FakeHub(), PRIVACY_HMAC_KEYS="k1=secret-one")

    await keyed.ingest.batch(make_batch(make_event(end_user_id="anna"), first=1))
    stack.clock.move(days=3)
    later = make_event(end_user_id="anna", event_time="2026-11-23T10:00:00Z")
    await keyed.ingest.batch(make_batch(later, first=2, enqueued=stack.clock.now()))

    users = [each.get("end_user_id") for each in await stack.documents("usage", type="usage")]
    assert users.count(None) == 2
    assert sorted(str(user)[:3] for user in users if user) == ["k1:"]
