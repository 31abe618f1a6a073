"""What a FOCUS row says of the usage itself: its SKU, service, resource and tags. Pure."""

from collections.abc import Mapping
from typing import Final

from usage_ingest.chargeback.focus_columns import as_json
from usage_ingest.chargeback.focus_service import publisher_of, service_of
from usage_ingest.chargeback.kinds import Kind
from usage_ingest.chargeback.line import Charge, Line
from usage_ingest.chargeback.price import region_name
from usage_ingest.summary_csv import Cell

_CATEGORY: Final = "AI and Machine Learning"
_SUBCATEGORY: Final = "Generative AI"
_TAG_PREFIX: Final = "usage:"
"""Of the tags that are not the gateway's: no name of those has a colon."""


def sku(line: Line) -> dict[str, Cell]:
    """Return what is sold: a kind of usage of a model, or the capacity of a deployment."""
    of = sold_of(line)
    sku_id = f"{of}/{line.kind}"
    price_id, details = None, None
    if line.rate is not None:
        revision = f"@{line.rate.revision}" if line.rate.revision else ""
        # A price may be of many SKUs, a SKU price is of one, and of one kind of call.
        price_id = f"{line.rate.price_id}{revision}/{sku_id}/{_terms(line)}"
        details = _details(line)
    return {
        "SkuId": sku_id,
        "SkuMeter": f"{of} {line.kind.value.replace('_', ' ').title()}",
        "SkuPriceDetails": details,
        "SkuPriceId": price_id,
    }


def _terms(line: Line) -> str:
    """Return what the details tell beside the price and the SKU: all rows of an id share them."""
    subject, rate = line.subject, line.rate
    model = line.model if line.kind is Kind.PROVISIONED else None
    terms = [line.version, line.sku, subject.context_band, subject.service_tier]
    other = ["other_vendor"] if rate is not None and rate.other_vendor else []
    return "/".join([*([model] if model else []), *(each or "-" for each in terms), *other])


def _details(line: Line) -> str | None:
    rate, subject = line.rate, line.subject
    return as_json(
        {
            "x_Model": line.model,
            "x_ModelVersion": line.version,
            "x_DeploymentType": line.sku,
            "x_ContextTier": subject.context_band,
            "x_ServiceTier": subject.service_tier,
            "x_PriceSource": rate and rate.source,
            "x_ListEstimate": rate and rate.list_estimate,
            "x_OtherVendor": rate and rate.other_vendor,
        }
    )


def service(line: Line) -> dict[str, Cell]:
    """Return what answered, who made the model and who runs it."""
    found = service_of(line.subject.provider, line.publisher, line.model)
    return {
        "PublisherName": publisher_of(line.publisher, line.model, found),
        "ServiceCategory": _CATEGORY,
        "ServiceName": found.name,
        "ServiceSubcategory": _SUBCATEGORY,
        "x_HostProviderName": found.host,
    }


def sold_of(line: Line) -> str:
    """Return whose usage is sold: the model's, or the capacity of a deployment."""
    model = None if line.kind is Kind.PROVISIONED else line.model
    return model or _deployment(line) or line.model or "unknown model"


def _deployment(line: Line) -> str | None:
    return line.subject.served_deployment or line.subject.deployment


def is_idle(line: Line) -> bool:
    """Whether a line is of what nobody used, or corrects one that is."""
    return Charge.IDLE in {line.charge, line.corrected}


def resource(line: Line) -> dict[str, Cell]:
    """Return the deployment; provisioned ones are capacity that is reserved."""
    name, resource_id = _deployment(line), _resource_id(line)
    reserved = resource_id if line.kind is Kind.PROVISIONED else None
    status = "Unused" if is_idle(line) else "Used"
    return {
        "CapacityReservationId": reserved,
        "CapacityReservationStatus": status if reserved else None,
        "RegionId": line.region,
        "RegionName": _region_name(line),
        "ResourceId": resource_id,
        "ResourceName": None if name == resource_id else name,
        "ResourceType": "Model deployment" if resource_id else None,
    }


def _resource_id(line: Line) -> str | None:
    """Return the id that Azure gave it, else where it is called, or what pays for it."""
    subject, name = line.subject, _deployment(line)
    if line.resource_id or not name:
        return line.resource_id
    if line.kind is Kind.PROVISIONED:  # whoever calls it, by whatever gateway
        return f"provisioned/{name}"
    return "/".join(each for each in (subject.gateway, subject.backend, name) if each)


def _region_name(line: Line) -> str | None:
    """Return the region as the gateway writes it, if it is the gateway's."""
    told = line.subject.region
    return told if region_name(told) == line.region else line.region


def sub_account(line: Line, names: Mapping[tuple[str, str], str]) -> dict[str, Cell]:
    """Return the cost center, else the product that was called through."""
    of, kind, value = "cost_center", "Cost center", line.payer.cost_center
    if not value:
        of, kind, value = "product", "Product", line.subject.product_id
    return {
        "SubAccountId": value,
        "SubAccountName": names.get((of, value), value) if value else None,
        "SubAccountType": kind if value else None,
    }


def tags(line: Line) -> str | None:
    """Return the gateway's tags, and what else is known of the calls; flags only where set."""
    subject, rate = line.subject, line.rate
    ours = {
        "subscription": subject.subscription_id,
        "product": subject.product_id,
        "app": subject.app_id,
        "tenant": subject.tenant_id,
        "gateway": subject.gateway,
        "source": subject.source,
        "estimated": subject.usage_estimated or None,
        "spillover": subject.spillover or None,
        "parts_overlap": line.parts_overlap or None,
        "list_estimate": (rate is not None and rate.list_estimate) or None,
        "other_vendor": (rate is not None and rate.other_vendor) or None,
        "base_band": (rate is not None and rate.base_band) or None,
    }
    return as_json(
        {**{_TAG_PREFIX + name: told for name, told in ours.items()}, **dict(subject.tags)}
    )
