"""What the app costs before and beside its work: import, the first event, the memory of a batch."""

import gc
import subprocess
import sys
import tracemalloc
from typing import Final

import function_app
from benchmarks.client import Bench, environment
from benchmarks.events import Traffic, decoded
from benchmarks.table import at_most, least, show

_IMPORT_MOST: Final = 1.6
_MEMORY_MOST: Final = 3.0
_RUNS: Final = 9
_CPU_OF: Final = "import time; start = time.process_time(); {}; print(time.process_time() - start)"
_FIRST: Final = "import function_app, benchmarks.first_event as first; first.store()"
_EVENTS: Final = 300
_SIZES: Final = (1_000, 10_000, 50_000, 150_000)


async def measure(bench: Bench) -> None:
    """Print the tables."""
    await _imports(bench)
    await _memory(bench)


async def _imports(bench: Bench) -> None:
    works = ("import azure.functions", "import function_app", _FIRST)
    found: list[list[float]] = [[], [], []]
    for _ in range(_RUNS):
        for at, work in enumerate(works):
            if work is _FIRST:
                await bench.sent()
                await bench.begin()
            found[at].append(_cpu_of(work, bench.address))
    library, app, first = (least(each) * 1_000 for each in found)
    ratio = app / library
    rows = [
        ("import azure.functions", f"{library:.0f}", "1.00", "", ""),
        (
            "import function_app",
            f"{app:.0f}",
            f"{ratio:.2f}",
            _IMPORT_MOST,
            at_most(ratio, _IMPORT_MOST),
        ),
        ("import and first stored event", f"{first:.0f}", f"{first / library:.2f}", "", ""),
    ]
    show("CPU of a new process in milliseconds", ("", "ms", "ratio", "at most", ""), rows)


def _cpu_of(work: str, address: str) -> float:
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", _CPU_OF.format(work)],
        env=environment(address),
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


async def _memory(bench: Bench) -> None:
    """Measure batches of the same number of events, whose bodies grow."""
    traffic = Traffic(subscriptions=20)
    await _peak(bench, traffic, _SIZES[0])
    found = [await _peak(bench, traffic, size) for size in _SIZES]
    (smallest, fixed), *_, (largest, peak) = found
    slope = (peak - fixed) / (largest - smallest)
    rows = [(f"{at / 1e6:.1f}", f"{taken / 1e6:.1f}", "", "", "") for at, taken in found]
    verdict = at_most(slope, _MEMORY_MOST)
    rows.append(("growth with the bytes", "", f"{slope:.2f}", f"{_MEMORY_MOST:.0f}", verdict))
    rows.append(("fixed part", f"{(fixed - slope * smallest) / 1e6:.1f}", "", "", ""))
    columns = ("batch MB", "peak MB", "times", "at most", "")
    show(f"Memory of a batch of {_EVENTS} events, its bytes included", columns, rows)


async def _peak(bench: Bench, traffic: Traffic, size: int) -> tuple[int, int]:
    """Return a batch's bytes and the most that it took, from its decoding on."""
    bodies = traffic.events(_EVENTS, padded_to=size)
    total = sum(map(len, bodies))
    payload = traffic.payload(bodies)
    await bench.sent()
    gc.collect()
    tracemalloc.start()
    await function_app.ingest_usage_events(decoded(payload))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return total, total + peak
