"""How far long work is: a line on stderr every few seconds."""

import time
from collections.abc import Callable
from typing import Final, ParamSpec

from usage_ingest.cli.session import tell

TELL_SECONDS: Final = 2.0

P = ParamSpec("P")


def watching(text: Callable[P, str]) -> Callable[P, None]:
    """Return what is told at every step, and says at some of them what `text` makes of it."""
    last = time.monotonic()

    def watch(*args: P.args, **options: P.kwargs) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= TELL_SECONDS:
            last = now
            tell(text(*args, **options))

    return watch
