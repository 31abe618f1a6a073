"""A stand-in for Azure Cosmos DB for NoSQL that the azure-cosmos SDK talks to over plain http.

Its data lives in a SQLite file and survives restarts. What it does not support it refuses with a
400 that names it. Indexing policies are kept but not applied, and every request costs 1 RU.
"""

from local.cosmos.faults import Fault
from local.cosmos.server import CosmosServer, Served

__all__ = ["CosmosServer", "Fault", "Served"]
