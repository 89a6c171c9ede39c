"""Parquet tables."""

from __future__ import annotations

from io import BufferedReader
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hpsearch.data import DataSpec, Raw
from hpsearch.data.size import check_size
from hpsearch.data.table import check_header, missing, not_a_number, text_targets
from hpsearch.errors import Problem, SpecError

_NUMBERS = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_decimal)
_TEXT = (pa.types.is_string, pa.types.is_large_string)


def load(spec: DataSpec) -> Raw:
    """The table, its columns of numbers (booleans are 0 and 1) as inputs and `spec.target` as target."""
    with spec.path.open("rb") as stored:
        try:
            return _read(stored, spec)
        # OSError is how pyarrow says, too, that it cannot make sense of the bytes
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise SpecError(Problem("E073", f"'{spec.source}' is not a sound Parquet file: {error}")) from error


def _read(stored: BufferedReader, spec: DataSpec) -> Raw:
    with pq.ParquetFile(stored) as file:
        names = tuple(file.schema_arrow.names)
        target = check_header(names, spec)
        size = file.metadata.num_rows * len(names) * np.dtype(np.float64).itemsize
        check_size(f"'{spec.source}'", size, spec.path.stat().st_size)
        table = file.read()
    features = tuple(name for name in names if name not in (target, spec.column))
    if faults := [fault for name in features if (fault := _fault(name, table[name]))]:
        raise SpecError(*faults)
    inputs = np.column_stack([_numbers(table[name]) for name in features])
    parts = None if spec.column is None else _targets(spec.column, table[spec.column]).astype(np.str_)
    return Raw(spec.path.stem, inputs, _targets(target, table[target]), features, target, parts=parts)


def _fault(name: str, column: Any) -> Problem | None:
    """What keeps a column from being numbers."""
    kind = column.type
    if not any(is_kind(kind) for is_kind in _NUMBERS):
        return not_a_number(name, 1, column[0].as_py() if len(column) else str(kind))
    return _null(name, column)


def _null(name: str, column: Any) -> Problem | None:
    return missing(name, int(column.is_null().to_numpy().argmax()) + 1) if column.null_count else None


def _numbers(column: Any) -> NDArray[Any]:
    """Numbers and booleans as they are; decimals, which NumPy has not, as float64."""
    numbers: NDArray[Any] = (column.cast(pa.float64()) if pa.types.is_decimal(column.type) else column).to_numpy()
    return numbers


def _targets(name: str, column: Any) -> NDArray[Any]:
    """Text, whether or not it is stored as categories, or numbers, or booleans."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    text = any(is_kind(column.type) for is_kind in _TEXT)
    if fault := _null(name, column) if text else _fault(name, column):
        raise SpecError(fault)
    if text:
        return text_targets(column.to_pylist(), name)
    return _numbers(column)
