"""Lines of a closed period <-> chunks, documents of the container `state`. Pure.

A chunk holds thousands of lines by column, packed: what many lines share stands once. Old chunks
stay readable: a change of what is packed is another `format`.
"""

import base64
import gzip
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, TypeVar

import orjson

from usage_ingest.chargeback.kinds import Kind
from usage_ingest.chargeback.line import Charge, Line, Rate, Subject
from usage_ingest.chargeback.owner import Payer
from usage_ingest.chargeback.ports import Statement
from usage_ingest.chargeback.statement import Chunk, chunk_of
from usage_ingest.errors import ConfigError
from usage_ingest.record_id import digest

CHUNK_TYPE: Final = "statement_chunk"
MAX_BODY_BYTES: Final = 1_400_000
"""A document takes 2 MB; a chunk stays well below."""

_FORMAT: Final = 1
_ENCODING: Final = "gzip+base64"
_SHORTEST_INTEGER, _LARGEST_INTEGER = -(2**63), 2**64 - 1
_RATE: Final = (
    *("price_id", "source", "revision", "unit_price", "list_unit_price"),
    *("list_estimate", "other_vendor", "base_band"),
)
_OFFER: Final = ("model", "version", "sku", "region", "publisher", "resource_id")
_MONEY: Final = ("cost", "list_cost", "amount")
_PLAIN: Final = ("kind", "charge", "currency", "parts_overlap", "corrects", "corrected")
_COLUMNS: Final = ("subject", "payer", "offer", "rate", "quantity", *_MONEY, *_PLAIN)
_KINDS: Final = {kind.value: kind for kind in Kind}
_CHARGES: Final = {charge.value: charge for charge in Charge}
T = TypeVar("T")


def chunk_id(attempt: str, number: int) -> str:
    """Return the id of a chunk of an attempt; numbers are from 0 on."""
    return digest("statement-chunk", attempt, number)


def packed(lines: list[Line]) -> Iterable[tuple[Chunk, str]]:
    """Yield lines packed, in as many chunks as documents can hold."""
    body = _pack(lines)
    if len(body) <= MAX_BODY_BYTES or len(lines) == 1:
        yield chunk_of(lines), body
        return
    half = len(lines) // 2
    yield from packed(lines[:half])
    yield from packed(lines[half:])


def chunk_document(statement: Statement, number: int, chunk: Chunk, body: str) -> dict[str, Any]:
    """Return the document of a chunk."""
    return {
        "id": chunk_id(statement.id, number),
        "type": CHUNK_TYPE,
        "attempt": statement.id,
        "period": statement.period,
        "number": number,
        **chunk._asdict(),
        "format": _FORMAT,
        "encoding": _ENCODING,
        "body": body,
    }


def lines_of(document: Mapping[str, Any]) -> Iterable[Line]:
    """Yield the lines of a chunk.

    Raises:
        ConfigError: A later version of this app wrote it.
    """
    if (document["format"], document["encoding"]) != (_FORMAT, _ENCODING):
        raise ConfigError(
            f"the chunk {document['id']} of the statement of {document['period']} has format "
            f"{document['format']!r} ({document['encoding']}); this version reads {_FORMAT} "
            f"({_ENCODING}): deploy the version that wrote it, or a later one"
        )
    return _unpack(orjson.loads(gzip.decompress(base64.b64decode(document["body"]))))


class _Shared(dict[T, int]):
    """What many lines share, numbered by first use."""

    def __missing__(self, key: T) -> int:
        self[key] = number = len(self)
        return number


def _pack(lines: Sequence[Line]) -> str:
    subjects, payers = _Shared[Subject](), _Shared[Payer]()
    offers, rates = _Shared[tuple[str | None, ...]](), _Shared[Rate]()
    columns = {
        "subject": [subjects[line.subject] for line in lines],
        "payer": [payers[line.payer] for line in lines],
        "offer": [offers[tuple([getattr(line, name) for name in _OFFER])] for line in lines],
        "rate": [None if line.rate is None else rates[line.rate] for line in lines],
        "quantity": [_quantity(line.quantity) for line in lines],
        **{name: [getattr(line, name) for line in lines] for name in (*_MONEY, *_PLAIN)},
    }
    content = {
        "subjects": _columns(Subject._fields, subjects),
        "payers": _columns(Payer._fields, payers),
        "offers": _columns(_OFFER, offers),
        "rates": {name: [getattr(each, name) for each in rates] for name in _RATE},
        "lines": columns,
    }
    # No time of packing: the same lines are the same bytes.
    written = gzip.compress(orjson.dumps(content, default=_text), compresslevel=6, mtime=0)
    return base64.b64encode(written).decode()


def _text(value: object) -> str:
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not stored in a statement")


def _quantity(quantity: int | Decimal) -> int | Decimal:
    """Return what JSON holds exactly: a number of 64 bits, or a text."""
    if isinstance(quantity, int) and not _SHORTEST_INTEGER <= quantity <= _LARGEST_INTEGER:
        return Decimal(quantity)
    return quantity


def _columns(
    names: Sequence[str], rows: Iterable[tuple[Any, ...]]
) -> Mapping[str, Sequence[object]]:
    columns = list(zip(*rows, strict=True))
    return dict(zip(names, columns, strict=True))


def _unpack(content: Mapping[str, Any]) -> Iterable[Line]:
    """Yield lines. This runs for each line of a closed month: it is written to be fast."""
    subjects = [Subject(**each) for each in _rows(content["subjects"], tags=_tags)]
    payers = [Payer(**each) for each in _rows(content["payers"], markup_percent=Decimal)]
    offers = list(_rows(content["offers"]))
    prices = {"unit_price": Decimal, "list_unit_price": Decimal}
    rates = [Rate(**each) for each in _rows(content["rates"], **prices)]
    columns = content["lines"]
    for subject, payer, offer, rate, quantity, cost, list_cost, amount, kind, *rest in zip(
        *(columns[name] for name in _COLUMNS), strict=True
    ):
        charge, currency, parts_overlap, corrects, corrected = rest
        yield Line(
            subject=subjects[subject],
            payer=payers[payer],
            rate=None if rate is None else rates[rate],
            quantity=Decimal(quantity) if type(quantity) is str else quantity,
            cost=None if cost is None else Decimal(cost),
            list_cost=None if list_cost is None else Decimal(list_cost),
            amount=None if amount is None else Decimal(amount),
            kind=_KINDS[kind],
            charge=_CHARGES[charge],
            currency=currency,
            parts_overlap=parts_overlap,
            corrects=corrects,
            corrected=None if corrected is None else _CHARGES[corrected],
            **offers[offer],
        )


def _rows(columns: Mapping[str, Sequence[Any]], **read: Any) -> Iterable[dict[str, Any]]:  # noqa: ANN401 - types and functions
    """Yield rows of columns by name; `read` makes values of what JSON has."""
    names = list(columns)
    made = [map(read[name], columns[name]) if name in read else columns[name] for name in names]
    for values in zip(*made, strict=True):
        yield dict(zip(names, values, strict=True))


def _tags(stored: Iterable[Sequence[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in stored)
