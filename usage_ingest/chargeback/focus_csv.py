"""FOCUS rows as CSV, written as lines come: charges in one text, what has no price in another."""

import csv
from typing import Any, Protocol

from usage_ingest.chargeback.focus import Bill, focus_row
from usage_ingest.chargeback.focus_columns import COLUMNS, UNPRICED_COLUMNS
from usage_ingest.chargeback.line import Line
from usage_ingest.summary_csv import cells


class Text(Protocol):
    """What is written to: a file, or text in memory."""

    def write(self, text: str, /) -> object:
        """Take text."""
        ...


class FocusCsv:
    """Two tables with the same keys; nothing of a row is kept. Both begin with their header."""

    def __init__(self, charges: Text, unpriced: Text) -> None:
        """Write the headers."""
        self._charges: Any = csv.writer(charges)
        self._unpriced: Any = csv.writer(unpriced)
        self._charges.writerow(COLUMNS)
        self._unpriced.writerow(UNPRICED_COLUMNS)
        self.rows = 0
        self.unpriced_rows = 0
        self.without_price = 0  # of them, those that no correction takes back

    def add(self, line: Line, bill: Bill) -> None:
        """Write the row of a line: without an amount it is no charge."""
        row = focus_row(line, bill)
        if line.amount is None:
            self._unpriced.writerow(cells(row[name] for name in UNPRICED_COLUMNS))
            self.unpriced_rows += 1
            self.without_price += line.quantity > 0
        else:
            self._charges.writerow(cells(row[name] for name in COLUMNS))
            self.rows += 1
