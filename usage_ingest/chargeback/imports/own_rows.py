"""Rows of our own files, YAML and CSV alike: the one schema, and the nouns they become."""

from decimal import Decimal
from typing import Any, Final, Literal, Self

from pydantic import Field, model_validator

from usage_ingest.chargeback.deployment import Deployment, DeploymentKey, Provisioned
from usage_ingest.chargeback.imports.field_types import (
    ContextOver,
    Count,
    Currency,
    Day,
    Money,
    PaidKind,
    Region,
    Strict,
    Text,
    Tier,
)
from usage_ingest.chargeback.imports.number import priced, quantity_of
from usage_ingest.chargeback.kinds import Kind, unit
from usage_ingest.chargeback.line import GROUPS
from usage_ingest.chargeback.owner import (
    UNALLOCATED,
    DisplayName,
    NameKey,
    OwnerKey,
    OwnerRule,
    Payer,
)
from usage_ingest.chargeback.price import Price, PriceKey
from usage_ingest.chargeback.reference_document import Noun
from usage_ingest.parameters import TAG

_NO_CURRENCY: Final = "XXX"  # ISO 4217; of a price that is taken back
_TOKENS: Final = unit(Kind.INPUT)
_MOST_MARKUP: Final = Decimal(10_000)


class _Row(Strict):
    """What every row has. `withdrawn` takes back what an earlier import said of key and day."""

    from_day: Day
    through_day: Day | None = None
    source: Text | None = None
    withdrawn: bool = False

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.through_day is not None and self.through_day < self.from_day:
            raise ValueError("through_day is before from_day")
        return self

    def dated(self, source: str) -> dict[str, Any]:
        """Return the fields that all nouns have; ids and revisions come later."""
        return {
            "id": "",
            "from_day": self.from_day,
            "through_day": self.through_day,
            "source": self.source or source,
            "withdrawn": self.withdrawn,
        }


class PriceRow(_Row):
    """A price, as written."""

    model: Text
    version: Text | None = None
    sku: Text | None = None
    region: Region | None = None
    deployment: Text | None = None
    service_tier: Tier | None = None
    context_over: ContextOver | None = None
    currency: Currency | None = None
    per: Literal["1K", "1M"] = "1M"
    duration_per: Literal["second", "minute", "hour"] = "second"
    unit_prices: dict[PaidKind, Money] = Field(default_factory=dict)
    list_unit_prices: dict[PaidKind, Money] | None = None

    @model_validator(mode="after")
    def _has_prices(self) -> Self:
        if not self.withdrawn and (self.currency is None or not self.unit_prices):
            raise ValueError("currency and unit_prices are needed where it is not withdrawn")
        self._priced(self.unit_prices)
        self._priced(self.list_unit_prices or {})
        return self

    def _priced(self, prices: dict[Kind, Decimal]) -> dict[Kind, Decimal]:
        return {kind: priced(each, self._quantity(kind), kind) for kind, each in prices.items()}

    def _quantity(self, kind: Kind) -> int:
        if kind is Kind.DURATION:
            return quantity_of(f"1 {self.duration_per}", kind)
        return quantity_of(self.per, kind) if unit(kind) == _TOKENS else 1

    def noun(self, source: str) -> Noun:
        """Return the price."""
        listed = self.list_unit_prices
        return Price(
            **self.dated(source),
            key=PriceKey(**{name: getattr(self, name) for name in PriceKey._fields}),
            currency=self.currency or _NO_CURRENCY,
            unit_prices=self._priced(self.unit_prices),
            list_unit_prices=None if listed is None else self._priced(listed),
        )


class ProvisionedRow(Strict):
    """What provisioned throughput costs, as written; see chargeback.deployment.Provisioned."""

    amount: Money
    per: Literal["hour", "month"]
    currency: Currency
    units: Count | None = None
    tokens_per_hour: Count | None = None
    cached_weight: Money = Decimal(1)
    output_weight: Money = Decimal(1)


class DeploymentRow(_Row):
    """A deployment, as written."""

    deployment: Text
    gateway: Text | None = None
    backend: Text | None = None
    model: Text | None = None
    version: Text | None = None
    sku: Text | None = None
    region: Region | None = None
    publisher: Text | None = None
    resource_id: Text | None = None
    provisioned: ProvisionedRow | None = None

    def noun(self, source: str) -> Noun:
        """Return the deployment."""
        told = ("model", "version", "sku", "region", "publisher", "resource_id")
        paid = self.provisioned
        return Deployment(
            **self.dated(source),
            **{name: getattr(self, name) for name in told},
            key=DeploymentKey(self.deployment, self.gateway, self.backend),
            provisioned=None if paid is None else Provisioned(**dict(paid)),
        )


class OwnerRow(_Row):
    """A rule, as written; one that names nothing must say that it is for `everything`."""

    subscription: Text | None = None
    product: Text | None = None
    app: Text | None = None
    tenant: Text | None = None
    tags: dict[Text, Text] = Field(default_factory=dict)
    everything: bool = False
    owner: Text | None = None
    cost_center: Text | None = None
    department: Text | None = None
    markup_percent: Money = Decimal(0)

    @model_validator(mode="after")
    def _is_clear(self) -> Self:
        named = (self.subscription, self.product, self.app, self.tenant, *self.tags)
        if self.everything == any(each is not None for each in named):
            raise ValueError(
                "name a subscription, product, app, tenant or tag, or say everything: true"
            )
        if self.owner is None and not self.withdrawn:
            raise ValueError("owner is needed where it is not withdrawn")
        if self.owner == UNALLOCATED:
            raise ValueError(f"owner {UNALLOCATED!r} is what no rule matches: name another")
        if self.markup_percent > _MOST_MARKUP:
            raise ValueError(f"markup_percent is above {_MOST_MARKUP}")
        return self

    def noun(self, source: str) -> Noun:
        """Return the rule."""
        tags = tuple(sorted(self.tags.items()))
        owner = self.owner or UNALLOCATED
        return OwnerRule(
            **self.dated(source),
            key=OwnerKey(self.subscription, self.product, self.app, self.tenant, tags),
            payer=Payer(owner, self.cost_center, self.department, self.markup_percent),
        )


class NameRow(_Row):
    """A name to show, as written."""

    of: Text
    value: Text
    name: Text | None = None

    @model_validator(mode="after")
    def _is_of_a_group(self) -> Self:
        if self.of not in GROUPS and not (self.of.startswith(TAG) and self.of != TAG):
            raise ValueError(f"of takes one of {', '.join(GROUPS)}, or {TAG}<name>")
        if self.name is None and not self.withdrawn:
            raise ValueError("name is needed where it is not withdrawn")
        return self

    def noun(self, source: str) -> Noun:
        """Return the name."""
        key = NameKey(self.of, self.value)
        return DisplayName(**self.dated(source), key=key, name=self.name or "")


Row = PriceRow | DeploymentRow | OwnerRow | NameRow
ROWS: Final[dict[str, type[Row]]] = {
    "price": PriceRow,
    "deployment": DeploymentRow,
    "owner": OwnerRow,
    "name": NameRow,
}
"""By the type of document."""
