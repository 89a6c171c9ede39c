"""Read delimited text into columns of text: fast with pyarrow, or with care, and then the same.

pyarrow reads what is regular. Where it gives up, and where it would read something else than is
meant without a word, Python's own parser reads: it says in which line a row is too long, or a quote
is not closed.
"""

from __future__ import annotations

import csv
import io
from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import BinaryIO, TextIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from pyarrow.csv import ConvertOptions, ParseOptions, ReadOptions

from hpsearch.data.sources.delimited.blocks import WIDEST, utf8_stream, whole_rows
from hpsearch.data.sources.delimited.dialect import Dialect, find_dialect
from hpsearch.data.sources.delimited.rows import Line, RowLines, read_rows
from hpsearch.errors import Problem, SpecError

_MEMORY = 32 << 20  # bytes that rows take in Python at a time
_OBJECT = 64  # bytes that a row or a cell takes beside its characters
_MOST_FAST = 10_000  # columns; of more, pyarrow spends its time on the columns, not on the cells
_MARKS = {",": "comma", ";": "';'", "\t": "tab", "|": "'|'"}


@dataclass(frozen=True, eq=False)
class TextTable:
    """A table in a text file, which must stay open as long as rows or lines are asked for.

    Attributes:
        file: the file.
        source: what messages call it.
        dialect: how it is written.
        header: the fields of the header, also those in the end that have no name.
        header_line: the line on which the header ends.
    """

    file: BinaryIO
    source: str
    dialect: Dialect
    header: tuple[str, ...]
    header_line: int

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the columns as they stand there, of which two may be the same.

        Columns in the end without a name are none, unless no column has one.
        """
        named = (k for k, name in enumerate(self.header, 1) if name)
        return self.header[: max(named, default=len(self.header))]

    @property
    def notes(self) -> tuple[str, ...]:
        """What is unlike a file in UTF-8 with commas, in words that a person reads."""
        more = len(self.header) - len(self.names)
        columns_are = "the last column is" if more == 1 else f"the last {more} columns are"
        note = f"{columns_are} left out, without a name or a value"
        return (*self.dialect.notes, note) if more else self.dialect.notes

    @cached_property
    def lines(self) -> Sequence[int]:
        """The line on which each row ends; the rows up to the one that is asked for are read."""
        return RowLines(self._rows(self._below_header(), self.header_line, 0))

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows, a few MiB at a time; the columns are text, and called `0`, `1` and so on.

        Blanks around a cell are left out, as are blank lines.

        Raises:
            SpecError: a row does not fit the header (E073 or E072), or quotes are wrong (E073).
        """
        if self.dialect.is_regular and 0 < len(self.header) <= _MOST_FAST:
            return self._fast()
        return self._careful(self._below_header(), self.header_line, 0)

    def _below_header(self) -> TextIO:
        return _open_below(self.file, self.source, self.dialect, self.header_line)

    def _fast(self) -> Iterator[pa.RecordBatch]:
        stream = utf8_stream(self.file, self.source, self.dialect.encoding)
        for _ in range(self.header_line):
            stream.readline()
        line, done = self.header_line, 0
        for chunk in whole_rows(stream):
            parsed = self._parsed(chunk)
            careful = self._careful(_text(io.BytesIO(chunk)), line, done)
            for batch in careful if parsed is None else [parsed]:
                yield batch
                done += len(batch)
            line += chunk.count(b"\n")  # regular lines end so

    def _parsed(self, chunk: bytes) -> pa.RecordBatch | None:
        """Return rows as pyarrow reads them, None where the careful parser has to."""
        # pyarrow leaves out a byte order mark, also where files were joined and it is in a cell
        if len(chunk) > WIDEST or chunk.startswith(BOM_UTF8):
            return None
        names = [str(k) for k in range(len(self.header))]
        parse = ParseOptions(delimiter=self.dialect.separator, newlines_in_values=True)
        convert = ConvertOptions(column_types=dict.fromkeys(names, pa.string()))
        read = ReadOptions(column_names=names, block_size=len(chunk), use_threads=False)
        try:
            table = pyarrow.csv.read_csv(pa.BufferReader(chunk), read, parse, convert)
        except pa.ArrowInvalid:
            return None
        # all cells in one array, column by column: the same for a hundred columns as for one
        cells = pa.concat_arrays([piece for column in table.columns for piece in column.chunks])
        if not len(cells) or _longest(cells) > csv.field_size_limit():
            return None
        cells = pc.utf8_trim_whitespace(cells)
        nameless = cells.slice(len(self.names) * table.num_rows)
        return None if len(nameless) and _longest(nameless) else self._batch(cells, table.num_rows)

    def _careful(self, text: TextIO, line: int, done: int) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a text as Python reads them.

        Args:
            text: what stands in the file after so many lines and rows.
            line: the number of lines before.
            done: the number of rows before.
        """
        rows: list[list[str]] = []
        size = 0
        for _, fields in self._rows(text, line, done):
            rows.append(fields)
            size += _OBJECT * (1 + len(fields)) + sum(map(len, fields))
            if size >= _MEMORY:
                yield self._batch(_array(rows), len(rows))
                rows, size = [], 0
        if rows:
            yield self._batch(_array(rows), len(rows))

    def _batch(self, cells: pa.Array, rows: int) -> pa.RecordBatch:
        columns = range(len(self.names))
        arrays = [cells.slice(k * rows, rows) for k in columns]
        return pa.RecordBatch.from_arrays(arrays, [str(k) for k in columns])

    def _rows(self, text: TextIO, line: int, done: int) -> Iterator[Line]:
        """Yield the rows of a text that are no blank lines; refuse what does not fit the header."""
        row, width, named = done, len(self.header), len(self.names)
        for end, fields in read_rows(text, self.dialect.separator, self.source, line):
            if len(fields) == 1 != width and not fields[0].strip():
                continue
            row += 1
            if not named <= len(fields) <= width:
                raise SpecError(self._misfit(row, end, fields))
            if at := next((k for k, cell in enumerate(fields[named:], named) if cell.strip()), 0):
                fault = (
                    f"'{self.source}' has no name for column {at + 1}, "
                    f"and a value in it in row {row} (line {end})"
                )
                raise SpecError(Problem("E072", fault, help="name it, or leave it out"))
            yield end, fields[:named]

    def _misfit(self, row: int, line: int, fields: Sequence[str]) -> Problem:
        """Return the problem with a row that is shorter or longer than the header."""
        found, width = len(fields), len(self.header)
        fault = (
            f"row {row} (line {line}) of '{self.source}' "
            f"has {found} field{'s' * (found != 1)}, the header {width}"
        )
        mark = _MARKS[self.dialect.separator]
        help_ = f"a cell with a {mark} in it stands in quotes"
        if self.dialect.separator == ",":
            help_ += ", and a number has no comma"
        if fields[0].startswith("#"):
            help_ = "below the header, a line that begins with '#' is a row: take it away"
        elif row == 1 and found == width + 1 and not fields[-1].strip():
            help_ = f"end the header with a {mark} as well, or none of the rows"
        elif row == 1 and found == width + 1:
            help_ += "; a first column that names the rows has a name as well"
        elif width == 1:
            help_ += "; the first line names all columns"
        return Problem("E073", fault, help=help_)


def open_text(file: BinaryIO, source: str) -> TextTable:
    """Return the table in a file of which the header was read; how it is written is found out.

    All of the file is looked at, since what comes late may be in another encoding.

    Args:
        file: an open file that can seek; it may be packed with gzip.
        source: what messages call it.

    Raises:
        SpecError: it is no text, damaged, or too large when unpacked (E073), or its columns are
            separated by something else than a comma, a semicolon, a tab or a bar (E072).

    >>> table = open_text(io.BytesIO(b"size; price\\n1,5; 200\\n2; 250\\n"), "houses.csv")
    >>> table.names, table.notes
    (('size', 'price'), ("its columns are separated by ';'",))
    >>> [batch.to_pydict() for batch in table.batches()]
    [{'0': ['1,5', '2'], '1': ['200', '250']}]
    >>> table.lines[1]
    3
    """
    dialect = find_dialect(file, source)
    text = _open_below(file, source, dialect, dialect.skipped)
    for line, fields in read_rows(text, dialect.separator, source, dialect.skipped):
        header = tuple(field.strip() for field in fields)
        if header != ("",):  # a line of blanks
            return TextTable(file, source, dialect, header, line)
    return TextTable(file, source, dialect, (), 0)


def _open_below(file: BinaryIO, source: str, dialect: Dialect, lines: int) -> TextIO:
    """Return the text below so many lines, with the ends of its lines as they are."""
    text = _text(utf8_stream(file, source, dialect.encoding))
    for _ in range(lines):
        text.readline()
    return text


def _text(stream: BinaryIO) -> TextIO:
    return io.TextIOWrapper(stream, "utf-8", newline="")


def _longest(cells: pa.Array) -> int:
    """Return how many bytes the longest cell has."""
    longest: int = pc.max(pc.binary_length(cells)).as_py()
    return longest


def _array(rows: Sequence[Sequence[str]]) -> pa.Array:
    """Return the cells of some rows, column by column, without blanks around them."""
    cells = list(chain.from_iterable(zip(*rows, strict=True)))
    return pc.utf8_trim_whitespace(pa.array(cells, pa.string()))
