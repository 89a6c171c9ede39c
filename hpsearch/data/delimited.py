"""Read tables that are text: UTF-8, separated by commas, with a header."""

from __future__ import annotations

import csv
import re
import reprlib
from array import array
from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from functools import partial
from io import BufferedReader
from itertools import chain, islice

import pyarrow as pa

from hpsearch.data import DataSpec, RawTable
from hpsearch.errors import Problem, SpecError

_BLOCK = 4096  # rows that are in memory as Python's text at the same time
_WIDEST = 16 << 20  # bytes of a line
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_FAULTS = {
    "unexpected end of data": "a quote is opened there and never closed",
    "',' expected after '\"'": "text follows a closing quote (a quote in a cell is written twice)",
    "field larger than field limit": f"a cell has more than {csv.field_size_limit():,} characters",
}
Line = tuple[int, list[str]]
"""The fields of a row, after the number of the line on which it ends."""


def load(spec: DataSpec) -> RawTable:
    """Return the table, each of its columns as text.

    Raises:
        SpecError: a row does not fit the header, or the bytes are not UTF-8.
    """
    with spec.path.open("rb") as file:
        rows = _rows(file, spec.source)
        names = next(rows, (0, []))[1]
        lines = array("q")
        columns: list[list[pa.Array]] = [[] for _ in names]
        while block := list(islice(rows, _BLOCK)):
            _check_rows(block, names, len(lines), spec)
            lines.extend(line for line, _ in block)
            for column, cells in zip(
                columns, zip(*(fields for _, fields in block), strict=True), strict=True
            ):
                column.append(pa.array(cells, pa.string()))
    chunked = [pa.chunked_array(column, pa.string()) for column in columns]
    return RawTable(spec.path.stem, pa.Table.from_arrays(chunked, names), lines=lines)


def _rows(file: BufferedReader, source: str) -> Iterator[Line]:
    """Yield the header and the rows; blank lines are skipped."""
    lines = _lines(file, source)
    first = next(lines, "")
    _check_separator(first, source)
    reader = csv.reader(chain([first], lines), strict=True, skipinitialspace=True)
    begun = 1  # the line on which the row begins
    try:
        for fields in reader:
            if fields:
                yield reader.line_num, fields
            begun = reader.line_num + 1
    except csv.Error as error:
        said = str(error)
        fault = next((words for known, words in _FAULTS.items() if said.startswith(known)), said)
        line = begun if "opened" in fault else reader.line_num
        raise SpecError(
            Problem("E073", f"'{source}' is not a sound CSV file: line {line}: {fault}")
        ) from error


def _check_separator(first: str, source: str) -> None:
    """Refuse a table whose first line has its columns separated by something else than commas."""
    bare = _QUOTED.sub("", first)
    mark = next((mark for mark in ";\t|" if mark in bare), "")
    if mark and "," not in bare:
        begin = reprlib.repr(first.strip())
        fault = f"'{source}' must have its columns separated by commas, and begins with {begin}"
        help_ = "save it with commas between the columns, and points in the numbers"
        raise SpecError(Problem("E072", fault, help=help_))


def _lines(file: BufferedReader, source: str) -> Iterator[str]:
    """Yield the text line by line: decoded one at a time, a wrong byte is found in its line."""
    for number, line in enumerate(iter(partial(file.readline, _WIDEST + 1), b""), 1):
        if len(line) > _WIDEST:
            fault = f"line {number} is longer than {_WIDEST >> 20} MiB"
            raise SpecError(Problem("E073", f"'{source}' is not a sound CSV file: {fault}"))
        try:
            yield line.removeprefix(BOM_UTF8).decode()
        except UnicodeDecodeError as error:
            fault = f"'{source}' is not UTF-8 text: byte 0x{line[error.start]:02x} in line {number}"
            raise SpecError(Problem("E073", fault, help="save it as UTF-8")) from error


def _check_rows(block: Sequence[Line], names: Sequence[str], done: int, spec: DataSpec) -> None:
    """Refuse a row that is too short or too long."""
    for row, (line, fields) in enumerate(block, done + 1):
        if len(fields) != len(names):
            fault = (
                f"row {row} (line {line}) of '{spec.source}' "
                f"has {len(fields)} fields, the header {len(names)}"
            )
            help_ = "a cell with a comma in it stands in quotes, and a number has no comma"
            raise SpecError(Problem("E073", fault, help=help_))
