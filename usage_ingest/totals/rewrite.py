"""What a rollup document is to be after a rebuild. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from usage_ingest.record import Source
from usage_ingest.rollup import COUNTERS, rollup_document, rollup_key
from usage_ingest.totals.fold import Counted
from usage_ingest.totals.keys import is_its_own

_COUNTERS: Final = frozenset(COUNTERS)
_NOBODY: Final = Counted()


def rewritten(
    partition: str,
    rollup: str,
    stored: Mapping[str, Any] | None,
    counted: Counted | None,
    tag_names: Sequence[str],
) -> dict[str, Any]:
    """Return the document with exactly the sums of the documents that name it.

    Its key stays, unless it is missing or is not that of its id: then it is found anew from a
    document. One that no document names is emptied, not deleted: others may be about to add to it.
    """
    counted = counted or _NOBODY
    document = _key_document(partition, rollup, stored, counted, tag_names)
    counters: dict[str, int] = dict(counted.counters)
    if not counted.documents and document.get("source") == Source.EVENT_HUB:
        counters = {"requests": 0}
    return {**document, **counters}


def _key_document(
    partition: str,
    rollup: str,
    stored: Mapping[str, Any] | None,
    counted: Counted,
    tag_names: Sequence[str],
) -> dict[str, Any]:
    if stored is not None and (is_its_own(stored) or counted.key is None):
        kept = stored.items()
        return {k: v for k, v in kept if k not in _COUNTERS and not k.startswith("_")}
    if counted.key is not None:
        key, slot = counted.key
    elif counted.first is not None:
        key, slot = rollup_key(counted.first, tag_names), 0
    else:
        raise ValueError(rollup)  # neither a document nor a rollup: nobody asks for it
    return {**rollup_document(key, slot, partition, {}), "id": rollup}
