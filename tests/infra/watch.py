"""The app with its timers on this machine, and the alert rules over what it logs."""

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

import pytest

from tests.builders import NOON, FakeHub, make_batch
from tests.conftest import Stack
from tests.infra.alert_rules import LogAlert, log_alerts
from tests.infra.log_tables import LogTables
from tests.infra.told import lines
from usage_ingest.errors import TransientError
from usage_ingest.events.gaps import close_gaps
from usage_ingest.health import tell_health, tell_streaming
from usage_ingest.metrics.watermark import Watermark
from usage_ingest.ports import PartitionProperties, ReceivedEvent
from usage_ingest.wiring import App, collecting

RULES: Final = log_alerts()
EVERY: Final = timedelta(minutes=5)
NOWHERE: Final = "http://127.0.0.1:9"


class BusyHub(FakeHub):
    """A hub of one partition that says where it ends; reading it again may fail."""

    def __init__(self) -> None:
        super().__init__()
        self.events = {"0": []}
        self.last = -1
        self.is_away = False

    async def properties(self, partition_id: str) -> PartitionProperties:
        assert partition_id == "0"
        return PartitionProperties(
            beginning=self.beginning, last_enqueued=self.last, last_enqueued_time=NOON
        )

    async def read(
        self, partition_id: str, first: object, last: int
    ) -> AsyncGenerator[Sequence[ReceivedEvent], None]:
        del partition_id, first, last
        if self.is_away:
            raise TransientError("the hub is out of reach")
        for each in self.events["0"]:
            yield [each]


class Watch:
    """The app with its timers, and what Log Analytics has of its lines."""

    def __init__(self, stack: Stack, caplog: pytest.LogCaptureFixture) -> None:
        self.stack = stack
        self.hub = BusyHub()
        self.logs = LogTables()
        self.app = self.start()
        self._caplog = caplog

    def start(self, **settings: str) -> App:
        self.app = self.stack.start(reader=self.hub, patience_seconds=0.2, **settings)
        return self.app

    async def ingest(
        self, *elements: object, first: int = 0, enqueued: datetime | None = None
    ) -> None:
        self.hub.last = max(self.hub.last, first + len(elements) - 1)
        at = enqueued or self.stack.clock.now()
        batch = make_batch(*elements, first=first, enqueued=at)
        await self.app.ingest.batch(batch)
        self.keep()

    async def look(
        self, times: int = 1, between: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """Let close_gaps run every five minutes, as function_app does."""
        for _ in range(times):
            self.stack.clock.moment += EVERY
            if between is not None:
                await between()
            with suppress(TransientError):
                await close_gaps(self.app.ingest, 7)
            await tell_health(self.app.reports, self.stack.clock, 90)
            self.keep()

    def keep(self) -> None:
        self.logs.tell(lines(self._caplog), self.stack.clock.now())

    def firing(self, rule: LogAlert) -> set[tuple[str, ...]]:
        return rule.firing(self.logs, self.stack.clock.now())

    def all_firing(self) -> set[str]:
        return {name for name, rule in RULES.items() if self.firing(rule)}


def watched(stack: Stack, caplog: pytest.LogCaptureFixture) -> Watch:
    """Start an app; what it logs is kept from here on."""
    caplog.set_level(logging.INFO, "usage_ingest")
    return Watch(stack, caplog)


async def collected_through(watch: Watch, hours_ago: float) -> None:
    """Set the mark of the one source, as the collector does."""
    now = watch.stack.clock.now()
    source = watch.app.reports.sources[0]
    store = watch.app.reports.watermarks
    known = await store.read(source)
    mark = Watermark(
        source=source,
        collected_from=NOON - timedelta(days=5),
        collected_through=now - timedelta(hours=hours_ago),
        checked_at=now,
        etag=known.etag if known else None,
    )
    await store.write(mark)


async def collect(watch: Watch) -> None:
    """Let collect_streaming_metrics run, as function_app does."""
    try:
        async with collecting(watch.app, patience_seconds=0.1) as collector:
            await collector.run()
    finally:
        await tell_streaming(watch.app.reports, watch.stack.clock)
        watch.keep()
