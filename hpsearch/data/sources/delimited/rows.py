"""Read the rows of delimited text with care: what is wrong is reported with its line."""

from __future__ import annotations

import csv
from array import array
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TextIO, overload

from hpsearch.data.sources.delimited.blocks import WIDEST
from hpsearch.errors import Problem, SpecError

_FAULTS = {
    "unexpected end of data": "a quote is opened there and never closed",
    "expected after": "text follows a closing quote (a quote in a cell is written twice)",
    "field larger than": f"a cell has more than {csv.field_size_limit():,} characters",
}
Line = tuple[int, list[str]]
"""The fields of a row, after the number of the line on which it ends."""


def read_rows(text: TextIO, separator: str, source: str, before: int = 0) -> Iterator[Line]:
    """Yield the rows of a text; lines with nothing in them are none.

    Args:
        text: where to read; it gives lines with their ends as they are.
        separator: what stands between two fields.
        source: what messages call the file.
        before: how many lines of the file stand above the text.

    Raises:
        SpecError: quotes are wrong, or a cell or a row is too long.
    """
    lines = _Lines(text, source, before)
    reader = csv.reader(lines, delimiter=separator, strict=True, skipinitialspace=True)
    try:
        for fields in reader:
            if fields:
                yield lines.number, fields
            lines.begin_row()
    except csv.Error as error:
        said = str(error)
        fault = next((words for known, words in _FAULTS.items() if known in said), said)
        # a cell that is too long has lost its closing quote, as a rule
        line = lines.number if "expected after" in said else lines.begun
        raise _unsound(source, f"line {line}: {fault}") from error


class RowLines(Sequence[int]):
    """The line on which each row ends; rows are only read up to the one that is asked for.

    >>> lines = RowLines(iter([(2, ["a"]), (4, ["b"])]))
    >>> lines[1], lines[0], len(lines)
    (4, 2, 2)
    """

    def __init__(self, rows: Iterator[Line]) -> None:
        self._rows = rows
        self._ends = array("q")

    def __len__(self) -> int:
        self._read(None)
        return len(self._ends)

    @overload
    def __getitem__(self, row: int) -> int: ...
    @overload
    def __getitem__(self, row: slice) -> Sequence[int]: ...
    def __getitem__(self, row: int | slice) -> int | Sequence[int]:
        if isinstance(row, slice) or row < 0:
            self._read(None)
        else:
            self._read(max(0, row + 1 - len(self._ends)))
        return self._ends[row]

    def _read(self, more: int | None) -> None:
        self._ends.extend(line for line, _ in islice(self._rows, more))


class _Lines:
    """The lines of a text, of which one row takes only so many bytes.

    Attributes:
        number: of the last line.
        begun: of the line on which the row begins.
    """

    def __init__(self, text: TextIO, source: str, before: int) -> None:
        self._text, self._source = text, source
        self.number = before
        self.begin_row()

    def begin_row(self) -> None:
        """Say that the next line begins a row."""
        self.begun, self._size = self.number + 1, 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._text.readline(WIDEST + 1)
        if not line:
            raise StopIteration
        self.number += 1
        self._size += len(line) if line.isascii() else len(line.encode())
        if self._size > WIDEST:
            row = "is" if self.number == self.begun else "begins a row that is"
            fault = f"line {self.begun} {row} longer than {WIDEST >> 20} MiB"
            raise _unsound(self._source, fault)
        return line


def _unsound(source: str, fault: str) -> SpecError:
    return SpecError(Problem("E073", f"'{source}' is not a sound CSV file: {fault}"))
