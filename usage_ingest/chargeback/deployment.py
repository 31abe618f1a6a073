"""Deployments: which model and SKU a deployment is, and what a provisioned one costs. Pure."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, NamedTuple


class DeploymentKey(NamedTuple):
    """What a document is of; gateway and backend None hold for any."""

    deployment: str
    gateway: str | None = None
    backend: str | None = None

    def matches(self, deployment: str | None, gateway: str, backend: str | None) -> bool:
        """Whether the document is of the deployment that a rollup names."""
        return (
            self.deployment == deployment
            and self.gateway in (None, gateway)
            and self.backend in (None, backend)
        )

    def rank(self) -> tuple[bool, bool]:
        """Order documents that match: the highest is the most specific."""
        return self.backend is not None, self.gateway is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Provisioned:
    """What provisioned throughput (PTU) costs, whoever uses it.

    `tokens_per_hour` is how many weighted tokens it can take; without it a day that has any use
    has no idle part. A weight says how many tokens one of a kind counts as.
    """

    amount: Decimal
    per: Literal["hour", "month"]
    currency: str
    units: int | None = None
    tokens_per_hour: int | None = None
    cached_weight: Decimal = Decimal(1)
    output_weight: Decimal = Decimal(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One deployment from a day on; what is None is read of the calls themselves."""

    id: str
    key: DeploymentKey
    from_day: str
    through_day: str | None = None
    model: str | None = None
    version: str | None = None
    sku: str | None = None
    region: str | None = None
    publisher: str | None = None
    resource_id: str | None = None
    provisioned: Provisioned | None = None
    source: str
    revision: int = 0
    withdrawn: bool = False
