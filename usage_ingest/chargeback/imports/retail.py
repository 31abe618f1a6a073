"""Answers of the Azure Retail Prices API: meters, put together to prices by the meter map."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from pydantic import Field, ValidationError

from usage_ingest.chargeback.imports.field_types import (
    Currency,
    Foreign,
    Money,
    Text,
    day_of,
    problems_of,
)
from usage_ingest.chargeback.imports.found import Found, Path, Place, Placed, Problem, dotted
from usage_ingest.chargeback.imports.meter_map import Meter
from usage_ingest.chargeback.imports.number import priced, quantity_of
from usage_ingest.chargeback.kinds import Kind
from usage_ingest.chargeback.price import Price, PriceKey
from usage_ingest.plain import plain

SOURCE: Final = "Azure Retail Prices API"
ITEMS: Final = "Items"
_NEXT: Final = "NextPageLink"
_PAYG: Final = "Consumption"


class _Item(Foreign):
    """One item, under the API's names."""

    meter_id: Text = Field(alias="meterId")
    meter_name: Text = Field(alias="meterName")
    region: str | None = Field(None, alias="armRegionName")
    price: Money = Field(alias="retailPrice")
    currency: Currency = Field(alias="currencyCode")
    measure: Text = Field(alias="unitOfMeasure")
    starts: datetime = Field(alias="effectiveStartDate")
    ends: datetime | None = Field(None, alias="effectiveEndDate")
    kind: Text = Field(alias="type")
    tier_minimum: Money = Field(Decimal(0), alias="tierMinimumUnits")

    def is_of(self, meter: Meter) -> bool:
        """Whether the item is of a meter of the map."""
        named = meter.meter_name == self.meter_name
        named = named or (meter.meter_id or "").lower() == self.meter_id.lower()
        return named and meter.region in (None, self.region)

    def from_day(self) -> str:
        """Return the UTC day on which the price begins; the API tells times in UTC."""
        starts = self.starts
        return day_of((starts.astimezone(UTC) if starts.tzinfo else starts).date())


class _Rate(NamedTuple):
    """What one meter costs from a day on."""

    key: PriceKey
    currency: str
    kind: Kind
    from_day: str
    price: Decimal
    place: Place


def read_retail(pages: Sequence[tuple[str, Any]], meters: Sequence[Meter]) -> Found:
    """Read pages of the API; what is not mapped, or not paid by use, is passed over and told.

    Args:
        pages: The name and content of each file, or of each page that was fetched.
        meters: What the meters are.
    """
    found, passed, rates = Found(), Counter[str](), list[_Rate]()
    for file, content in pages:
        for path, raw in _items(content):
            try:
                item = _Item.model_validate(raw)
            except ValidationError as error:
                found.problems += problems_of(error, file, path, _Item)
                continue
            mapped = [each for each in meters if item.is_of(each)]
            if (why := _passed_over(item, mapped)) is not None:
                passed[why] += 1
                continue
            _add_rates(item, mapped, Place(file, field=dotted(path)), rates, found)
    found.problems += _contradictions(rates)
    if not found.problems:
        found.nouns += _prices(rates)
    found.notes += [f"{count:,} passed over, {why}" for why, count in sorted(passed.items())]
    found.notes += [*_without_items(meters, rates), *_without_end([page for _, page in pages])]
    return found


def _add_rates(
    item: _Item, mapped: Sequence[Meter], place: Place, rates: list[_Rate], found: Found
) -> None:
    for meter in mapped:
        try:
            rates.append(_rate(item, meter, place))
        except ValueError as error:
            found.problems.append(Problem(place, f"{item.meter_name}: {error}"))


def _items(content: Any) -> Iterator[tuple[Path, Any]]:  # noqa: ANN401 - JSON
    """Yield items of a page, of a list of pages, or of a bare list."""
    if isinstance(content, dict) and ITEMS in content:
        items = content[ITEMS]
        for at, item in enumerate(items if isinstance(items, list) else [items]):
            yield (ITEMS, at), item
    elif isinstance(content, list):
        for at, each in enumerate(content):
            if isinstance(each, dict) and ITEMS in each:
                yield from (((at, *path), item) for path, item in _items(each))
            else:
                yield (at,), each
    else:
        yield (), content  # no page: what it lacks is told


def _passed_over(item: _Item, mapped: Sequence[Meter]) -> str | None:
    if item.kind != _PAYG:
        return f"of type {item.kind}"
    if not mapped:
        return f"not in the meter map: {item.meter_name}"
    if item.tier_minimum:
        return f"for a volume above {item.tier_minimum}: {item.meter_name}"
    if item.ends is not None:
        return f"with an end date, import it from YAML: {item.meter_name}"
    return None


def _rate(item: _Item, meter: Meter, place: Place) -> _Rate:
    price = priced(item.price, quantity_of(item.measure, meter.kind), meter.kind)
    return _Rate(meter.key(), item.currency, meter.kind, item.from_day(), price, place)


def _contradictions(rates: Sequence[_Rate]) -> list[Problem]:
    """Return what stands twice with another price, or in another currency."""
    first: dict[tuple[object, ...], _Rate] = {}
    found = []
    for each in rates:
        same = first.setdefault((each.key, each.kind, each.from_day), each)
        known = first.setdefault((each.key,), each)
        other = known if known.currency != each.currency else same
        if (other.price, other.currency) != (each.price, each.currency):
            text = (
                f"{each.kind.value} of {each.key.model} is {_shown(each)} here and {_shown(other)} "
                f"at {other.place}: name the region, or the meter by its id, in the meter map"
            )
            found.append(Problem(each.place, text))
    return found


def _shown(rate: _Rate) -> str:
    return f"{plain(rate.price)} {rate.currency}"


def _prices(rates: Sequence[_Rate]) -> Iterator[Placed]:
    """Yield a price for each key and each day on which one of its meters begins.

    The latest price of a key holds alone, so each takes over what began before it.
    """
    groups: dict[PriceKey, list[_Rate]] = {}
    for each in sorted(rates, key=lambda rate: rate.from_day):
        groups.setdefault(each.key, []).append(each)
    for key, group in groups.items():
        prices: dict[Kind, Decimal] = {}
        for day in sorted({each.from_day for each in group}):
            begun = [each for each in group if each.from_day == day]
            prices |= {each.kind: each.price for each in begun}
            noun = Price(
                id="",
                key=key,
                from_day=day,
                currency=begun[0].currency,
                unit_prices=dict(prices),
                source=SOURCE,
            )
            yield Placed(noun, begun[0].place)


def _without_items(meters: Sequence[Meter], rates: Sequence[_Rate]) -> list[str]:
    seen = {(each.key, each.kind) for each in rates}
    return [
        f"no item is of {each.meter_id or each.meter_name}, which the meter map names"
        for each in meters
        if (each.key(), each.kind) not in seen
    ]


def _without_end(pages: Sequence[Any]) -> list[str]:
    flat = [page for each in pages for page in (each if isinstance(each, list) else [each])]
    if any(not isinstance(page, dict) or not page.get(_NEXT) for page in flat):
        return []
    return [f"no page is the last: each has a {_NEXT}, so that prices may be missing"]
