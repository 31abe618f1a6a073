"""What the metrics flow needs of the outside world beside usage_ingest.ports.

Every method may raise TransientError and ConfigError, as there.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from usage_ingest.metric_profile import Definition
from usage_ingest.metrics.fold import MetricRow
from usage_ingest.metrics.watermark import Bin, Source, Watermark, Window


class WatermarkStore(Protocol):
    """How far the metrics of each source have been collected."""

    async def read(self, source: Source) -> Watermark | None:
        """Return the mark as the store has it now, or None before the first run."""
        ...

    async def write(self, mark: Watermark) -> Watermark:
        """Create or replace, guarded by the ETag that was read.

        Returns:
            The same mark with its new ETag.

        Raises:
            ConflictError: Another run wrote first.
        """
        ...

    async def delete(self, mark: Watermark) -> None:
        """Delete the mark, guarded by the ETag that was read; raises ConflictError as `write`."""
        ...

    async def all(self) -> list[Watermark]:
        """Return the marks of all sources, of those that are no longer configured too."""
        ...


class MetricReader(Protocol):
    """Reads metric rows where Azure Monitor keeps them; times are the service's.

    Every method may raise PartialResultError: the answer is not whole, ask for less.
    """

    async def now(self, target: str) -> datetime:
        """Return the service's time."""
        ...

    async def touched(
        self, target: str, definition: Definition, arrived: Window, generated: Window
    ) -> set[datetime]:
        """Return the minutes that rows carry which arrived in one window.

        `generated` bounds what they may carry.
        """
        ...

    async def rows(
        self, target: str, definition: Definition, bins: Sequence[Bin]
    ) -> Sequence[MetricRow]:
        """Return all rows of these bins, all of one length, whenever they arrived."""
        ...
