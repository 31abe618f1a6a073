"""FOCUS rows as files: written aside, and put in place when they are whole."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from usage_ingest.adapters.day_file import aside, move
from usage_ingest.chargeback.focus_csv import FocusCsv


def beside(place: Path) -> Path:
    """Return where what has no price stands: beside the charges."""
    return place.with_name(f"{place.stem}.unpriced{place.suffix}")


@contextlib.contextmanager
def focus_file(place: Path) -> Iterator[tuple[FocusCsv, Callable[[], None]]]:
    """Yield the table to fill, and what puts it in place.

    The file of what has no price is there only where there is any: an earlier one is taken away.

    Raises:
        ConfigError: Nothing can be written there.
    """
    unpriced = beside(place)
    with aside(place) as path, aside(unpriced) as unpriced_path, contextlib.ExitStack() as stack:
        file = stack.enter_context(path.open("w", encoding="utf-8", newline=""))
        rest = stack.enter_context(unpriced_path.open("w", encoding="utf-8", newline=""))
        table = FocusCsv(file, rest)

        def put_in_place() -> None:
            file.close()
            rest.close()
            if table.unpriced_rows:
                move(unpriced_path, unpriced)
            else:
                unpriced.unlink(missing_ok=True)
            move(path, place)

        yield table, put_in_place
