"""Which days a command is about, and whether the ledger still holds them whole. Pure."""

from calendar import monthrange
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

from usage_ingest.errors import ConfigError

_SPARE_DAYS: Final = 3
"""A document may be written a day before its own day begins (clocks), a run may take a day, and
a day ends a day after it began."""


def days_between(first: date, last: date) -> list[str]:
    """Return the days from the first to the last, both included."""
    return [(first + timedelta(days=n)).isoformat() for n in range((last - first).days + 1)]


def days_of_month(year: int, month: int, today: date) -> list[str]:
    """Return the days of a month, up to tomorrow: later ones cannot hold anything."""
    first = date(year, month, 1)
    last = first.replace(day=monthrange(year, month)[1])
    return days_between(first, min(last, today + timedelta(days=1)))


def first_whole_day(today: date, ttl_days: int) -> date:
    """Return the first day of which no ledger document can have expired."""
    return today - timedelta(days=ttl_days - _SPARE_DAYS)


def refuse_expired(days: Sequence[str], today: date, ttl_days: int) -> None:
    """Raise unless the ledger holds all of these days whole.

    Raises:
        ConfigError: Naming the first day that it still holds.
    """
    first = first_whole_day(today, ttl_days).isoformat()
    expired = [day for day in days if day < first]
    if expired:
        told = expired[0] if len(expired) == 1 else f"{expired[0]} to {expired[-1]}"
        raise ConfigError(
            f"The ledger does not hold {told} whole any more: its documents live {ttl_days} days "
            f"(LEDGER_TTL_DAYS). The first day that can be chosen is {first}; the rollups of "
            "earlier days stay as they are."
        )
