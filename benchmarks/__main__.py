"""`python -m benchmarks [part ...]`: measure, print tables with targets, and say what is missed.

Nothing here fails because a machine is slow: a miss is printed, not raised.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Final

from benchmarks import batch_size, chargeback, footprint, operations, summary, throughput
from benchmarks.client import Bench, running

PARTS: Final[dict[str, Callable[[Bench], Awaitable[None]]]] = {
    "throughput": throughput.measure,
    "batch_size": batch_size.measure,
    "operations": operations.measure,
    "footprint": footprint.measure,
    "summary": summary.measure,
    "chargeback": chargeback.measure,
}


async def _main(names: list[str]) -> int:
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        print(f"No part {', '.join(unknown)}: there are {', '.join(PARTS)}.")
        return 2
    for name in names or PARTS:
        async with running() as bench:
            await PARTS[name](bench)
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(_main(sys.argv[1:])))
