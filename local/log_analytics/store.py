"""The rows of all components in one DuckDB file, and the queries over them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Annotated, Any

import duckdb
import orjson
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    NonNegativeFloat,
    TypeAdapter,
)

from local.log_analytics.kql import ARRIVAL, COLUMNS, TABLE, refusal, to_sql
from local.log_analytics.wire import utc

OLDEST = timedelta(days=2)
NEWEST = timedelta(days=1)
_SCHEMA = """
SET TimeZone = 'UTC';
CREATE TABLE IF NOT EXISTS metric_rows (
  time_generated TIMESTAMP NOT NULL, name VARCHAR NOT NULL, total DOUBLE NOT NULL,
  role_name VARCHAR NOT NULL, properties JSON NOT NULL, component VARCHAR NOT NULL,
  arrived_at TIMESTAMP NOT NULL);
"""
_INSERT = """
INSERT INTO metric_rows SELECT unnest($1::TIMESTAMP[]), unnest($2), unnest($3), unnest($4),
  unnest($5::JSON[]), unnest($6), unnest($7::TIMESTAMP[])
"""
_QUERY = f"""
WITH "{TABLE}" ({", ".join(f'"{name}"' for name in COLUMNS)}) AS (
  SELECT time_generated, name, total, 1, total, total, role_name, properties, component, arrived_at
  FROM metric_rows
  WHERE list_contains($components, lower(component)) AND arrived_at <= $now
    AND time_generated >= $start AND time_generated < $end)
SELECT COLUMNS(lambda name: name <> '{ARRIVAL}') FROM (
"""


def _without_null(properties: dict[str, Any]) -> dict[str, Any]:
    """Refuse what duckdb-kql misreads: isnull() of a JSON null is true in Kusto."""
    if None in properties.values():
        raise ValueError("a dimension that is null is not supported here: leave it out")
    return properties


class NewRow(BaseModel):
    """A row as it is sent; it arrives at a moment, or so many seconds from now."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    time_generated: AwareDatetime = Field(alias="TimeGenerated")
    name: str = Field(alias="Name")
    total: FiniteFloat = Field(alias="Sum", strict=True)
    role_name: str = Field(alias="AppRoleName", default="")
    properties: Annotated[dict[str, Any], AfterValidator(_without_null)] = Field(alias="Properties")
    component: str = Field(alias="_ResourceId")
    arrives_in_seconds: NonNegativeFloat = 0.0
    arrives_at: AwareDatetime | None = None

    def stored(self, now: datetime) -> tuple[Any, ...]:
        """The row as it is kept: a time too far from the arrival is replaced by it."""
        arrives_at = self.arrives_at or now + timedelta(seconds=self.arrives_in_seconds)
        near = arrives_at - OLDEST <= self.time_generated <= arrives_at + NEWEST
        generated_at = self.time_generated if near else arrives_at
        properties = orjson.dumps(self.properties).decode()
        said = self.name, self.total, self.role_name, properties, self.component
        return utc(generated_at), *said, utc(arrives_at)


_ROWS = TypeAdapter(list[NewRow])


def parse_rows(rows: Iterable[Mapping[str, Any]]) -> list[NewRow]:
    """Read rows; raises ValueError that names everything that is wrong with them."""
    return _ROWS.validate_python(rows)


@dataclass(frozen=True, slots=True)
class View:
    """What a query sees: rows of these components that have arrived, of a span of time."""

    components: Sequence[str]  # in lower case
    now: datetime
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Result:
    """The rows of an answer, `more` if there were more of them; columns are names and types."""

    columns: Sequence[tuple[str, str]]
    rows: Sequence[Sequence[Any]]
    more: bool


class Store:
    """All rows. Calls may come from any thread; one runs at a time."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = Lock()
        self._sql = duckdb.connect(path, config={"python_enable_replacements": False, "threads": 1})
        self._sql.execute(_SCHEMA)

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self._sql.close()

    def add(self, rows: Sequence[NewRow], now: datetime) -> None:
        """Keep rows, all or none."""
        if rows:
            columns = zip(*(row.stored(now) for row in rows), strict=True)
            with self._lock:
                self._sql.execute(_INSERT, [list(column) for column in columns])

    def remove_before(self, moment: datetime) -> None:
        """Remove the rows that were generated before a moment, as retention does."""
        with self._lock:
            self._sql.execute("DELETE FROM metric_rows WHERE time_generated < ?", [utc(moment)])

    def query(self, kql: str, view: View, max_rows: int) -> Result:
        """Run a query; raises LogsError if it cannot."""
        seen = {"components": view.components, "start": view.start, "end": view.end}
        with self._lock:
            sql, bound = to_sql(kql, view.now)
            try:
                cursor = self._sql.execute(f"{_QUERY}{sql})", seen | {"now": utc(view.now)} | bound)
                rows = cursor.fetchmany(max_rows + 1)
            except duckdb.Error as error:
                raise refusal(kql, error) from error
            columns = [(name, str(kind)) for name, kind, *_ in cursor.description]
        return Result(columns, rows[:max_rows], more=len(rows) > max_rows)
