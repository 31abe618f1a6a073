"""Tables and durations for a terminal."""

from collections.abc import Sequence
from typing import Final

_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return rows under headers, in columns: numbers to the right, None as a dash."""
    cells = [[_cell(value) for value in row] for row in rows]
    numeric = [
        bool(rows) and all(row[at] is None or _is_number(row[at]) for row in rows)
        for at in range(len(headers))
    ]
    lines = [list(headers), *cells]
    widths = [max(len(line[at]) for line in lines) for at in range(len(headers))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numeric, strict=True)
        ).rstrip()
        for line in lines
    )


def age(seconds: float | None) -> str:
    """Return a duration in its two largest units."""
    if seconds is None:
        return "-"
    if seconds < 0:
        return f"-{age(-seconds)}"
    told: list[tuple[int, str]] = []
    left = int(seconds)
    for unit, name in _UNITS:
        count, left = divmod(left, unit)
        if count or told:
            told.append((count, name))
    return " ".join(f"{count} {name}" for count, name in told[:2] if count) or "0 s"


def moment(text: str | None) -> str:
    """Return a stored time without fractions of a second."""
    return "-" if text is None else f"{text[:19].replace('T', ' ')}Z"


def printable(text: str) -> str:
    """Return what a terminal only shows: names hold what people and gateways sent."""
    return "".join(char if char.isprintable() else "?" for char in text)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if _is_number(value) else printable(str(value))
