"""The tables of Log Analytics on this machine: what the app logged, and KQL that is run over it.

duckdb-kql translates the queries. What Log Analytics does besides is done here by hand: a rule
sees only the rows of its window.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

import duckdb
import duckdb_kql
from duckdb_kql.translate import CLOCK_SLOT

SCHEMAS: Final = Path(__file__).resolve().parent.parent / "kusto"
COMPONENT: Final = "/subscriptions/5a/resourcegroups/rg/providers/microsoft.insights/components/one"
_SEEN: Final = (
    '"{name}" AS (SELECT * FROM "all{name}"'
    ' WHERE "TimeGenerated" > $start AND "TimeGenerated" <= $end)'
)
_TYPES: Final = {
    "string": "VARCHAR",
    "datetime": "TIMESTAMP",
    "dynamic": "JSON",
    "real": "DOUBLE",
    "int": "INTEGER",
    "bool": "BOOLEAN",
}


@cache
def columns(file: str) -> tuple[str, dict[str, str]]:
    """Return a table's name and its columns, as documented."""
    found = json.loads((SCHEMAS / file).read_text(encoding="utf-8"))
    return found["table"], found["columns"]


def tables() -> dict[str, dict[str, str]]:
    """Return the tables that the app's own telemetry goes to."""
    return dict(columns(file) for file in ("app_traces.json", "app_requests.json"))


class LogTables:
    """AppTraces and AppRequests, in memory."""

    def __init__(self) -> None:
        self._sql = duckdb.connect()
        self._sql.execute("SET TimeZone = 'UTC'")
        for name, found in tables().items():
            typed = ", ".join(f'"{column}" {_TYPES[kind]}' for column, kind in found.items())
            self._sql.execute(f'CREATE TABLE "all{name}" ({typed})')

    def tell(
        self, messages: Iterable[str], at: datetime, component: str = COMPONENT, app: str = "app"
    ) -> None:
        """Add lines as the host sends them on."""
        for message in messages:
            self._add("AppTraces", at, component, {"Message": message, "AppRoleName": app})

    def request(self, name: str, at: datetime, result: int) -> None:
        """Add an invocation or an HTTP request as the host counts it."""
        told = {"Name": name, "Success": result < 400, "ResultCode": str(result)}
        self._add("AppRequests", at, COMPONENT, told | {"AppRoleName": "app"})

    def ask(
        self, kql: str, now: datetime, window: timedelta = timedelta(days=30)
    ) -> list[dict[str, Any]]:
        """Run a query over the rows of a window that ends now."""
        known = {name: [*found] for name, found in tables().items()}
        sql = duckdb_kql.to_sql(kql, known, allow_write=False, query_now=now)
        seen = ", ".join(_SEEN.format(name=name) for name in known)
        bound = {"start": _plain(now - window), "end": _plain(now), **sql.parameters}
        if CLOCK_SLOT in bound:
            bound[CLOCK_SLOT] = _plain(now)
        cursor = self._sql.execute(f"WITH {seen} SELECT * FROM ({sql})", bound)  # noqa: S608
        names = [name for name, *_ in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def _add(self, table: str, at: datetime, component: str, row: Mapping[str, Any]) -> None:
        whole = {"TimeGenerated": _plain(at), "_ResourceId": component.lower(), **row}
        named = ", ".join(f'"{name}"' for name in whole)
        marks = ", ".join("?" for _ in whole)
        self._sql.execute(
            f'INSERT INTO "all{table}" ({named}) VALUES ({marks})',  # noqa: S608 - our own names
            [*whole.values()],
        )


def _plain(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)
