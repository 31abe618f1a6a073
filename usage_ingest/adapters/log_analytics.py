"""Metric rows over Log Analytics: patience, whole answers only, refusals in clear words."""

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
    ServiceResponseTimeoutError,
)
from azure.monitor.query import LogsQueryPartialResult
from azure.monitor.query.aio import LogsQueryClient

from usage_ingest.adapters.patience import Patience, brief
from usage_ingest.errors import ConfigError, PartialResultError, TransientError
from usage_ingest.metric_profile import Definition
from usage_ingest.metrics import query
from usage_ingest.metrics.fold import MetricRow
from usage_ingest.metrics.watermark import Bin, Window

MAX_ROWS: Final = 500_000
"""Log Analytics answers no more rows than this; an answer that is full may not be whole."""
_SERVER_SECONDS: Final = 60
_READ_SECONDS: Final = 90
_CONNECT_SECONDS: Final = 10
_BUSY: Final = frozenset({429, 500, 502, 503})
_TOO_MUCH: Final = frozenset({408, 413, 504})
_REFUSED: Final = frozenset({401, 403})
_NOT_FOUND: Final = 404
_NO_TABLE: Final = re.compile(r"resolve (table|table or column)[^']*'AppMetrics'")
_EXCEEDED: Final = re.compile(r"exceed|E_RUNAWAY_QUERY|E_LOW_MEMORY|LowMemory|E_QUERY_RESULT")


class LogAnalyticsMetrics:
    """Implements metrics.ports.MetricReader."""

    def __init__(
        self,
        endpoint: str,
        credential: AsyncTokenCredential,
        patience_seconds: float = 60.0,
        max_rows: int = MAX_ROWS,
    ) -> None:
        """Keep what is needed to connect; http is for stand-ins on this machine only."""
        self._client = LogsQueryClient(
            credential,
            endpoint=endpoint.rstrip("/"),
            retry_total=0,
            connection_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
        )
        self._enforce_https = not endpoint.startswith("http://")
        self._patience_seconds = patience_seconds
        self._max_rows = max_rows

    async def now(self, target: str) -> datetime:
        """Return the service's time; see metrics.ports.MetricReader."""
        rows = await self._rows(target, query.service_time())
        return _moment(rows[0]["Now"])

    async def seen(self, target: str) -> int:
        """Return how many rows of the metrics the last day has; raises where there is no table."""
        (row,) = await self._rows(target, query.metrics_seen())
        return int(row["Rows"])

    async def touched(
        self, target: str, definition: Definition, arrived: Window, generated: Window
    ) -> set[datetime]:
        """Return the minutes that rows carry; see metrics.ports.MetricReader."""
        asked = query.touched_minutes(definition, arrived, generated)
        return {_moment(row["Minute"]) for row in await self._rows(target, asked)}

    async def rows(
        self, target: str, definition: Definition, bins: Sequence[Bin]
    ) -> Sequence[MetricRow]:
        """Return all rows of the bins; see metrics.ports.MetricReader."""
        answered = await self._rows(target, query.whole_bins(definition, bins))
        return [
            MetricRow(
                bin_start=_moment(row["Bin"]),
                metric=str(row["Name"]),
                total=_number(row["Sum"]),
                role_name=str(row["AppRoleName"] or ""),
                component=str(row["_ResourceId"] or ""),
                properties=str(row["Properties"] or "{}"),
                as_of=_moment(row["AsOf"]),
            )
            for row in answered
        ]

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _rows(self, target: str, kql: str) -> list[Mapping[str, Any]]:
        """Ask a workspace (its GUID) or a component (its resource id)."""
        client = self._client
        ask = client.query_resource if target.startswith("/") else client.query_workspace

        async def request() -> list[Mapping[str, Any]]:
            try:
                answer = await ask(
                    target,
                    kql,
                    timespan=None,
                    server_timeout=_SERVER_SECONDS,
                    enforce_https=self._enforce_https,
                )
            except ValueError as error:  # a proxy's page: the SDK takes JSON for granted
                raise ServiceResponseError("an answer that is no JSON", error=error) from error
            if isinstance(answer, LogsQueryPartialResult):
                raise PartialResultError(f"a partial answer: {_told(answer.partial_error)}")
            if len(answer.tables) != 1:
                raise ServiceResponseError(f"an answer of {len(answer.tables)} tables, not one")
            (table,) = answer.tables
            return [dict(zip(table.columns, row, strict=True)) for row in table.rows]

        def told(error: Exception) -> float:
            return _wait_told(error, target)

        patience = Patience("Log Analytics", told, self._patience_seconds)
        found = await patience.call(request)
        if len(found) >= self._max_rows:
            raise PartialResultError(f"{len(found)} rows, as many as an answer may have")
        return found


def _wait_told(error: Exception, target: str) -> float:
    """Return how many seconds the service asks to wait; raise what no waiting can mend."""
    if isinstance(error, ServiceResponseTimeoutError):
        raise PartialResultError(f"no answer in time: {brief(error)}") from error
    if isinstance(error, ServiceRequestError | ServiceResponseError | OSError):
        return 0.0
    if not isinstance(error, HttpResponseError):
        raise error
    status = error.status_code
    if status in _BUSY:
        return _retry_after(getattr(error.response, "headers", {}))
    _raise_refusal(error, target)
    raise TransientError(f"Log Analytics answers {target}: {brief(error)}") from error


def _raise_refusal(error: HttpResponseError, target: str) -> None:
    status, text = error.status_code, str(error)
    if status in _TOO_MUCH or _EXCEEDED.search(text):
        raise PartialResultError(f"refused: {brief(error)}") from error
    if status is None and isinstance(error.__context__, ClientAuthenticationError):
        raise ConfigError(f"No token for Log Analytics: {brief(error)}") from error
    if status in _REFUSED:
        raise ConfigError(
            f"Log Analytics refuses this identity ({status}) for {target}: grant it the role "
            "'Log Analytics Reader' on the workspace, or 'Monitoring Reader' on the component"
        ) from error
    if status == _NOT_FOUND:
        raise ConfigError(
            f"METRICS_TARGETS: Log Analytics knows no {target}; a workspace is named by its GUID "
            "(customer id), a component by its resource id"
        ) from error
    if _NO_TABLE.search(text):
        raise ConfigError(
            f"METRICS_TARGETS: {target} has no table AppMetrics: no workspace-based Application "
            "Insights component sends to it"
        ) from error


def _told(error: object) -> str:
    """Return the end of a partial answer's error: the reason stands in its innermost part."""
    return " ".join(str(error).split())[-300:]


def _retry_after(headers: Mapping[str, str]) -> float:
    try:
        return max(0.0, float(headers.get("Retry-After", 0)))
    except ValueError:
        return 0.0


def _moment(value: object) -> datetime:
    if not isinstance(value, datetime):
        raise TransientError(f"Log Analytics answered {type(value).__name__}, not a time")
    return value.astimezone(UTC)


def _number(value: object) -> float:
    """Read a sum; what is no number is NaN, not zero."""
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return math.nan
