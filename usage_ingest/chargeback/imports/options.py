"""What the command line adds to files that do not tell it."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from usage_ingest.chargeback.imports.meter_map import Meter


@dataclass(frozen=True, slots=True)
class Options:
    """What holds for every file of an import.

    `from_day` is for formats without days. `gateway`, `backend` and `region` are of listed
    deployments; `amount` is what a provisioned one costs for each of its units.
    """

    from_day: str | None = None
    gateway: str | None = None
    backend: str | None = None
    region: str | None = None
    amount: Decimal | None = None
    per: Literal["hour", "month"] = "hour"
    currency: str = "USD"
    meters: tuple[Meter, ...] | None = None


NO_DAY = "the format has no days: say with --from-day since when this holds"
