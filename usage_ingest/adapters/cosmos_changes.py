"""Whether rollups changed, over Cosmos DB: by the time of the last write that it keeps itself."""

from datetime import date, datetime
from typing import Any, Final

from usage_ingest.adapters.cosmos import USAGE, Cosmos
from usage_ingest.adapters.cosmos_reads import pages
from usage_ingest.rollup import ROLLUP_TYPE

# `_ts` is indexed whatever the container's policy says.
_CHANGED: Final = (
    "SELECT c.id FROM c WHERE c.type = @type AND c.day >= @first AND c.day <= @last "
    "AND c._ts >= @moment"
)


class CosmosRollupChanges:
    """Implements chargeback.ports.RollupChanges."""

    def __init__(self, cosmos: Cosmos) -> None:
        """Use the given connection; nothing is asked of the service."""
        self._container = cosmos.container(USAGE)
        self._patience = cosmos.patience

    async def changed_since(self, moment: datetime, first: date, last: date) -> bool:
        """Whether a rollup was written; see chargeback.ports.RollupChanges.

        The store's time is in whole seconds: the second of the moment counts.
        """
        values: dict[str, Any] = {
            "@type": ROLLUP_TYPE,
            "@first": first.isoformat(),
            "@last": last.isoformat(),
            "@moment": int(moment.timestamp()),
        }
        parameters = [{"name": name, "value": value} for name, value in values.items()]
        async for page in pages(
            self._container, self._patience, _CHANGED, 1, parameters=parameters
        ):
            if page:
                return True
        return False
