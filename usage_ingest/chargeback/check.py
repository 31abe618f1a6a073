"""What is wrong with the price book and its kin, and with what is used beside them. Pure."""

from collections.abc import Collection
from datetime import date

from usage_ingest.chargeback.check_documents import check_documents
from usage_ingest.chargeback.check_use import Use
from usage_ingest.chargeback.reference import Reference
from usage_ingest.chargeback.remark import Remark


def check(
    reference: Reference, use: Use, first: date, last: date, tags: Collection[str]
) -> list[Remark]:
    """Return all that is wrong on the days `first` to `last`, both included.

    Args:
        reference: What was imported.
        use: What the lines of these days tell.
        first: The first day.
        last: The last day.
        tags: The names of tags that rollups keep.
    """
    days = (first.isoformat(), last.isoformat())
    return [
        *check_documents(reference, days, use.deployments(), tags),
        *use.unpriced(reference.prices),
        *use.undocumented(reference),
    ]
