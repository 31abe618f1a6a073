"""What the demo's calls cost, worked out from the calls themselves: nothing of the app is asked.

`make demo` compares the app's report with it. The price book is read as it stands in the file;
fractions are exact.
"""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import yaml

Book = Mapping[str, Sequence[Mapping[str, Any]]]
Bill = dict[tuple[str, str, str, str], Fraction]
"""(owner, subscription, model, day) -> amount in dollars; of idle time both in the middle are -."""

NOBODY = "unallocated"
IDLE = "-"
_MILLION = 1_000_000
_HOURS = 24
_UNIT_PRICE_DIGITS = 10**24
_RULE = ("subscription", "product")


class Call(NamedTuple):
    """One call that was answered, as the generator made it; counts are tokens."""

    subscription: str
    product: str
    deployment: str
    model: str
    service_tier: str | None
    day: str
    tokens_in: int
    cached: int
    tokens_out: int


def read_book(path: Path) -> Book:
    """Read a price book; numbers stay text."""
    found: Book = yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader)  # noqa: S506 - text only
    return found


def bill(calls: Iterable[Call], book: Book, days: Iterable[str]) -> Bill:
    """Return what the calls cost, and what stood idle on the days.

    Raises:
        LookupError: The book has no price for a call.
    """
    found: Bill = defaultdict(Fraction)
    deployments = {each["deployment"]: each for each in book["deployments"]}
    shared = defaultdict[tuple[str, str], list[tuple[Call, Fraction]]](list)
    for call in calls:
        deployment = deployments[call.deployment]
        if "provisioned" in deployment:
            shared[call.deployment, call.day].append((call, _weight(call, deployment)))
        else:
            _add(found, call, deployment, book, _cost(call, deployment, book))
    for name, deployment in deployments.items():
        if "provisioned" in deployment:
            for day in days:
                _share(found, deployment, day, shared[name, day], book)
    return found


def charged(report: Mapping[str, Any]) -> Bill:
    """Read the same of the app's report, grouped by owner, subscription, model and day.

    Raises:
        LookupError: It has usage without a price, or another currency.
    """
    found: Bill = defaultdict(Fraction)
    for group in report["groups"]:
        if group["unpriced"] or {each["currency"] for each in group["charges"]} > {"USD"}:
            raise LookupError(f"the report has no price in dollars of {group}")
        key = group["key"]
        of = (key["owner"], key["subscription"] or IDLE, key["model"], key["day"])
        found[of] += sum(Fraction(each["amount"]) for each in group["charges"])
    return found


def print_bill(expected: Bill, found: Bill) -> bool:
    """Print both by owner; return whether every amount is equal to the last digit."""
    print(f"\n{'dollars':26}{'expected':>15}{'report':>15}")
    owners = sorted({owner for owner, *_ in (*expected, *found)})
    for owner in owners:
        sums = [sum(bill[key] for key in bill if key[0] == owner) for bill in (expected, found)]
        print(f"{owner:26}" + "".join(f"{float(each):15,.6f}" for each in sums))
    keys = sorted({*expected, *found})
    differing = [key for key in keys if expected.get(key, 0) != found.get(key, 0)]
    for key in differing:
        print("differs:", *key, float(expected.get(key, 0)), float(found.get(key, 0)))
    print(f"\n{len(keys) - len(differing)} of {len(keys)} amounts are equal to the last digit")
    return not differing


def _cost(call: Call, deployment: Mapping[str, Any], book: Book) -> Fraction:
    prices = _prices(call, deployment, book)
    plain = (call.tokens_in - call.cached) * Fraction(prices["input"])
    cached = call.cached * Fraction(prices.get("cached_input", prices["input"]))
    return (plain + cached + call.tokens_out * Fraction(prices.get("output", 0))) / _MILLION


def _prices(call: Call, deployment: Mapping[str, Any], book: Book) -> Mapping[str, str]:
    """Return the price of the model, SKU and tier; the demo's calls are all of the lowest band."""
    model = _model(call, deployment)
    tier = call.service_tier if call.service_tier != "default" else None
    for price in book["prices"]:
        is_of = (price["model"], price.get("service_tier")) == (model, tier)
        is_base = "context_over" not in price
        if is_of and is_base and price.get("sku", deployment["sku"]) == deployment["sku"]:
            prices: Mapping[str, str] = price["unit_prices"]
            return prices
    raise LookupError(f"the price book has nothing for {call}")


def _model(call: Call, deployment: Mapping[str, Any]) -> str:
    return deployment.get("model") or re.sub(r"-\d{4}-\d{2}-\d{2}$", "", call.model)


def _weight(call: Call, deployment: Mapping[str, Any]) -> Fraction:
    terms = deployment["provisioned"]
    cached = call.cached * Fraction(terms.get("cached_weight", 1))
    return (
        call.tokens_in - call.cached + cached + call.tokens_out * Fraction(terms["output_weight"])
    )


def _share(
    found: Bill,
    deployment: Mapping[str, Any],
    day: str,
    uses: Sequence[tuple[Call, Fraction]],
    book: Book,
) -> None:
    """Share the cost of a day by weighted tokens; what is left is nobody's."""
    terms = deployment["provisioned"]
    cost = _HOURS * Fraction(terms["amount"])
    used = sum((weight for _, weight in uses), Fraction(0))
    shared_by = max(used, _HOURS * Fraction(terms["tokens_per_hour"]))
    price = Fraction(math.floor(cost / shared_by * _UNIT_PRICE_DIGITS), _UNIT_PRICE_DIGITS)
    for call, weight in uses:
        _add(found, call, deployment, book, weight * price)
    found[NOBODY, IDLE, deployment["model"], day] += cost - used * price


def _add(
    found: Bill, call: Call, deployment: Mapping[str, Any], book: Book, cost: Fraction
) -> None:
    rule = max(_rules(call, book), key=_conditions, default={"owner": NOBODY})
    amount = cost * (100 + Fraction(rule.get("markup_percent", 0))) / 100
    found[rule["owner"], call.subscription, _model(call, deployment), call.day] += amount


def _rules(call: Call, book: Book) -> Iterator[Mapping[str, Any]]:
    """Yield the rules that are for a call."""
    for rule in book["owners"]:
        named = {name: rule[name] for name in _RULE if name in rule}
        if all(getattr(call, name) == value for name, value in named.items()):
            yield rule


def _conditions(rule: Mapping[str, Any]) -> int:
    return sum(name in rule for name in _RULE)
