"""KQL to DuckDB's SQL: duckdb-kql translates; here stands what it leaves out or gets wrong."""

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import duckdb
import duckdb_kql
from duckdb_kql.translate import CLOCK_SLOT

from local.log_analytics.wire import LogsError, bad_query, utc

TABLE = "AppMetrics"
ARRIVAL = "_IngestionTime"  # what ingestion_time() reads; never in a result
COLUMNS = (
    *("TimeGenerated", "Name", "Sum", "ItemCount", "Min", "Max"),
    *("AppRoleName", "Properties", "_ResourceId", ARRIVAL),
)
_SPELLINGS = {name.lower(): name for name in (TABLE, *COLUMNS)}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PART = re.compile(
    r"""
    (?P<kept> //[^\n]* | @"[^"]*" | @'[^']*' | "(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*' )
    | (?P<arrival> \bingestion_time\s*\(\s*\) )
    | \bdatetime\s*\(\s* (?P<moment> \d{4}-\d\d-\d\d [\dT:.Z+\ -]*? ) \s*\)
    """,
    re.VERBOSE,
)
_PLACEHOLDER = re.compile(  # with the tries of other formats that the translation puts around
    r"(?:COALESCE\(TRY_CAST\()?'0001-01-01T00:00:00\.(\d{6})Z'"
    r"(?: AS TIMESTAMPTZ\) AT TIME ZONE 'UTC', try_strptime\([^\[]*\[[^\]]*\]\)\))?"
)
_SQL_TEXT = re.compile(r"'(?:[^']|'')*'")
_SQL_NAME = re.compile(r'"((?:[^"]|"")*)"')
_NO_TABLE = re.compile(r"Table with name (\S+) does not exist")


def to_sql(kql: str, now: datetime) -> tuple[str, dict[str, Any]]:
    """Translate a query; return the SQL and the values of its parameters."""
    moments: list[str] = []

    def rewrite(part: re.Match[str]) -> str:
        if part["kept"]:
            return part["kept"]
        if part["arrival"]:
            return ARRIVAL
        moments.append(_moment(part["moment"]))
        return f"datetime(0001-01-01T00:00:00.{len(moments) - 1:06}Z)"

    sql, bound = _translate(_PART.sub(rewrite, kql))
    filled = _PLACEHOLDER.sub(lambda place: f"TIMESTAMP '{moments[int(place[1])]}'", sql)
    return filled, bound | ({CLOCK_SLOT: utc(now)} if CLOCK_SLOT in bound else {})


@lru_cache(maxsize=256)
def _translate(kql: str) -> tuple[str, dict[str, Any]]:
    """Translate a query without its times: it takes longer than running, so it is kept."""
    if kql.lstrip().startswith("."):
        raise bad_query("Query could not be parsed at '.'", "SYN0002")
    try:
        sql = duckdb_kql.to_sql(kql, {TABLE: [*COLUMNS]}, allow_write=False, query_now=_EPOCH)
    except duckdb_kql.KqlSyntaxError as error:
        raise bad_query(str(error), "SYN0002") from error
    except duckdb_kql.KqlError as error:
        raise bad_query(str(error)) from error
    if sql.unbound:
        raise bad_query(f"Query parameters have no value: {', '.join(sql.unbound)}")
    _check_spellings(sql)
    # A key of one asterisk means every key to a JSON path, but not to a JSON pointer.
    return sql.replace("""'$."*"'""", "'/*'"), dict(sql.parameters)


def _check_spellings(sql: str) -> None:
    """Kusto tells upper from lower case in names; DuckDB does not."""
    for name in _SQL_NAME.findall(_SQL_TEXT.sub("", sql)):
        known = _SPELLINGS.get(name.lower(), name)
        if name != known:
            raise bad_query(f"Failed to resolve {name!r}: here only {known!r} may be so called")


def _moment(text: str) -> str:
    try:
        return utc(datetime.fromisoformat(text)).isoformat()
    except ValueError as error:
        raise bad_query(f"Query could not be parsed at 'datetime({text})'", "SYN0002") from error


def refusal(kql: str, error: duckdb.Error) -> LogsError:
    """What the service says to a query that DuckDB refuses."""
    missing = _NO_TABLE.search(str(error))
    return no_table(kql, missing[1]) if missing else bad_query(str(error).partition("\n")[0])


def no_table(kql: str, name: str = TABLE) -> LogsError:
    """What the service says when a table does not exist where it looks."""
    operator = re.search(rf"\b{re.escape(name)}\s*\|\s*([\w-]+)", kql)
    where = f"'{operator[1]}' operator: " if operator else ""
    return bad_query(f"{where}Failed to resolve table or column expression named '{name}'")
