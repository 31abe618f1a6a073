"""What a second reading of a time bin changes of the first. Pure."""

from dataclasses import replace

from usage_ingest.record import Flag, TokenUsage, UsageRecord


def later_reading(stored: UsageRecord, read: UsageRecord) -> tuple[UsageRecord | None, bool]:
    """Decide what is stored after a bin was read again.

    Rows of a log do not change, so a later reading finds the same or more: it replaces the
    earlier one. An earlier one, by the service's time, changes nothing, whenever it comes. What
    a later one finds less of stays as it was.

    Returns:
        The record to store in place of the stored one, or None where nothing changes; and
        whether a sum was smaller.
    """
    if stored.metric is None or read.metric is None or read.metric.as_of < stored.metric.as_of:
        return None, False
    less = _less(stored.usage, read)
    kept = {name: getattr(stored.usage, name) for name in less}
    usage, _ = replace(read.usage, **kept).settled()
    changed = replace(read, usage=usage) if usage != stored.usage else None
    return changed, bool(less)


def _less(stored: TokenUsage, read: UsageRecord) -> list[str]:
    """Return what the reading has less of; a part that did not fit its whole is not less."""
    found = read.usage.reported()
    fits = Flag.INCONSISTENT_USAGE not in read.flags
    return [
        name
        for name, before in stored.reported().items()
        if (found[name] < before if name in found else fits)
    ]
