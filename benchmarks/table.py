"""What a benchmark prints: tables, and plainly whether a target is met."""

from collections.abc import Sequence


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table; the first column is text, the others are numbers or verdicts."""
    cells = [[str(cell) for cell in row] for row in (columns, *rows)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(columns))]
    print(f"\n{title}\n")
    for row in cells:
        first, *rest = (
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        print("  " + "  ".join((first, *rest)))


def at_least(found: float, target: float) -> str:
    """Say whether a figure reaches its target."""
    return "met" if found >= target else "MISSED"


def at_most(found: float, target: float) -> str:
    """Say whether a figure stays within its target."""
    return "met" if found <= target else "MISSED"


def least(values: Sequence[float]) -> float:
    """Return the smallest of several rounds: the others had the machine less for themselves."""
    return min(values)
