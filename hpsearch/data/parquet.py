"""Read Parquet tables, a few rows at a time, so that a small file cannot unfold to much."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from io import BufferedReader
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hpsearch.data import DataSpec, RawData
from hpsearch.data.size import check_size
from hpsearch.data.table import Columns, check_header, index_names
from hpsearch.data.values import InputColumn, Texts, as_array, missing, row_at
from hpsearch.errors import Problem, SpecError

_BATCH = 1 << 20  # values that are decoded at the same time
_NUMBERS = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_decimal)
_TEXT = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)


def load(spec: DataSpec) -> RawData:
    """Return the table, its columns the inputs but for `spec.target` and `spec.column`.

    Text is read as in a CSV file, and a null is a missing value. Booleans among the inputs are 0
    and 1. An index that pandas wrote is left out.

    Raises:
        SpecError: the target is not there, an input is not numbers, a value is missing, or the file
            is damaged.
    """
    with spec.path.open("rb") as stored:
        try:
            return _read(stored, spec)
        # pyarrow raises an OSError, too, where it can make no sense of the bytes
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise SpecError(
                Problem("E073", f"'{spec.source}' is not a sound Parquet file: {error}")
            ) from error


def _read(stored: BufferedReader, spec: DataSpec) -> RawData:
    with pq.ParquetFile(stored) as file:
        schema, names = file.schema_arrow, tuple(file.schema_arrow.names)
        columns = check_header(names, spec, {*index_names(names), *_pandas_index(schema)})
        check_size(f"'{spec.source}'", _size(file.metadata), spec.path.stat().st_size)
    wanted = [*columns.features, columns.target, *([spec.column] if spec.column else [])]
    kinds = {name: _kind(schema.field(name).type) for name in wanted}
    if odd := [_odd(name, kind) for name, kind in kinds.items() if not _is_read(kind)]:
        raise SpecError(*odd)
    # A text that stands in many rows stands once in the file, and is kept so in memory.
    texts = [name for name, kind in kinds.items() if _is_any(kind, _TEXT)]
    return _table(pq.ParquetFile(stored, read_dictionary=texts), columns, texts, spec)


def _table(file: pq.ParquetFile, columns: Columns, texts: Sequence[str], spec: DataSpec) -> RawData:
    """Return the rows of these columns, of which `texts` hold text.

    Rows are counted as they are read: what the file says of their number may be false.
    """
    inputs = [InputColumn(name) for name in columns.features]
    wanted = [*columns.features, columns.target, *([spec.column] if spec.column else [])]
    blocks: list[NDArray[Any]] = [np.empty((0, len(inputs)), np.bool_)]
    numbers: list[NDArray[Any]] = [np.empty(0, np.bool_)]
    labels, parts = Texts(), Texts()
    rows, stored = 0, spec.path.stat().st_size
    for batch in file.iter_batches(max(1, _BATCH // len(wanted)), columns=wanted):
        check_size(f"'{spec.source}'", 8 * len(wanted) * (rows + len(batch)), stored)
        batch.validate(full=True)  # a damaged one refers to texts that are not there
        block = [
            one.read(_cells(batch[one.name]), rows)
            if one.name in texts
            else _numbers(batch[one.name])
            for one in inputs
        ]
        blocks.append(np.column_stack(block))
        if columns.target in texts:
            labels.add(_cells(batch[columns.target]))
        else:
            numbers.append(_numbers(batch[columns.target]))
        if spec.column:
            parts.add(_cells(batch[spec.column].cast(pa.string())))
        rows += len(batch)
    if problems := [one.problem for one in inputs if one.problem]:
        raise SpecError(*problems)
    return RawData(
        spec.path.stem,
        np.concatenate(blocks),
        as_array(labels) if columns.target in texts else np.concatenate(numbers),
        columns.features,
        columns.target,
        parts=as_array(parts) if spec.column else None,
        notes=columns.notes,
    )


def _pandas_index(schema: pa.Schema) -> list[str]:
    """Return the names of the columns that pandas has written for its index, as it says itself."""
    try:
        found = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))["index_columns"]
    except (ValueError, KeyError, TypeError):
        return []
    # an index that only counts is written as a rule, and has no column
    listed = found if isinstance(found, list) else []
    return [name for name in listed if isinstance(name, str) and name in schema.names]


def _size(metadata: pq.FileMetaData) -> int:
    """Return how many bytes the numbers take in memory, or all pages, whichever is more."""
    pages = sum(
        metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups)
    )
    numbers: int = metadata.num_rows * metadata.num_columns * np.dtype(np.float64).itemsize
    return max(int(pages), numbers)


def _kind(kind: pa.DataType) -> pa.DataType:
    """Return the type of a column's values, also where they are stored as categories."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_any(kind: pa.DataType, kinds: Sequence[Callable[[pa.DataType], bool]]) -> bool:
    return any(is_kind(kind) for is_kind in kinds)


def _is_read(kind: pa.DataType) -> bool:
    return _is_any(kind, _NUMBERS + _TEXT)


def _odd(name: str, kind: pa.DataType) -> Problem:
    """Return the problem with a column whose values are neither numbers nor text."""
    if pa.types.is_null(kind):
        return missing(f"column '{name}'", row_at(0))
    help_ = "columns are numbers, true and false, or text: leave it out, or make numbers of it"
    if pa.types.is_temporal(kind):
        help_ += ", such as year, month and hour, or seconds since a day"
    return Problem("E074", f"column '{name}' holds {kind}, which is not read", help=help_)


def _numbers(column: pa.Array) -> NDArray[Any]:
    """Return numbers and booleans as they are, NaN for a null; decimals are float64."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_decimal(column.type):
        column = column.cast(pa.float64())
    elif pa.types.is_boolean(column.type) and column.null_count:
        column = column.cast(pa.uint8())
    numbers: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return numbers


def _cells(column: pa.Array) -> list[str]:
    """Return the text of each row, '' for a null; each text is once in memory."""
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    names = [text or "" for text in column.dictionary.to_pylist()]
    return ["" if index is None else names[index] for index in column.indices.to_pylist()]
