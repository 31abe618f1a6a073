"""Reference documents: the only place that spells their stored fields. Pure.

A document holds what was imported, the hash of it, and the import that it came with. Imports are
numbered; a document of an import that has no number yet does not exist for readers.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final, TypeVar

import orjson

from usage_ingest.chargeback.deployment import Deployment, DeploymentKey, Provisioned
from usage_ingest.chargeback.kinds import Kind
from usage_ingest.chargeback.owner import DisplayName, NameKey, OwnerKey, OwnerRule, Payer
from usage_ingest.chargeback.ports import Import
from usage_ingest.chargeback.price import Price, PriceKey
from usage_ingest.chargeback.reference import Reference
from usage_ingest.document import time_of, time_text
from usage_ingest.plain import plain
from usage_ingest.record_id import digest

PRICE_TYPE: Final = "price"
DEPLOYMENT_TYPE: Final = "deployment"
OWNER_TYPE: Final = "owner"
NAME_TYPE: Final = "name"
IMPORT_TYPE: Final = "import"
TYPES: Final = (PRICE_TYPE, DEPLOYMENT_TYPE, OWNER_TYPE, NAME_TYPE)
"""Of what is imported; each is a logical partition, and so is `import`."""

Noun = Price | Deployment | OwnerRule | DisplayName
N = TypeVar("N", bound=Noun)


def type_of(noun: Noun) -> str:
    """Return the type of document that a noun is kept in."""
    return _TYPES[type(noun)]


_TYPES: Final[Mapping[type, str]] = {
    Price: PRICE_TYPE,
    Deployment: DEPLOYMENT_TYPE,
    OwnerRule: OWNER_TYPE,
    DisplayName: NAME_TYPE,
}


def identified(noun: N) -> N:
    """Return a noun with the id of its content."""
    return replace(noun, id=to_document(noun)["content_hash"])


def to_document(noun: Noun) -> dict[str, Any]:
    """Return what is kept of a noun, without the import; its id and revision are not read."""
    written = {
        **_written_key(noun),
        "from_day": noun.from_day,
        "through_day": noun.through_day,
        "source": noun.source,
        "withdrawn": noun.withdrawn or None,
        **_written_rest(noun),
    }
    kept = {name: each for name, each in written.items() if each is not None}
    text = orjson.dumps(kept, option=orjson.OPT_SORT_KEYS).decode()
    return {"type": type_of(noun), "content_hash": digest(type_of(noun), text), **kept}


def content_id(documents: Iterable[Mapping[str, Any]]) -> str:
    """Return the id of an import: equal for the same documents in any order."""
    return digest("import", *sorted(each["content_hash"] for each in documents))


def stored_document(document: Mapping[str, Any], import_id: str) -> dict[str, Any]:
    """Return a document as it is stored: each import has its own, equal ones included."""
    identity = digest("reference", import_id, document["content_hash"])
    return {"id": identity, "import": import_id, **document}


def _written_key(noun: Noun) -> dict[str, Any]:
    written = noun.key._asdict()
    if isinstance(noun, OwnerRule):
        written["tags"] = dict(noun.key.tags) or None
    return written


def _written_rest(noun: Noun) -> dict[str, Any]:
    if isinstance(noun, Price):
        return {
            "currency": noun.currency,
            "unit_prices": _texts(noun.unit_prices),
            "list_unit_prices": None
            if noun.list_unit_prices is None
            else _texts(noun.list_unit_prices),
        }
    if isinstance(noun, Deployment):
        kept = {name: getattr(noun, name) for name in _TOLD}
        return {**kept, "provisioned": noun.provisioned and _written_provisioned(noun.provisioned)}
    if isinstance(noun, OwnerRule):
        return {**noun.payer._asdict(), "markup_percent": plain(noun.payer.markup_percent)}
    return {"name": noun.name}


_TOLD: Final = ("model", "version", "sku", "region", "publisher", "resource_id")
_DECIMALS: Final = ("amount", "cached_weight", "output_weight")
_PLAIN: Final = ("per", "currency", "units", "tokens_per_hour")


def _written_provisioned(provisioned: Provisioned) -> dict[str, Any]:
    told = {name: getattr(provisioned, name) for name in _PLAIN}
    decimals = {name: plain(getattr(provisioned, name)) for name in _DECIMALS}
    return {name: each for name, each in (told | decimals).items() if each is not None}


def _texts(prices: Mapping[Kind, Decimal]) -> dict[str, str]:
    return {kind.value: plain(price) for kind, price in prices.items()}


def _decimals(texts: Mapping[str, str]) -> dict[Kind, Decimal]:
    return {Kind(kind): Decimal(text) for kind, text in texts.items()}


def _dated(document: Mapping[str, Any], revision: int) -> dict[str, Any]:
    return {
        "id": document["content_hash"],
        "from_day": document["from_day"],
        "through_day": document.get("through_day"),
        "source": document["source"],
        "revision": revision,
        "withdrawn": document.get("withdrawn", False),
    }


def _plain_key(document: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: document.get(name) for name in names}


def price_of(document: Mapping[str, Any], revision: int) -> Price:
    """Read the document of a price."""
    listed = document.get("list_unit_prices")
    return Price(
        **_dated(document, revision),
        key=PriceKey(**_plain_key(document, PriceKey._fields)),
        currency=document["currency"],
        unit_prices=_decimals(document["unit_prices"]),
        list_unit_prices=None if listed is None else _decimals(listed),
    )


def deployment_of(document: Mapping[str, Any], revision: int) -> Deployment:
    """Read the document of a deployment."""
    paid = document.get("provisioned")
    return Deployment(
        **_dated(document, revision),
        key=DeploymentKey(**_plain_key(document, DeploymentKey._fields)),
        provisioned=None if paid is None else _provisioned(paid),
        **_plain_key(document, _TOLD),
    )


def _provisioned(paid: Mapping[str, Any]) -> Provisioned:
    told = _plain_key(paid, _PLAIN) | {name: Decimal(paid[name]) for name in _DECIMALS}
    return Provisioned(**told)


def owner_of(document: Mapping[str, Any], revision: int) -> OwnerRule:
    """Read the document of a rule."""
    key = _plain_key(document, OwnerKey._fields)
    key["tags"] = tuple(sorted(document.get("tags", {}).items()))
    payer = _plain_key(document, Payer._fields)
    payer["markup_percent"] = Decimal(document["markup_percent"])
    return OwnerRule(**_dated(document, revision), key=OwnerKey(**key), payer=Payer(**payer))


def name_of(document: Mapping[str, Any], revision: int) -> DisplayName:
    """Read the document of a name."""
    key = NameKey(document["of"], document["value"])
    return DisplayName(**_dated(document, revision), key=key, name=document["name"])


def reference_of(
    documents: Mapping[str, Sequence[Mapping[str, Any]]], imports: Iterable[Import]
) -> Reference:
    """Return what finished imports brought, of documents by type."""
    numbers = {each.id: each.number for each in imports}

    def read(kind: str, read_one: Callable[[Mapping[str, Any], int], N]) -> list[N]:
        finished = (each for each in documents.get(kind, ()) if each["import"] in numbers)
        return [read_one(each, numbers[each["import"]]) for each in finished]

    return Reference(
        prices=read(PRICE_TYPE, price_of),
        deployments=read(DEPLOYMENT_TYPE, deployment_of),
        owners=read(OWNER_TYPE, owner_of),
        names=read(NAME_TYPE, name_of),
    )


def import_document(imported: Import) -> dict[str, Any]:
    """Return the header of an import; its id is its number, so that a number is taken once."""
    return {
        "id": str(imported.number),
        "type": IMPORT_TYPE,
        "import": imported.id,
        "source": imported.source,
        "imported_at": time_text(imported.imported_at),
        "counts": dict(imported.counts),
    }


def import_of(document: Mapping[str, Any]) -> Import:
    """Read the header of an import."""
    return Import(
        number=int(document["id"]),
        id=document["import"],
        source=document["source"],
        imported_at=time_of(document["imported_at"]),
        counts=document["counts"],
    )
