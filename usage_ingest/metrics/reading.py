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
    found = read.usage.reported()
    less = {
        name: before
        for name, before in stored.usage.reported().items()
        if found.get(name, -1) < before
    }
    usage = TokenUsage(**{**found, **less})
    if usage == stored.usage:
        return None, bool(less)
    flags = set(read.flags) if usage.settled()[1] else {*read.flags, Flag.INCONSISTENT_USAGE}
    return replace(read, usage=usage, flags=tuple(sorted(flags))), bool(less)
