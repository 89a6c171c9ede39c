"""Read Parquet tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BufferedReader
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hpsearch.data import DataSpec, RawData
from hpsearch.data.size import check_size
from hpsearch.data.table import check_header, missing, not_a_number, text_targets
from hpsearch.errors import Problem, SpecError

_NUMBERS = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_decimal)
_TEXT = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)


def load(spec: DataSpec) -> RawData:
    """Return the table, its columns the inputs but for `spec.target` and `spec.column`.

    Booleans among the inputs are 0 and 1.

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
        names = tuple(file.schema_arrow.names)
        target = check_header(names, spec)
        check_size(f"'{spec.source}'", _size(file.metadata), spec.path.stat().st_size)
        kinds = {name: _kind(file.schema_arrow.field(name).type) for name in names}
    if odd := [
        not_a_number(name, 1, str(kind))
        for name, kind in kinds.items()
        if not _is_any(kind, _NUMBERS + _TEXT)
    ]:
        raise SpecError(*odd)
    # A text that stands in many rows stands once in the file, and is kept so in memory.
    texts = [name for name, kind in kinds.items() if _is_any(kind, _TEXT)]
    table = pq.ParquetFile(stored, read_dictionary=texts).read()
    table.validate(full=True)  # a damaged one refers to texts that are not there
    features = tuple(name for name in names if name not in (target, spec.column))
    if faults := [fault for name in features if (fault := _fault(name, table[name]))]:
        raise SpecError(*faults)
    inputs = np.column_stack([_numbers(table[name]) for name in features])
    targets = _targets(target, table[target])
    parts = None if spec.column is None else _targets(spec.column, table[spec.column])
    named = None if parts is None else parts.astype(np.str_)
    return RawData(spec.path.stem, inputs, targets, features, target, parts=named)


def _size(metadata: Any) -> int:
    """Return how many bytes the numbers take in memory, or all pages, whichever is more."""
    pages = sum(
        metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups)
    )
    numbers: int = metadata.num_rows * metadata.num_columns * np.dtype(np.float64).itemsize
    return max(int(pages), numbers)


def _kind(kind: Any) -> Any:
    """Return the type of a column's values, also where they are stored as categories."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_any(kind: Any, kinds: Sequence[Callable[[Any], bool]]) -> bool:
    return any(is_kind(kind) for is_kind in kinds)


def _fault(name: str, column: Any) -> Problem | None:
    """Return what keeps a column from being numbers, if anything."""
    if not _is_any(column.type, _NUMBERS):
        return not_a_number(name, 1, column[0].as_py() if len(column) else str(_kind(column.type)))
    return _null(name, column)


def _null(name: str, column: Any) -> Problem | None:
    """Return the problem with the first value that is missing, if any."""
    if not column.null_count:
        return None
    return missing(name, int(column.is_null().to_numpy().argmax()) + 1)


def _numbers(column: Any) -> NDArray[Any]:
    """Return numbers and booleans as they are, and decimals, which NumPy lacks, as float64."""
    if pa.types.is_decimal(column.type):
        column = column.cast(pa.float64())
    numbers: NDArray[Any] = column.to_numpy()
    return numbers


def _targets(name: str, column: Any) -> NDArray[Any]:
    """Return text, numbers or booleans, whether or not they are stored as categories."""
    kind = _kind(column.type)
    text = _is_any(kind, _TEXT)
    if fault := _null(name, column) if text else _fault(name, column.cast(kind)):
        raise SpecError(fault)
    return text_targets(_labels(column), name) if text else _numbers(column.cast(kind))


def _labels(column: Any) -> list[str]:
    """Return the texts of a column of categories, each of them once in memory."""
    chunks = [(chunk.dictionary.to_pylist(), chunk.indices.to_pylist()) for chunk in column.chunks]
    return [names[index] for names, indices in chunks for index in indices]
