"""Progress and identity over the real SDK."""

import pytest

from tests.builders import NOON, FakeHub, make_batch, make_event
from tests.conftest import Stack
from usage_ingest.adapters.cosmos import Cosmos
from usage_ingest.adapters.cosmos_state import CosmosIdentityStore, CosmosProgressStore
from usage_ingest.errors import ConfigError, ConflictError
from usage_ingest.events.progress import Gap, Progress, Tail


def make_progress(**overrides: object) -> Progress:
    fields = {
        "namespace": "contoso",
        "hub": "usage",
        "partition_id": "3",
        "stored_through": 41,
        "mark_time": NOON,
        "open_gaps": (Gap(3, 5, NOON, NOON, None),),
        "lost_gaps": (Gap(0, 1, NOON),),
        "last_enqueued": 44,
        "last_enqueued_time": NOON,
        "tail": Tail(41, 44, NOON, NOON),
        "checked_at": NOON,
    }
    return Progress(**(fields | overrides))  # type: ignore[arg-type]  # a builder


async def test_what_is_written_is_read_by_another_instance(stack: Stack) -> None:
    cosmos = Cosmos(stack.cosmos.endpoint, stack.cosmos.key, "usage-ingest")
    one, other = CosmosProgressStore(cosmos), CosmosProgressStore(cosmos)

    written = await one.write(make_progress())
    found = await other.read("contoso", "usage", "3")

    assert found == written
    assert await other.read("contoso", "usage", "4") is None
    await cosmos.close()


async def test_a_write_over_what_somebody_else_wrote_is_a_conflict(stack: Stack) -> None:
    cosmos = Cosmos(stack.cosmos.endpoint, stack.cosmos.key, "usage-ingest")
    one, other = CosmosProgressStore(cosmos), CosmosProgressStore(cosmos)
    written = await one.write(make_progress())
    await other.write(written)

    with pytest.raises(ConflictError):
        await one.write(written)
    with pytest.raises(ConflictError):
        await one.write(make_progress())
    assert await one.write(await one.read("contoso", "usage", "3") or written)
    await cosmos.close()


async def test_the_first_key_is_fixed_however_the_setting_is_ordered_later(stack: Stack) -> None:
    cosmos = Cosmos(stack.cosmos.endpoint, stack.cosmos.key, "usage-ingest")

    first = await CosmosIdentityStore(cosmos, stack.clock, ("k1",)).load()
    later = await CosmosIdentityStore(cosmos, stack.clock, ("k2", "k1")).load()

    assert first.hmac_key_id("2026-11-20") == "k1"
    assert later.hmac_key_id("2026-11-20") == "k1"
    await cosmos.close()


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
