"""Rows to predict: from a file, a data frame or an array to the numbers that a model reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from hpsearch.data import Exact
from hpsearch.data.columns import Column
from hpsearch.data.sources.delimited.text_table import open_text
from hpsearch.data.sources.parquet import open_parquet
from hpsearch.errors import Problem, SpecError

_MOST_LISTED = 20


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a table, a few at a time.

    Attributes:
        names: the names of its columns.
        batches: the rows; their columns stand in the order of the names.
        notes: how the file is written, where that is unlike the usual way.
    """

    names: tuple[str, ...]
    batches: Iterator[pa.RecordBatch]
    notes: tuple[str, ...] = ()


def open_rows(file: BinaryIO, source: str) -> Rows:
    """Return the rows of a table in text or in Parquet's format; which, its first bytes say.

    Raises:
        SpecError: it is no table.
    """
    is_parquet = file.read(4) == b"PAR1"
    file.seek(0)
    if is_parquet:
        stored = open_parquet(file, source)
        return Rows(tuple(stored.schema.names), stored.batches)
    text = open_text(file, source)
    return Rows(text.names, text.batches(), text.notes)


def places(names: Sequence[str], columns: Sequence[Column], source: str) -> list[int]:
    """Return where each column that a model reads stands among these names.

    Raises:
        SpecError: some are not there, all of which are named, or stand there twice.
    """
    counts = Counter(names)
    missing = [column.name for column in columns if column.name not in counts]
    twice = [column.name for column in columns if counts[column.name] > 1]
    for found, what in ((missing, "has no column"), (twice, "has more than one column")):
        if found:
            listed = ", ".join(f"'{name}'" for name in found[:_MOST_LISTED])
            more = ", ..." if len(found) > _MOST_LISTED else ""
            help_ = f"the model reads: {', '.join(column.name for column in columns)}"
            raise SpecError(Problem("E192", f"'{source}' {what} {listed}{more}", help=help_))
    return [names.index(column.name) for column in columns]


def numbers(rows: pa.RecordBatch | pa.Table, at: Sequence[int], columns: Sequence[Column]) -> Exact:
    """Return the numbers (rows, columns) of some rows; `at` says where each column stands."""
    found = np.empty((len(rows), len(columns)))
    for k, (place, column) in enumerate(zip(at, columns, strict=True)):
        found[:, k] = _read(column, rows.column(place))
    return found


def _read(column: Column, cells: pa.Array | pa.ChunkedArray) -> Exact:
    """Return the numbers of a column.

    Raises:
        SpecError: its cells are of a type that means nothing in it.
    """
    try:
        return column.read(cells)
    except pa.ArrowException as error:
        fault = f"column '{column.name}' holds {cells.type}, and the model reads a {column.kind}"
        raise SpecError(Problem("E192", fault)) from error


def from_path(path: Path) -> BinaryIO:
    """Open a file of rows.

    Raises:
        SpecError: it cannot be read.
    """
    try:
        return path.open("rb")
    except OSError as error:
        fault = f"cannot read '{path}': {error.strerror}"
        raise SpecError(Problem("E070", fault)) from error


def of_frame(frame: Any, columns: Sequence[Column]) -> Exact:
    """Return the numbers of a data frame (pandas, Polars, Arrow), or of an array in column order.

    Raises:
        SpecError: columns are missing.
        ValueError: an array has another number of columns.
    """
    if hasattr(frame, "__arrow_c_stream__"):
        table = pa.table(frame)
    elif hasattr(frame, "columns"):
        table = pa.Table.from_pandas(frame, preserve_index=False)
    else:
        return _of_array(np.asarray(frame), columns)
    return numbers(table, places(table.column_names, columns, "the data frame"), columns)


def _of_array(array: np.ndarray[Any, Any], columns: Sequence[Column]) -> Exact:
    if array.ndim != 2 or array.shape[1] != len(columns):
        names = ", ".join(column.name for column in columns)
        raise ValueError(f"an array of shape {array.shape} has no {len(columns)} columns ({names})")
    cells = [pa.array(column.tolist(), from_pandas=True) for column in array.T]
    table = pa.Table.from_arrays(cells, [column.name for column in columns])
    return numbers(table, range(len(columns)), columns)
