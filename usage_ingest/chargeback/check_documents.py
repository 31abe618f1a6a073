"""What is wrong with reference documents by themselves: holes and contradictions. Pure."""

import itertools
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import Any, Final

from usage_ingest.chargeback.deployment import Deployment, DeploymentKey
from usage_ingest.chargeback.owner import OwnerKey, OwnerRule
from usage_ingest.chargeback.price import Price, is_provisioned
from usage_ingest.chargeback.reference import Dated, Reference, current
from usage_ingest.chargeback.remark import Remark, said, span

_DAY: Final = timedelta(days=1)
_ENDLESS: Final = "9999-12-31"

Days = tuple[str, str]
"""The first and the last, both included."""


def check_documents(
    reference: Reference, days: Days, called: Collection[str], tags: Collection[str]
) -> list[Remark]:
    """Return what is wrong with the documents of some days.

    Args:
        reference: What was imported.
        days: The first day and the last.
        called: The deployments that calls of these days name.
        tags: The names of tags that rollups keep.
    """
    prices, deployments = _of_days(reference.prices, days), _of_days(reference.deployments, days)
    owners = _of_days(reference.owners, days)
    return [
        *_spans("price ", reference.prices, days),
        *_spans("", reference.deployments, days),
        *_spans("owner ", reference.owners, days),
        *_spans("name ", reference.names, days),
        *_ambiguous_owners(owners),
        *_unknown_tags(owners, tags),
        *_ambiguous_deployments(deployments),
        *_without_amount(deployments),
        *_unknown_models(deployments, prices),
        *_unknown_deployments(prices, deployments, called),
    ]


def _end(document: Dated) -> str:
    return document.through_day or _ENDLESS


def _of_days(documents: Sequence[Any], days: Days) -> list[Any]:
    """Return the current documents that may hold on one of the days."""
    return [
        each for each in current(documents) if each.from_day <= days[1] and _end(each) >= days[0]
    ]


def _spans(name: str, documents: Sequence[Any], days: Days) -> Iterator[Remark]:
    """Compare each document with the next of its key; a deployment's key says itself what it is."""
    by_key: dict[Any, list[Any]] = {}
    for each in sorted(current(documents), key=lambda each: str(each.from_day)):
        by_key.setdefault(each.key, []).append(each)
    for key, group in by_key.items():
        for one, other in itertools.pairwise(group):
            if one.through_day is None:
                continue
            of, after = f"{name}{said(key)}", _next(one.through_day)
            if one.through_day >= other.from_day and _meet(other.from_day, one.through_day, days):
                text = f"through_day {one.through_day}, but the next begins on {other.from_day}"
                yield Remark("overlap", of, f"{text} and holds from then on")
            elif after < other.from_day and _meet(after, _before(other.from_day), days):
                hole = span((after, _before(other.from_day)))
                yield Remark("gap", of, f"nothing holds on {hole}")


def _meet(first: str, last: str, days: Days) -> bool:
    return first <= days[1] and last >= days[0]


def _next(day: str) -> str:
    return (date.fromisoformat(day) + _DAY).isoformat()


def _before(day: str) -> str:
    return (date.fromisoformat(day) - _DAY).isoformat()


def _ambiguous_owners(rules: Sequence[OwnerRule]) -> Iterator[Remark]:
    by_rank: dict[Any, list[OwnerRule]] = {}
    for each in rules:
        by_rank.setdefault(each.key.rank(), []).append(each)
    for one, other in _pairs(by_rank.values()):
        if one.payer != other.payer and _same_call(one.key, other.key):
            text = (
                f"of the same rank as {said(other.key)}: a call that both are for is "
                f"{one.payer.owner}'s or {other.payer.owner}'s by chance; name both in a rule"
            )
            yield Remark("ambiguous_owners", f"owner {said(one.key)}", text)


def _unknown_tags(rules: Sequence[OwnerRule], tags: Collection[str]) -> Iterator[Remark]:
    for each in rules:
        if unknown := [name for name, _ in each.key.tags if name not in tags]:
            text = f"{', '.join(unknown)} is not among ROLLUP_TAGS: no usage has it"
            yield Remark("unknown_tag", f"owner {said(each.key)}", text)


def _pairs(groups: Iterable[Sequence[Any]]) -> Iterator[tuple[Any, Any]]:
    """Yield two documents of other keys that hold on one day."""
    for group in groups:
        for one, other in itertools.combinations(group, 2):
            if one.key != other.key and one.from_day <= _end(other) and other.from_day <= _end(one):
                yield one, other


def _same_call(one: OwnerKey, other: OwnerKey) -> bool:
    """Whether a call can be what both rules name."""
    plain = all(
        None in pair or pair[0] == pair[1] for pair in zip(one[:-1], other[:-1], strict=True)
    )
    tags = dict(other.tags)
    return plain and all(tags.get(name, value) == value for name, value in one.tags)


def _ambiguous_deployments(deployments: Sequence[Deployment]) -> Iterator[Remark]:
    by_name: dict[str, list[Deployment]] = {}
    for each in deployments:
        by_name.setdefault(each.key.deployment, []).append(each)
    for one, other in _pairs(by_name.values()):
        if _crossed(one.key, other.key):
            text = (
                f"calls of both this and {said(other.key)} are told by the backend's: name gateway "
                "and backend in one document"
            )
            yield Remark("ambiguous_deployments", said(one.key), text)


def _crossed(one: DeploymentKey, other: DeploymentKey) -> bool:
    """Whether one names only the gateway and the other only the backend."""
    named = {(each.gateway is None, each.backend is None) for each in (one, other)}
    return named == {(True, False), (False, True)}


def _without_amount(deployments: Sequence[Deployment]) -> Iterator[Remark]:
    for each in deployments:
        if is_provisioned(each.sku) and each.provisioned is None:
            text = f"its SKU {each.sku} is paid by time, and no amount is known: say provisioned"
            yield Remark("no_amount", said(each.key), text)


def _unknown_models(deployments: Sequence[Deployment], prices: Sequence[Price]) -> Iterator[Remark]:
    priced = {each.key.model for each in prices}
    for each in deployments:
        if each.model is not None and each.model not in priced and each.provisioned is None:
            text = f"its model {each.model} has no price on these days"
            yield Remark("unknown_model", said(each.key), text)


def _unknown_deployments(
    prices: Sequence[Price], deployments: Sequence[Deployment], called: Collection[str]
) -> Iterator[Remark]:
    known = {each.key.deployment for each in deployments} | set(called)
    for each in prices:
        if each.key.deployment is not None and each.key.deployment not in known:
            text = "no document and no call names this deployment: the price is never used"
            yield Remark("unknown_deployment", f"price {said(each.key)}", text)
