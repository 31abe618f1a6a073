"""The protocol's small print: what errors, time spans and tables look like."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Self

import orjson
from duckdb_kql.types import kusto_type

_ERRORS = {
    401: ("InvalidTokenError", "The provided authentication is not valid for this resource"),
    403: (
        "InsufficientAccessError",
        "The provided credentials have insufficient access to perform the requested operation",
    ),
    429: ("ThrottledError", "Too many requests: a fault was asked for"),
    500: ("InternalServerError", "An internal error occurred: a fault was asked for"),
    503: ("ServiceUnavailableError", "The service is unavailable: a fault was asked for"),
    504: ("GatewayTimeout", "The query did not end in time: a fault was asked for"),
}
_KINDS = {
    "SEM0100": ("SemanticError", "A semantic error occurred."),
    "SYN0002": ("SyntaxError", "A recognition error occurred in the query."),
}


@dataclass(eq=False)
class LogsError(Exception):
    """An answer with an error status; `inner` is the innererror that tells more."""

    status: int
    code: str
    message: str
    inner: Mapping[str, Any] | None = None
    retry_after_seconds: float | None = None

    @classmethod
    def of_status(cls, status: int, retry_after_seconds: float | None = None) -> Self:
        """What the service says with this status."""
        return cls(status, *_ERRORS[status], retry_after_seconds=retry_after_seconds)

    def as_json(self) -> dict[str, Any]:
        """The body of the answer."""
        inner = {"innererror": self.inner} if self.inner else {}
        return {"error": {"message": self.message, "code": self.code, **inner}}


def bad_request(
    message: str = "The request had some invalid properties",
    inner: Mapping[str, Any] | None = None,
) -> LogsError:
    """A 400: malformed, or valid for the service but not supported here."""
    return LogsError(HTTPStatus.BAD_REQUEST, "BadArgumentError", message, inner)


def bad_query(message: str, code: str = "SEM0100") -> LogsError:
    """A 400 for KQL that cannot run; the SDK shows the innermost message."""
    kind, meaning = _KINDS[code]
    innermost = {"code": code, "message": message}
    return bad_request(inner={"code": kind, "message": meaning, "innererror": innermost})


def partial_error(max_rows: int) -> dict[str, Any]:
    """What stands beside the rows of an answer that does not hold them all."""
    limit = (
        f"The results of this query exceed the set limit of {max_rows} records, so not all "
        "records were returned (E_QUERY_RESULT_SET_TOO_LARGE, 0x80DA0003)."
    )
    innermost = {"code": "-2133196797", "message": limit, "severity": 2, "severityName": "Error"}
    detail = {
        "code": "EngineError",
        "message": "Something went wrong processing your query on the server.",
        "innererror": innermost,
    }
    message = "There were some errors when processing your query."
    return {"code": "PartialError", "message": message, "details": [detail]}


def parse_timespan(text: str | None) -> tuple[datetime, datetime]:
    """Read `start/end`, in UTC without tzinfo; None is all of time."""
    if text is None:
        return datetime.min, datetime.max  # noqa: DTZ901 - DuckDB's TIMESTAMP has no zone
    try:
        start, end = (utc(datetime.fromisoformat(moment)) for moment in text.split("/"))
    except ValueError as error:
        raise bad_request(f"The timespan {text!r} is not supported here: start/end is") from error
    return start, end


def utc(moment: datetime) -> datetime:
    """Return a time as DuckDB's TIMESTAMP has it: in UTC, without tzinfo."""
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def table(columns: Sequence[tuple[str, str]], rows: Iterable[Sequence[Any]]) -> dict[str, Any]:
    """Write a result; `columns` are names and DuckDB's types."""
    typed = [(name, kusto_type(of_duckdb)) for name, of_duckdb in columns]
    for name, kind in typed:
        if kind not in _WRITERS:
            raise bad_query(f"Column {name!r}: type {kind} is not supported here; use tostring()")
    writers = [_WRITERS[kind] for _, kind in typed]
    return {
        "name": "PrimaryResult",
        "columns": [{"name": name, "type": kind} for name, kind in typed],
        "rows": [
            [None if v is None else write(v) for write, v in zip(writers, row, strict=True)]
            for row in rows
        ],
    }


def _datetime(value: datetime) -> str:
    """Kusto counts in 100 ns, DuckDB in microseconds."""
    return f"{value.isoformat(timespec='microseconds')}0Z"


def _real(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _dynamic(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _as_is(value: Any) -> Any:
    return value


_WRITERS: Mapping[str, Any] = {
    **dict.fromkeys(("string", "bool", "int", "long"), _as_is),
    "datetime": _datetime,
    "real": _real,
    "dynamic": _dynamic,
}
