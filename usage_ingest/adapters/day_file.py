"""A day's file: written beside its place under another name, then moved there in one step."""

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from usage_ingest.errors import ConfigError


@contextlib.contextmanager
def aside(place: Path) -> Iterator[Path]:
    """Yield where to write; it is gone afterwards unless it was moved to its place.

    Names that begin with a dot are left out by those who read folders as tables.

    Raises:
        ConfigError: Nothing can be written there.
    """
    path = place.with_name(f".{place.name}.{uuid.uuid4().hex[:8]}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        yield path
    except OSError as error:
        raise ConfigError(f"{place}: cannot be written: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def move(path: Path, place: Path) -> int:
    """Put a file that is whole in its place; return its size."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        size = os.fstat(file.fileno()).st_size
    path.replace(place)
    return size
