"""An error as an HTTP answer: problem+json (RFC 9457). Pure."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

from usage_ingest.errors import (
    InvalidQueryError,
    RefusedEventsError,
    ThrottledError,
    TooLargeError,
    TransientError,
)

RETRY: Final = {"Retry-After": "30"}
MIMETYPE: Final = "application/problem+json"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What a caller is answered; `headers` say when to try again, where that may help."""

    status: int
    content: Mapping[str, Any]
    headers: Mapping[str, str] | None = None


def problem_of(error: Exception) -> Problem:
    """Return the answer to an error that was raised on purpose."""
    if isinstance(error, InvalidQueryError):
        return _problem(400, "Bad request", error.text, parameter=error.parameter)
    if isinstance(error, RefusedEventsError):
        refused = [dataclasses.asdict(each) for each in error.refusals]
        return _problem(400, "Events cannot be read", str(error), errors=refused)
    if isinstance(error, TooLargeError):
        return _problem(413, "Too large", str(error))
    if isinstance(error, ThrottledError):
        return _problem(429, "Too many events", str(error), headers=RETRY)
    if isinstance(error, TransientError):
        return _problem(503, "Temporarily unavailable", str(error), headers=RETRY)
    return _problem(500, "The deployment is misconfigured", str(error))


def _problem(
    status: int,
    title: str,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    **more: Any,  # noqa: ANN401 - what the error tells beside its text
) -> Problem:
    content = {"type": "about:blank", "detail": detail, "title": title, "status": status, **more}
    return Problem(status=status, content=content, headers=headers)
