"""What is kept of people: hashed, truncated or dropped, as the deployment says. Pure."""

import hashlib
import hmac
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from usage_ingest.errors import ConfigError
from usage_ingest.identity import Identity

_IPV4_KEPT: Final = 24
_IPV6_KEPT: Final = 48
_DIGITS: Final = 32


@dataclass(frozen=True, slots=True)
class Privacy:
    """The deployment's choice; `keys` are the HMAC secrets by key id."""

    end_user_id: Literal["keep", "hash", "drop"] = "hash"
    client_ip: Literal["drop", "truncate"] = "drop"
    keys: Mapping[str, bytes] = field(default_factory=dict)

    def hashed(self, value: str, day: str, identity: Identity) -> str | None:
        """Return `<key id>:<HMAC-SHA256, 32 hex digits>`; None where there is no key.

        Raises:
            ConfigError: The key that holds on the day is not among the deployment's keys.
        """
        key_id = identity.hmac_key_id(day)
        if key_id is None:
            return None
        key = self.keys.get(key_id)
        if key is None:
            raise ConfigError(
                f"PRIVACY_HMAC_KEYS: lacks the key {key_id!r}, which hashes the events of {day}. "
                "Add it back: identifiers would change otherwise."
            )
        mac = hmac.new(key, value.encode("utf-8", "surrogatepass"), hashlib.sha256)
        return f"{key_id}:{mac.hexdigest()[:_DIGITS]}"

    def end_user(self, value: str | None, day: str, identity: Identity) -> str | None:
        """Return what is stored of an end user's id."""
        if value is None or self.end_user_id == "drop":
            return None
        return value if self.end_user_id == "keep" else self.hashed(value, day, identity)

    def network(self, address: str | None) -> str | None:
        """Return what is stored of a caller's address: its network, or nothing."""
        if address is None or self.client_ip == "drop":
            return None
        try:
            parsed = ipaddress.ip_address(_without_port(address))
        except ValueError:
            return None
        kept = _IPV4_KEPT if parsed.version == 4 else _IPV6_KEPT  # noqa: PLR2004 - IPv4
        return str(ipaddress.ip_network(f"{parsed}/{kept}", strict=False))


def _without_port(address: str) -> str:
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address.partition(":")[0] if address.count(":") == 1 else address
