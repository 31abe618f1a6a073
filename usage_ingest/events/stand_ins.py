"""What gateways write where they know nothing: "NA" and the like are no values. Pure."""

from typing import Final

from usage_ingest.events.fields import raw_id, text

_STAND_INS: Final = frozenset({"na", "n/a", "portal-admin", "portal-admin-sub"})


def is_stand_in(value: object) -> bool:
    """Whether a value only stands for one that the gateway did not have."""
    return isinstance(value, str) and value.strip().lower() in _STAND_INS


def known_text(value: object) -> str | None:
    """Read a name; a stand-in is None."""
    read_as = text(value)
    return None if is_stand_in(read_as) else read_as


def known_id(value: object) -> str | None:
    """Read an id for identity, as it was sent; a stand-in is None."""
    return None if known_text(value) is None else raw_id(value)


def known_time(value: object) -> str | None:
    """Read a time that was written as text; a stand-in is None."""
    return value if isinstance(value, str) and known_text(value) else None
