"""The heads of closed periods, and attempts to close one <-> documents of `state`. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from usage_ingest.chargeback.ports import Statement
from usage_ingest.chargeback.statement import Chunk
from usage_ingest.document import time_of, time_text
from usage_ingest.record_id import digest

STATEMENT_TYPE: Final = "statement"


def statement_id(number: int) -> str:
    """Return the id of a head: of two that close a period, one finds it taken."""
    return digest("statement", number)


def statement_document(statement: Statement) -> dict[str, Any]:
    """Return the head of a closed period."""
    accepted = {} if statement.accepted is None else {"accepted": statement.accepted}
    return {
        "id": statement_id(statement.number),
        "type": STATEMENT_TYPE,
        "number": statement.number,
        "period": statement.period,
        "attempt": statement.id,
        "closed_at": time_text(statement.closed_at),
        "read_from": time_text(statement.read_from),
        **accepted,
        "lines": statement.lines,
        "totals": dict(statement.totals),
        "imports": statement.imports,
        "tags": list(statement.tags),
        "chunks": [each._asdict() for each in statement.chunks],
        "completeness": dict(statement.completeness),
    }


def statement_of(document: Mapping[str, Any]) -> Statement:
    """Read what `statement_document` wrote."""
    return Statement(
        number=document["number"],
        period=document["period"],
        id=document["attempt"],
        closed_at=time_of(document["closed_at"]),
        read_from=time_of(document["read_from"]),
        accepted=document.get("accepted"),
        lines=document["lines"],
        totals=document["totals"],
        completeness=document["completeness"],
        imports=document["imports"],
        tags=tuple(document["tags"]),
        chunks=tuple(Chunk(**each) for each in document["chunks"]),
    )


def attempt_document(
    statement: Statement, begun_at: datetime, chunks: int, *, given_up: bool = False
) -> dict[str, Any]:
    """Return the document of an attempt to close; `chunks` are those that may be written."""
    return {
        "id": statement.id,
        "type": STATEMENT_TYPE,
        "period": statement.period,
        "begun_at": time_text(begun_at),
        "chunks": chunks,
        "given_up": given_up,
    }
