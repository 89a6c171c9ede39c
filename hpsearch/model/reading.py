"""How the cells of new rows were read: what a person should know of each column."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from hpsearch.data import Exact
from hpsearch.data.columns import UNSEEN, Column
from hpsearch.data.columns.cells import distinct, is_text


@dataclass(slots=True)
class ColumnReading:
    """How the cells of a column were read so far.

    Attributes:
        column: what the model reads there.
        rows: how many cells were read.
        missing: how many of them have no value.
        unreadable: how many are no number or date, and count as missing.
        unseen: how many are a category that training did not tell apart.
    """

    column: Column
    rows: int = 0
    missing: int = 0
    unreadable: int = 0
    unseen: int = 0

    def count(self, cells: pa.Array, numbers: Exact) -> None:
        """Count some cells, of which these are the numbers."""
        absent = np.isnan(numbers)
        self.rows += len(numbers)
        self.missing += int(absent.sum())
        if self.column.kind == "category":
            self.unseen += int((numbers == UNSEEN).sum())
        elif absent.any() and is_text(cells.type):
            odd = int((absent & ~distinct(cells).missing_rows()).sum())
            self.unreadable += odd
            self.missing -= odd

    def note(self) -> str:
        """Return in words what is odd about the cells; empty where nothing is."""
        name, of = f"'{self.column.name}'", f"of {self.rows:,} cells"
        if self.unreadable:
            return f"{name}: {self.unreadable:,} {of} are no {self.column.kind}: taken as missing"
        if self.unseen:
            return f"{name}: {self.unseen:,} {of} are categories that training did not tell apart"
        return ""
