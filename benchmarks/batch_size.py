"""What larger batches save: the same traffic delivered in batches of several sizes."""

import time
from typing import Final

import function_app
from benchmarks.client import Bench
from benchmarks.events import Traffic, decoded
from benchmarks.table import least, show

_SIZES: Final = (30, 100, 300, 600, 1_000)
_SUBSCRIPTIONS: Final = 20
_EVENTS: Final = 9_000


async def measure(bench: Bench) -> None:
    """Print CPU for each event by the size of the batch, decoding included and apart."""
    traffic, rows = Traffic(_SUBSCRIPTIONS), []
    for size in _SIZES:
        decoding, ours = await _microseconds(bench, traffic, size)
        rows.append((f"{size:,}", *(f"{each:.0f}" for each in (decoding, ours, decoding + ours))))
    title = f"CPU for each event in microseconds, {_SUBSCRIPTIONS} subscriptions"
    show(title, ("events in a batch", "decoding", "ours", "together"), rows)


async def _microseconds(bench: Bench, traffic: Traffic, size: int) -> tuple[float, float]:
    decoding, ours = [], []
    for _ in range(max(5, _EVENTS // size)):
        payload = traffic.payload(traffic.events(size))
        await bench.sent()
        start = time.process_time()
        received = decoded(payload)
        between = time.process_time()
        await function_app.ingest_usage_events(received)
        decoding.append((between - start) / size * 1e6)
        ours.append((time.process_time() - between) / size * 1e6)
    return least(decoding[1:]), least(ours[1:])
