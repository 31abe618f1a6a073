import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sightings import HASHING, KEYS, any_text
from usage_ingest.errors import ConfigError
from usage_ingest.events.privacy import Privacy
from usage_ingest.identity import DatedValue, Identity

DAY = "2026-11-20"
ROTATED = Identity({"hmac_key": (DatedValue("0001-01-01", "k1"), DatedValue("2026-11-21", "k2"))})


def test_a_hash_names_its_key() -> None:
    mac = hmac.new(KEYS["k1"], b"user-1", hashlib.sha256).hexdigest()

    assert Privacy(keys=KEYS).hashed("user-1", DAY, HASHING) == f"k1:{mac[:32]}"


def test_without_a_key_nothing_is_hashed_and_nothing_kept() -> None:
    assert Privacy().hashed("user-1", DAY, Identity()) is None
    assert Privacy().end_user("user-1", DAY, Identity()) is None


def test_a_key_that_the_deployment_lost_is_a_config_error() -> None:
    """Going on with another key, or none, would change everyone's identifier."""
    with pytest.raises(ConfigError, match="PRIVACY_HMAC_KEYS: lacks the key 'k1'"):
        Privacy(keys={"k2": b"other"}).hashed("user-1", DAY, HASHING)


def test_a_rotated_key_hashes_from_its_day_on() -> None:
    privacy = Privacy(keys=KEYS | {"k2": b"the next key"})

    before = privacy.hashed("user-1", "2026-11-20", ROTATED)
    after = privacy.hashed("user-1", "2026-11-21", ROTATED)

    assert before is not None
    assert after is not None
    assert (before[:3], after[:3]) == ("k1:", "k2:")
    assert before[3:] != after[3:]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [("keep", "user-1"), ("hash", "k1:"), ("drop", None)],
)
def test_an_end_user_is_kept_hashed_or_dropped_as_configured(
    choice: str, expected: str | None
) -> None:
    privacy = Privacy(end_user_id=choice, keys=KEYS)  # type: ignore[arg-type]

    stored = privacy.end_user("user-1", DAY, HASHING)

    assert stored is None if expected is None else stored is not None and expected in stored
    assert privacy.end_user(None, DAY, HASHING) is None


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        pytest.param("203.0.113.77", "203.0.113.0/24", id="ipv4"),
        pytest.param("203.0.113.77:50123", "203.0.113.0/24", id="ipv4-with-port"),
        pytest.param("2001:db8:1:2::77", "2001:db8:1::/48", id="ipv6"),
        pytest.param("[2001:db8:1:2::77]:50123", "2001:db8:1::/48", id="ipv6-with-port"),
        pytest.param("fe80::1%eth0", "fe80::/48", id="ipv6-with-zone"),
        pytest.param("203.0.113.77, 10.0.0.1", None, id="two-addresses"),
        pytest.param("somebody", None, id="no-address"),
        pytest.param("", None, id="empty"),
        pytest.param(None, None, id="none"),
    ],
)
def test_of_an_address_its_network_is_kept(address: str | None, expected: str | None) -> None:
    assert Privacy(client_ip="truncate").network(address) == expected
    assert Privacy().network(address) is None


@given(any_text)
def test_any_text_can_be_hashed_and_any_address_looked_at(value: str) -> None:
    privacy = Privacy(client_ip="truncate", keys=KEYS)

    hashed = privacy.hashed(value, DAY, HASHING)

    assert hashed is not None
    assert len(hashed) == len("k1:") + 32
    assert privacy.network(value) is None or "/" in str(privacy.network(value))


@given(st.ip_addresses())
def test_two_callers_of_one_network_cannot_be_told_apart(address: object) -> None:
    privacy = Privacy(client_ip="truncate")

    network = privacy.network(str(address))

    assert network is not None
    assert privacy.network(network.partition("/")[0]) == network
