"""Owners: who pays for what, by dated rules; and names to show. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NamedTuple

UNALLOCATED: Final = "unallocated"
"""The owner of what no rule matches; no rule may name it."""


class Payer(NamedTuple):
    """Who is charged, and how much is added."""

    owner: str = UNALLOCATED
    cost_center: str | None = None
    department: str | None = None
    markup_percent: Decimal = Decimal(0)


NOBODY: Final = Payer()


class OwnerKey(NamedTuple):
    """What a rule is for: all that it names must be so; None holds for any."""

    subscription: str | None = None
    product: str | None = None
    app: str | None = None
    tenant: str | None = None
    tags: tuple[tuple[str, str], ...] = ()

    def matches(
        self,
        subscription: str | None,
        product: str | None,
        app: str | None,
        tenant: str | None,
        tags: Mapping[str, str],
    ) -> bool:
        """Whether the rule is for such a call."""
        return (
            self.subscription in (None, subscription)
            and self.product in (None, product)
            and self.app in (None, app)
            and self.tenant in (None, tenant)
            and all(tags.get(name) == value for name, value in self.tags)
        )

    def rank(self) -> tuple[int, bool, bool, int, bool, bool]:
        """Order rules that match: more conditions first, then the narrower name."""
        named = [self.subscription, self.product, self.app, self.tenant]
        return (
            sum(each is not None for each in named) + len(self.tags),
            self.app is not None,
            self.subscription is not None,
            len(self.tags),
            self.product is not None,
            self.tenant is not None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerRule:
    """Who pays for calls of a key, from a day on."""

    id: str
    key: OwnerKey
    from_day: str
    through_day: str | None = None
    payer: Payer
    source: str
    revision: int = 0
    withdrawn: bool = False


class NameKey(NamedTuple):
    """What has a name to show: `of` is a public group name such as subscription."""

    of: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DisplayName:
    """How a value is shown to people, from a day on."""

    id: str
    key: NameKey
    from_day: str
    through_day: str | None = None
    name: str
    source: str
    revision: int = 0
    withdrawn: bool = False
