"""A stand-in for the query API of Log Analytics: the SDK talks to it over plain http.

It holds the rows of one table, AppMetrics, in a DuckDB file that survives restarts, and runs the
KQL it is sent. What it does not support it refuses with a 400 that names it.
"""

from local.log_analytics.faults import Fault
from local.log_analytics.server import LogAnalyticsServer, Served

__all__ = ["Fault", "LogAnalyticsServer", "Served"]
