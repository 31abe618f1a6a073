"""All dated reference documents, and what of them holds on a day. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Protocol, TypeVar

from usage_ingest.chargeback.deployment import Deployment
from usage_ingest.chargeback.owner import NOBODY, DisplayName, OwnerRule, Payer
from usage_ingest.chargeback.price import Price, Use

_DAY = timedelta(days=1)


class Dated(Protocol):
    """What every reference document has."""

    @property
    def key(self) -> Any: ...  # noqa: ANN401, D102 - a NamedTuple of its own for each type
    @property
    def from_day(self) -> str: ...  # noqa: D102
    @property
    def through_day(self) -> str | None: ...  # noqa: D102
    @property
    def revision(self) -> int: ...  # noqa: D102
    @property
    def withdrawn(self) -> bool: ...  # noqa: D102


D = TypeVar("D", bound=Dated)


def current(documents: Iterable[D]) -> list[D]:
    """Return the last revision of each key and day; what was withdrawn is left out."""
    last: dict[tuple[Any, str], D] = {}
    for each in sorted(documents, key=lambda each: each.revision):
        last[each.key, each.from_day] = each
    return [each for each in last.values() if not each.withdrawn]


def on_day(documents: Iterable[D], day: str) -> list[D]:
    """Return what holds on a day: of each key the latest that has begun, if it has not ended."""
    latest: dict[Any, D] = {}
    for each in sorted(current(documents), key=lambda each: each.from_day):
        if each.from_day <= day:
            latest[each.key] = each
    return [each for each in latest.values() if each.through_day is None or day <= each.through_day]


class Estimate(Protocol):
    """What a public list says of a use that has no price here."""

    def __call__(self, use: Use, day: date) -> Price | None:
        """Return the list's price of a day, or None where it has none."""
        ...

    def changes(self, use: Use) -> Collection[date]:
        """Return the days from which the list may say something else of a use."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """All that was imported; `estimate` fills in for models without a price."""

    prices: Sequence[Price] = ()
    deployments: Sequence[Deployment] = ()
    owners: Sequence[OwnerRule] = ()
    names: Sequence[DisplayName] = ()
    estimate: Estimate | None = None

    def segments(self, first: date, last: date) -> list[tuple[date, date]]:
        """Cut a range of days, both included, into the longest in which nothing changes."""
        starts = {first}
        dated: tuple[Dated, ...] = (*self.prices, *self.deployments, *self.owners)
        for each in dated:
            starts.add(date.fromisoformat(each.from_day))
            if each.through_day is not None:
                starts.add(date.fromisoformat(each.through_day) + _DAY)
        cuts = sorted(day for day in starts if first <= day <= last)
        ends = [day - _DAY for day in cuts[1:]] + [last]
        return list(zip(cuts, ends, strict=True))

    def on(self, day: date) -> "Snapshot":
        """Return what holds on a day."""
        text = day.isoformat()
        return Snapshot(
            day=day,
            prices=sorted(on_day(self.prices, text), key=lambda each: each.key.rank()),
            deployments=sorted(on_day(self.deployments, text), key=lambda each: each.key.rank()),
            # Of rules of one rank it is always the same one, however the store lists them.
            owners=sorted(
                on_day(self.owners, text), key=lambda each: (each.key.rank(), str(each.key))
            ),
            estimate=self.estimate,
        )


@dataclass(slots=True, kw_only=True)
class Snapshot:
    """What holds on a day; the last that matches is the most specific. Look-ups are kept.

    A public list is none of the documents: of a later day that all of them hold on as well, it may
    say something else.
    """

    day: date
    prices: Sequence[Price] = ()
    deployments: Sequence[Deployment] = ()
    owners: Sequence[OwnerRule] = ()
    estimate: Estimate | None = None
    _of_model: dict[str | None, list[Price]] | None = None
    _prices: dict[Use, Price | None] = field(default_factory=dict)
    _estimates: dict[tuple[Use, date], Price | None] = field(default_factory=dict)
    _deployments: dict[tuple[Any, ...], Deployment | None] = field(default_factory=dict)
    _payers: dict[tuple[Any, ...], Payer] = field(default_factory=dict)

    def price(self, use: Use, day: date | None = None) -> Price | None:
        """Return the price of a use: of the price book, else what a public list says that day."""
        if use not in self._prices:
            own = [each for each in self._listed(use.model) if each.key.matches(use)]
            self._prices[use] = own[-1] if own else None
        return self._prices[use] or self._estimate(use, day or self.day)

    def changes(self, use: Use, last: date) -> list[date]:
        """Return the later days, up to the last, from which a list may say something else."""
        self.price(use, self.day)
        if self.estimate is None or self._prices[use] is not None:
            return []
        return sorted(day for day in self.estimate.changes(use) if self.day < day <= last)

    def _estimate(self, use: Use, day: date) -> Price | None:
        if self.estimate is None:
            return None
        if (use, day) not in self._estimates:
            self._estimates[use, day] = self.estimate(use, day)
        return self._estimates[use, day]

    def deployment(
        self, deployment: str | None, gateway: str, backend: str | None
    ) -> Deployment | None:
        """Return what is known of a deployment."""
        key = (deployment, gateway, backend)
        if key not in self._deployments:
            found = [each for each in self.deployments if each.key.matches(*key)]
            self._deployments[key] = found[-1] if found else None
        return self._deployments[key]

    def payer(
        self,
        subscription: str | None,
        product: str | None,
        app: str | None,
        tenant: str | None,
        tags: Mapping[str, str],
    ) -> Payer:
        """Return who pays for such calls."""
        key = (subscription, product, app, tenant, *tags.items())
        if key not in self._payers:
            found = [
                each
                for each in self.owners
                if each.key.matches(subscription, product, app, tenant, tags)
            ]
            self._payers[key] = found[-1].payer if found else NOBODY
        return self._payers[key]

    def _listed(self, model: str | None) -> list[Price]:
        """Return the prices of a model; a price book may hold those of thousands."""
        if self._of_model is None:
            self._of_model = {}
            for each in self.prices:
                self._of_model.setdefault(each.key.model, []).append(each)
        return self._of_model.get(model, [])
