"""The Cosmos containers that the code relies on, as the service spells them. Pure.

Deployment creates them in Azure (an identity of the data plane cannot), local/ for development.
Only what is queried is indexed.
"""

from typing import Any, Final


def _container(name: str, partition_key: str, *indexed: str) -> dict[str, Any]:
    return {
        "id": name,
        "partitionKey": {"paths": [partition_key], "kind": "Hash", "version": 2},
        "defaultTtl": -1,  # documents say for themselves how long they live; totals say nothing
        "indexingPolicy": {
            "indexingMode": "consistent",
            "includedPaths": [{"path": f"{path}/?"} for path in (partition_key, *indexed)],
            "excludedPaths": [{"path": "/*"}],
        },
    }


CONTAINERS: Final = (
    _container("usage", "/partitionKey", "/type", "/day"),
    _container("dead-letters", "/partitionKey", "/type", "/day", "/state", "/reason", "/block_id"),
    _container("state", "/type"),
    _container("reference", "/type"),
)
