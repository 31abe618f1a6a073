"""A summary over many rollups: CPU, and the memory that it takes at most."""

import gc
import time
import tracemalloc
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from benchmarks.client import Bench
from benchmarks.rollups import make_rollup
from benchmarks.table import show
from usage_ingest.summary import summarise
from usage_ingest.summary_query import parse_query

_SIZES: Final = (7_500, 15_000, 30_000)
_DAYS: Final = 30
_SUBSCRIPTIONS: Final = 50


async def measure(bench: Bench) -> None:
    """Print CPU and peak memory by the number of rollups; the groups are the same."""
    rows = []
    for size in _SIZES:
        await bench.feed([_rollup(at) for at in range(size)])
        await _summarised(bench)
        start = time.process_time()
        groups = await _summarised(bench)
        seconds = time.process_time() - start
        gc.collect()
        tracemalloc.start()
        await _summarised(bench)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        rows.append((f"{size:,}", groups, f"{seconds:.2f}", f"{peak / 1e6:.1f}"))
    show("A summary by subscription and model", ("rollups", "groups", "CPU s", "peak MB"), rows)


async def _summarised(bench: Bench) -> int:
    now = datetime.now(UTC)
    asked = {"group_by": "subscription,model", "start_date": _day(_DAYS), "end_date": _day(0)}
    query = parse_query(asked, now.date(), bench.app.settings.rollup_tags)
    found = await summarise(query, bench.app.reports, now)
    return len(found["groups"])


def _day(ago: int) -> str:
    return (datetime.now(UTC).date() - timedelta(days=ago)).isoformat()


def _rollup(at: int) -> dict[str, Any]:
    subscription, day = f"team-{at % _SUBSCRIPTIONS}", _day(at // _SUBSCRIPTIONS % _DAYS)
    counters = {
        "requests": 900,
        "latency_ms_sum": 700_000,
        "latency_le_1000_ms": 700,
        "latency_le_2500_ms": 200,
        "input_tokens": 3_000_000,
        "cached_input_tokens": 1_000_000,
        "output_tokens": 400_000,
        "reasoning_output_tokens": 0,
        "total_tokens": 3_400_000,
    }
    return make_rollup(at, day, subscription, counters, model=f"gpt-4o-{at % 3}")
