"""Memory over a ledger of 30,000 documents: a page, a row group and the totals are held."""

import tracemalloc
from collections.abc import Awaitable, Callable
from pathlib import Path

import pyarrow as pa
import pytest

from tests.builders import make_event
from tests.conftest import Stack
from tests.export.test_export import export
from tests.totals.ledgers import ingest, rebuild, verify

_BATCH = 3_000


async def fill(stack: Stack, first: int, count: int) -> None:
    for at in range(first, first + count, _BATCH):
        await ingest(stack.app, [make_event(app_id=f"app-{n % 9}") for n in range(_BATCH)], at)


async def peak(work: Callable[[], Awaitable[object]]) -> int:
    tracemalloc.start()
    await work()
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found


@pytest.mark.timeout(300)  # tracing makes everything slow
async def test_a_ledger_is_never_held_as_a_whole(stack: Stack, tmp_path: Path) -> None:
    works: dict[str, Callable[[], Awaitable[object]]] = {
        "csv": lambda: export(stack.app, "csv", tmp_path / "csv"),
        "delta": lambda: export(stack.app, "delta", tmp_path / "delta"),
        "verify": lambda: verify(stack.app),
        "rebuild": lambda: rebuild(stack.app),
    }
    await fill(stack, 0, 10 * _BATCH)

    peaks = {name: await peak(work) for name, work in works.items()}

    assert len(await stack.documents("usage", type="usage")) == 30_000
    assert max(peaks.values()) < 40_000_000, peaks  # all of them would be about 200 MB
    assert pa.default_memory_pool().max_memory() < 100_000_000
