"""Reference documents with keyword overrides: what a test does not name is ordinary."""

from decimal import Decimal
from typing import Any, TypeVar

from usage_ingest.chargeback.deployment import Deployment, DeploymentKey
from usage_ingest.chargeback.kinds import Kind
from usage_ingest.chargeback.owner import DisplayName, NameKey, OwnerKey, OwnerRule, Payer
from usage_ingest.chargeback.price import Price, PriceKey
from usage_ingest.chargeback.reference_document import identified

N = TypeVar("N", Price, Deployment, OwnerRule, DisplayName)
ORDINARY: dict[str, Any] = {"id": "", "from_day": "2026-11-01", "source": "contract"}


def make_price(model: str = "gpt-4o", /, key: dict[str, Any] | None = None, **rest: Any) -> Price:
    """A price of a model; `key` names more of it."""
    prices = {"input": "2.5", "cached_input": "1.25", "output": "10"}
    prices = rest.pop("unit_prices", prices)
    priced = {Kind(kind): Decimal(price) for kind, price in prices.items()}
    told = ORDINARY | {"currency": "USD", "unit_prices": priced} | rest
    return _identified(Price(key=PriceKey(model, **(key or {})), **told))


def make_deployment(name: str = "gpt-4o-prod", /, **rest: Any) -> Deployment:
    key = DeploymentKey(name, rest.pop("gateway", None), rest.pop("backend", None))
    return _identified(Deployment(key=key, **(ORDINARY | rest)))


def make_rule(owner: str = "HR", /, key: dict[str, Any] | None = None, **rest: Any) -> OwnerRule:
    named = OwnerKey(**(key or {"subscription": "hr-copilot"}))
    told = ORDINARY | {"payer": Payer(owner)} | rest
    return _identified(OwnerRule(key=named, **told))


def make_name(name: str = "HR Copilot", /, **rest: Any) -> DisplayName:
    key = NameKey(rest.pop("of", "subscription"), rest.pop("value", "hr-copilot"))
    return _identified(DisplayName(key=key, name=name, **(ORDINARY | rest)))


def _identified(noun: N) -> N:
    """Give a document its id, unless the test has named one."""
    return noun if noun.id else identified(noun)
